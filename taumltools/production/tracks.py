"""Tracks: efficiency, resolution, impact parameters, hits."""

from __future__ import annotations

import numpy as np

from taumltools.config.production import TrackConfig
from taumltools.production.stable import ELECTRON, MUON, Stable

PIXEL_LAYERS = 4
FORWARD = 1.5
"""abs(eta) above which resolutions are worse."""


def track_found(particles: Stable, config: TrackConfig, rng: np.random.Generator) -> np.ndarray:
    """Which particles leave a reconstructed track.

    Args:
        particles: particles behind the tracker.
        config: efficiencies and acceptance.
        rng: source of randomness.

    Returns:
        Mask of shape (n,); neutral particles are False.
    """
    step = np.searchsorted(config.efficiency_pt, particles.pt, side="right") - 1
    efficiency = np.where(step < 0, 0.0, np.asarray(config.efficiency)[np.maximum(step, 0)])
    efficiency = np.where(particles.code == ELECTRON, config.electron_efficiency, efficiency)
    efficiency = np.where(particles.code == MUON, config.muon_efficiency, efficiency)
    efficiency = efficiency * np.where(particles.radius > config.displaced_radius, 0.5, 1.0)
    efficiency = efficiency * ((particles.radius < config.last_radius) & (np.abs(particles.eta) < config.max_eta))
    return (particles.charge != 0) & (rng.random(len(particles)) < efficiency)


def pt_resolution(pt: np.ndarray, eta: np.ndarray, config: TrackConfig) -> np.ndarray:
    """Relative resolution of the pt of tracks: a constant, a term that grows with pt, more in forward direction, in quadrature.

    Args:
        pt: GeV, shape (n,).
        eta: shape (n,).
        config: the tracker.
    """
    forward = config.pt_resolution_forward * (np.abs(eta) > FORWARD)
    return np.sqrt(config.pt_resolution**2 + (config.pt_resolution_slope * pt) ** 2 + forward**2)


def impact_errors(pt: np.ndarray, eta: np.ndarray, config: TrackConfig) -> tuple[np.ndarray, np.ndarray]:
    """Uncertainties of dxy and dz in cm: a constant and multiple scattering, worse forward.

    Args:
        pt: GeV, shape (n,).
        eta: shape (n,).
        config: the tracker.
    """
    pt, abs_eta = np.maximum(pt, 0.2), np.minimum(np.abs(eta), 2.5)
    dxy = np.hypot(config.dxy_asymptotic, config.dxy_scattering / pt) * (1.0 + 0.5 * (abs_eta > FORWARD))
    dz = np.hypot(config.dz_asymptotic, config.dz_scattering / pt) * np.cosh(abs_eta) ** 0.7
    return dxy, dz


def hits(radius: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Hit counts and fit quality of tracks.

    Args:
        radius: production radius in cm; layers inside it have no hit.
        rng: source of randomness.

    Returns:
        ``n_pixel``, ``n_strip``, ``lost_inner`` (int8) and ``chi2`` (normalised, float32).
    """
    n = len(radius)
    missed = sum((radius > layer).astype(int) for layer in (3.0, 7.0, 11.0))
    n_pixel = np.clip(rng.binomial(PIXEL_LAYERS, 0.93, n) - missed, 0, PIXEL_LAYERS)
    return {
        "n_pixel": n_pixel.astype(np.int8),
        "n_strip": rng.binomial(12, 0.88, n).astype(np.int8),
        "lost_inner": np.clip(missed - 1 + (rng.random(n) < 0.06), -1, 2).astype(np.int8),
        "chi2": rng.gamma(10.0, 0.1, n).astype(np.float32),
    }
