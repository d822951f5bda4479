"""Isolation sums and signal shapes of tau candidates, and the isolation of muons."""

from __future__ import annotations

import numpy as np

from taumltools.config.production import ConeConfig
from taumltools.production.candidates import HADRON, NEUTRAL, PHOTON, Candidates
from taumltools.production.cones import in_cones
from taumltools.production.geometry import delta_r, fold_phi
from taumltools.production.hps import TauCandidates

SIGNAL_PHOTON_PT = 0.5
"""Softest signal photon that counts in the shapes, GeV."""


def isolation_candidates(candidates: Candidates, config: ConeConfig) -> tuple[np.ndarray, np.ndarray]:
    """Masks of tracks and of photons that count in the isolation of taus."""
    c = candidates
    track = c.charged & (c.pt > config.track_min_pt)
    track &= (np.abs(c.dz) < config.track_max_dz) & (np.abs(c.dxy) < config.track_max_dxy)
    return track, (c.kind == PHOTON) & (c.pt > config.photon_min_pt)


def is_signal(owner: np.ndarray, rows: np.ndarray, taus: TauCandidates) -> np.ndarray:
    """Mask of pairs (tau, candidate row) where the candidate is a signal constituent of the tau.

    Args:
        owner: tau of each pair, int64.
        rows: candidate row of each pair, int64.
        taus: the taus.

    Returns:
        Mask of the shape of ``rows``.
    """
    tau, slot = np.nonzero(taus.signal >= 0)
    span = int(max(taus.signal.max(initial=0), rows.max(initial=0))) + 1
    return np.isin(owner * span + rows, tau * span + taus.signal[tau, slot])


def tau_isolation(
    taus: TauCandidates, candidates: Candidates, config: ConeConfig, signal_cone: np.ndarray
) -> dict[str, np.ndarray]:
    """Isolation sums and photon shapes.

    Args:
        taus: tau candidates.
        candidates: all candidates.
        config: cones and thresholds.
        signal_cone: radius of the signal cone of each tau.

    Returns:
        float32 columns in GeV (sums) or without unit (shapes), by the name they have behind ``tau_``;
        ``n_photons`` is int32.
    """
    n = len(taus)
    widest = max(config.isolation, config.pileup)
    offsets, rows = in_cones(taus.event, taus.eta, taus.phi, candidates, widest)
    owner = np.repeat(np.arange(n), np.diff(offsets))
    c = {name: getattr(candidates, name)[rows] for name in ("pt", "eta", "phi", "dz", "kind", "charge")}
    eta_distance, phi_distance = c["eta"] - taus.eta[owner], fold_phi(c["phi"] - taus.phi[owner])
    distance = np.hypot(eta_distance, phi_distance)
    track, photon = (mask[rows] for mask in isolation_candidates(candidates, config))
    signal = is_signal(owner, rows, taus)

    def total(mask: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.bincount(owner[mask], weights=weight[mask], minlength=n)

    sums: dict[str, np.ndarray] = {}
    for label, radius in (("", config.isolation), ("dR03", config.isolation_small)):
        inside = ~signal & (distance < radius)
        sums[f"chargedIsoPtSum{label}"] = total(track & inside, c["pt"])
        sums[f"neutralIsoPtSum{label}"] = total(photon & inside, c["pt"])
        outside = signal & (c["kind"] == PHOTON) & (distance > signal_cone[owner]) & (distance < radius)
        sums[f"photonPtSumOutsideSignalCone{label}"] = total(outside, c["pt"])
    far_track = (c["charge"] != 0) & (c["pt"] > config.track_min_pt) & (np.abs(c["dz"]) >= config.track_max_dz)
    sums["puCorrPtSum"] = total(far_track & (distance < config.pileup), c["pt"])
    shape = signal & (c["kind"] == PHOTON) & (c["pt"] > SIGNAL_PHOTON_PT)
    isolated = photon & ~signal & (distance < config.isolation)

    def mean(mask: np.ndarray, x: np.ndarray) -> np.ndarray:
        return total(mask, c["pt"] * x) / np.maximum(total(mask, c["pt"]), 1e-9)

    sums["pt_weighted_deta_strip"] = mean(shape, np.abs(eta_distance))
    sums["pt_weighted_dphi_strip"] = mean(shape, np.abs(phi_distance))
    sums["pt_weighted_dr_signal"] = mean(shape, distance)
    sums["pt_weighted_dr_iso"] = mean(isolated, distance)
    columns = {name: values.astype(np.float32) for name, values in sums.items()}
    return columns | {"n_photons": np.bincount(owner[shape], minlength=n).astype(np.int32)}


def muon_isolation(muons: np.ndarray, candidates: Candidates, primary: np.ndarray, radius: float) -> np.ndarray:
    """Relative isolation of muons: (charged + max(0, neutral + photon - PU / 2)) / pt.

    Args:
        muons: rows of ``candidates``.
        candidates: all candidates.
        primary: mask of tracks of the signal vertex.
        radius: cone size.

    Returns:
        float32, shape of ``muons``.
    """
    c = candidates
    eta, phi = c.eta[muons].astype(np.float64), c.phi[muons].astype(np.float64)
    offsets, rows = in_cones(c.event[muons], eta, phi, c, radius)
    owner = np.repeat(np.arange(len(muons)), np.diff(offsets))
    apart = (rows != muons[owner]) & (delta_r(c.eta[rows], c.phi[rows], eta[owner], phi[owner]) > 1e-4)

    def total(mask: np.ndarray) -> np.ndarray:
        return np.bincount(owner, weights=c.pt[rows] * (mask & apart), minlength=len(muons))

    charged = total((c.kind[rows] == HADRON) & primary[rows])
    neutral = total(np.isin(c.kind[rows], (PHOTON, NEUTRAL)) & (c.pt[rows] > 0.5))
    pileup = total(c.charged[rows] & ~primary[rows])
    return ((charged + np.maximum(neutral - 0.5 * pileup, 0.0)) / c.pt[muons]).astype(np.float32)
