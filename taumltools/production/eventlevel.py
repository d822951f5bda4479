"""Quantities of the whole event: energy density and missing transverse momentum."""

from __future__ import annotations

import numpy as np

from taumltools.production.candidates import Candidates
from taumltools.production.pythia import Particles
from taumltools.production.stable import NEUTRINOS

CELL = 0.55
"""Size in eta and phi of the cells of the energy density (as in CMS)."""

ETA_EDGE = 2.75
"""The grid covers abs(eta) below this; a whole number of cells inside the acceptance."""


def energy_density(candidates: Candidates) -> np.ndarray:
    """Median pt density of the event (rho).

    Args:
        candidates: all candidates.

    Returns:
        float32 in GeV per unit of eta and phi, shape (n_events,).
    """
    n_eta, n_phi = round(2 * ETA_EDGE / CELL), round(2 * np.pi / CELL)
    inside = np.abs(candidates.eta) < ETA_EDGE
    i_eta = ((candidates.eta[inside] + ETA_EDGE) / CELL).astype(np.int64).clip(0, n_eta - 1)
    i_phi = ((candidates.phi[inside] + np.pi) / (2 * np.pi) * n_phi).astype(np.int64).clip(0, n_phi - 1)
    cell = (candidates.event[inside] * n_eta + i_eta) * n_phi + i_phi
    sums = np.bincount(cell, weights=candidates.pt[inside], minlength=candidates.n_events * n_eta * n_phi)
    area = CELL * 2 * np.pi / n_phi
    return (np.median(sums.reshape(candidates.n_events, -1), axis=1) / area).astype(np.float32)


def missing_momentum(candidates: Candidates, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Missing transverse momentum of weighted candidates.

    Args:
        candidates: all candidates; there is no forward calorimeter, so what flies beyond its acceptance is missing.
        weights: weight of each candidate.

    Returns:
        Magnitude in GeV and azimuth in rad, float32, shape (n_events,).
    """
    pt = candidates.pt.astype(np.float64) * weights
    x, y = (
        -np.bincount(candidates.event, weights=pt * component, minlength=candidates.n_events)
        for component in (np.cos(candidates.phi), np.sin(candidates.phi))
    )
    return np.hypot(x, y).astype(np.float32), np.arctan2(y, x).astype(np.float32)


def generated_missing_momentum(particles: Particles) -> tuple[np.ndarray, np.ndarray]:
    """Sum of all neutrinos: magnitude in GeV and azimuth in rad, float32, shape (n_events,)."""
    rows = np.flatnonzero((particles.status > 0) & np.isin(np.abs(particles.pdg_id), NEUTRINOS))
    event = particles.event[rows]
    x, y = (np.bincount(event, weights=p[rows], minlength=particles.n_events) for p in (particles.px, particles.py))
    return np.hypot(x, y).astype(np.float32), np.arctan2(y, x).astype(np.float32)
