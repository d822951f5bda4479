"""From particles to particle-flow candidates of one collision."""

from __future__ import annotations

import numpy as np

from taumltools.config.production import ProductionConfig
from taumltools.production import candidates as pf
from taumltools.production.calorimeter import Deposits, cluster_found, deposits, hadron_resolution, photon_resolution
from taumltools.production.candidates import Candidates
from taumltools.production.geometry import fold_phi
from taumltools.production.leptonid import identify
from taumltools.production.material import pass_material
from taumltools.production.merging import merge_clusters
from taumltools.production.pythia import Particles
from taumltools.production.stable import ELECTRON, MUON, PHOTON, Stable, stable_particles
from taumltools.production.tracks import hits, impact_errors, pt_resolution, track_found

SMALLEST_SMEARING = 0.05
"""Energies never shrink below this share."""


def _clusters(particles: Stable, config: ProductionConfig, rng: np.random.Generator) -> Candidates:
    """Photons and neutral hadrons; charged particles without track appear as such."""
    calorimeter = config.calorimeter
    seen = particles.take(cluster_found(particles, calorimeter, rng) & (particles.code != MUON))
    is_photon = np.isin(seen.code, (PHOTON, ELECTRON))
    n = len(seen)
    spread = np.where(
        is_photon, photon_resolution(seen.energy, calorimeter), hadron_resolution(seen.energy, calorimeter)
    )
    scale = np.maximum(1.0 + spread * rng.standard_normal(n), SMALLEST_SMEARING)
    position = np.where(is_photon, calorimeter.photon_position, calorimeter.hadron_position)
    zero = np.zeros(n, np.float32)
    none = np.zeros(n, np.int8)
    return Candidates(
        offsets=seen.offsets,
        kind=np.where(is_photon, pf.PHOTON, pf.NEUTRAL).astype(np.int8),
        charge=none,
        pt=(seen.pt * scale).astype(np.float32),
        eta=(seen.eta + position * rng.standard_normal(n)).astype(np.float32),
        phi=fold_phi(seen.phi + position * rng.standard_normal(n)).astype(np.float32),
        energy=(seen.energy * scale).astype(np.float32),
        calo_fraction=np.ones(n, np.float32),
        hcal_fraction=np.where(is_photon, 0.0, np.clip(0.8 + 0.2 * rng.standard_normal(n), 0, 1)).astype(np.float32),
        dxy=zero,
        dz=zero,
        dxy_error=zero,
        dz_error=zero,
        chi2=zero,
        vertex_z=zero,
        n_pixel=none,
        n_strip=none,
        lost_inner=none,
        lepton=none,
        pileup=none,
    )


def _tracks(particles: Stable, deposit: Deposits, config: ProductionConfig, rng: np.random.Generator) -> Candidates:
    """Charged hadrons, electrons and muons from particles with a track."""
    n = len(particles)
    kind, lepton = identify(particles, deposit, config.lepton_id, config.calorimeter, rng)
    spread = pt_resolution(particles.pt, particles.eta, config.track)
    spread = np.where(kind == pf.ELECTRON, np.maximum(spread, 0.02), spread)
    scale = np.maximum(1.0 + spread * rng.standard_normal(n), SMALLEST_SMEARING)
    dxy_error, dz_error = impact_errors(particles.pt, particles.eta, config.track)
    angle = config.track.angle_resolution
    floats = {
        "pt": particles.pt * scale,
        "eta": particles.eta + angle * rng.standard_normal(n),
        "phi": fold_phi(particles.phi + angle * rng.standard_normal(n)),
        "energy": particles.energy * scale,
        "dxy": particles.dxy + dxy_error * rng.standard_normal(n),
        "dz": particles.dz + dz_error * rng.standard_normal(n),
        "dxy_error": dxy_error,
        "dz_error": dz_error,
        "calo_fraction": deposit.fraction,
        "hcal_fraction": deposit.hcal,
        "vertex_z": np.zeros(n),
    }
    table = Candidates(
        offsets=particles.offsets,
        kind=kind,
        charge=particles.charge,
        lepton=lepton,
        pileup=np.zeros(n, np.int8),
        **hits(particles.radius, rng),
        **{name: column.astype(np.float32) for name, column in floats.items()},
    )
    return table.take(table.pt > config.track.min_pt)


def detect(particles: Particles, config: ProductionConfig, rng: np.random.Generator) -> Candidates:
    """Particle-flow candidates of separate collisions, without pile-up.

    Args:
        particles: the event record.
        config: detector settings.
        rng: source of randomness.

    Returns:
        Candidates, grouped by event (the overlay brings them into their final order).
    """
    produced = stable_particles(particles, max_eta=config.calorimeter.max_eta, min_pt=config.track.min_pt)
    stable = pass_material(produced, config.material, rng)
    deposit = deposits(stable, config.calorimeter, rng)
    found = track_found(stable, config.track, rng)
    seen = Deposits(*(getattr(deposit, name)[found] for name in ("fraction", "hcal", "electromagnetic", "silent")))
    tracks = _tracks(stable.take(found), seen, config, rng)
    clusters = _clusters(stable.take(~found), config, rng)
    return merge_clusters(Candidates.merge([tracks, clusters], order="pt"), config.calorimeter)
