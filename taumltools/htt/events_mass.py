"""Masses of the pair: the visible one, and an estimate of the one with neutrinos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.config.htt_events import EventMassConfig
from taumltools.production.geometry import cartesian, invariant_mass

TAU_MASS = 1.77686
"""Mass of the tau in GeV (PDG 2022)."""

STEP = 1000
"""Events whose grids are in memory at a time."""


@dataclass(frozen=True)
class Momenta:
    """Momenta of one leg of each event.

    Attributes:
        pt: GeV, shape (n,).
        eta: pseudorapidity.
        phi: rad.
        mass: GeV.
        leptonic: whether the leg is an electron or muon.
    """

    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    leptonic: bool = False

    def take(self, rows: slice) -> Momenta:
        """Some of them."""
        return Momenta(self.pt[rows], self.eta[rows], self.phi[rows], self.mass[rows], self.leptonic)


def visible_mass(first: Momenta, second: Momenta) -> np.ndarray:
    """Mass of two legs in GeV, shape (n,): the square root of (E1 + E2)**2 - (p1 + p2)**2."""
    one, two = (cartesian(leg.pt, leg.eta, leg.phi, leg.mass) for leg in (first, second))
    return invariant_mass(*(a + b for a, b in zip(one, two, strict=True)))


def share_density(share: np.ndarray, mass: np.ndarray, leptonic: bool) -> np.ndarray:
    """Probability density of the share of a tau's momentum that is visible, for unpolarised, collinear decays.

    Args:
        share: visible share, between 0 and 1.
        mass: visible mass in GeV, of a shape that broadcasts.
        leptonic: decay to an electron or muon: (5 - 9 x**2 + 4 x**3) / 3 (two neutrinos, massless lepton); else the
            two-body decay to a neutrino and hadrons of that mass: flat above (mass / m_tau)**2.

    Returns:
        The density.
    """
    if leptonic:
        return (5.0 - 9.0 * share**2 + 4.0 * share**3) / 3.0 + 0.0 * mass
    lowest = np.minimum(mass / TAU_MASS, 0.95) ** 2
    return np.where(share > lowest, 1.0 / (1.0 - lowest), 0.0)


def likelihood_mass(
    first: Momenta, second: Momenta, met: np.ndarray, met_phi: np.ndarray, config: EventMassConfig
) -> np.ndarray:
    """Estimate of the mass of the tau pair: the mean over a likelihood with collinear neutrinos.

    It stands in for SVfit, and is simpler: neutrinos fly along the visible products, so that the visible shares x1 and x2
    are all that is not known, and the mass is m_vis / sqrt(x1 x2).  Each point of a grid of shares is weighted by
    the decay densities (:func:`share_density`), by a Gaussian of the missing transverse momentum with one resolution
    for all events (SVfit takes a covariance for each), and by 1 / m**power.

    Args:
        first: one leg.
        second: the other.
        met: missing transverse momentum in GeV, shape (n,).
        met_phi: its azimuth in rad.
        config: resolution, power, grid.

    Returns:
        GeV, float64, shape (n,); never below the visible mass.
    """
    out = np.empty(len(met))
    for start in range(0, len(met), STEP):
        rows = slice(start, start + STEP)
        out[rows] = _mean_mass(first.take(rows), second.take(rows), met[rows], met_phi[rows], config)
    return out


def _mean_mass(
    first: Momenta, second: Momenta, met: np.ndarray, met_phi: np.ndarray, config: EventMassConfig
) -> np.ndarray:
    points = (np.arange(config.points) + 0.5) / config.points
    visible = visible_mass(first, second)
    x = [points[None, :, None], points[None, None, :]]
    missing_x, missing_y = met * np.cos(met_phi), met * np.sin(met_phi)
    residual_x, residual_y = (np.broadcast_to(m[:, None, None], (len(met), 1, 1)) for m in (missing_x, missing_y))
    log = 0.5 * config.power * (np.log(x[0]) + np.log(x[1]))
    density: np.ndarray = np.ones((1, 1, 1))
    for leg, share in zip((first, second), x, strict=True):
        momentum = leg.pt[:, None, None] * (1.0 / share - 1.0)
        residual_x = residual_x - momentum * np.cos(leg.phi)[:, None, None]
        residual_y = residual_y - momentum * np.sin(leg.phi)[:, None, None]
        density = density * share_density(share, leg.mass[:, None, None], leg.leptonic)
    log = log - 0.5 * (residual_x**2 + residual_y**2) / config.met_resolution**2
    log = np.where(density > 0, log, -np.inf)
    weight = density * np.exp(log - log.max(axis=(1, 2), keepdims=True))
    factor = 1.0 / np.sqrt(x[0] * x[1])
    mean: np.ndarray = (weight * factor).sum(axis=(1, 2)) / weight.sum(axis=(1, 2))
    return visible * mean
