"""Entries that ``MuTau`` and ``TagAndProbe`` choose, on hand-made tables: each cut alone, ties, order."""

from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.probes import LEFT_OUT, mu_tau, probe_events, tag_and_probe
from taumltools.production.tagging import Tags
from taumltools.tuples.data import Tuples

ENTRY = {
    "tau_index": 0, "tau_pt": 30.0, "tau_eta": 1.0, "tau_phi": 0.0, "tau_dz": 0.0, "tau_charge": -1,
    "tau_decayMode": 0, "tau_decayModeFindingNewDMs": 1, "tau_byDeepTau2017v2p1VSjet": 0b11111,
    "tau_byDeepTau2017v2p1VSjetraw": 0.9, "jet_index": 0, "jet_pt": 40.0, "jet_eta": 1.0, "jet_phi": 0.0,
    "genLepton_index": -1, "genLepton_kind": -(2**31), "genLepton_vis_pt": np.nan, "genLepton_vis_eta": np.nan,
    "genJet_index": 0, "genJet_eta": 1.0,
}  # fmt: skip
GEN = {"genLepton_index": 0, "genLepton_kind": 5, "genLepton_vis_pt": 30.0, "genLepton_vis_eta": 1.0}


def table(*rows):
    """Entries from what differs from a good one."""
    complete = [{**ENTRY, **row} for row in rows]
    columns = {
        name: np.array([r[name] for r in complete], np.float32 if isinstance(value, float) else np.int32)
        for name, value in ENTRY.items()
    }
    columns["tau_byDeepTau2017v2p1VSjet"] = columns["tau_byDeepTau2017v2p1VSjet"].astype(np.uint16)
    return Tuples(columns)


def tags(*events):
    """Tags from (kind, eta, phi, charge, met)."""
    rows = np.array(events, float).reshape(-1, 5)
    direction = [np.where(rows[:, 0] > 0, rows[:, k], np.nan) for k in (1, 2)]
    return Tags(
        rows[:, 0].astype(np.int32), *direction, rows[:, 4], {"tagObj_charge": rows[:, 3].astype(np.int32)}
    )  # fmt: skip


MUON, ELECTRON, NOTHING, HIGH_MET = (1, -1.0, 0.0, 1, 20), (2, -1.0, 0.0, 1, 20), (0, 0, 0, 0, 180), (0, 0, 0, 0, 181)
ONE = np.zeros(1, np.int64)


@pytest.mark.parametrize(
    ("change", "tag", "chosen"),
    [
        ({}, MUON, True),
        ({}, NOTHING, False),
        ({}, ELECTRON, False),
        ({"tau_index": -1}, MUON, False),
        ({"tau_pt": 20.0}, MUON, False),
        ({"tau_pt": 20.01}, MUON, True),
        ({"tau_eta": 2.31}, MUON, False),
        ({"tau_dz": -0.21}, MUON, False),
        ({"tau_decayMode": 1}, MUON, True),
        ({"tau_decayMode": 10}, MUON, True),
        ({"tau_decayMode": 11}, MUON, True),
        ({"tau_decayMode": 2}, MUON, False),
        ({"tau_decayMode": 5}, MUON, False),
        ({"tau_decayModeFindingNewDMs": 0}, MUON, False),
        ({"tau_byDeepTau2017v2p1VSjet": 0b01111}, MUON, False),
        ({"tau_charge": 1}, MUON, False),
        ({}, (1, 0.6, 0.0, 1, 20), False),
        ({}, (1, 0.49, 0.0, 1, 20), True),
        ({}, (1, 1.0, np.pi, 1, 20), True),
    ],
)
def test_mu_tau_cut_by_cut(change, tag, chosen):
    assert mu_tau(table(change), ONE, tags(tag)).tolist() == [-1 if chosen else LEFT_OUT]


def test_mu_tau_takes_the_best_score_then_the_highest_pt_before_it_looks_at_the_charge():
    event = np.array([0, 0, 1, 1, 2, 2, 3])
    rows = table(
        {"tau_byDeepTau2017v2p1VSjetraw": 0.8, "tau_pt": 90.0}, {},
        {"tau_pt": 30.0}, {"tau_pt": 31.0},
        {"tau_byDeepTau2017v2p1VSjetraw": 0.95, "tau_charge": 1}, {},  # the best one has the charge of the muon
        {},
    )  # fmt: skip
    why = mu_tau(rows, event, tags(MUON, MUON, MUON, MUON, MUON))
    assert np.flatnonzero(why != LEFT_OUT).tolist() == [1, 3, 6]


