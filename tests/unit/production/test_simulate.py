from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.errors import ConfigError
from taumltools.production.simulate import batch_sizes, simulate
from taumltools.tuples.truth import truth_type


def produce(dataset, config, pool, events, seed=7, **settings):
    numbers = {"run": 1, "lumi": 1, "first_event": 1, "label": "test"} | settings
    return list(simulate(dataset, config, events=events, seed=np.random.SeedSequence(seed), pileup=pool, **numbers))


@pytest.mark.parametrize(("events", "batch", "sizes"), [(0, 10, []), (10, 10, [10]), (25, 10, [10, 10, 5])])
def test_batches_add_up(events, batch, sizes):
    assert batch_sizes(events, batch) == sizes


def test_same_seed_same_content(load_dataset, config, pool):
    dataset = load_dataset("ztautau")
    one, two, other = (produce(dataset, config, pool, 30, seed=s)[0] for s in (7, 7, 8))
    assert len(one) > 5
    for name in one.branches:
        assert np.array_equal(one[name], two[name], equal_nan=one[name].dtype.kind == "f"), name
    assert not np.array_equal(one["tau_pt"], other["tau_pt"], equal_nan=True)


def test_event_numbers_run_through_the_batches(load_dataset, config, pool):
    small = ProductionConfig(**{**vars(config), "batch_events": 20})
    parts = produce(load_dataset("ztautau"), small, pool, 50, first_event=101)
    assert len(parts) == 3
    for k, part in enumerate(parts):
        assert part["evt"].min() >= 101 + 20 * k
        assert part["evt"].max() <= 101 + min(20 * k + 19, 49)


def test_batches_without_entries_have_all_columns(load_dataset, config, pool, taus):
    invisible = ("WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off", "23:onIfAny = 12", "PhaseSpace:mHatMin = 80.")
    soft = DatasetConfig(title="soft", process=invisible)
    (part,) = produce(soft, ProductionConfig(**{**vars(config), "hps": {"min_pt": 500.0}}), pool, 3)
    assert len(part) == 0
    assert part.branches == taus.branches
    assert {n: part[n].dtype for n in part.branches} == {n: taus[n].dtype for n in taus.branches}


def test_wrong_process_names_dataset_and_line(config, pool):
    dataset = DatasetConfig(title="wrong", process=("HardQCD:al = on",))
    with pytest.raises(ConfigError, match=r"dataset 'test'.*'HardQCD:al = on'"):
        produce(dataset, config, pool, 1)


def test_title_stands_for_a_missing_label(config, pool):
    with pytest.raises(ConfigError, match="dataset 'wrong one'"):
        produce(DatasetConfig(title="wrong one", process=("X:y = on",)), config, pool, 1, label="")


def test_generator_settings_of_a_dataset_come_last(config, pool):
    process = ("WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off", "23:onIfAny = 13")
    dataset = DatasetConfig(title="x", process=process, generator=("23:onMode = off", "23:onIfAny = 15"))
    (part,) = produce(dataset, config, pool, 30)
    kinds = part["genLepton_kind"][part["genLepton_index"] >= 0]
    assert set(kinds) <= {3, 4, 5}


@pytest.fixture(scope="module")
def hadronic(taus):
    """Generated hadronic taus with visible pt above 22 GeV and abs(eta) below 2.2."""
    keep = (taus["genLepton_kind"] == 5) & (taus["genLepton_vis_pt"] > 22) & (np.abs(taus["genLepton_vis_eta"]) < 2.2)
    return taus.take(np.flatnonzero(keep))


@pytest.fixture(scope="module")
def found(hadronic):
    return hadronic.take(np.flatnonzero(truth_type(hadronic) == 2))


def decay(t):
    """Charged hadrons and neutral pions of each generated tau."""
    chain = t.collections["genParticle"]
    code = np.abs(chain.columns["pdgId"])
    parent = chain.columns["mother"]
    mother = np.where(parent >= 0, code[np.maximum(chain.offsets[:-1][chain.owner] + parent, 0)], 0)
    direct = ~np.isin(mother, (111, 310, 130, 311))
    prongs = np.bincount(chain.owner[np.isin(code, (211, 321)) & direct], minlength=len(t))
    return prongs, np.bincount(chain.owner[(code == 111) & direct], minlength=len(t))


