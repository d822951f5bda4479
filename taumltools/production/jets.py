"""Reconstructed and generated jets."""

from __future__ import annotations

import dataclasses

import numpy as np

from taumltools.config.production import JetConfig
from taumltools.production.candidates import NEUTRAL, PHOTON, Candidates
from taumltools.production.clustering import Jets, cluster
from taumltools.production.geometry import cartesian
from taumltools.production.pythia import Particles
from taumltools.production.stable import visible
from taumltools.production.table import offsets_from_counts


def reconstructed_jets(candidates: Candidates, config: JetConfig, *, window: float) -> Jets:
    """Jets of candidates after charged-hadron subtraction.

    Args:
        candidates: all candidates of the events.
        config: radius and threshold.
        window: largest abs(dz) in cm of tracks of the signal vertex.

    Returns:
        Jets whose ``members`` are rows of ``candidates``.  Tracks that belong to a reconstructed
        pile-up vertex are left out; tracks that belong to none stay in.
    """
    c = candidates
    elsewhere = c.charged & (c.pileup == 1) & (np.abs(c.dz - c.vertex_z) < np.abs(c.dz))
    rows = np.flatnonzero(~elsewhere & ~(c.charged & (np.abs(c.dz) > max(5 * window, 0.5))))
    used = c.take(rows)
    momenta = cartesian(used.pt, used.eta, used.phi, used.mass)
    jets = cluster(used.offsets, momenta, radius=config.radius, min_pt=config.min_pt)
    return dataclasses.replace(jets, members=rows[jets.members])


def gen_jets(particles: Particles, config: JetConfig) -> Jets:
    """Jets of the visible final particles of the hard collision (no pile-up).

    Args:
        particles: the event record.
        config: radius and threshold.

    Returns:
        Jets whose ``members`` are rows of ``particles``.
    """
    rows = np.flatnonzero(visible(particles))
    counts = np.bincount(particles.event[rows], minlength=particles.n_events)
    momenta = (particles.px[rows], particles.py[rows], particles.pz[rows], particles.energy[rows])
    jets = cluster(offsets_from_counts(counts), momenta, radius=config.radius, min_pt=config.gen_min_pt)
    return dataclasses.replace(jets, members=rows[jets.members])


GEN_SPECIES = {"chargedEm": (11,), "muon": (13,), "neutralEm": (22,)}
"""Species of a generated jet by abs(PDG code); anything else is a charged or neutral hadron."""


def gen_jet_content(jets: Jets, particles: Particles, charge: np.ndarray) -> dict[str, np.ndarray]:
    """Energies and multiplicities by species, and heavy hadrons, of generated jets.

    Args:
        jets: generated jets.
        particles: the event record.
        charge: charge of each particle.

    Returns:
        Columns by the name they have behind ``genJet_``; energies in GeV (float32), multiplicities int32.
    """
    jet, row = jets.owner
    code = np.abs(particles.pdg_id[row])
    masks = {name: np.isin(code, codes) for name, codes in GEN_SPECIES.items()}
    hadron = ~np.any(list(masks.values()), axis=0)
    masks["chargedHadron"] = hadron & (charge[row] != 0)
    masks["neutralHadron"] = hadron & (charge[row] == 0)
    n = len(jets)
    energy = {k: np.bincount(jet[m], weights=particles.energy[row[m]], minlength=n) for k, m in masks.items()}
    columns = {f"{name}Energy": values.astype(np.float32) for name, values in energy.items()}
    columns |= {f"{name}Multiplicity": np.bincount(jet[m], minlength=n).astype(np.int32) for name, m in masks.items()}
    columns["emEnergy"] = (energy["chargedEm"] + energy["neutralEm"]).astype(np.float32)
    columns["hadEnergy"] = (energy["chargedHadron"] + energy["neutralHadron"]).astype(np.float32)
    return columns


def jet_content(jets: Jets, candidates: Candidates) -> dict[str, np.ndarray]:
    """Constituent counts and energy fractions of reconstructed jets.

    Args:
        jets: reconstructed jets.
        candidates: what they were clustered from.

    Returns:
        Columns by the name they have behind ``jet_``.
    """
    jet, row = jets.owner
    n = len(jets)
    energy = np.maximum(np.bincount(jet, weights=candidates.energy[row], minlength=n), 1e-9)
    charged = np.bincount(jet, weights=candidates.charged[row], minlength=n).astype(np.int32)
    total = np.bincount(jet, minlength=n).astype(np.int32)

    def share(kind: int) -> np.ndarray:
        weights = candidates.energy[row] * (candidates.kind[row] == kind)
        return (np.bincount(jet, weights=weights, minlength=n) / energy).astype(np.float32)

    return {
        "nConstituents": total,
        "chargedMultiplicity": charged,
        "neutralMultiplicity": total - charged,
        "neutralHadronEnergyFraction": share(NEUTRAL),
        "neutralEmEnergyFraction": share(PHOTON),
    }
