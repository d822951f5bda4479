"""What particles leave in the calorimeters, and the resolution of clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.config.production import CalorimeterConfig
from taumltools.production.stable import ELECTRON, MUON, PHOTON, Stable

BARREL = 1.48
"""abs(eta) of the end of the ECAL barrel."""


@dataclass(frozen=True)
class Deposits:
    """Calorimeter response of each particle.

    Attributes:
        fraction: deposited over true energy, float64, shape (n,).
        hcal: share of the HCAL in it, float64, shape (n,).
        electromagnetic: hadrons that gave nearly all to the ECAL.
        silent: hadrons that left as little as a muon.
    """

    fraction: np.ndarray
    hcal: np.ndarray
    electromagnetic: np.ndarray
    silent: np.ndarray


def hadron_resolution(energy: np.ndarray, config: CalorimeterConfig) -> np.ndarray:
    """Relative resolution of a hadron shower of ``energy`` GeV, at most 0.6."""
    spread = np.hypot(config.hadron_stochastic / np.sqrt(np.maximum(energy, 0.5)), config.hadron_constant)
    return np.minimum(spread, 0.6)


def photon_resolution(energy: np.ndarray, config: CalorimeterConfig) -> np.ndarray:
    """Relative resolution of a photon cluster of ``energy`` GeV, at most 0.5."""
    energy = np.maximum(energy, 0.1)
    terms = (config.photon_stochastic / np.sqrt(energy), config.photon_noise / energy, config.photon_constant)
    return np.minimum(np.sqrt(sum(np.square(t) for t in terms)), 0.5)


def deposits(particles: Stable, config: CalorimeterConfig, rng: np.random.Generator) -> Deposits:
    """Draw the calorimeter response of each particle.

    Hadrons: some pass the ECAL (or everything), some shower in it completely (charge exchange), the
    rest share.  Electrons: ECAL with a leak, energy is lost in gaps.  Muons: a few GeV, mostly HCAL.

    Args:
        particles: particles behind the tracker.
        config: model parameters.
        rng: source of randomness.

    Returns:
        The response; photons give all to the ECAL, neutral hadrons mostly to the HCAL.
    """
    n = len(particles)
    u, gauss = rng.random(n), rng.standard_normal(n)
    fraction = np.maximum(1.0 + hadron_resolution(particles.energy, config) * gauss, 0.0)
    is_hadron = ~np.isin(particles.code, (ELECTRON, MUON, PHOTON)) & (particles.charge != 0)
    edges = np.cumsum([config.silent_fraction, config.electromagnetic_fraction, config.mip_fraction])
    silent, electromagnetic = is_hadron & (u < edges[0]), is_hadron & (u >= edges[0]) & (u < edges[1])
    late = is_hadron & (u >= edges[1]) & (u < edges[2])
    hcal = np.where(is_hadron, rng.beta(1.8, 1.3, n), np.clip(0.8 + 0.2 * gauss, 0.0, 1.0))
    hcal = np.where(electromagnetic, rng.beta(0.8, 12.0, n), hcal)
    hcal = np.where(late, 1.0 - np.minimum(0.3 / np.maximum(particles.energy, 0.6), 0.5) * rng.random(n), hcal)
    return _leptons(particles, config, rng, fraction, hcal, electromagnetic, silent)


def _leptons(
    particles: Stable,
    config: CalorimeterConfig,
    rng: np.random.Generator,
    fraction: np.ndarray,
    hcal: np.ndarray,
    electromagnetic: np.ndarray,
    silent: np.ndarray,
) -> Deposits:
    n = len(particles)
    is_electron, is_muon, is_photon = (particles.code == code for code in (ELECTRON, MUON, PHOTON))
    muon_like = is_muon | silent
    energy = rng.gamma(2.0, config.muon_energy / 2.0, n)
    fraction = np.where(muon_like, np.minimum(energy / np.maximum(particles.energy, 0.5), 1.0), fraction)
    hcal = np.where(muon_like, rng.beta(6.0, 1.5, n), hcal)
    hard = is_muon & (rng.random(n) < config.muon_hard_fraction)
    fraction = np.where(hard, rng.uniform(0.1, 1.3, n), fraction)
    hcal = np.where(hard, rng.beta(1.5, 1.2, n), hcal)
    gap = is_electron & (rng.random(n) < np.where(in_crack(particles.eta, config), 1.0, config.electron_gap_fraction))
    spread = np.hypot(config.electron_spread, photon_resolution(particles.energy, config))
    electron = 1.0 + spread * rng.standard_normal(n)
    fraction = np.where(is_electron, np.where(gap, rng.uniform(0.3, 1.0, n), np.maximum(electron, 0.0)), fraction)
    leak = config.electron_leak
    hcal = np.where(is_electron, rng.beta(np.where(gap, 1.5, 0.8), np.where(gap, 3.0, 0.8 * (1 - leak) / leak)), hcal)
    fraction = np.where(is_photon, 1.0, fraction)
    return Deposits(fraction, np.where(is_photon, 0.0, hcal), electromagnetic, silent)


def in_crack(eta: np.ndarray, config: CalorimeterConfig) -> np.ndarray:
    """Mask of directions into the gap between ECAL barrel and endcap."""
    return (np.abs(eta) > config.crack_low) & (np.abs(eta) < config.crack_high)


def cluster_found(particles: Stable, config: CalorimeterConfig, rng: np.random.Generator) -> np.ndarray:
    """Which particles make a cluster of their own above threshold.

    Args:
        particles: particles behind the tracker; charged ones count as if their track were lost.
        config: thresholds.
        rng: source of randomness.

    Returns:
        Mask of shape (n,).  The efficiency rises as 1 / (1 + exp(-(E - threshold) / width)).
    """
    endcap = np.abs(particles.eta) > BARREL
    shower = np.isin(particles.code, (ELECTRON, PHOTON))
    low = np.where(shower, config.photon_threshold, config.hadron_threshold)
    high = np.where(shower, config.photon_threshold_endcap, config.hadron_threshold_endcap)
    width = np.where(shower, config.photon_turn_on, config.hadron_turn_on)
    excess = (particles.energy - np.where(endcap, high, low)) / width
    return rng.random(len(particles)) < 1.0 / (1.0 + np.exp(-np.clip(excess, -50.0, 50.0)))
