"""Candidates in cones around directions, and the PUPPI-like weight that is made of such cones."""

from __future__ import annotations

import numba as nb
import numpy as np

from taumltools.production.candidates import Candidates
from taumltools.production.geometry import phi_difference
from taumltools.production.table import offsets_from_counts

PUPPI_CENTRE, PUPPI_WIDTH = 6.0, 1.2
"""Where the weight of neutrals reaches 1/2, and how fast, in units of alpha."""

PUPPI_CORE = 0.02
"""Smallest distance in alpha, so that one collinear track does not decide alone."""


@nb.njit(cache=True)
def _cones(
    event: np.ndarray,
    eta0: np.ndarray,
    phi0: np.ndarray,
    offsets: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    radius: float,
) -> tuple[np.ndarray, np.ndarray]:
    counts = np.zeros(len(event), np.int64)
    most = 0
    for k in range(len(event)):
        most += offsets[event[k] + 1] - offsets[event[k]]
    rows = np.empty(most, np.int64)
    n = 0
    for k in range(len(event)):
        start = n
        low, high = offsets[event[k]], offsets[event[k] + 1]
        for i in range(low, high):
            d_eta = eta[i] - eta0[k]
            if d_eta > radius or d_eta < -radius:
                continue
            if d_eta * d_eta + phi_difference(phi[i], phi0[k]) ** 2 < radius * radius:
                rows[n] = i
                n += 1
        counts[k] = n - start
    return counts, rows[:n]


def in_cones(
    event: np.ndarray, eta: np.ndarray, phi: np.ndarray, candidates: Candidates, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates within a distance of given directions.

    Args:
        event: event of each direction, int64, shape (n,).
        eta: direction; also ``phi`` in rad, float64.
        phi: see ``eta``.
        candidates: all candidates.
        radius: largest distance.

    Returns:
        Offsets of shape (n + 1,) and rows of ``candidates``, ascending for each direction.
    """
    counts, rows = _cones(event, eta, phi, candidates.offsets, candidates.eta, candidates.phi, radius)
    return offsets_from_counts(counts), rows


@nb.njit(cache=True)
def neighbour_activity(
    event: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    offsets: np.ndarray,
    track_eta: np.ndarray,
    track_phi: np.ndarray,
    track_pt: np.ndarray,
    radius: float,
) -> np.ndarray:
    """Sum of (pt / distance)^2 over tracks in a cone.

    Args:
        event: event of each direction, int64, shape (n,).
        eta: direction; also ``phi`` in rad.
        phi: see ``eta``.
        offsets: rows of the tracks of each event.
        track_eta: tracks; also ``track_phi`` and ``track_pt`` (GeV).
        track_phi: see ``track_eta``.
        track_pt: see ``track_eta``.
        radius: size of the cone.

    Returns:
        float64 of shape (n,) in GeV^2.
    """
    activity = np.zeros(len(event))
    for i in range(len(event)):
        for j in range(offsets[event[i]], offsets[event[i] + 1]):
            d_eta = track_eta[j] - eta[i]
            if d_eta > radius or d_eta < -radius:
                continue
            distance = d_eta * d_eta + phi_difference(track_phi[j], phi[i]) ** 2
            if distance < radius * radius:
                activity[i] += track_pt[j] ** 2 / max(distance, PUPPI_CORE * PUPPI_CORE)
    return activity


def puppi_weights(candidates: Candidates, primary: np.ndarray, radius: float) -> np.ndarray:
    """Weights in the manner of PUPPI: the chance that a candidate is not from pile-up.

    Args:
        candidates: all candidates.
        primary: mask of tracks of the signal vertex.
        radius: size of the neighbourhood.

    Returns:
        float32 of shape (n,): 1 or 0 for tracks, a logistic function of the activity of
        primary tracks nearby for neutrals (beyond the tracker it is 0 for want of tracks).
    """
    neutral, tracks = candidates.take(~candidates.charged), candidates.take(primary)
    activity = neighbour_activity(
        neutral.event, neutral.eta, neutral.phi, tracks.offsets, tracks.eta, tracks.phi, tracks.pt, radius
    )
    alpha = np.log(activity + 1e-3)
    weights = primary.astype(np.float32)
    weights[~candidates.charged] = 1.0 / (1.0 + np.exp(-(alpha - PUPPI_CENTRE) / PUPPI_WIDTH))
    return weights
