"""ROOT files: those of the CMS tools, and what ours look like to others."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.tuples import rootwrite
from taumltools.tuples.generations import old_branches
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.rootread import counter_name
from taumltools.tuples.schema import FLOAT_MISSING, tautuple_schema

DATA = Path(__file__).parents[2] / "data/cms_tools"
HEAD_DY = DATA / "head/input/DY/eventTuple_1.root"
V1_QCD = DATA / "v1/input/QCD/eventTuple_1.root"
SCHEMA = tautuple_schema()


@pytest.fixture(scope="module")
def cms():
    with open_tuples(HEAD_DY) as file:
        return file.read()


def as_stored(values):
    """What the file holds, from our values in memory."""
    return np.where(np.isnan(values), FLOAT_MISSING, values) if values.dtype.kind == "f" else values


def test_cms_file_has_the_whole_schema(cms):
    assert set(cms.branches) == set(SCHEMA.branches)
    assert len(cms) == 200
    assert all(cms[name].dtype == branch.dtype for name, branch in SCHEMA.branches.items())


def test_cms_file_is_read_exactly(cms):
    """Against uproot's own reading of every branch, values and number of objects."""
    with uproot.open(HEAD_DY) as file:
        arrays = file["taus"].arrays(library="ak", how=dict)
    for name, branch in SCHEMA.branches.items():
        expected = ak.to_numpy(ak.flatten(arrays[name]) if branch.collection else arrays[name])
        assert np.array_equal(as_stored(cms[name]), expected), name
        if branch.collection:
            assert np.array_equal(cms.collections[branch.collection].counts, ak.num(arrays[name])), name


def test_lowest_floats_of_scalars_and_objects_become_nan(cms):
    with uproot.open(HEAD_DY) as file:
        dz = ak.to_numpy(ak.flatten(file["taus"]["pfCand_dz_error"].array()))
        tau_dz = file["taus"]["tau_dz"].array(library="np")
    assert np.array_equal(np.isnan(cms["pfCand_dz_error"]), dz == FLOAT_MISSING)
    assert np.array_equal(np.isnan(cms["tau_dz"]), tau_dz == FLOAT_MISSING)
    assert not any((cms[n] == FLOAT_MISSING).any() for n, b in SCHEMA.branches.items() if b.is_float)


def test_bool_vectors(cms):
    with uproot.open(HEAD_DY) as file:
        expected = ak.to_numpy(ak.flatten(file["taus"]["photon_hasPixelSeed"].array()))
    assert cms["photon_hasPixelSeed"].dtype == bool
    assert np.array_equal(cms["photon_hasPixelSeed"], expected)
    assert 0 < expected.sum() < len(expected)


@pytest.mark.parametrize("suffix", [".root", ".arrow"])
def test_cms_file_survives_our_formats(cms, suffix, tmp_path):
    write_tuples(tmp_path / f"copy{suffix}", cms)
    with open_tuples(tmp_path / f"copy{suffix}") as file:
        copy = file.read()
    for name in SCHEMA.branches:
        assert np.array_equal(as_stored(copy[name]), as_stored(cms[name])), name
    for prefix, collection in cms.collections.items():
        assert np.array_equal(copy.collections[prefix].offsets, collection.offsets)


def test_older_schema_gives_the_branches_that_still_exist():
    with open_tuples(V1_QCD) as file:
        assert file.entries == 200
        assert len(file.branches) == 265
        assert len(file.other_branches) == 121
        tuples = file.read()
        foreign = file.read(["pfCand_pdgId", "lepton_gen_match", "track_pt", "pfCand_pt"])
    assert set(tuples.branches) == {n for n, b in SCHEMA.branches.items() if "2020" in b.generations}
    assert set(foreign.collections["pfCand"].columns) == {"pdgId", "pt"}
    assert foreign["lepton_gen_match"].dtype == np.int32
    with uproot.open(V1_QCD) as file:
        assert np.array_equal(foreign["track_pt"], as_stored(ak.to_numpy(ak.flatten(file["taus"]["track_pt"].array()))))


