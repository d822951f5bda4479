"""Columns of the tau candidates."""

from __future__ import annotations

import numpy as np

from taumltools.config.production import CalorimeterConfig, HpsConfig, ProductionConfig
from taumltools.production.candidates import NEUTRAL, Candidates
from taumltools.production.geometry import cartesian
from taumltools.production.hps import TauCandidates
from taumltools.production.isolation import tau_isolation
from taumltools.production.reconstruction import Batch
from taumltools.production.vertexfit import fit_vertices, flight_significance, gottfried_jackson_difference

OLD_MODES = (0, 1, 2, 10)
"""Decay modes of the old requirement (the newer one adds 5, 6 and 11)."""


def signal_cone(pt: np.ndarray, config: HpsConfig) -> np.ndarray:
    """Radius of the signal cone in (eta, phi): ``cone / pt`` between two limits.

    Args:
        pt: of taus, GeV.
        config: the settings of HPS.

    Returns:
        float, shape of ``pt``.
    """
    return np.clip(config.cone / pt, config.cone_min, config.cone_max)


def tau_columns(batch: Batch, config: ProductionConfig) -> dict[str, np.ndarray]:
    """Everything that is stored about tau candidates.

    Args:
        batch: the batch.
        config: all settings of the simulation.

    Returns:
        Columns of shape (n_taus,), by the name they have behind ``tau_``.
    """
    taus, candidates = batch.taus, batch.candidates
    columns = {
        **{name: getattr(taus, name) for name in ("pt", "eta", "phi", "mass", "charge")},
        "decayMode": taus.mode,
        "decayModeFinding": np.isin(taus.mode, OLD_MODES).astype(np.int32),
        "decayModeFindingNewDMs": np.ones(len(taus), np.int32),
        "inside_ecal_crack": _in_crack(taus.eta, config.calorimeter),
        **tau_isolation(taus, candidates, config.cone, signal_cone(taus.pt, config.hps)),
        **energy_shares(taus, candidates),
        **impact_columns(batch),
        **vertex_columns(batch),
    }
    return columns


def _in_crack(eta: np.ndarray, config: CalorimeterConfig) -> np.ndarray:
    return ((np.abs(eta) > config.crack_low) & (np.abs(eta) < config.crack_high)).astype(np.int32)


def energy_shares(taus: TauCandidates, candidates: Candidates) -> dict[str, np.ndarray]:
    """Electromagnetic shares of the signal constituents' calorimeter energy.

    Args:
        taus: tau candidates.
        candidates: what they were built from.

    Returns:
        ``e_ratio``: ECAL over ECAL + HCAL of the charged signal constituents; ``emFraction``: the same
        for all signal constituents.  NaN without any energy.
    """
    tau, slot = np.nonzero(taus.signal >= 0)
    rows = taus.signal[tau, slot]
    total = candidates.energy[rows] * candidates.calo_fraction[rows]
    ecal = total * (1.0 - candidates.hcal_fraction[rows])
    charged = candidates.charged[rows]
    n = len(taus)

    def share(mask: np.ndarray) -> np.ndarray:
        top = np.bincount(tau[mask], weights=ecal[mask], minlength=n)
        bottom = np.bincount(tau[mask], weights=total[mask], minlength=n)
        return np.where(bottom > 0, top / np.maximum(bottom, 1e-12), np.nan)

    return {"e_ratio": share(charged), "emFraction": share(candidates.kind[rows] != NEUTRAL)}


def impact_columns(batch: Batch) -> dict[str, np.ndarray]:
    """Impact parameters and fit quality of the leading track, in cm."""
    taus, c, lead = batch.taus, batch.candidates, batch.taus.lead
    phi, eta = c.phi[lead].astype(float), c.eta[lead].astype(float)
    dxy, dz = c.dxy[lead].astype(float), c.dz[lead].astype(float)
    dxy_error, dz_error = c.dxy_error[lead], c.dz_error[lead]
    point = np.stack([-dxy * np.sin(phi), dxy * np.cos(phi), dz], axis=1)
    # distance of the straight track from the vertex; only the part of dz across the track counts
    across = dz / np.cosh(eta)
    ip3d = np.hypot(dxy, across)
    px, py, pz, _ = cartesian(taus.pt, taus.eta, taus.phi, taus.mass)
    sign = np.where(np.einsum("ki,ki->k", point, np.stack([px, py, pz], axis=1)) < 0, -1.0, 1.0)
    variance = ((dxy * dxy_error) ** 2 + (across * dz_error / np.cosh(eta)) ** 2) / np.maximum(ip3d, 1e-9) ** 2
    pca = batch.collisions.pv[taus.event] + point
    return {
        "dxy": dxy,
        "dxy_error": dxy_error,
        "dz": dz,
        "dz_error": dz_error,
        "ip3d": sign * ip3d,
        "ip3d_error": np.sqrt(variance),
        **{f"dxy_pca_{axis}": pca[:, k] for k, axis in enumerate("xyz")},
        "leadingTrackNormChi2": c.chi2[lead],
        "leadChargedCand_etaAtEcalEntrance": eta_at_ecal(eta, batch.collisions.pv[taus.event, 2] + dz),
    }


def eta_at_ecal(eta: np.ndarray, z: np.ndarray, *, radius: float = 129.0, half_length: float = 317.0) -> np.ndarray:
    """Pseudorapidity, seen from the detector's centre, of the point where a track enters the ECAL.

    Args:
        eta: direction of the track.
        z: where it starts along the beam in cm.
        radius: inner radius of the barrel in cm.
        half_length: distance of the endcaps in cm.

    Returns:
        The pseudorapidity of the entrance point; the field does not change z of a straight polar angle.

    Examples:
        >>> eta_at_ecal(np.array([0.0, 2.0]), np.array([0.0, 0.0])).round(3).tolist()
        [0.0, 2.0]
    """
    slope = np.sinh(eta)
    barrel = z + radius * slope
    end = np.sign(slope) * half_length
    inside = np.abs(barrel) <= half_length
    rho = np.where(inside, radius, np.abs(end - z) / np.maximum(np.abs(slope), 1e-9))
    return np.arcsinh(np.where(inside, barrel, end) / rho)


def vertex_columns(batch: Batch) -> dict[str, np.ndarray]:
    """Decay vertex of taus with several prongs, flight length and Gottfried-Jackson angle."""
    taus = batch.taus
    vertices = fit_vertices(taus, batch.candidates)
    position = vertices.position + batch.collisions.pv[taus.event]
    px, py, pz, _ = cartesian(taus.pt, taus.eta, taus.phi, taus.mass)
    angle = gottfried_jackson_difference(np.stack([px, py, pz], axis=1), taus.mass, vertices.position)
    return {
        "hasSecondaryVertex": vertices.exists.astype(np.int32),
        **{f"sv_{axis}": position[:, k] for k, axis in enumerate("xyz")},
        **{f"flightLength_{axis}": vertices.position[:, k] for k, axis in enumerate("xyz")},
        "flightLength_sig": flight_significance(vertices),
        "gj_angle_diff": angle,
    }
