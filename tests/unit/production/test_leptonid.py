from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from taumltools.config.production import CalorimeterConfig, LeptonIdConfig
from taumltools.production.calorimeter import Deposits
from taumltools.production.leptonid import identify, in_muon_gap

CONFIG = LeptonIdConfig()
N = 20000


def kinds(particles, *, electromagnetic=False, silent=False):
    n = len(particles)
    deposit = Deposits(np.ones(n), np.zeros(n), np.full(n, electromagnetic), np.full(n, silent))
    return identify(particles, deposit, CONFIG, CalorimeterConfig(), np.random.default_rng(1))


@pytest.mark.parametrize(
    ("code", "eta", "kind", "probability"),
    [
        (11, 0.5, 2, CONFIG.electron),
        (11, 2.0, 2, CONFIG.electron_endcap),
        (11, 1.5, 2, CONFIG.electron_crack),
        (13, 0.5, 3, CONFIG.muon),
        (13, 0.25, 3, CONFIG.muon_gap),
        (211, 0.5, 2, CONFIG.electron_fake),
        (211, 0.5, 3, CONFIG.muon_fake),
    ],
)
def test_probabilities(make_stable, code, eta, kind, probability):
    found, _ = kinds(make_stable(N, code=code, charge=1, eta=eta))
    assert (found == kind).mean() == pytest.approx(probability, abs=0.012)


def test_missed_leptons_become_charged_hadrons_never_the_other_lepton(make_stable):
    electrons, _ = kinds(make_stable(N, code=11, charge=1))
    muons, _ = kinds(make_stable(N, code=13, charge=1))
    assert set(np.unique(electrons)) == {1, 2}
    assert set(np.unique(muons)) == {1, 3}


def test_hadrons_that_look_like_leptons_are_taken_for_them_more_often(make_stable):
    hadrons = make_stable(N, code=211, charge=1)
    assert (kinds(hadrons, electromagnetic=True)[0] == 2).mean() == pytest.approx(0.25, abs=0.02)
    assert (kinds(hadrons, silent=True)[0] == 3).mean() == pytest.approx(0.25, abs=0.02)


def test_soft_tracks_are_hadrons(make_stable):
    kind, lepton = kinds(make_stable(500, code=11, charge=1, pt=1.0))
    assert np.all(kind == 1)
    assert np.all(lepton == 0)


def test_conversion_electrons_are_recognised_at_any_pt(make_stable):
    soft = dataclasses.replace(make_stable(N, code=11, charge=1, pt=0.6), converted=np.ones(N, bool))
    assert (kinds(soft)[0] == 2).mean() == pytest.approx(CONFIG.conversion, abs=0.01)


def test_collections_hold_all_identified_leptons_and_some_others(make_stable):
    kind, lepton = kinds(make_stable(N, code=11, charge=1))
    assert np.all(lepton[kind == 2] == 1)
    assert (lepton[kind == 1] == 1).mean() == pytest.approx(CONFIG.electron_reco, abs=0.03)
    assert 2 not in lepton
    kind, lepton = kinds(make_stable(N, code=211, charge=1))
    hadron = kind == 1
    assert (lepton[hadron] == 1).mean() == pytest.approx(CONFIG.electron_reco_fake, abs=0.01)
    assert (lepton[hadron] == 2).mean() == pytest.approx(CONFIG.muon_reco_fake, abs=0.01)


def test_muon_gaps():
    assert in_muon_gap(np.array([0.0, 0.25, -0.9, 1.5, 2.3])).tolist() == [False, True, True, False, True]
