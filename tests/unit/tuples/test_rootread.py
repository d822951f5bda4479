"""ROOT files: those of the CMS tools, and what ours look like to others."""

from __future__ import annotations

import struct
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
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


def test_own_file_is_a_ttree_with_one_counter_per_collection(own):
    with uproot.open(own) as file:
        assert file.classnames() == {"taus;1": "TTree"}
        tree = file["taus"]
        counters = [name for name in tree.keys() if name.startswith("n_")]  # noqa: SIM118 - uproot trees are no dicts
        assert counters == ["n_sv", "n_pfCand", "n_photon"]
        assert tree["pfCand_pt"].count_branch.name == tree["pfCand_charge"].count_branch.name == "n_pfCand"
        assert tree["nsv"].array(library="np").tolist() == tree["n_sv"].array(library="np").tolist()
        assert tree["photon_hasPixelSeed"].typename == "bool[]"


def test_counters_are_no_branches_and_collide_with_none(own):
    assert not {counter_name(prefix) for prefix in SCHEMA.collections} & set(SCHEMA.branches)
    with open_tuples(own) as file:
        assert file.other_branches == []
        assert "nsv" in file.branches


def test_missing_floats_are_the_lowest_float_in_the_file(own):
    with uproot.open(own) as file:
        stored = file["taus"]["tau_pt"].array(library="np")
    expected = mock_tuples(30)["tau_pt"]
    assert np.isnan(expected).any()
    assert np.array_equal(stored, as_stored(expected))


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
    end = struct.unpack(">i", content[12:16])[0]
    assert end == len(content)
    short = tmp_path / "short.root"
    short.write_bytes(content[:-1])
    with pytest.raises(InputError, match=f"truncated, it has {end - 1} bytes and its header says {end}; copy it again"):
        open_tuples(short)
    short.write_bytes(content[:12])
    with pytest.raises(InputError, match="truncated, only 12 bytes long"):
        open_tuples(short)
