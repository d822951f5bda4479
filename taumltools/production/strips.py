"""Strips: photons and electrons of one neutral pion, gathered along the bending direction."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from taumltools.production.geometry import phi_difference

MAX_STRIPS = 4
"""Strips per jet; further ones are too soft to matter."""

PI0_MASS = 0.13498
"""GeV."""


@nb.njit(cache=True)
def collect_strip(
    seed: int,
    rows: np.ndarray,
    strip_of: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    pt: np.ndarray,
    half_eta: float,
    half_phi: float,
    member: np.ndarray,
    total: np.ndarray,
) -> None:
    """Gather the strip around one photon.

    Args:
        seed: position in ``rows`` of the hardest free object.
        rows: candidates that can be in strips, falling in pt.
        strip_of: strip of each of them, -1 for free ones.
        eta: of all candidates; also ``phi`` (rad) and ``pt`` (GeV).
        phi: see ``eta``.
        pt: see ``eta``.
        half_eta: half-width of the window around the running centre.
        half_phi: the same in azimuth.
        member: mask over ``rows``, is filled.
        total: momentum (px, py, pz) in GeV, is filled.
    """
    for axis in range(3):
        total[axis] = 0.0
    for k in range(len(rows)):
        member[k] = False
    centre_eta, centre_phi = float(eta[rows[seed]]), float(phi[rows[seed]])
    for k in range(seed, len(rows)):
        i = rows[k]
        if strip_of[k] >= 0 or abs(eta[i] - centre_eta) >= half_eta:
            continue
        if abs(phi_difference(phi[i], centre_phi)) >= half_phi:
            continue
        member[k] = True
        total[0] += pt[i] * math.cos(phi[i])
        total[1] += pt[i] * math.sin(phi[i])
        total[2] += pt[i] * math.sinh(eta[i])
        centre_eta = math.asinh(total[2] / math.hypot(total[0], total[1]))
        centre_phi = math.atan2(total[1], total[0])


@nb.njit(cache=True)
def build_strips(
    rows: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    pt: np.ndarray,
    half_eta: float,
    half_phi: float,
    min_pt: float,
) -> tuple[np.ndarray, np.ndarray]:
    """All strips of one jet.

    Args:
        rows: candidates that can be in strips, falling in pt.
        eta: of all candidates; also ``phi`` (rad) and ``pt`` (GeV).
        phi: see ``eta``.
        pt: see ``eta``.
        half_eta: half-width of the window in eta.
        half_phi: half-width of the window in azimuth.
        min_pt: softest strip in GeV.

    Returns:
        Momenta (px, py, pz, E) in GeV with the mass of a neutral pion, and the strip of each row (-1 for none).
    """
    momenta = np.zeros((MAX_STRIPS, 4))
    strip_of = np.zeros(len(rows), np.int64) - 1
    member = np.zeros(len(rows), np.bool_)
    total = np.zeros(3)
    n = 0
    for seed in range(len(rows)):
        if n == MAX_STRIPS:
            break
        if strip_of[seed] >= 0:
            continue
        collect_strip(seed, rows, strip_of, eta, phi, pt, half_eta, half_phi, member, total)
        if math.hypot(total[0], total[1]) < min_pt:
            continue
        for k in range(len(rows)):
            if member[k]:
                strip_of[k] = n
        momenta[n, 0], momenta[n, 1], momenta[n, 2] = total[0], total[1], total[2]
        momenta[n, 3] = math.sqrt(total[0] ** 2 + total[1] ** 2 + total[2] ** 2 + PI0_MASS**2)
        n += 1
    return momenta[:n], strip_of
