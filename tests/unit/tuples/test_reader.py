from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.tuples import arrowio, rootwrite
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.reader import TupleReader, check_is_file, place
from taumltools.tuples.schema import tautuple_schema


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pfCand_pt", ("pfCand", "pt")),
        ("photon_shape_e5x5", ("photon_shape", "e5x5")),
        ("photon_full5x5shape_new", ("photon_full5x5shape", "new")),
        ("photon_new", ("photon", "new")),
        ("sv_cands_new", ("sv_cands", "new")),
        ("pfCand_numberOfHits", ("pfCand", "numberOfHits")),
        ("track_dxy_error", ("track", "dxy_error")),
        ("lepton_gen_vis_rad_pt", ("lepton_gen_vis_rad", "pt")),
        ("lepton_gen_vis_pt", ("lepton_gen_vis", "pt")),
        ("track_mine", ("track", "mine")),
        ("some_thing_new", ("some_thing", "new")),
    ],
)
def test_collection_of_a_name(name, expected):
    assert place(name) == expected


def test_schema_decides_for_its_own_branches():
    for branch in tautuple_schema().branches.values():
        if branch.collection:
            assert place(branch.name) == (branch.collection, branch.field)


@pytest.mark.parametrize("name", ["x", "nothing"])
def test_names_without_prefix_are_refused(name):
    with pytest.raises(InputError, match=f"branch '{name}' holds several values per entry"):
        place(name)


def test_check_is_file_accepts_files_only(tmp_path):
    path = tmp_path / "taus.root"
    path.write_text("x")
    check_is_file(path)
    for odd in (tmp_path, tmp_path / "taus.roo", tmp_path / "none" / "x"):
        with pytest.raises(InputError, match=str(odd)):
            check_is_file(odd)


def test_no_hint_without_similar_names(tmp_path):
    (tmp_path / "abc.root").touch()
    with pytest.raises(InputError, match=r"no such file$"):
        check_is_file(tmp_path / "zzzzzzz")


FEW = ["evt", "tau_pt", "pfCand_pt", "pfCand_charge", "photon_hasPixelSeed", "muon_type"]


@pytest.fixture(scope="module", params=[".root", ".arrow"])
def blocks(request, tmp_path_factory):
    """60 entries in blocks of 16, and what is in them."""
    path = tmp_path_factory.mktemp("take") / f"taus{request.param}"
    tuples = mock_tuples(60, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rootwrite, "BLOCK", 16)
        patch.setattr(arrowio, "BLOCK", 16)
        write_tuples(path, tuples, FEW)
    return path, tuples


def assert_same(found, expected):
    assert sorted(found.branches) == sorted(FEW)
    for name in FEW:
        assert found[name].dtype == expected[name].dtype
        assert np.array_equal(found[name], expected[name], equal_nan=found[name].dtype.kind == "f"), name
    for prefix, collection in found.collections.items():
        assert np.array_equal(collection.offsets, expected.collections[prefix].offsets)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(0, 59)))
def test_take_gives_the_rows_and_nothing_else(blocks, picked):
    path, tuples = blocks
    rows = np.array(sorted(picked), np.int64)
    with open_tuples(path) as file:
        assert_same(file.take(None, rows), tuples.take(rows))


def test_take_of_many_calls_on_one_file(blocks):
    path, tuples = blocks
    with open_tuples(path) as file:
        for rows in np.array_split(np.arange(0, 60, 3), 4):
            assert_same(file.take(FEW, rows), tuples.take(rows))


def test_take_without_rows_or_branches(blocks):
    with open_tuples(blocks[0]) as file:
        empty = file.take(FEW, np.array([], int))
        assert (len(empty), empty["pfCand_pt"].dtype, sorted(empty.branches)) == (0, np.float32, sorted(FEW))
        assert file.take(FEW, []).branches == empty.branches
        assert file.take([], np.array([3])).branches == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([3, 3], "row 3 follows row 3; sort the rows, without repeats"),
        ([5, 9, 2], "row 2 follows row 9; sort"),
        ([-1, 4], "entries -1 to 4 were asked for, the file has 60"),
        ([4, 60], "entries 4 to 60 were asked for, the file has 60"),
        ([1.5], r"rows must be a list of entry numbers, not float64 of shape \(1,\)"),
        ([[1]], r"rows must be a list of entry numbers, not int64 of shape \(1, 1\)"),
        ([True] * 60, "rows must be a list of entry numbers, not bool"),
    ],
)
def test_rows_that_cannot_be_taken(blocks, rows, message):
    with open_tuples(blocks[0]) as file, pytest.raises(InputError, match=rf"{blocks[0].name}: {message}"):
        file.take(FEW, np.array(rows))


def test_take_of_an_unknown_branch(blocks):
    with open_tuples(blocks[0]) as file, pytest.raises(InputError, match="there is no branch 'tau_ptt'"):
        file.take(["tau_ptt"], np.array([1]))


def test_blocks_without_wanted_rows_are_not_loaded():
    """The way of every format that has no better one."""

    loaded = []

    class Counting(TupleReader):
        path, entries, block, branches, other_branches = "counting", 60, 16, FEW, []

        def close(self):
            pass

        def _load(self, branches, start, stop):
            loaded.append((start, stop))
            return mock_tuples(60, seed=5).slice(start, stop)

    reader = Counting()
    rows = np.array([2, 9, 33, 47, 48])
    found = reader.take(FEW, rows)
    assert loaded == [(2, 10), (33, 48), (48, 49)]
    assert np.array_equal(found["evt"], mock_tuples(60, seed=5)["evt"][rows])


def test_arrow_batches_decide_whatever_their_size(tmp_path, monkeypatch):
    """The blocks of a file are those it was written with, not those of today."""
    with monkeypatch.context() as patch:
        patch.setattr(arrowio, "BLOCK", 16)
        write_tuples(tmp_path / "taus.arrow", mock_tuples(60, seed=5), FEW)
    decoded = []
    original = arrowio.ArrowReader._decode
    monkeypatch.setattr(arrowio.ArrowReader, "_decode", lambda *args: decoded.append(1) or original(*args))
    with open_tuples(tmp_path / "taus.arrow") as file:
        file.take(FEW, np.array([1, 15, 50]))
    assert len(decoded) == 2
