from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.production.geometry import cartesian, delta_r, fold_phi, invariant_mass, phi_difference, pt_eta_phi

angles = st.floats(-7.0, 7.0)


@given(angles, angles)
def test_compiled_phi_difference_agrees_with_numpy(a, b):
    expected = np.angle(np.exp(1j * (a - b)))
    difference = phi_difference(a, b)
    assert abs(difference) <= np.pi
    assert np.cos(difference) == pytest.approx(np.cos(expected), abs=1e-9)
    assert np.sin(difference) == pytest.approx(np.sin(expected), abs=1e-9)


def test_distance_across_the_seam():
    assert delta_r(0.0, np.pi - 0.05, 0.0, -np.pi + 0.05) == pytest.approx(0.1)
    assert fold_phi(np.array([np.pi]))[0] == pytest.approx(-np.pi)


@given(st.floats(0.5, 500.0), st.floats(-3.0, 3.0), st.floats(-3.1, 3.1), st.floats(0.0, 2.0))
def test_cartesian_and_back(pt, eta, phi, mass):
    px, py, pz, energy = cartesian(pt, eta, phi, mass)
    back = pt_eta_phi(px, py, pz)
    assert [float(x) for x in back] == pytest.approx([pt, eta, phi], abs=1e-6)
    assert invariant_mass(px, py, pz, energy) == pytest.approx(mass, abs=2e-2)


def test_rounding_gives_no_imaginary_mass():
    assert invariant_mass(np.array([1.0]), np.array([0.0]), np.array([0.0]), np.array([0.999]))[0] == 0.0
