from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.response import detect


@pytest.fixture(scope="module")
def detected(particles, config):
    return detect(particles, config, np.random.default_rng(4))


def test_every_event_is_kept(detected, particles):
    assert detected.n_events == particles.n_events
    assert len(detected) > 20 * detected.n_events


def test_neutrals_carry_no_track_quantities(detected):
    neutral = ~detected.charged
    assert neutral.any()
    for name in ("dxy", "dz", "dxy_error", "dz_error", "chi2", "n_pixel", "n_strip", "lepton"):
        assert not getattr(detected, name)[neutral].any(), name
    assert set(np.unique(detected.kind[neutral])) == {4, 5}


def test_tracks_have_errors_and_stay_in_the_tracker(detected, config):
    tracks = detected.take(detected.charged)
    assert set(np.unique(tracks.kind)) == {1, 2, 3}
    assert tracks.dxy_error.min() > 0
    assert np.abs(tracks.eta).max() < config.track.max_eta + 0.01
    assert tracks.pt.min() > config.track.min_pt


def test_impact_parameters_of_prompt_tracks_are_as_wide_as_their_errors(detected):
    pull = (detected.dxy / np.maximum(detected.dxy_error, 1e-9))[(detected.kind == 1) & (detected.pt < 3)]
    assert np.quantile(np.abs(pull), 0.6827) == pytest.approx(1.0, abs=0.15)


def test_same_random_numbers_give_the_same_candidates(particles, config, detected):
    again = detect(particles, config, np.random.default_rng(4))
    assert np.array_equal(again.pt, detected.pt)
    assert np.array_equal(again.hcal_fraction, detected.hcal_fraction)


def test_everything_is_finite(detected):
    assert all(np.isfinite(column).all() for column in detected.columns().values())
    assert np.all((detected.hcal_fraction >= 0) & (detected.hcal_fraction <= 1))
