"""Particle-flow identification: which track becomes an electron, a muon or a charged hadron."""

from __future__ import annotations

import numpy as np

from taumltools.config.production import CalorimeterConfig, LeptonIdConfig
from taumltools.production import candidates as pf
from taumltools.production.calorimeter import BARREL, Deposits, in_crack
from taumltools.production.stable import ELECTRON, MUON, Stable

MUON_GAPS = ((0.2, 0.3), (0.8, 0.95), (2.2, 9.0))
"""abs(eta) ranges between the wheels and at the end of the muon system."""


def in_muon_gap(eta: np.ndarray) -> np.ndarray:
    """Mask of directions where muon chambers are missing."""
    return np.any([(np.abs(eta) > low) & (np.abs(eta) < high) for low, high in MUON_GAPS], axis=0)


def identify(
    particles: Stable,
    deposit: Deposits,
    config: LeptonIdConfig,
    calorimeter: CalorimeterConfig,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Kind of each track, and membership in the electron and muon collections.

    Args:
        particles: particles with a track.
        deposit: their calorimeter response.
        config: efficiencies and misidentification probabilities.
        calorimeter: where the ECAL gap is.
        rng: source of randomness.

    Returns:
        ``kind`` (1 hadron, 2 electron, 3 muon) and ``lepton`` (1 in the electron, 2 in the muon collection), int8.
    """
    n = len(particles)
    is_electron, is_muon = particles.code == ELECTRON, particles.code == MUON
    central = np.where(np.abs(particles.eta) > BARREL, config.electron_endcap, config.electron)
    good_electron = np.where(in_crack(particles.eta, calorimeter), config.electron_crack, central)
    good_muon = np.where(in_muon_gap(particles.eta), config.muon_gap, config.muon)
    fake_electron = np.where(deposit.electromagnetic, config.electron_fake_electromagnetic, config.electron_fake)
    fake_muon = np.where(deposit.silent, config.muon_fake_silent, config.muon_fake)
    p_electron = np.where(is_electron, good_electron, np.where(is_muon, 0.0, fake_electron))
    p_muon = np.where(is_muon, good_muon, np.where(is_electron, 0.0, fake_muon))
    p_electron = p_electron * (particles.pt > config.electron_min_pt)
    p_electron = np.where(particles.converted, config.conversion, p_electron)
    p_muon = p_muon * (particles.pt > config.muon_min_pt)
    u, v = rng.random(n), rng.random(n)
    kind = np.where(u < p_electron, pf.ELECTRON, np.where(u > 1.0 - p_muon, pf.MUON, pf.HADRON))
    also_electron = v < np.where(is_electron, config.electron_reco, config.electron_reco_fake)
    also_muon = v > 1.0 - np.where(is_muon, config.muon_reco, config.muon_reco_fake)
    lepton = np.where((kind == pf.ELECTRON) | ((kind == pf.HADRON) & also_electron & ~is_muon), 1, 0)
    lepton = np.where((kind == pf.MUON) | ((kind == pf.HADRON) & also_muon & ~is_electron), 2, lepton)
    return kind.astype(np.int8), np.where(particles.pt > config.collection_min_pt, lepton, 0).astype(np.int8)