def test_ranges_of_a_cms_file(cms):
    with open_tuples(HEAD_DY) as file:
        part = file.read(["pfCand_pt", "evt"], 150, 163)
    expected = cms.slice(150, 163)
    assert np.array_equal(part["pfCand_pt"], expected["pfCand_pt"], equal_nan=True)
    assert np.array_equal(part["evt"], expected["evt"])


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "taus.root"
    write_tuples(path, mock_tuples(30), ["tau_pt", "nsv", "sv_x", "pfCand_pt", "pfCand_charge", "photon_hasPixelSeed"])
    return path


def test_counters_of_older_own_files_are_no_branches(tmp_path):
    """Files that this project wrote as arrays with a counter branch per collection."""
    assert not {counter_name(prefix) for prefix in SCHEMA.collections} & set(SCHEMA.branches)
    columns = {"nsv": np.array([1, 2], "i4"), "sv": ak.zip({"x": ak.values_astype([[1.5], [2.5, 3.5]], np.float32)})}
    with uproot.recreate(tmp_path / "old.root") as file:
        types = {"nsv": "int32", "sv": columns["sv"].type}
        names = {"counter_name": counter_name, "field_name": lambda prefix, field: f"{prefix}_{field}"}
        file.mktree("taus", types, **names).extend(columns)
    with uproot.open(tmp_path / "old.root") as file:
        assert file["taus"].keys() == ["nsv", "n_sv", "sv_x"]
    with open_tuples(tmp_path / "old.root") as file:
        assert file.other_branches == []
        assert file.branches == ["nsv", "sv_x"]
        assert file.read()["sv_x"].tolist() == [1.5, 2.5, 3.5]


def make_root(path, **trees):
    with uproot.recreate(path) as file:
        for name, columns in trees.items():
            file.mktree(name, {n: (c.type if isinstance(c, ak.Array) else c.dtype) for n, c in columns.items()})
            file[name].extend(columns)


def test_no_tree_taus(tmp_path):
    make_root(tmp_path / "other.root", events={"x": np.arange(3)})
    with pytest.raises(InputError, match=r"there is no TTree 'taus' in it; it holds events \(TTree\)"):
        open_tuples(tmp_path / "other.root")
    uproot.recreate(tmp_path / "bare.root").close()
    with pytest.raises(InputError, match="it holds nothing"):
        open_tuples(tmp_path / "bare.root")


def test_ntuple_and_histogram_instead_of_tree(tmp_path):
    with uproot.recreate(tmp_path / "ntuple.root") as file:
        file.mkrntuple("taus", {"tau_pt": np.arange(3.0)})
    with pytest.raises(InputError, match=r"'taus' is a ROOT::RNTuple, expected a TTree; convert"):
        open_tuples(tmp_path / "ntuple.root")
    with uproot.recreate(tmp_path / "histogram.root") as file:
        file["taus"] = np.histogram([1, 2, 3])
    with pytest.raises(InputError, match="expected a TTree"):
        open_tuples(tmp_path / "histogram.root")


def test_branch_of_another_type_or_shape(tmp_path):
    columns = {"tau_pt": np.arange(3.0), "tau_eta": ak.Array([[1.0], [2.0], []]), "pfCand_pt": np.zeros(3, "f4")}
    make_root(tmp_path / "odd.root", taus=columns)
    with open_tuples(tmp_path / "odd.root") as file:
        with pytest.raises(InputError, match="'tau_pt' holds single float64, expected single float32"):
            file.read(["tau_pt"])
        with pytest.raises(InputError, match="'tau_eta' holds vectors of float64, expected single float32"):
            file.read(["tau_eta"])
        with pytest.raises(InputError, match="'pfCand_pt' holds single float32, expected vectors of float32"):
            file.read(["pfCand_pt"])


