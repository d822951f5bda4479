from __future__ import annotations

import numpy as np
import pytest

from taumltools.tuples.schema import INT_MISSING, tautuple_schema
from taumltools.tuples.truth import truth_type

SCHEMA = tautuple_schema()


def test_filled_branches_are_those_marked_in_the_schema(taus):
    marked = {name for name, branch in SCHEMA.branches.items() if branch.simulated}
    assert set(taus.branches) == marked


def test_types_are_those_of_the_schema(taus):
    wrong = {n: (taus[n].dtype, SCHEMA[n].dtype) for n in taus.branches if taus[n].dtype != SCHEMA[n].dtype}
    assert wrong == {}


def test_entries_are_unique(make_tuples):
    for name, events in (("htautau", 1500), ("qcd", 250)):
        t = make_tuples(name, events)
        keys = list(zip(t["run"], t["lumi"], t["evt"], t["jet_index"], t["tau_index"], strict=True))
        assert len(set(keys)) == len(keys)


def test_event_numbers_and_constants(taus):
    assert taus["evt"].min() >= 1001
    assert taus["evt"].max() <= 2500
    assert np.all(np.diff(taus["evt"].astype(np.int64)) >= 0)
    assert set(taus["run"]) == {1}
    assert set(taus["lumi"]) == {2}
    assert set(taus["sampleType"]) == {1}
    assert set(taus["tauType"]) == {0}


def test_entry_counters(taus):
    for event in np.unique(taus["evt"])[:50]:
        here = taus["evt"] == event
        assert taus["entry_index"][here].tolist() == list(range(int(here.sum())))
        assert set(taus["total_entries"][here]) == {here.sum()}


def test_absent_taus_are_missing(taus):
    absent = taus["tau_index"] < 0
    assert 0 < absent.sum() < 0.3 * len(taus)
    assert np.isnan(taus["tau_pt"][absent]).all()
    assert np.all(taus["tau_decayMode"][absent] == INT_MISSING)
    assert set(taus["genLepton_kind"][absent]) == {5}
    assert np.all(truth_type(taus)[absent] == -1)
    assert not np.isnan(taus["tau_pt"][~absent]).any()


def test_absent_jets_and_leptons_are_missing(make_tuples):
    t = make_tuples("qcd", 250)
    absent = t["genLepton_index"] < 0
    assert absent.mean() > 0.9
    assert np.isnan(t["genLepton_vis_pt"][absent]).all()
    assert np.all(t["genLepton_kind"][absent] == INT_MISSING)
    assert np.isfinite(t["genJet_pt"][absent]).all()


def test_one_leading_candidate_per_tau_and_it_is_in_the_signal(taus):
    pf = taus.collections["pfCand"]
    lead, signal = (pf.columns[k] == 1 for k in ("tauLeadChargedHadrCand", "tauSignal"))
    per_entry = np.bincount(pf.owner[lead], minlength=len(taus))
    assert per_entry.tolist() == (taus["tau_index"] >= 0).astype(int).tolist()
    assert np.all(signal[lead])
    assert not np.any(signal & (pf.columns["tauIso"] == 1))


def test_signal_candidates_sum_to_the_tau(taus):
    pf, has_tau = taus.collections["pfCand"], taus["tau_index"] >= 0
    c, signal = pf.columns, pf.columns["tauSignal"] == 1
    x, y = (
        np.bincount(pf.owner, weights=c["pt"] * f(c["phi"]) * signal, minlength=len(taus)) for f in (np.cos, np.sin)
    )
    assert np.hypot(x, y)[has_tau] == pytest.approx(taus["tau_pt"][has_tau], rel=1e-3)


def test_stored_isolation_agrees_with_the_candidates(taus):
    pf, has_tau = taus.collections["pfCand"], taus["tau_index"] >= 0
    iso = (pf.columns["tauIso"] == 1) & (pf.columns["charge"] != 0)
    total = np.bincount(pf.owner[iso], weights=pf.columns["pt"][iso], minlength=len(taus))
    assert total[has_tau] == pytest.approx(taus["tau_chargedIsoPtSum"][has_tau], abs=1e-3)


def test_candidates_are_in_the_cone_and_ascending(taus):
    pf = taus.collections["pfCand"]
    owner = pf.owner
    has_tau = taus["tau_index"][owner] >= 0
    d_phi = np.angle(np.exp(1j * (pf.columns["phi"] - taus["tau_phi"][owner])))
    distance = np.hypot(pf.columns["eta"] - taus["tau_eta"][owner], d_phi)[has_tau]
    assert distance.max() < 0.5001
    step = np.diff(pf.columns["index"])[np.diff(owner) == 0]
    assert np.all(step > 0)


def test_track_details_follow_the_threshold(taus):
    c = taus.collections["pfCand"].columns
    details = c["hasTrackDetails"] == 1
    assert np.isnan(c["dxy_error"][~details]).all()
    assert np.isfinite(c["dxy_error"][details]).all()
    assert c["pt"][details].min() > 0.95
    assert np.isfinite(c["dxy"]).all()


def test_electrons_and_muons_are_near_prompt_ones(make_tuples):
    for dataset, collection in (("zee", "ele"), ("zmumu", "muon")):
        t = make_tuples(dataset, 250)
        counts = t.collections[collection].counts
        types = truth_type(t)
        lepton = types == (0 if collection == "ele" else 1)
        assert lepton.sum() > 100
        assert counts[lepton].mean() > 0.4
        assert counts[types == 3].mean() < counts[lepton].mean()
        assert t[f"{collection}_pt"].min() > 3.0


def test_generated_jet_and_lepton_agree(taus):
    both = (taus["genLepton_index"] >= 0) & (taus["genJet_index"] >= 0) & (taus["genLepton_kind"] == 5)
    assert both.mean() > 0.4
    ratio = taus["genJet_pt"][both] / taus["genLepton_vis_pt"][both]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)


def test_decay_chain_belongs_to_the_lepton(taus):
    chain = taus.collections["genParticle"]
    assert (chain.counts > 0).tolist() == (taus["genLepton_index"] >= 0).tolist()
    assert np.all(chain.counts < 500)
    first = taus["genLepton_lastMotherIndex"] + 1
    rows = (chain.offsets[:-1] + first)[chain.counts > 0]
    assert np.isin(np.abs(chain.columns["pdgId"][rows]), (11, 13, 15)).all()


def test_weights_of_biased_events(make_tuples, taus):
    assert set(taus["genEventWeight"]) == {1.0}
    weight, pt = make_tuples("qcd", 250)["genEventWeight"], make_tuples("qcd", 250)["genJet_pt"]
    assert len(np.unique(weight)) > 50
    assert np.all(weight > 0)
    good = np.isfinite(pt)
    assert np.corrcoef(np.log(weight[good]), pt[good])[0, 1] < -0.4
