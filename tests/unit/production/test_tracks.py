from __future__ import annotations

import numpy as np
import pytest

from taumltools.config.production import TrackConfig
from taumltools.production.tracks import hits, impact_errors, pt_resolution, track_found

CONFIG = TrackConfig()
N = 20000


@pytest.mark.parametrize(("pt", "step"), [(0.2, 0), (0.5, 1), (1.0, 2), (10.0, 3)])
def test_efficiency_follows_the_steps(make_stable, pt, step):
    found = track_found(make_stable(N, code=211, charge=1, pt=pt), CONFIG, np.random.default_rng(1))
    assert found.mean() == pytest.approx(CONFIG.efficiency[step], abs=0.01)


def test_muons_have_their_own_efficiency(make_stable):
    found = track_found(make_stable(N, code=13, charge=1), CONFIG, np.random.default_rng(1))
    assert found.mean() == pytest.approx(CONFIG.muon_efficiency, abs=0.005)


@pytest.mark.parametrize(
    ("kwargs", "factor"),
    [({"radius": 5.0}, 0.5), ({"radius": 50.0}, 0.0), ({"eta": 2.6}, 0.0), ({}, 1.0)],
)
def test_displaced_and_forward_tracks(make_stable, kwargs, factor):
    found = track_found(make_stable(N, code=211, charge=1, **kwargs), CONFIG, np.random.default_rng(1))
    assert found.mean() == pytest.approx(factor * CONFIG.efficiency[-1], abs=0.012)


def test_neutral_particles_leave_no_track(make_stable):
    assert not track_found(make_stable(100, code=22, charge=0), CONFIG, np.random.default_rng(1)).any()


def test_resolutions_grow_with_pt_and_towards_the_endcap():
    pt = np.array([1.0, 100.0, 1.0])
    eta = np.array([0.0, 0.0, 2.0])
    resolution = pt_resolution(pt, eta, CONFIG)
    assert resolution[0] < min(resolution[1:])
    dxy, dz = impact_errors(pt, eta, CONFIG)
    assert dxy[1] < dxy[0] < dxy[2]
    assert dz[1] < dz[0] < dz[2]
    assert dxy[1] == pytest.approx(0.0015, rel=0.01)


def test_hits_are_missing_inside_the_production_radius():
    inside, outside = hits(np.zeros(N), np.random.default_rng(1)), hits(np.full(N, 8.0), np.random.default_rng(1))
    assert inside["n_pixel"].mean() == pytest.approx(4 * 0.93, abs=0.02)
    assert outside["n_pixel"].mean() == pytest.approx(4 * 0.93 - 2, abs=0.1)
    assert set(np.unique(inside["lost_inner"])) == {-1, 0}
    assert outside["lost_inner"].min() == 1
    assert inside["chi2"].mean() == pytest.approx(1.0, abs=0.01)
