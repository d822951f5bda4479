"""One batch of events from the generator record to entries: everything the tuple is filled from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.config.production import ProductionConfig
from taumltools.production.candidates import Candidates
from taumltools.production.clustering import Jets
from taumltools.production.cones import puppi_weights
from taumltools.production.entries import Entries, build_entries
from taumltools.production.genrecord import GenLeptons, find_gen_leptons
from taumltools.production.hps import TauCandidates, find_taus
from taumltools.production.jets import gen_jets, reconstructed_jets
from taumltools.production.pileup import Collisions, PileupPool, overlay
from taumltools.production.pythia import Particles
from taumltools.production.response import detect


@dataclass(frozen=True)
class Batch:
    """Everything that is known about a batch of events.

    Attributes:
        particles: the event record.
        weight: generator weight of each event, float64.
        leptons: generated leptons.
        gen_jets: generated jets.
        candidates: particle-flow candidates, pile-up included.
        collisions: pile-up and vertices.
        primary: mask of candidates whose track belongs to the signal vertex.
        puppi: weight of each candidate.
        jets: reconstructed jets.
        taus: tau candidates.
        entries: what is written.
    """

    particles: Particles
    weight: np.ndarray
    leptons: GenLeptons
    gen_jets: Jets
    candidates: Candidates
    collisions: Collisions
    primary: np.ndarray
    puppi: np.ndarray
    jets: Jets
    taus: TauCandidates
    entries: Entries


def reconstruct_batch(
    particles: Particles, weight: np.ndarray, pool: PileupPool, config: ProductionConfig, rng: np.random.Generator
) -> Batch:
    """Detector, pile-up, jets, taus and truth of a batch of generated events.

    Args:
        particles: the event record.
        weight: generator weights.
        pool: soft collisions.
        config: all settings of the simulation.
        rng: source of randomness.

    Returns:
        The batch.
    """
    leptons = find_gen_leptons(particles)
    generated = gen_jets(particles, config.jet)
    candidates, collisions = overlay(detect(particles, config, rng), pool, config.pileup, rng)
    primary = candidates.from_primary(config.pileup.track_window)
    jets = reconstructed_jets(candidates, config.jet, window=config.pileup.track_window)
    taus = find_taus(candidates, jets, config.hps)
    return Batch(
        particles=particles,
        weight=weight,
        leptons=leptons,
        gen_jets=generated,
        candidates=candidates,
        collisions=collisions,
        primary=primary,
        puppi=puppi_weights(candidates, primary, config.cone.puppi),
        jets=jets,
        taus=taus,
        entries=build_entries(leptons, generated, taus, jets, config.matching, max_jet_eta=config.jet.max_eta),
    )