def test_objects_of_one_collection_must_agree(tmp_path):
    pt = ak.values_astype(ak.Array([[1.0], [2.0, 3.0]]), np.float32)
    eta = ak.values_astype(ak.Array([[1.0], [2.0]]), np.float32)
    make_root(tmp_path / "odd.root", taus={"muon_pt": pt, "muon_eta": eta})
    with open_tuples(tmp_path / "odd.root") as file:
        assert file.read(["muon_eta"])["muon_eta"].tolist() == [1, 2]
        with pytest.raises(
            InputError, match=r"'muon_eta' and 'muon_pt' .* differ in the number of objects, first in entry 1"
        ):
            file.read(["muon_pt", "muon_eta"])


def test_vector_branch_without_prefix(tmp_path):
    make_root(tmp_path / "odd.root", taus={"x": ak.Array([[1.0], []])})
    with open_tuples(tmp_path / "odd.root") as file, pytest.raises(InputError, match="branch 'x' holds several values"):
        file.read(["x"])


def test_length_in_the_header_is_checked(own, tmp_path):
    content = own.read_bytes()
    end = struct.unpack(">q", content[12:20])[0]
    assert end == len(content)
    short = tmp_path / "short.root"
    short.write_bytes(content[:-1])
    with pytest.raises(InputError, match=f"truncated, it has {end - 1} bytes and its header says {end}; copy it again"):
        open_tuples(short)
    short.write_bytes(content[:12])
    with pytest.raises(InputError, match="truncated, only 12 bytes long"):
        open_tuples(short)


def test_collections_of_2020_are_those_of_the_cms_tools():
    """Not those of the longest prefix: track_dxy_error belongs to track, lepton_gen_vis_pt to lepton_gen_vis."""
    with open_tuples(V1_QCD) as file:
        tuples = file.read(file.other_branches)
    sizes = {prefix: len(collection.columns) for prefix, collection in tuples.collections.items()}
    assert sizes == {"lepton_gen_vis": 5, "lepton_gen_vis_rad": 5, "pfCand": 4, "track": 55}
    assert len(tuples.scalars) == 52
    assert all(tuples[name].dtype == branch.dtype for name, branch in old_branches().items())
    with uproot.open(V1_QCD) as file:
        arrays = file["taus"].arrays(list(old_branches()), library="ak", how=dict)
    for name, branch in old_branches().items():
        expected = ak.to_numpy(ak.flatten(arrays[name]) if branch.collection else arrays[name])
        assert np.array_equal(as_stored(tuples[name]), expected), name


def test_types_of_2020_are_checked(tmp_path):
    make_root(tmp_path / "odd.root", taus={"lepton_gen_match": np.zeros(3), "track_pt": np.zeros(3, "f4")})
    with open_tuples(tmp_path / "odd.root") as file:
        with pytest.raises(InputError, match="'lepton_gen_match' holds single float64, expected single int32"):
            file.read(["lepton_gen_match"])
        with pytest.raises(InputError, match="'track_pt' holds single float32, expected vectors of float32"):
            file.read(["track_pt"])


def test_dataset_hashes_of_september_2020_are_converted(tmp_path):
    columns = {"dataset_id": np.array([5, -1, -(2**31)], "i4"), "dataset_group_id": np.array([2**31 - 1, 0, 1], "i4")}
    make_root(tmp_path / "early.root", taus=columns | {"lumi": np.arange(3, dtype="i4")})
    with open_tuples(tmp_path / "early.root") as file:
        found = file.read(["dataset_id", "dataset_group_id"])
        with pytest.raises(InputError, match="'lumi' holds single int32, expected single uint32"):
            file.read(["lumi"])
    assert found["dataset_id"].dtype == np.uint64
    assert found["dataset_id"].tolist() == [5, 2**64 - 1, 2**64 - 2**31]
    assert found["dataset_group_id"].tolist() == [2**31 - 1, 0, 1]


