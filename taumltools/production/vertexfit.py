"""Decay vertices of taus with several prongs, by a least-squares fit of straight tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.production.candidates import Candidates
from taumltools.production.hps import TauCandidates

TAU_MASS = 1.77682
"""GeV."""


@dataclass(frozen=True)
class DecayVertices:
    """Fitted vertices; NaN where there is none.

    Attributes:
        position: relative to the signal vertex in cm, float64, shape (n, 3).
        covariance: of the position in cm^2, float64, shape (n, 3, 3).
    """

    position: np.ndarray
    covariance: np.ndarray

    @property
    def exists(self) -> np.ndarray:
        """Mask of taus with a vertex."""
        return np.isfinite(self.position[:, 0])


def fit_vertices(taus: TauCandidates, candidates: Candidates) -> DecayVertices:
    """Fit the decay vertex of every tau with at least two prongs.

    Each track is a straight line through its point of closest approach, known to dxy_error across the
    beam and dz_error along it.  The vertex minimises the chi2 of all prongs: a linear problem.  A pion of
    1 GeV bends by 30 micrometres over 1 cm, less than its impact parameter is known to.

    Args:
        taus: tau candidates.
        candidates: what they were built from.

    Returns:
        One row per tau.
    """
    c = candidates
    tau, slot = np.nonzero(taus.signal >= 0)
    rows = taus.signal[tau, slot]
    prong = c.charged[rows] & (slot < 3) & (taus.mode[tau] >= 5)
    tau, rows = tau[prong], rows[prong]
    sin, cos = np.sin(c.phi[rows].astype(float)), np.cos(c.phi[rows].astype(float))
    slope, zero = np.sinh(c.eta[rows].astype(float)), np.zeros(len(rows))
    # a point (x, y, z) on the track obeys  y cos - x sin = dxy  and  z - (x cos + y sin) slope = dz
    normals = np.stack([np.stack([-sin, cos, zero], 1), np.stack([-cos * slope, -sin * slope, zero + 1.0], 1)], 1)
    values = np.stack([c.dxy[rows], c.dz[rows]], 1).astype(float)
    weights = 1.0 / np.stack([c.dxy_error[rows], c.dz_error[rows]], 1).astype(float) ** 2
    n = len(taus)
    matrix, vector = np.zeros((n, 3, 3)), np.zeros((n, 3))
    np.add.at(matrix, tau, np.einsum("kp,kpi,kpj->kij", weights, normals, normals))
    np.add.at(vector, tau, np.einsum("kp,kpi,kp->ki", weights, normals, values))
    good = np.bincount(tau, minlength=n) >= 2
    position, covariance = np.full((n, 3), np.nan), np.full((n, 3, 3), np.nan)
    covariance[good] = inverse(matrix[good])
    position[good] = np.einsum("kij,kj->ki", covariance[good], vector[good])
    return DecayVertices(position, covariance)


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of symmetric positive matrices, by their factors L D Lᵀ.

    Written out, because LAPACK's last bit depends on the processor and on variables of the environment, and a job
    on a batch system has others than its submitter.

    Args:
        matrix: float64, shape (n, 3, 3).

    Returns:
        float64, same shape; NaN for matrices that have no inverse.

    Examples:
        >>> inverse(np.diag([1.0, 2.0, 4.0])[None])[0].diagonal().tolist()
        [1.0, 0.5, 0.25]
    """
    m = matrix
    with np.errstate(all="ignore"):
        d1 = m[:, 0, 0]
        l21, l31 = m[:, 1, 0] / d1, m[:, 2, 0] / d1
        d2 = m[:, 1, 1] - l21 * m[:, 1, 0]
        rest = m[:, 2, 1] - l31 * m[:, 1, 0]
        l32 = rest / d2
        d3 = m[:, 2, 2] - l31 * m[:, 2, 0] - l32 * rest
        low = np.zeros_like(m)  # the inverse of L
        low[:, 0, 0] = low[:, 1, 1] = low[:, 2, 2] = 1.0
        low[:, 1, 0], low[:, 2, 1], low[:, 2, 0] = -l21, -l32, l21 * l32 - l31
        out = np.zeros_like(m)
        for k, d in enumerate((d1, d2, d3)):
            out += low[:, k, :, None] * low[:, k, None, :] / d[:, None, None]
    out[~np.isfinite(out).all(axis=(1, 2))] = np.nan
    return out


def flight_significance(vertices: DecayVertices) -> np.ndarray:
    """Length of the flight over its uncertainty along the flight; NaN without vertex."""
    length = np.linalg.norm(vertices.position, axis=1)
    direction = vertices.position / np.maximum(length, 1e-9)[:, None]
    variance = np.einsum("ki,kij,kj->k", direction, vertices.covariance, direction)
    return length / np.sqrt(np.maximum(variance, 1e-12))


def gottfried_jackson_difference(momentum: np.ndarray, mass: np.ndarray, flight: np.ndarray) -> np.ndarray:
    """Angle between momentum and flight minus the largest angle that kinematics allows.

    acos(p.L / (|p| |L|)) - asin((m_tau^2 - m^2) / (2 m_tau |p|))

    Args:
        momentum: visible momentum in GeV, shape (n, 3).
        mass: visible mass in GeV, shape (n,).
        flight: flight vector, shape (n, 3).

    Returns:
        The difference in rad; NaN where a length is missing or an argument is outside [-1, 1].
    """
    p, length = np.linalg.norm(momentum, axis=1), np.linalg.norm(flight, axis=1)
    cosine = np.einsum("ki,ki->k", momentum, flight) / np.maximum(p * length, 1e-12)
    sine = (TAU_MASS**2 - mass**2) / (2.0 * TAU_MASS * np.maximum(p, 1e-9))
    allowed = (np.abs(cosine) <= 1.0) & (np.abs(sine) <= 1.0)
    with np.errstate(invalid="ignore"):
        return np.where(allowed, np.arccos(cosine) - np.arcsin(sine), np.nan)
