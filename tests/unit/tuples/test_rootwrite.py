"""What our ROOT files look like to others: trees of scalars and std::vector branches, as the CMS tools write them."""

from __future__ import annotations

import time
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.tuples import rootwrite
from taumltools.tuples.columns import complete
from taumltools.tuples.io import TupleWriter, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.rootwrite import RootWriter
from taumltools.tuples.schema import FLOAT_MISSING, tautuple_schema

GOLDEN = Path(__file__).parents[2] / "data/cms_tools/head/input/DY/eventTuple_1.root"
SCHEMA = tautuple_schema()
FEW = ["tau_pt", "nsv", "sv_x", "pfCand_pt", "pfCand_charge", "photon_hasPixelSeed", "genParticle_mother", "muon_type"]


def as_stored(values):
    """What the file holds, from our values in memory."""
    return np.where(np.isnan(values), FLOAT_MISSING, values) if values.dtype.kind == "f" else values


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "taus.root"
    write_tuples(path, mock_tuples(30), FEW)
    return path


def test_collections_are_vector_branches_without_counters(own):
    with uproot.open(own) as file:
        assert file.classnames() == {"taus;1": "TTree"}
        assert file["taus"].keys() == FEW
        assert file["taus"].typenames() == {
            "tau_pt": "float",
            "nsv": "int32_t",
            "sv_x": "std::vector<float>",
            "pfCand_pt": "std::vector<float>",
            "pfCand_charge": "std::vector<int32_t>",
            "photon_hasPixelSeed": "std::vector<bool>",
            "genParticle_mother": "std::vector<int64_t>",
            "muon_type": "std::vector<uint32_t>",
        }


def test_branches_are_those_of_the_cms_file(tmp_path):
    write_tuples(tmp_path / "all.root", mock_tuples(3))
    with uproot.open(tmp_path / "all.root") as ours, uproot.open(GOLDEN) as theirs:
        assert set(ours["taus"].keys()) == set(theirs["taus"].keys()) == set(SCHEMA.branches)
        assert ours["taus"].typenames() == theirs["taus"].typenames()


def test_values_are_those_written(own):
    taus = mock_tuples(30)
    with uproot.open(own) as file:
        for name in FEW:
            array = file["taus"][name].array()
            expected = as_stored(taus[name])
            assert np.array_equal(ak.to_numpy(ak.flatten(array, axis=None)), expected), name
            if SCHEMA[name].collection:
                assert np.array_equal(ak.num(array), taus.collections[SCHEMA[name].collection].counts), name


def test_missing_floats_are_the_lowest_float_in_the_file(own):
    with uproot.open(own) as file:
        stored = file["taus"]["tau_pt"].array(library="np")
    expected = mock_tuples(30)["tau_pt"]
    assert np.isnan(expected).any()
    assert np.array_equal(stored, as_stored(expected))


def test_a_block_is_a_basket(tmp_path, monkeypatch):
    monkeypatch.setattr(rootwrite, "BLOCK", 12)
    write_tuples(tmp_path / "taus.root", mock_tuples(30), FEW)
    with uproot.open(tmp_path / "taus.root") as file:
        for branch in file["taus"].branches:
            assert branch.member("fBasketEntry")[:4].tolist() == [0, 12, 24, 30]


@pytest.mark.parametrize(
    ("compression", "level", "code"),
    [
        ("zstd", None, 501),
        ("zstd", 19, 519),
        ("lz4", None, 401),
        ("lz4", 9, 409),
        ("zlib", 6, 106),
        ("lzma", None, 209),
        ("none", None, 0),
    ],
)
def test_compression_and_level(compression, level, code, tmp_path):
    path = tmp_path / "taus.root"
    write_tuples(path, mock_tuples(300), ["tau_pt", "pfCand_pt"], compression, level)
    with uproot.open(path) as file:
        assert file.file.fCompress == code
        branch = file["taus/pfCand_pt"]
        assert branch.member("fCompress") == code
        kinds = {name for name, *_ in branch.basket(0).block_compression_info or []}
        assert kinds == ({compression.upper()} if code else set())


def test_level_is_checked(tmp_path):
    for action in (TupleWriter, lambda *args, **options: write_tuples(args[0], [], **options)):
        with pytest.raises(InputError, match=r"taus.root: compression 'zstd' has levels 1 to 22, found 0"):
            action(tmp_path / "taus.root", level=0)
    with pytest.raises(InputError, match="compression 'lz4' has levels 1 to 12, found 20"):
        RootWriter(tmp_path / "taus.root", mock_tuples(1), "lz4", 20)
    assert list(tmp_path.iterdir()) == []


def test_higher_levels_and_threads(tmp_path):
    taus = mock_tuples(300)
    sizes = {}
    for level in (1, 19):
        for threads in (1, 3):
            path = tmp_path / f"{level}_{threads}.root"
            write_tuples(path, taus, FEW, level=level, threads=threads)
        assert path.read_bytes() == (tmp_path / f"{level}_1.root").read_bytes()
        sizes[level] = path.stat().st_size
    assert sizes[19] < sizes[1]


def test_cost_of_a_file_grows_linearly_with_the_branches(tmp_path):
    """Splitting writes hundreds of small files: one that costs seconds would dominate everything."""
    one = complete(mock_tuples(1))
    half = complete(one, list(SCHEMA.branches)[:356])

    def seconds(tuples):
        best = []
        for _ in range(5):
            start = time.process_time()
            writer = RootWriter(tmp_path / "one.root", tuples, "zstd")
            writer.write(tuples)
            writer.close()
            best.append(time.process_time() - start)
        return min(best)

    assert seconds(one) < 4 * seconds(half)
    assert seconds(one) < 0.2
