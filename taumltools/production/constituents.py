"""Collections of an entry: particle-flow candidates, electrons and muons in its cone."""

from __future__ import annotations

import numpy as np

from taumltools.config.production import ProductionConfig
from taumltools.production import candidates as pf
from taumltools.production.cones import in_cones
from taumltools.production.isolation import is_signal, isolation_candidates, muon_isolation
from taumltools.production.reconstruction import Batch
from taumltools.tuples.data import Collection

Axis = tuple[np.ndarray, np.ndarray]


def _f4(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)


def _i4(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.int32)


def pf_candidates(batch: Batch, axis: Axis, config: ProductionConfig) -> Collection:
    """The ``pfCand_*`` collection: every candidate in the cone, hardest first.

    Args:
        batch: the batch.
        axis: eta and phi of the cone of each entry.
        config: cone size and thresholds.

    Returns:
        Columns by the name they have behind ``pfCand_``.
    """
    offsets, rows = in_cones(batch.entries.event, *axis, batch.candidates, config.cone.constituents)
    owner = np.repeat(np.arange(len(batch.entries)), np.diff(offsets))
    columns = {
        "index": _i4(rows - batch.candidates.offsets[batch.entries.event[owner]]),
        **_membership(batch, owner, rows, config),
        **_kinematics(batch, rows),
        **_association(batch, rows, batch.collisions.pv[batch.entries.event[owner]]),
        **_track(batch, rows, config),
        **_calorimeter(batch, rows),
    }
    return Collection(offsets, columns)


def _membership(batch: Batch, owner: np.ndarray, rows: np.ndarray, config: ProductionConfig) -> dict[str, np.ndarray]:
    tau, jet = batch.entries.tau[owner], batch.entries.jet[owner]
    track, photon = isolation_candidates(batch.candidates, config.cone)
    signal = (tau >= 0) & is_signal(tau, rows, batch.taus)
    lead = np.zeros(len(rows), np.bool_)
    lead[tau >= 0] = batch.taus.lead[tau[tau >= 0]] == rows[tau >= 0]
    jet_of = np.full(len(batch.candidates), -1, np.int64)
    jet_index, member = batch.jets.owner
    jet_of[member] = jet_index
    return {
        "tauSignal": _i4(signal),
        "tauLeadChargedHadrCand": _i4(lead),
        "tauIso": _i4((tau >= 0) & ~signal & (track | photon)[rows]),
        "jetDaughter": _i4((jet >= 0) & (jet_of[rows] == jet)),
    }


def _kinematics(batch: Batch, rows: np.ndarray) -> dict[str, np.ndarray]:
    c = batch.candidates
    return {
        "pt": c.pt[rows],
        "eta": c.eta[rows],
        "phi": c.phi[rows],
        "mass": c.mass[rows],
        "particleType": _i4(c.kind[rows]),
        "charge": _i4(c.charge[rows]),
        "puppiWeight": batch.puppi[rows],
    }


def _association(batch: Batch, rows: np.ndarray, pv: np.ndarray) -> dict[str, np.ndarray]:
    """Vertex of each candidate: 3 used in the signal vertex, 0 in another one, 1 in none; neutrals 1."""
    c = batch.candidates
    primary, charged = batch.primary[rows], c.charged[rows]
    other = charged & (c.pileup[rows] == 1) & ~primary
    z = np.where(other, pv[:, 2] + c.vertex_z[rows], pv[:, 2])
    return {
        "fromPV": _i4(np.select([primary, other], [3, 0], 1)),
        "pvAssociationQuality": _i4(np.select([primary, other], [7, 0], 1)),
        "vertex_x": _f4(pv[:, 0]),
        "vertex_y": _f4(pv[:, 1]),
        "vertex_z": _f4(z),
    }


