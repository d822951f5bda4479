from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.strips import MAX_STRIPS, PI0_MASS, build_strips


def strips(rows, **overrides):
    eta, phi, pt = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    settings = {"half_eta": 0.05, "half_phi": 0.2, "min_pt": 2.5} | overrides
    return build_strips(np.arange(len(rows)), eta, phi, pt, *settings.values())


def test_photons_along_the_bending_direction_make_one_strip():
    momenta, strip_of = strips([(0.0, 0.0, 5.0), (0.01, 0.15, 3.0), (0.2, 0.0, 3.0)])
    assert strip_of.tolist() == [0, 0, 1]
    assert np.hypot(momenta[0, 0], momenta[0, 1]) == pytest.approx(8.0, rel=0.01)


def test_window_is_narrow_in_eta():
    _, strip_of = strips([(0.0, 0.0, 5.0), (0.06, 0.0, 3.0)])
    assert strip_of.tolist() == [0, 1]


def test_strip_has_the_mass_of_a_pion():
    momenta, _ = strips([(0.5, 1.0, 5.0)])
    x, y, z, energy = momenta[0]
    assert np.sqrt(energy**2 - x**2 - y**2 - z**2) == pytest.approx(PI0_MASS, rel=1e-3)


def test_soft_strips_are_dropped_and_their_photons_stay_free():
    momenta, strip_of = strips([(0.0, 0.0, 2.0)])
    assert len(momenta) == 0
    assert strip_of.tolist() == [-1]


def test_strip_works_across_the_seam():
    _, strip_of = strips([(0.0, 3.1, 5.0), (0.0, -3.1, 3.0)])
    assert strip_of.tolist() == [0, 0]


def test_number_of_strips_is_limited():
    momenta, strip_of = strips([(0.2 * k, 0.0, 5.0) for k in range(MAX_STRIPS + 2)])
    assert len(momenta) == MAX_STRIPS
    assert (strip_of == -1).sum() == 2


def test_window_follows_the_running_centre():
    """The third photon is outside the window of the first, but inside that of the pair."""
    _, strip_of = strips([(0.0, 0.0, 5.0), (0.0, 0.19, 5.0), (0.0, 0.25, 1.0)])
    assert strip_of.tolist() == [0, 0, 0]