def test_entries_of_a_cms_file_are_taken(cms):
    rows = np.array([0, 3, 160, 161, 199])
    with open_tuples(HEAD_DY) as file:
        found = file.take(None, rows)
    expected = cms.take(rows)
    for name in SCHEMA.branches:
        assert np.array_equal(found[name], expected[name], equal_nan=found[name].dtype.kind == "f"), name
    for prefix, collection in found.collections.items():
        assert np.array_equal(collection.offsets, expected.collections[prefix].offsets)


def test_first_entry_that_differs_is_that_of_the_file(tmp_path):
    pt = ak.values_astype(ak.Array([[1.0], [1.0], [2.0, 3.0], []]), np.float32)
    eta = ak.values_astype(ak.Array([[1.0], [1.0], [2.0], []]), np.float32)
    make_root(tmp_path / "odd.root", taus={"muon_pt": pt, "muon_eta": eta})
    with open_tuples(tmp_path / "odd.root") as file:
        assert file.take(["muon_pt", "muon_eta"], np.array([0, 3]))["muon_pt"].tolist() == [1]
        with pytest.raises(InputError, match=r"'muon_eta' and 'muon_pt' .* first in entry 2"):
            file.take(["muon_pt", "muon_eta"], np.array([1, 2]))


def test_a_closed_file_says_so(own):
    with open_tuples(own) as file:
        pass
    with pytest.raises(InputError, match=f"{own.name}: the file is closed; read inside the 'with' block"):
        file.read(["tau_pt"])


def test_a_damaged_file_does_not_spoil_the_next(tmp_path):
    """A wrong version number of a branch makes uproot invent a class; it must not stay."""
    write_tuples(tmp_path / "good.root", mock_tuples(5), ["tau_pt", "pfCand_pt"], "none")
    content = (tmp_path / "good.root").read_bytes()
    places = [m.start() for m in re.finditer(rb"TBranch\0....\0\r", content, re.DOTALL)]
    assert places
    (tmp_path / "bad.root").write_bytes(content[: places[0] + 13] + b"\x77" + content[places[0] + 14 :])
    with pytest.raises(InputError, match=r"bad.root: damaged"), open_tuples(tmp_path / "bad.root") as file:
        file.read()
    with open_tuples(tmp_path / "good.root") as file:
        assert len(file.read()) == 5


def shapes(tuples):
    columns = {name: (tuples[name].dtype, tuples[name].shape) for name in tuples.branches}
    return columns, {prefix: c.offsets.tolist() for prefix, c in tuples.collections.items()}


@pytest.fixture(scope="module", params=["lz4", "zstd", "zlib", "none"])
def small_blocks(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("damage") / f"{request.param}.root"
    tuples = mock_tuples(40, seed=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rootwrite, "BLOCK", 8)
        write_tuples(
            path, tuples, ["evt", "tau_pt", "pfCand_pt", "pfCand_charge", "photon_hasPixelSeed"], request.param
        )
    return path, shapes(tuples.take(np.arange(40)))


def read_or_refusal(path):
    try:
        with open_tuples(path) as file:
            return file.read(file.branches)
    except InputError as error:
        return error


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bits_are_refused_or_leave_the_shape(small_blocks, seed, tmp_path):
    """One bit anywhere, or some bytes of zeros: never another exception, never other shapes."""
    path, expected = small_blocks
    rng = np.random.default_rng(seed)
    content = np.fromfile(path, np.uint8)
    place = int(rng.integers(len(content)))
    if seed % 4:
        content[place] ^= 1 << rng.integers(8)
    else:
        content[place : place + 20] = 0
    content.tofile(tmp_path / path.name)
    found = read_or_refusal(tmp_path / path.name)
    if isinstance(found, InputError):
        assert path.name in str(found)
        return
    columns, offsets = shapes(found)
    assert columns == {name: expected[0][name] for name in columns}
    assert offsets == {prefix: expected[1][prefix] for prefix in offsets}