def _track(batch: Batch, rows: np.ndarray, config: ProductionConfig) -> dict[str, np.ndarray]:
    c = batch.candidates
    details = c.charged[rows] & (c.pt[rows] > config.track.details_min_pt)
    n_pixel, n_strip = c.n_pixel[rows].astype(np.int32), c.n_strip[rows].astype(np.int32)
    ndof = np.maximum(2 * (n_pixel + n_strip) - 5, 1)

    def only(values: np.ndarray) -> np.ndarray:
        return _f4(np.where(details, values, np.nan))

    return {
        "lostInnerHits": _i4(c.lost_inner[rows]),
        "nHits": n_pixel + n_strip,
        "nPixelHits": n_pixel,
        "nPixelLayers": n_pixel,
        "nStripLayers": n_strip,
        "hasTrackDetails": _i4(details),
        "dxy": c.dxy[rows],
        "dxy_error": only(c.dxy_error[rows]),
        "dz": c.dz[rows],
        "dz_error": only(c.dz_error[rows]),
        "track_pt": c.pt[rows],
        "track_eta": c.eta[rows],
        "track_phi": c.phi[rows],
        "track_chi2": only(c.chi2[rows] * ndof),
        "track_ndof": only(ndof),
    }


def _calorimeter(batch: Batch, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Calorimeter shares; the simulation has one calibration, so raw and calibrated values agree."""
    fraction, hcal = batch.candidates.calo_fraction[rows], batch.candidates.hcal_fraction[rows]
    return {"caloFraction": fraction, "hcalFraction": hcal, "rawCaloFraction": fraction, "rawHcalFraction": hcal}


def _leptons(batch: Batch, axis: Axis, kind: int, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets by entry, candidate rows, and position in the event's lepton collection."""
    rows = np.flatnonzero(batch.candidates.lepton == kind)
    chosen = batch.candidates.take(rows)
    offsets, inside = in_cones(batch.entries.event, *axis, chosen, radius)
    owner = np.repeat(np.arange(len(batch.entries)), np.diff(offsets))
    return offsets, rows[inside], inside - chosen.offsets[batch.entries.event[owner]]


def _lepton_columns(batch: Batch, rows: np.ndarray, index: np.ndarray, kind: int) -> dict[str, np.ndarray]:
    c = batch.candidates
    return {
        "index": _i4(index),
        "pt": c.pt[rows],
        "eta": c.eta[rows],
        "phi": c.phi[rows],
        "mass": np.full(len(rows), pf.MASSES[kind], np.float32),
        "dxy": c.dxy[rows],
        "dxy_error": c.dxy_error[rows],
    }


def electrons(batch: Batch, axis: Axis, config: ProductionConfig) -> Collection:
    """The ``ele_*`` collection: electrons of particle flow and looser ones.

    Args:
        batch: the batch.
        axis: eta and phi of the cone of each entry.
        config: cone size.

    Returns:
        Columns by the name they have behind ``ele_``.
    """
    offsets, rows, index = _leptons(batch, axis, 1, config.cone.constituents)
    c = batch.candidates
    momentum = c.pt[rows] * np.cosh(c.eta[rows])
    energy = c.energy[rows] * c.calo_fraction[rows]
    ecal = energy * (1.0 - c.hcal_fraction[rows])
    across = c.dz[rows] / np.cosh(c.eta[rows])
    columns = {
        **_lepton_columns(batch, rows, index, pf.ELECTRON),
        "ip3d": _f4(np.hypot(c.dxy[rows], across)),
        "trackMomentumAtVtx": _f4(momentum),
        "ecalEnergy": _f4(ecal),
        "eSuperClusterOverP": _f4(ecal / momentum),
        "mvaInput_hadEnergy": _f4(energy - ecal),
    }
    return Collection(offsets, columns)


def muons(batch: Batch, axis: Axis, config: ProductionConfig) -> Collection:
    """The ``muon_*`` collection: muons of particle flow and looser ones.

    Args:
        batch: the batch.
        axis: eta and phi of the cone of each entry.
        config: cone sizes.

    Returns:
        Columns by the name they have behind ``muon_``.
    """
    offsets, rows, index = _leptons(batch, axis, 2, config.cone.constituents)
    c = batch.candidates
    ecal = c.energy[rows] * c.calo_fraction[rows] * (1.0 - c.hcal_fraction[rows])
    unique, back = np.unique(rows, return_inverse=True)
    columns = {
        **_lepton_columns(batch, rows, index, pf.MUON),
        "normalizedChi2": c.chi2[rows],
        "numberOfValidHits": _i4(c.n_pixel[rows].astype(np.int32) + c.n_strip[rows]),
        "pfEcalEnergy": _f4(ecal),
        "pfRelIso04": muon_isolation(unique, c, batch.primary, config.cone.muon)[back],
    }
    return Collection(offsets, columns)
