"""Visible final particles inside the acceptance, with their impact parameters: what enters the detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.production.genchain import particle_charge
from taumltools.production.geometry import pt_eta_phi
from taumltools.production.pythia import Particles
from taumltools.production.table import EventTable

ELECTRON, MUON, PHOTON, NEUTRINOS = 11, 13, 22, (12, 14, 16)


@dataclass(frozen=True)
class Stable(EventTable):
    """Visible particles that reach the detector.

    Attributes:
        code: abs(PDG code), int32.
        charge: in units of e, int8.
        pt: GeV, float32.
        eta: pseudorapidity, float32.
        phi: rad, float32.
        energy: GeV, float32.
        dxy: signed transverse impact parameter of the straight line in cm, float32.
        dz: z at the point of closest approach in cm, float32.
        radius: transverse distance of the production point in cm, float32.
        converted: True for the electrons of a photon conversion.
    """

    code: np.ndarray
    charge: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    energy: np.ndarray
    dxy: np.ndarray
    dz: np.ndarray
    radius: np.ndarray
    converted: np.ndarray


def visible(particles: Particles) -> np.ndarray:
    """Mask of final particles that are no neutrinos."""
    return (particles.status > 0) & ~np.isin(np.abs(particles.pdg_id), NEUTRINOS)


def stable_particles(particles: Particles, *, max_eta: float, min_pt: float) -> Stable:
    """Particles that can be seen.

    Args:
        particles: the event record.
        max_eta: acceptance.
        min_pt: softest particle in GeV.

    Returns:
        The visible particles; tracks are straight lines near the beam (a pion of 1 GeV bends by
        2 micrometres over 3 mm).
    """
    rows = np.flatnonzero(visible(particles))
    pt, eta, phi = pt_eta_phi(particles.px[rows], particles.py[rows], particles.pz[rows])
    inside = (pt > min_pt) & (np.abs(eta) < max_eta)
    rows, pt, eta, phi = rows[inside], pt[inside], eta[inside], phi[inside]
    vx, vy, vz = particles.vx[rows], particles.vy[rows], particles.vz[rows]
    dz = vz - (vx * np.cos(phi) + vy * np.sin(phi)) * np.sinh(eta)
    floats = {
        "pt": pt,
        "eta": eta,
        "phi": phi,
        "energy": particles.energy[rows],
        "dxy": vy * np.cos(phi) - vx * np.sin(phi),
        "dz": dz,
        "radius": np.hypot(vx, vy),
    }
    counts = np.bincount(particles.event[rows], minlength=particles.n_events)
    return Stable(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        code=np.abs(particles.pdg_id[rows]),
        charge=particle_charge(particles.pdg_id[rows]).astype(np.int8),
        converted=np.zeros(len(rows), np.bool_),
        **{name: column.astype(np.float32) for name, column in floats.items()},
    )
