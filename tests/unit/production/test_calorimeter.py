from __future__ import annotations

import numpy as np
import pytest

from taumltools.config.production import CalorimeterConfig
from taumltools.production.calorimeter import (
    cluster_found,
    deposits,
    hadron_resolution,
    in_crack,
    photon_resolution,
)

CONFIG = CalorimeterConfig()
N = 20000


def respond(make_stable, code, charge, config=CONFIG, **kwargs):
    return deposits(make_stable(N, code=code, charge=charge, **kwargs), config, np.random.default_rng(1))


def test_shares_of_hadrons(make_stable):
    deposit = respond(make_stable, 211, 1, pt=50.0)
    assert deposit.silent.mean() == pytest.approx(CONFIG.silent_fraction, abs=0.01)
    assert deposit.electromagnetic.mean() == pytest.approx(CONFIG.electromagnetic_fraction, abs=0.01)
    assert (deposit.hcal > 0.98).mean() == pytest.approx(CONFIG.mip_fraction, abs=0.03)
    assert deposit.hcal[deposit.electromagnetic].mean() < 0.1
    assert deposit.fraction[deposit.silent].mean() < 0.1


def test_electrons_leave_their_energy_in_the_ecal_unless_in_a_gap(make_stable):
    good = respond(make_stable, 11, -1, config=CalorimeterConfig(electron_gap_fraction=0.0))
    bad = respond(make_stable, 11, -1, eta=1.5)
    assert good.fraction.mean() == pytest.approx(1.0, abs=0.01)
    assert good.hcal.mean() == pytest.approx(CONFIG.electron_leak, abs=0.01)
    assert bad.fraction.mean() == pytest.approx(0.65, abs=0.02)
    assert not (good.silent | good.electromagnetic).any()


def test_muons_leave_little_unless_they_radiate(make_stable):
    quiet = respond(make_stable, 13, -1, config=CalorimeterConfig(muon_hard_fraction=0.0), pt=50.0, eta=0.0)
    loud = respond(make_stable, 13, -1, config=CalorimeterConfig(muon_hard_fraction=1.0), pt=50.0)
    assert quiet.fraction.mean() * 50.0 == pytest.approx(CONFIG.muon_energy, rel=0.05)
    assert loud.fraction.mean() == pytest.approx(0.7, abs=0.02)


def test_photons_and_neutral_hadrons(make_stable):
    photon, neutral = respond(make_stable, 22, 0), respond(make_stable, 130, 0)
    assert np.all(photon.fraction == 1.0)
    assert np.all(photon.hcal == 0.0)
    assert neutral.hcal.mean() == pytest.approx(0.78, abs=0.03)
    assert not neutral.silent.any()


@pytest.mark.parametrize("code", [22, 130])
def test_clusters_turn_on_at_their_threshold(make_stable, code):
    threshold = CONFIG.photon_threshold if code == 22 else CONFIG.hadron_threshold
    rate = {}
    for factor in (0.3, 1.0, 3.0):
        particles = make_stable(N, code=code, charge=0, pt=factor * threshold, eta=0.0)
        rate[factor] = cluster_found(particles, CONFIG, np.random.default_rng(1)).mean()
    assert rate[0.3] < 0.05
    assert rate[1.0] == pytest.approx(0.5, abs=0.02)
    assert rate[3.0] > 0.99


def test_thresholds_are_higher_in_the_endcap(make_stable):
    central = make_stable(N, code=22, charge=0, pt=1.2, eta=0.0)
    forward = make_stable(N, code=22, charge=0, pt=1.2 / np.cosh(2.0), eta=2.0)
    seen = [cluster_found(p, CONFIG, np.random.default_rng(1)).mean() for p in (central, forward)]
    assert seen[0] > 0.8 > 0.2 > seen[1]


def test_resolutions_fall_with_energy_and_are_capped():
    energy = np.array([0.01, 10.0, 100.0])
    assert photon_resolution(energy, CONFIG)[0] == 0.5
    assert hadron_resolution(energy, CONFIG)[0] == 0.6
    for resolution in (photon_resolution, hadron_resolution):
        values = resolution(energy, CONFIG)
        assert values[0] > values[1] > values[2] > 0


def test_crack():
    assert in_crack(np.array([1.4, 1.5, -1.5, 1.6]), CONFIG).tolist() == [False, True, True, False]
