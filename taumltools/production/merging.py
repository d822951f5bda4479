"""Clusters that the calorimeter cannot separate: photons of one pi0, neutral hadrons beside tracks."""

from __future__ import annotations

import numba as nb
import numpy as np

from taumltools.config.production import CalorimeterConfig
from taumltools.production.calorimeter import hadron_resolution
from taumltools.production.candidates import NEUTRAL, PHOTON, Candidates
from taumltools.production.geometry import phi_difference


@nb.njit(cache=True)
def merge_photons(
    offsets: np.ndarray, eta: np.ndarray, phi: np.ndarray, pt: np.ndarray, energy: np.ndarray, radius: float
) -> np.ndarray:
    """Add each photon to the hardest photon of its event within ``radius``; in place.

    Args:
        offsets: rows of each event, int64; rows of one event must fall in pt.
        eta: pseudorapidity; also ``phi`` (rad), ``pt`` and ``energy`` (GeV), which are changed.
        phi: see ``eta``.
        pt: see ``eta``.
        energy: see ``eta``.
        radius: distance below which two photons are one cluster.

    Returns:
        Mask of the rows that remain.
    """
    keep = np.ones(len(pt), np.bool_)
    for event in range(len(offsets) - 1):
        for i in range(offsets[event], offsets[event + 1]):
            for j in range(offsets[event], i):
                if not keep[j] or abs(eta[i] - eta[j]) > radius:
                    continue
                if (eta[i] - eta[j]) ** 2 + phi_difference(phi[i], phi[j]) ** 2 < radius * radius:
                    pt[j] += pt[i]
                    energy[j] += energy[i]
                    keep[i] = False
                    break
    return keep


@nb.njit(cache=True)
def excess_over_tracks(
    offsets: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    energy: np.ndarray,
    neutral: np.ndarray,
    track_sigma: np.ndarray,
    radius: float,
    n_sigma: float,
) -> np.ndarray:
    """Neutral hadrons that stand out over the tracks beside them.

    Args:
        offsets: rows of each event, int64.
        eta: pseudorapidity; also ``phi`` (rad) and ``energy`` (GeV).
        phi: see ``eta``.
        energy: see ``eta``.
        neutral: mask of neutral hadrons.
        track_sigma: calorimeter resolution in GeV of charged hadrons, 0 for anything else.
        radius: tracks within this distance share the cluster.
        n_sigma: excess needed in units of the summed resolution.

    Returns:
        Mask of shape (rows,); rows that are no neutral hadrons are True.
    """
    keep = np.ones(len(energy), np.bool_)
    for event in range(len(offsets) - 1):
        for i in range(offsets[event], offsets[event + 1]):
            if not neutral[i]:
                continue
            variance = 0.0
            for j in range(offsets[event], offsets[event + 1]):
                if track_sigma[j] <= 0.0 or abs(eta[i] - eta[j]) > radius:
                    continue
                if (eta[i] - eta[j]) ** 2 + phi_difference(phi[i], phi[j]) ** 2 < radius * radius:
                    variance += track_sigma[j] ** 2
            keep[i] = energy[i] * energy[i] >= n_sigma * n_sigma * variance
    return keep


def merge_clusters(candidates: Candidates, config: CalorimeterConfig) -> Candidates:
    """Merge photons and absorb neutral hadrons of one collision.

    Args:
        candidates: candidates of separate collisions, sorted by falling pt inside each.
        config: distances.

    Returns:
        The candidates that can be told apart; energies of merged photons are summed.
    """
    c = candidates
    photon = np.flatnonzero(c.kind == PHOTON)
    photons = c.take(photon)
    kept = merge_photons(photons.offsets, photons.eta, photons.phi, photons.pt, photons.energy, config.photon_merge)
    c.pt[photon], c.energy[photon] = photons.pt, photons.energy
    keep = np.ones(len(c), np.bool_)
    keep[photon[~kept]] = False
    sigma = np.where(c.kind == 1, hadron_resolution(c.energy, config) * c.energy, 0.0).astype(np.float32)
    keep &= excess_over_tracks(
        c.offsets, c.eta, c.phi, c.energy, c.kind == NEUTRAL, sigma, config.hadron_absorb, config.hadron_absorb_sigma
    )
    return c.take(keep)
