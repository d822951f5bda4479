"""Tags and vetoes on hand-made events: each cut alone, ties, empty events, order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.production import tagging
from taumltools.production.genrecord import GenLeptons
from taumltools.production.table import offsets_from_counts
from taumltools.production.tagging import (
    Leptons,
    best_lepton,
    has_further,
    has_pair,
    make_tags,
    passing,
    transverse_mass,
)
from taumltools.tuples.schema import INT_MISSING, tautuple_schema

GOOD = {
    "pt": 40.0, "eta": 0.5, "phi": 1.0, "mass": 0.105, "charge": 1, "isolation": 0.05, "dxy": 0.01, "dz": 0.05,
    "good": True, "loose": True, "id": 7,
}  # fmt: skip
TYPES = {"charge": np.int32, "good": bool, "loose": bool, "id": np.uint32}


def leptons(*events):
    """A table from lists of what differs from a good lepton."""
    rows = [{**GOOD, **row} for event in events for row in event]
    columns = {name: np.array([row[name] for row in rows], TYPES.get(name, np.float32)) for name in GOOD}
    return Leptons(offsets_from_counts(np.array([len(event) for event in events], np.int64)), **columns)


def generated(*events):
    """Generated leptons from lists of (kind, pt, eta, phi)."""
    rows = np.array([row for event in events for row in event], float).reshape(-1, 4)
    n = len(rows)
    rest = {name: np.zeros(n, np.int32) for name in ("charge", "first", "last", "n_charged", "n_pi0")}
    floats = {"pt": rows[:, 1], "eta": rows[:, 2], "phi": rows[:, 3], "mass": np.full(n, 0.1)}
    return GenLeptons(
        offsets_from_counts(np.array([len(e) for e in events], np.int64)), kind=rows[:, 0].astype(np.int32), **rest,
        **floats,
    )  # fmt: skip


NOBODY = leptons([])
NONE = np.array([-1])


@pytest.mark.parametrize("cuts", [tagging.MU_TAU_MUON, tagging.MUON_TAG, tagging.ELECTRON_TAG, tagging.EXTRA_MUON])
@pytest.mark.parametrize("name", ["pt", "eta", "isolation", "dz", "dxy"])
@pytest.mark.parametrize("sign", [1, -1])
def test_each_cut_fires_alone(cuts, name, sign):
    """On the cut a lepton fails, just inside it passes; the sign of eta, dz and dxy does not matter."""
    if sign < 0 and name in ("pt", "isolation"):
        return
    cut = np.float32(getattr(cuts, name))
    inside, outside = np.nextafter(cut, np.float32(np.inf if name == "pt" else 0)), cut
    if name != "pt" and float(outside) < getattr(cuts, name):  # the float32 next to the cut is below it
        outside = np.nextafter(cut, np.float32(np.inf))
    table = leptons([{name: sign * inside}, {name: sign * outside}])
    assert passing(table, cuts).tolist() == [True, False]


def test_cuts_are_those_of_the_reference():
    cuts = {name: dataclasses.astuple(getattr(tagging, name)) for name in (
        "MU_TAU_MUON", "MUON_TAG", "ELECTRON_TAG", "EXTRA_MUON", "EXTRA_ELECTRON", "PAIR_MUON", "PAIR_ELECTRON")}  # fmt: skip
    assert cuts == {
        "MU_TAU_MUON": (25, 2.1, 0.15, 0.2, 0.045), "MUON_TAG": (28, 2.1, 0.15, 0.2, 0.045),
        "ELECTRON_TAG": (34, 2.3, 0.15, 0.2, 0.045), "EXTRA_MUON": (10, 2.4, 0.3, 0.2, 0.045),
        "EXTRA_ELECTRON": (10, 2.5, 0.3, np.inf, np.inf), "PAIR_MUON": (15, 2.4, 0.3, 0.2, 0.045),
        "PAIR_ELECTRON": (15, 2.5, 0.3, np.inf, np.inf),
    }  # fmt: skip


def test_tag_has_the_lowest_isolation_then_the_highest_pt_then_comes_first():
    table = leptons(
        [{"isolation": 0.1, "pt": 90}, {"isolation": 0.02, "pt": 30}],
        [],
        [{"isolation": 0.0, "pt": 30}, {"isolation": 0.0, "pt": 31}, {"isolation": 0.01, "pt": 99}],
        [{"isolation": 0.0, "phi": 1}, {"isolation": 0.0, "phi": 2}],
    )
    everyone = np.ones(len(table), bool)
    assert best_lepton(table, everyone).tolist() == [1, -1, 3, 5]
    assert best_lepton(table, np.arange(len(table)) % 2 == 0).tolist() == [0, -1, 2, 6]
    assert best_lepton(table, ~everyone).tolist() == [-1] * 4
    assert best_lepton(leptons([], []), np.zeros(0, bool)).tolist() == [-1, -1]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_order_of_the_leptons_does_not_matter(data, sizes):
    """What is chosen and what is vetoed stays, whatever order the leptons of an event have in the file."""
    values = st.sampled_from([0.0, 0.1, 0.2])
    events = [
        [
            {"isolation": data.draw(values), "pt": data.draw(st.sampled_from([9.0, 12.0, 20.0, 30.0, 40.0])) + 0.1 * k,
             "eta": data.draw(st.sampled_from([0.0, 2.2])), "phi": data.draw(values),
             "charge": data.draw(st.sampled_from([-1, 1])), "good": data.draw(st.booleans())}
            for k in range(size)
        ]
        for size in sizes
    ]  # fmt: skip
    shuffled = [data.draw(st.permutations(event)) for event in events]
    results = []
    for table in (leptons(*events), leptons(*shuffled)):
        tag = best_lepton(table, passing(table, tagging.MUON_TAG) & table.good)
        nobody = np.full(len(sizes), -1)
        tags = make_tags(
            table, leptons(*([] for _ in sizes)), tag, nobody, np.zeros(len(sizes)), generated(*([] for _ in sizes))
        )
        results.append({name: column.tolist() for name, column in tags.columns.items()})
    assert str(results[0]) == str(results[1])  # NaN is as good as NaN


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, True), ({"good": False}, False), ({"pt": 10.0}, False), ({"isolation": 0.3}, False), ({"eta": -2.4}, False),
     ({"dz": 0.2}, False), ({"dxy": -0.046}, False), ({"loose": False}, True), ({"charge": -1}, True)],
)  # fmt: skip
def test_further_muon(change, expected):
    second = {"pt": 11.0, "isolation": 0.25, **change}
    table = leptons([{}, second], [{}], [])
    assert has_further(table, tagging.EXTRA_MUON, np.array([0, 2, -1])).tolist() == [expected, False, False]
    # without a tag, as for the muons of an event with an electron, one is enough
    assert has_further(table, tagging.EXTRA_MUON, np.array([-1, -1, -1])).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, True), ({"charge": 1}, False), ({"phi": 1.15}, False), ({"phi": 1.151}, True), ({"loose": False}, False),
     ({"pt": 15.0}, False), ({"isolation": 0.3}, False), ({"eta": 2.5}, False), ({"good": False}, True)],
)  # fmt: skip
def test_pair(change, expected):
    second = {"pt": 16.0, "charge": -1, "phi": 3.0, **change}
    cuts = tagging.PAIR_ELECTRON
    assert has_pair(leptons([{}, second], [{}], [], [second, {}]), cuts).tolist() == [expected, False, False, expected]


@pytest.mark.parametrize(
    ("phi", "expected"), [(0.0, 0.0), (np.pi / 2, np.sqrt(2)), (np.pi, 2.0), (2 * np.pi, 0.0), (-np.pi / 3, 1.0)]
)
def test_transverse_mass_in_closed_form(phi, expected):
    assert transverse_mass(30.0, 0.0, 30.0, phi) == pytest.approx(30 * expected, abs=1e-5)


def test_muon_goes_before_electron_and_its_numbers_are_stored():
    muons = leptons([{"pt": 33, "charge": -1, "id": 3}], [], [{"good": False}])
    electrons = leptons([{"pt": 70}], [{"pt": 50, "isolation": 0.01, "id": 1}], [])
    gen = generated([(2, 32, 0.5, 1.05), (4, 30, 0.5, 1.2)], [(1, 9, 0.5, 1.11)], [(1, 9, 0.5, 1)])
    tags = make_tags(muons, electrons, np.array([0, -1, -1]), np.array([0, 1, -1]), np.array([1.0, 2.0, 3.0]), gen)
    c = tags.columns
    assert tags.kind.tolist() == [1, 2, 0]
    assert c["tagObj_valid"].tolist() == [1, 1, 0]
    assert c["tagObj_kind"].tolist() == [1, 2, INT_MISSING]
    assert c["tagObj_id"].tolist() == [3, 1, 0]
    assert c["tagObj_charge"].tolist() == [-1, 1, INT_MISSING]
    assert c["tagObj_pt"].tolist()[:2] == [33, 50]
    assert np.isnan([c[f"tagObj_{name}"][2] for name in ("pt", "eta", "phi", "mass", "iso", "genpt", "genmass")]).all()
    assert c["tagObj_iso"][:2].tolist() == np.array([0.05, 0.01], np.float32).tolist()
    # the nearest generated lepton within 0.1: that of the second event is 0.11 away
    assert c["tagObj_genkind"].tolist() == [2, INT_MISSING, INT_MISSING]
    assert c["tagObj_genpt"][0] == 32
    assert c["has_extraelectron"].tolist() == [1, 0, INT_MISSING]
    assert c["has_extramuon"].tolist() == [0, 0, INT_MISSING]
    schema = tautuple_schema()
    expected = {name for name in schema.branches if name.startswith(("tagObj_", "has_"))}
    assert set(c) == expected
    for name, column in c.items():
        assert column.dtype == schema[name].dtype, name


def test_events_without_anything():
    none = np.full(3, -1)
    nobody = leptons([], [], [])
    tags = make_tags(nobody, nobody, none, none, np.zeros(3), generated([], [], []))
    assert tags.kind.tolist() == [0, 0, 0]
    assert tags.columns["tagObj_valid"].tolist() == [0, 0, 0]
    assert set(tags.columns["has_dimuon"].tolist()) == {INT_MISSING}