def test_reconstruction_efficiency(hadronic, found):
    efficiency = len(found) / len(hadronic)
    assert efficiency == pytest.approx(0.90, abs=4 * np.sqrt(0.09 / len(hadronic)) + 0.01)


def test_pt_response(found):
    response = found["tau_pt"] / found["genLepton_vis_pt"]
    low, middle, high = np.quantile(response, (0.16, 0.5, 0.84))
    assert middle == pytest.approx(0.997, abs=0.01)
    assert (high - low) / 2 == pytest.approx(0.042, abs=0.012)


@pytest.mark.parametrize(
    ("prongs", "pi0", "mode", "share"), [(1, 0, 0, 0.955), (1, 1, 1, 0.93), (3, 0, 10, 0.65), (3, 0, 5, 0.26)]
)
def test_decay_mode_migration(found, prongs, pi0, mode, share):
    n_prongs, n_pi0 = decay(found)
    chosen = (n_prongs == prongs) & (n_pi0 == pi0)
    tolerance = 4 * np.sqrt(share * (1 - share) / chosen.sum()) + 0.01
    assert (found["tau_decayMode"][chosen] == mode).mean() == pytest.approx(share, abs=tolerance)


def charged_multiplicity(t):
    pf = t.collections["pfCand"]
    c, owner = pf.columns, pf.owner
    d_phi = np.angle(np.exp(1j * (c["phi"] - t["tau_phi"][owner])))
    near = np.hypot(c["eta"] - t["tau_eta"][owner], d_phi) < 0.4
    chosen = near & (c["charge"] != 0) & (c["pt"] > 0.5) & (np.abs(c["dz"]) < 0.2)
    return np.bincount(owner[chosen], minlength=len(t))


@pytest.fixture(scope="module")
def jets(make_tuples):
    t = make_tuples("qcd", 250)
    return t.take(np.flatnonzero((truth_type(t) == 3) & (t["tau_pt"] > 20)))


def test_multiplicity_of_taus_and_jets(found, jets):
    assert charged_multiplicity(found).mean() == pytest.approx(2.55, abs=0.25)
    assert charged_multiplicity(jets).mean() == pytest.approx(12.5, abs=2.0)


def test_isolation_of_taus_and_jets(found, jets):
    assert (found["tau_chargedIsoPtSum"] < 1.5).mean() == pytest.approx(0.71, abs=0.07)
    assert (jets["tau_chargedIsoPtSum"] < 1.5).mean() < 0.08


def test_taus_look_like_taus(found):
    assert set(np.unique(np.abs(found["tau_charge"]))) <= {0, 1, 2}
    assert np.nanmean(found["tau_e_ratio"]) == pytest.approx(0.35, abs=0.15)
    assert (found["tau_charge"] == found["genLepton_charge"]).mean() > 0.75


def test_leptons_are_a_problem_worth_training_on(make_tuples):
    """A fair share of electrons and muons is not identified by particle flow and looks like a pion."""
    for dataset, kind, particle in (("zee", 0, 2), ("zmumu", 1, 3)):
        t = make_tuples(dataset, 250)
        pf = t.collections["pfCand"]
        lead = pf.columns["tauLeadChargedHadrCand"] == 1
        species = np.zeros(len(t), int)
        species[pf.owner[lead]] = pf.columns["particleType"][lead]
        lepton = truth_type(t) == kind
        share = (species[lepton] == particle).mean()
        assert 0.4 < share < 0.9


def test_selection_of_the_dataset_is_applied_and_counted(load_dataset, config, pool):
    dataset = load_dataset("ztautau")
    (everything,) = produce(dataset, config, pool, 40)
    account = {}
    chosen = dataclasses.replace(dataset, selector="genTauTau", reco_pt_sieve=True)
    (kept,) = produce(chosen, config, pool, 40, account=account)
    assert 0 < len(kept) < len(everything)
    assert len(kept) + account["not_gen_tau_tau"] + account["sieved"] == len(everything)
    assert set(kept["evt"].tolist()) <= set(everything["evt"].tolist())
