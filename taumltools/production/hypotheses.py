"""Hypotheses of the hadrons-plus-strips algorithm: which prongs and strips make a tau."""

from __future__ import annotations

import itertools
import math

import numba as nb
import numpy as np

from taumltools.production.geometry import phi_difference
from taumltools.production.strips import MAX_STRIPS

MAX_PRONGS = 6
"""Hardest tracks of a jet that are tried."""

PION_MASS = 0.13957
"""GeV."""

NO_WINDOW = 1.0
"""Lowest mass above the highest: the decay mode is not searched."""


def _combinations(n: int, sizes: range, width: int) -> np.ndarray:
    combos = [c for size in sizes for c in itertools.combinations(range(n), size)]
    return np.array([[*c, *[-1] * (width - len(c))] for c in combos], np.int64)


PRONGS = _combinations(MAX_PRONGS, range(1, 4), 3)
"""All choices of one to three tracks, -1 for none, shape (41, 3)."""

STRIPS = _combinations(MAX_STRIPS, range(3), 2)
"""All choices of up to two strips, -1 for none, shape (11, 2)."""


def mass_table(windows: dict[int, tuple[float, float, float]]) -> np.ndarray:
    """Mass windows as a table for the kernels.

    Args:
        windows: ``{decay mode: (lowest, highest, cap)}`` in GeV.

    Returns:
        float64, shape (12, 3), row = decay mode; modes that are not named accept nothing.
    """
    table = np.tile(np.array([NO_WINDOW, -1.0, -1.0]), (12, 1))
    for mode, window in windows.items():
        table[mode] = window
    return table


@nb.njit(cache=True)
def decay_mode(n_prongs: int, n_strips: int) -> int:
    """HPS decay mode: 5 (prongs - 1) + strips."""
    return 5 * (n_prongs - 1) + n_strips


@nb.njit(cache=True)
def mass_in_window(mass: float, pt: float, window: np.ndarray) -> bool:
    """True if the mass is inside; the upper end grows with sqrt(pt / 100 GeV) up to its cap.

    Args:
        mass: of the hypothesis, GeV.
        pt: of the hypothesis, GeV.
        window: lower end, upper end at 100 GeV and cap of the upper end, GeV.
    """
    high = min(max(window[1] * math.sqrt(pt / 100.0), window[1]), max(window[2], window[1]))
    return window[0] < mass < high


@nb.njit(cache=True)
def count_chosen(combo: np.ndarray) -> int:
    """Number of entries of a choice that are not -1."""
    n = 0
    for k in combo:
        n += k >= 0
    return n


@nb.njit(cache=True)
def track_momentum(row: int, pt: np.ndarray, eta: np.ndarray, phi: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out`` with (px, py, pz, E) in GeV of a track with the mass of a pion."""
    out[0], out[1], out[2] = pt[row] * math.cos(phi[row]), pt[row] * math.sin(phi[row]), pt[row] * math.sinh(eta[row])
    out[3] = math.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2 + PION_MASS**2)


@nb.njit(cache=True)
def inside_cone(momentum: np.ndarray, eta: float, phi: float, radius: float) -> bool:
    """True if a momentum points into a cone.

    Args:
        momentum: (px, py, pz, ...) in GeV.
        eta: of the axis.
        phi: of the axis, rad.
        radius: of the cone in (eta, phi).
    """
    pt = math.hypot(momentum[0], momentum[1])
    d_eta = math.asinh(momentum[2] / pt) - eta
    d_phi = phi_difference(math.atan2(momentum[1], momentum[0]), phi)
    return d_eta * d_eta + d_phi * d_phi <= radius * radius


@nb.njit(cache=True)
def allowed_prongs(combo: np.ndarray, n_tracks: int, charge: np.ndarray, electron: np.ndarray) -> int:
    """Number of prongs of a choice, 0 if it is not allowed.

    Args:
        combo: row of :data:`PRONGS`.
        n_tracks: tracks of the jet.
        charge: charge of each track, falling in pt.
        electron: True for electrons; only the leading one can be the prong of a one-prong tau, because
            conversion electrons would otherwise fake three-prong decays or count in a strip as well.

    Returns:
        1, 2, 3, or 0.
    """
    n, total = 0, 0
    for k in combo:
        if k < 0:
            break
        if k >= n_tracks:
            return 0
        total += charge[k]
        n += 1
    if n != 2 and abs(total) != 1:
        return 0
    for k in combo:
        if k >= 0 and electron[k] and (n > 1 or k > 0):
            return 0
    return n


@nb.njit(cache=True)
def passes(
    combo: np.ndarray,
    strips: np.ndarray,
    tracks: np.ndarray,
    strip_momenta: np.ndarray,
    mode: int,
    windows: np.ndarray,
    cone: np.ndarray,
    max_eta: float,
    total: np.ndarray,
) -> bool:
    """Check mass window, signal cone and acceptance of one hypothesis.

    Args:
        combo: prongs, row of :data:`PRONGS`.
        strips: strips, row of :data:`STRIPS`.
        tracks: momenta of the tracks, shape (n, 4).
        strip_momenta: momenta of the strips, shape (n, 4).
        mode: its decay mode.
        windows: from :func:`mass_table`.
        cone: (GeV, smallest, largest radius).
        max_eta: acceptance.
        total: momentum of the hypothesis, is filled.

    Returns:
        True if it passes.
    """
    for axis in range(4):
        total[axis] = 0.0
        for k in combo:
            if k >= 0:
                total[axis] += tracks[k, axis]
        for s in strips:
            if s >= 0:
                total[axis] += strip_momenta[s, axis]
    pt = math.hypot(total[0], total[1])
    eta, phi = math.asinh(total[2] / pt), math.atan2(total[1], total[0])
    mass = math.sqrt(max(total[3] ** 2 - total[0] ** 2 - total[1] ** 2 - total[2] ** 2, 0.0))
    if abs(eta) > max_eta or not mass_in_window(mass, pt, windows[mode]):
        return False
    radius = min(max(cone[0] / pt, cone[1]), cone[2])
    for k in combo:
        if k >= 0 and not inside_cone(tracks[k], eta, phi, radius):
            return False
    for s in strips:  # noqa: SIM110 - any() with a generator is not compiled
        if s >= 0 and not inside_cone(strip_momenta[s], eta, phi, radius):
            return False
    return True
