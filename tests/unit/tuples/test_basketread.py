from __future__ import annotations

import dataclasses
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.tuples import basketread
from taumltools.tuples.basketread import BasketReader
from taumltools.tuples.baskets import branch_baskets

V1_DY = Path(__file__).parents[2] / "data/cms_tools/v1/input/DY/eventTuple_1.root"
FEW = ["evt", "tau_pt", "pfCand_pt", "pfCand_charge", "muon_type", "track_pt", "tau_index", "lepton_gen_vis_pt"]


@pytest.fixture(scope="module")
def tree():
    with uproot.open(V1_DY) as file:
        yield file["taus"]


@pytest.fixture(scope="module")
def expected(tree):
    return tree.arrays(FEW, library="ak", how=dict)


def assert_columns(found, expected, rows):
    for name, offsets, values in found:
        part = expected[name][rows]
        assert values.dtype.isnative
        assert values.tolist() == ak.flatten(part, axis=None).tolist(), name
        assert (offsets is None) == (part.ndim == 1)
        if offsets is not None:
            assert np.diff(offsets).tolist() == ak.num(part).tolist(), name


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 399), max_size=30), st.sampled_from([1, 40]))
def test_any_rows(tree, expected, picked, width):
    """Single entries and runs of them, over basket borders."""
    rows = np.array(sorted({min(row + i, 399) for row in picked for i in range(width)}), np.int64)
    assert_columns(BasketReader(V1_DY, tree).columns(FEW, rows), expected, rows)


def test_steps_through_the_file(tree, expected):
    reader = BasketReader(V1_DY, tree)
    for start in range(0, 400, 37):
        rows = np.arange(start, min(start + 37, 400))
        assert_columns(reader.columns(FEW, rows), expected, rows)


def test_branches_of_a_collection_share_their_offsets(tree):
    found = {name: offsets for name, offsets, _ in BasketReader(V1_DY, tree).columns(FEW, np.arange(300))}
    assert found["pfCand_pt"] is found["pfCand_charge"]
    assert found["pfCand_pt"] is not found["track_pt"]
    assert found["evt"] is None


def test_basket_that_the_next_step_needs_is_kept(tree):
    reader = BasketReader(V1_DY, tree)
    assert tree["pfCand_pt"].entry_offsets == [0, 155, 326, 400]
    list(reader.columns(["pfCand_pt"], np.arange(100)))
    assert {name: number for name, (number, _) in reader._kept.items()} == {"pfCand_pt": 0}
    list(reader.columns(["pfCand_pt"], np.arange(100, 200)))
    number, content = reader._kept["pfCand_pt"]
    assert (number, reader._kept_bytes) == (1, len(content))
    list(reader.columns(["pfCand_pt"], np.arange(200, 326)))
    assert (reader._kept, reader._kept_bytes) == ({}, 0)


def test_kept_memory_is_bounded(tree, expected, monkeypatch):
    monkeypatch.setattr(basketread, "KEEP", 3_000)
    reader = BasketReader(V1_DY, tree)
    for start in range(0, 400, 50):
        rows = np.arange(start, start + 50)
        assert_columns(reader.columns(FEW, rows), expected, rows)
        assert reader._kept_bytes == sum(len(content) for _, content in reader._kept.values()) <= 3_000


def test_what_is_left_to_uproot_reads_the_same(tree, expected, monkeypatch):
    monkeypatch.setattr(basketread, "branch_baskets", lambda branch: None)
    for rows in (np.arange(150, 170), np.array([3, 155, 399]), np.zeros(0, np.int64)):
        assert_columns(BasketReader(V1_DY, tree).columns(FEW, rows), expected, rows)


def test_only_baskets_with_wanted_entries_are_read(tree, expected):
    """The file is blanked except for the basket with entry 200."""
    reader = BasketReader(V1_DY, tree)
    branch = tree["pfCand_pt"]
    start, size = int(branch.member("fBasketSeek")[1]), int(branch.member("fBasketBytes")[1])
    blank = np.zeros_like(reader._bytes)
    blank[start : start + size] = reader._bytes[start : start + size]
    reader._bytes = blank
    rows = np.array([160, 200, 325])
    assert_columns(reader.columns(["pfCand_pt"], rows), expected, rows)
    with pytest.raises(ValueError, match="another size than the branch says"):
        list(reader.columns(["pfCand_pt"], np.array([200, 399])))


def test_one_value_per_entry_is_checked(tree, monkeypatch):
    baskets = dataclasses.replace(branch_baskets(tree["tau_pt"]), dtype=np.dtype(">f8"))
    monkeypatch.setattr(basketread, "branch_baskets", lambda branch: baskets)
    with pytest.raises(ValueError, match="the baskets of branch 'tau_pt' do not hold one value per entry"):
        list(BasketReader(V1_DY, tree).columns(["tau_pt"], np.arange(400)))
