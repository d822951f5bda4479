from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.production import MatchingConfig
from taumltools.production.clustering import Jets
from taumltools.production.entries import Entries, assign, build_entries, distinct, match_entries, pairs
from taumltools.production.genrecord import GenLeptons
from taumltools.production.hps import TauCandidates
from taumltools.production.table import offsets_from_counts


def offsets(rows, n_events):
    return offsets_from_counts(np.bincount(np.array([row[0] for row in rows], int), minlength=n_events))


def columns(rows):
    table = np.array(rows, float).reshape(-1, 4)
    return {"pt": table[:, 1], "eta": table[:, 2], "phi": table[:, 3]}


def make_jets(rows, n):
    zero = np.zeros(len(rows))
    none = np.zeros(len(rows), np.int64)
    return Jets(offsets(rows, n), mass=zero, energy=zero, first=none, last=none, members=none, **columns(rows))


def make_leptons(rows, kinds, n):
    none = np.zeros(len(rows), np.int64)
    ints = dict.fromkeys(("charge", "first", "last", "n_charged", "n_pi0"), none)
    return GenLeptons(
        offsets(rows, n), kind=np.array(kinds, np.int32), mass=np.zeros(len(rows)), **columns(rows), **ints
    )


def make_taus(rows, n):
    none = np.zeros(len(rows), np.int64)
    ints = dict.fromkeys(("charge", "mode", "lead", "jet"), none)
    return TauCandidates(
        offsets(rows, n), mass=np.zeros(len(rows)), signal=np.zeros((len(rows), 1), np.int64), **columns(rows), **ints
    )


def entries(*, leptons=(), kinds=(), gen_jets=(), taus=(), jets=(), n=1, **settings):
    built = build_entries(
        make_leptons(leptons, kinds, n),
        make_jets(gen_jets, n),
        make_taus(taus, n),
        make_jets(jets, n),
        MatchingConfig(**settings),
        max_jet_eta=2.8,
    )
    return list(zip(*(getattr(built, k).tolist() for k in ("event", "lepton", "gen_jet", "tau", "jet")), strict=True))


def test_everything_at_one_place_is_one_entry():
    here = (0, 30.0, 0.5, 1.0)
    assert entries(leptons=[here], kinds=[5], gen_jets=[here], taus=[here], jets=[here]) == [(0, 0, 0, 0, 0)]


def test_jet_without_lepton():
    here = (0, 30.0, 0.5, 1.0)
    assert entries(gen_jets=[here], taus=[here], jets=[here]) == [(0, -1, 0, 0, 0)]


def test_tau_without_generated_partner_is_no_entry():
    assert entries(taus=[(0, 30.0, 0.5, 1.0)], gen_jets=[(0, 30.0, -2.0, 1.0)]) == []


def test_matching_keeps_what_has_no_tau_and_pruning_does_not():
    here, there = (0, 30.0, 0.5, 1.0), (0, 30.0, -1.0, 1.0)
    tables = (make_leptons([here], [1], 1), make_jets([here, there], 1), make_taus([], 1), make_jets([there], 1))
    everything = match_entries(*tables, MatchingConfig(), max_jet_eta=2.8)
    assert everything.lepton.tolist() == [0, -1]
    assert everything.gen_jet.tolist() == [0, 1]
    assert everything.jet.tolist() == [-1, 0]
    assert len(build_entries(*tables, MatchingConfig(), max_jet_eta=2.8)) == 0


def test_of_entries_with_neither_tau_nor_jet_an_event_keeps_the_first():
    event, some = np.array([0, 0, 0, 1, 1]), np.array([-1, 4, -1, -1, -1])
    kept = distinct(Entries(event, np.arange(5), np.full(5, -1), np.full(5, -1), some))
    assert kept.lepton.tolist() == [0, 1, 3]


@pytest.mark.parametrize(("distance", "matched"), [(0.19, True), (0.21, False)])
def test_limit_between_lepton_and_tau(distance, matched):
    found = entries(leptons=[(0, 30.0, 0.0, 0.0)], kinds=[1], taus=[(0, 30.0, distance, 0.0)])
    assert bool(found) is matched


def test_lepton_has_precedence_over_a_nearer_gen_jet():
    """The tau goes to the lepton's entry although another generated jet is nearer."""
    lepton, other = (0, 30.0, 0.0, 0.0), (0, 30.0, 0.3, 0.0)
    found = entries(leptons=[lepton], kinds=[1], gen_jets=[lepton, other], taus=[(0, 30.0, 0.18, 0.0)])
    assert found == [(0, 0, 0, 0, -1)]


def test_tau_belongs_to_one_entry_only():
    found = entries(gen_jets=[(0, 30.0, 0.0, 0.0), (0, 30.0, 0.5, 0.0)], taus=[(0, 30.0, 0.2, 0.0)])
    assert found == [(0, -1, 0, 0, -1)]


def test_nearest_tau_is_taken():
    taus = [(0, 30.0, 0.15, 0.0), (0, 30.0, 0.05, 0.0)]
    assert entries(leptons=[(0, 30.0, 0.0, 0.0)], kinds=[5], taus=taus) == [(0, 0, -1, 1, -1)]


def test_events_do_not_mix():
    assert entries(gen_jets=[(0, 30.0, 0.0, 0.0)], taus=[(1, 30.0, 0.0, 0.0)], n=2) == []


@pytest.mark.parametrize(
    ("kind", "pt", "eta", "kept"), [(5, 20, 0.5, 1), (5, 10, 0.5, 0), (5, 20, 2.6, 0), (3, 20, 0.5, 0)]
)
def test_generated_hadronic_taus_without_tau_are_kept(kind, pt, eta, kept):
    found = entries(leptons=[(0, pt, eta, 0.0)], kinds=[kind])
    assert found == [(0, 0, -1, -1, -1)] * kept


def test_they_can_be_switched_off():
    assert entries(leptons=[(0, 30.0, 0.0, 0.0)], kinds=[5], keep_unreconstructed=False) == []


def test_two_bare_taus_of_one_event_cannot_be_told_apart(caplog):
    taus = [(0, 30.0, 0.0, 0.0), (0, 30.0, 1.0, 0.0), (1, 30.0, 0.0, 0.0)]
    with caplog.at_level(logging.INFO):
        found = entries(leptons=taus, kinds=[5, 5, 5], n=2)
    assert [(event, lepton) for event, lepton, *_ in found] == [(0, 0), (1, 2)]
    assert "1 generated taus without tau and jet" in caplog.text


def test_jet_beyond_the_acceptance_is_not_attached():
    here = (0, 30.0, 2.9, 0.0)
    assert entries(gen_jets=[here], taus=[here], jets=[here]) == [(0, -1, 0, 0, -1)]


def test_nothing_gives_no_entries():
    assert entries() == []


pair_lists = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)


@given(pair_lists)
def test_assignment_is_exclusive_and_greedy(ordered):
    left, right = (np.array([p[k] for p in ordered], np.int64) for k in range(2))
    partner = assign(left, right, 7, 7)
    expected = {}
    for a, b in ordered:
        if a not in expected and b not in expected.values():
            expected[a] = b
    assert partner.tolist() == [expected.get(a, -1) for a in range(7)]


def test_pairs_of_events_without_partners():
    left, right = pairs(np.array([0, 1, 1]), np.array([0, 0, 2]))
    assert left.tolist() == [1, 1, 2, 2]
    assert right.tolist() == [0, 1, 0, 1]