@pytest.mark.parametrize(
    ("change", "tag", "expected"),
    [
        ({}, MUON, 1),
        ({}, ELECTRON, 2),
        ({}, HIGH_MET, 3),
        ({}, NOTHING, LEFT_OUT),
        ({"tau_index": -1, "tau_eta": np.nan}, MUON, 1),
        ({"jet_index": -1, "jet_eta": np.nan}, MUON, LEFT_OUT),
        ({"jet_eta": 2.81}, MUON, LEFT_OUT),
        ({"jet_eta": -2.79}, HIGH_MET, 3),
        ({}, (1, 0.61, 0.0, 1, 20), LEFT_OUT),
        ({}, (1, 0.59, 0.0, 1, 20), 1),
        (GEN, MUON, 1),
        ({**GEN, "jet_index": -1}, MUON, 5),
        ({**GEN, "genLepton_kind": 4, "jet_index": -1}, MUON, 5),
        ({**GEN, "genLepton_kind": 3, "jet_index": -1}, MUON, 5),
        ({**GEN, "genLepton_kind": 2, "jet_index": -1}, MUON, LEFT_OUT),
        ({**GEN, "genLepton_vis_eta": 2.81, "jet_index": -1}, MUON, LEFT_OUT),
        (GEN, NOTHING, 4),
        ({**GEN, "genLepton_kind": 1}, NOTHING, 4),
        ({**GEN, "genLepton_kind": 1, "genJet_index": -1}, NOTHING, LEFT_OUT),
        ({**GEN, "genJet_index": -1}, NOTHING, 5),
        ({**GEN, "genLepton_kind": 1, "genJet_eta": 2.81}, NOTHING, LEFT_OUT),
        ({**GEN, "genLepton_kind": 1, "genLepton_vis_eta": -2.81}, NOTHING, LEFT_OUT),
    ],
)
def test_tag_and_probe_cut_by_cut(change, tag, expected):
    assert tag_and_probe(table(change), ONE, tags(tag)).tolist() == [expected]


def test_probe_is_the_hardest_jet_with_or_without_a_tau():
    """Regression of a bias: with the hardest jet among those with taus the fake rate would come out too high."""
    rows = table({"jet_pt": 30.0}, {"jet_pt": 50.0, "tau_index": -1, "jet_index": 1}, {"jet_pt": 40.0, "jet_index": 2})
    assert tag_and_probe(rows, np.zeros(3, np.int64), tags(MUON)).tolist() == [LEFT_OUT, 1, LEFT_OUT]


def test_of_equal_jets_the_first_entry_is_the_probe():
    assert tag_and_probe(table({}, {}), np.zeros(2, np.int64), tags(HIGH_MET)).tolist() == [3, LEFT_OUT]


def test_at_most_two_generated_leptons_by_pt_but_every_generated_tau():
    rows = table(
        {**GEN, "genLepton_kind": 1, "genLepton_vis_pt": 40.0}, {**GEN, "genLepton_kind": 2, "genLepton_vis_pt": 20.0},
        {**GEN, "genLepton_kind": 2, "genLepton_vis_pt": 50.0}, {**GEN, "genLepton_kind": 3, "genLepton_vis_pt": 10.0},
        {**GEN, "genLepton_kind": 1, "genLepton_vis_pt": 1.0},
    )  # fmt: skip
    event = np.array([0, 0, 0, 0, 1])
    assert tag_and_probe(rows, event, tags(NOTHING, NOTHING)).tolist() == [4, LEFT_OUT, 4, 5, 4]
    assert tag_and_probe(rows, event, tags(NOTHING, HIGH_MET)).tolist() == [4, LEFT_OUT, 4, 5, 3]


def test_order_of_the_entries_does_not_matter():
    rng = np.random.default_rng(3)
    n = 1000
    entries = [
        {
            **(GEN if rng.random() < 0.5 else {}), "genLepton_vis_pt": float(rng.uniform(5, 60)),
            "genLepton_kind": int(rng.integers(1, 6)), "jet_pt": float(rng.uniform(15, 90)),
            "jet_eta": float(rng.uniform(-3, 3)), "tau_index": int(rng.integers(-1, 2)),
            "tau_pt": float(rng.uniform(18, 60)), "tau_charge": int(rng.choice([-1, 1])),
            "tau_byDeepTau2017v2p1VSjetraw": float(rng.random()),
        }
        for _ in range(n)
    ]  # fmt: skip
    event = np.sort(rng.integers(0, 200, n))
    some = [(MUON, ELECTRON, NOTHING, HIGH_MET)[k] for k in rng.integers(0, 4, 200)]
    order = np.lexsort((rng.random(n), event))
    whole = table(*entries)
    for rule in (mu_tau, tag_and_probe):
        plain = rule(whole, event, tags(*some))
        assert rule(whole.take(order), event[order], tags(*some)).tolist() == plain[order].tolist()
        assert (plain != LEFT_OUT).sum() > 10


def test_data_and_empty_batches():
    rows = table({}, {})
    del rows.scalars["genJet_eta"]  # a file of data has no generated jets
    assert tag_and_probe(rows, np.array([0, 1]), tags(NOTHING, MUON)).tolist() == [LEFT_OUT, 1]
    empty = table()
    assert tag_and_probe(empty, np.zeros(0, np.int64), tags(NOTHING)).tolist() == []
    assert mu_tau(empty, np.zeros(0, np.int64), tags(MUON)).tolist() == []
    assert probe_events(tags(MUON, ELECTRON, NOTHING, HIGH_MET)).tolist() == [True, True, False, True]
