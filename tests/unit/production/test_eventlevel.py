from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.eventlevel import energy_density, generated_missing_momentum, missing_momentum


def test_missing_momentum_points_away_from_what_is_seen(make_candidates):
    c = make_candidates([(1, 1, 30.0, 0.0, 0.0), (4, 0, 40.0, 0.0, np.pi / 2)], [])
    pt, phi = missing_momentum(c, np.ones(2))
    assert pt.tolist() == pytest.approx([50.0, 0.0])
    assert phi[0] == pytest.approx(np.arctan2(-40, -30))


def test_weights_count(make_candidates):
    c = make_candidates([(1, 1, 30.0, 0.0, 0.0), (4, 0, 40.0, 0.0, 0.0)])
    assert missing_momentum(c, np.array([1.0, 0.5]))[0][0] == pytest.approx(50.0)


def test_density_of_a_uniform_event(make_candidates):
    rng = np.random.default_rng(1)
    n = 20000
    rows = [
        (4, 0, 1.0, eta, phi) for eta, phi in zip(rng.uniform(-3, 3, n), rng.uniform(-np.pi, np.pi, n), strict=True)
    ]
    assert energy_density(make_candidates(rows))[0] == pytest.approx(n / (6 * 2 * np.pi), rel=0.05)


def test_one_hard_jet_does_not_change_the_density(make_candidates):
    assert energy_density(make_candidates([(1, 1, 500.0, 0.0, 0.0)], [])).tolist() == [0.0, 0.0]


def test_neutrinos_of_a_higgs_decay(particles):
    pt, phi = generated_missing_momentum(particles)
    assert len(pt) == particles.n_events
    assert pt.min() > 0
    assert 20 < pt.mean() < 60
    assert np.abs(phi).max() <= np.pi + 1e-6


def test_reconstruction_follows_the_generated_missing_momentum(taus):
    x, y = (taus["puppimet_pt"] * f(taus["puppimet_phi"]) for f in (np.cos, np.sin))
    gx, gy = (taus["genmet_pt"] * f(taus["genmet_phi"]) for f in (np.cos, np.sin))
    assert np.corrcoef(x, gx)[0, 1] > 0.3
    assert np.corrcoef(y, gy)[0, 1] > 0.3
