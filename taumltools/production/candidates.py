"""Particle-flow candidates: the record that everything behind the detector works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.production.table import EventTable

HADRON, ELECTRON, MUON, PHOTON, NEUTRAL, FORWARD_HADRON, FORWARD_EGAMMA = 1, 2, 3, 4, 5, 6, 7
"""Kinds of candidates (``pfCand_particleType``); the last two are of the forward calorimeter."""

MASSES = np.array([0.0, 0.13957, 0.000511, 0.10566, 0.0, 0.4976, 0.0, 0.0], np.float32)
"""Mass in GeV that particle flow assigns to each kind."""


@dataclass(frozen=True)
class Candidates(EventTable):
    """Particle-flow candidates.

    Attributes:
        kind: 1 charged hadron, 2 electron, 3 muon, 4 photon, 5 neutral hadron, 6 and 7 hadron and e or photon in the
            forward calorimeter; int8.
        charge: in units of e, int8.
        pt: GeV, float32.
        eta: pseudorapidity, float32.
        phi: rad, float32.
        energy: GeV, float32.
        dxy: transverse impact parameter of the track to the signal vertex in cm, 0 for neutrals, float32.
        dz: longitudinal one in cm, float32.
        dxy_error: uncertainty in cm, 0 for neutrals, float32.
        dz_error: uncertainty in cm, 0 for neutrals, float32.
        calo_fraction: calorimeter energy over candidate energy, float32.
        hcal_fraction: share of the HCAL in the calorimeter energy, float32.
        chi2: normalised chi2 of the track, 0 for neutrals, float32.
        n_pixel: pixel hits, int8.
        n_strip: strip layers with a hit, int8.
        lost_inner: inner-hit code, -1 hit in the first layer, 0 none lost, 1 one lost, 2 more; int8.
        lepton: 1 also in the electron collection, 2 also in the muon collection, else 0; int8.
        vertex_z: z of the collision it comes from, relative to the signal vertex, in cm; float32.
        pileup: 0 signal vertex, 1 pile-up with reconstructed vertex, 2 without; int8.
    """

    kind: np.ndarray
    charge: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    energy: np.ndarray
    dxy: np.ndarray
    dz: np.ndarray
    dxy_error: np.ndarray
    dz_error: np.ndarray
    calo_fraction: np.ndarray
    hcal_fraction: np.ndarray
    chi2: np.ndarray
    n_pixel: np.ndarray
    n_strip: np.ndarray
    lost_inner: np.ndarray
    lepton: np.ndarray
    vertex_z: np.ndarray
    pileup: np.ndarray

    @property
    def charged(self) -> np.ndarray:
        """Mask of candidates with a track."""
        return self.charge != 0

    @property
    def mass(self) -> np.ndarray:
        """Mass hypothesis in GeV, float32."""
        return MASSES[self.kind]

    def from_primary(self, window: float) -> np.ndarray:
        """Mask of tracks that are attached to the signal vertex.

        Args:
            window: largest abs(dz) in cm.

        Returns:
            True for tracks within the window whose own reconstructed pile-up vertex is not nearer.
        """
        stolen = (self.pileup == 1) & (np.abs(self.dz - self.vertex_z) < np.abs(self.dz))
        return self.charged & (np.abs(self.dz) < window) & ~stolen
