"""Small kinematic functions: angles, distances, four-momenta."""

from __future__ import annotations

import math

import numba as nb
import numpy as np


@nb.njit(cache=True)
def phi_difference(a: float, b: float) -> float:
    """Azimuth a - b in rad, folded into [-pi, pi]; for use inside compiled kernels."""
    d = a - b
    while d > math.pi:
        d -= 2.0 * math.pi
    while d < -math.pi:
        d += 2.0 * math.pi
    return d


def fold_phi(phi: np.ndarray) -> np.ndarray:
    """Azimuth in rad, folded into [-pi, pi).

    Examples:
        >>> fold_phi(np.array([0.5, 3.5])).round(3).tolist()
        [0.5, -2.783]
    """
    return (phi + np.pi) % (2.0 * np.pi) - np.pi


def delta_r(eta1: np.ndarray, phi1: np.ndarray, eta2: np.ndarray, phi2: np.ndarray) -> np.ndarray:
    """Distance in (eta, phi); angles in rad, of shapes that broadcast.

    Examples:
        >>> float(delta_r(0.0, 3.1, 0.0, -3.1).round(3))
        0.083
    """
    return np.hypot(eta1 - eta2, fold_phi(np.asarray(phi1) - phi2))


def pt_eta_phi(px: np.ndarray, py: np.ndarray, pz: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Transverse momentum (GeV), pseudorapidity and azimuth (rad) of Cartesian momenta in GeV."""
    pt = np.hypot(px, py)
    return pt, np.arcsinh(pz / np.maximum(pt, 1e-9)), np.arctan2(py, px)


def cartesian(
    pt: np.ndarray, eta: np.ndarray, phi: np.ndarray, mass: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Momentum components and energy in GeV, float64."""
    pt = np.asarray(pt, np.float64)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(np.asarray(eta, np.float64))
    return px, py, pz, np.sqrt(px * px + py * py + pz * pz + np.square(mass, dtype=np.float64))


def invariant_mass(px: np.ndarray, py: np.ndarray, pz: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Mass in GeV; rounding below zero gives 0."""
    return np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0))
