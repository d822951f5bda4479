"""Truth of events: what legs come from, heavy hadrons, generated b jets, flavour of jets."""

from __future__ import annotations

import numpy as np

from taumltools.production.clustering import Jets
from taumltools.production.entries import pairs
from taumltools.production.genrecord import TAU_TO_HADRONS, GenLeptons
from taumltools.production.geometry import delta_r, pt_eta_phi
from taumltools.production.pythia import Particles

NO_MATCH = 6
"""``gen_match`` of a leg that comes from no generated lepton."""

MATCH_CONE = 0.2
"""Largest distance of a leg and its generated lepton."""

MATCH_PT, MATCH_PT_HADRONIC = 8.0, 15.0
"""Softest generated lepton, and softest visible hadronic tau, that a leg is matched to, GeV."""

JET_CONE = 0.4
"""Largest distance of a jet and a hadron that gives it its flavour."""

HADRON_PT = 5.0
"""Softest hadron that gives a jet its flavour, GeV."""

BOTTOM, CHARM, LIGHT = 5, 4, 0
"""Flavours of jets."""


def match_legs(event: np.ndarray, eta: np.ndarray, phi: np.ndarray, leptons: GenLeptons) -> np.ndarray:
    """What each leg comes from, in the code of CMS: the kind of the nearest generated lepton.

    Args:
        event: event of each leg, shape (n,).
        eta: direction.
        phi: rad.
        leptons: generated leptons.

    Returns:
        1 prompt electron, 2 prompt muon, 3 tau to e, 4 tau to mu, 5 hadronic tau, 6 none; int32, shape (n,).
    """
    left, right = pairs(event, leptons.offsets)
    distance = delta_r(leptons.eta[right], leptons.phi[right], eta[left], phi[left])
    threshold = np.where(leptons.kind == TAU_TO_HADRONS, MATCH_PT_HADRONIC, MATCH_PT)
    near = (distance < MATCH_CONE) & (leptons.pt > threshold)[right]
    left, right, distance = left[near], right[near], distance[near]
    order = np.lexsort((distance, left))
    legs, first = np.unique(left[order], return_index=True)
    found = np.full(len(event), NO_MATCH, np.int32)
    found[legs] = leptons.kind[right[order][first]]
    return found


def has_quark(pdg_id: np.ndarray, quark: int) -> np.ndarray:
    """Mask of hadrons whose heaviest quark this is, by the digits of the PDG code (a B_c counts as b only).

    Examples:
        >>> has_quark(np.array([511, -5122, 421, 5, 553]), 5).tolist()
        [True, True, False, False, True]
    """
    code = np.abs(pdg_id) % 10_000
    heaviest = np.where(code >= 1000, code // 1000, code // 100)
    return (np.abs(pdg_id) > 100) & (heaviest == quark)


def heavy_hadrons(particles: Particles, quark: int) -> np.ndarray:
    """Rows of the last hadrons of a flavour: those that decay without leaving another one.

    Args:
        particles: the event record.
        quark: 5 or 4.
    """
    rows = np.flatnonzero(has_quark(particles.pdg_id, quark))
    mothers = particles.mother[rows] + particles.offsets[particles.event[rows]]
    return np.setdiff1d(rows, mothers)


def jet_flavours(jets: Jets, particles: Particles) -> np.ndarray:
    """Flavour of jets: 5 near a b hadron, else 4 near a c hadron, else 0; int8, shape (len(jets),)."""
    flavour = np.full(len(jets), LIGHT, np.int8)
    for quark in (CHARM, BOTTOM):
        flavour[_near_hadron(jets, particles, quark)] = quark
    return flavour


def count_b_jets(jets: Jets, particles: Particles, *, min_pt: float, max_eta: float) -> np.ndarray:
    """Generated jets with a b hadron inside the acceptance, int32, shape (n_events,).

    Args:
        jets: generated jets.
        particles: the event record.
        min_pt: softest jet in GeV.
        max_eta: largest abs(eta).
    """
    good = _near_hadron(jets, particles, BOTTOM) & (jets.pt > min_pt) & (np.abs(jets.eta) < max_eta)
    return np.bincount(jets.event[good], minlength=jets.n_events).astype(np.int32)


def _near_hadron(jets: Jets, particles: Particles, quark: int) -> np.ndarray:
    rows = heavy_hadrons(particles, quark)
    pt, eta, phi = pt_eta_phi(particles.px[rows], particles.py[rows], particles.pz[rows])
    hard = pt > HADRON_PT
    event, eta, phi = particles.event[rows][hard], eta[hard], phi[hard]
    hadron, jet = pairs(event, jets.offsets)
    near = delta_r(jets.eta[jet], jets.phi[jet], eta[hadron], phi[hadron]) < JET_CONE
    found = np.zeros(len(jets), np.bool_)
    found[jet[near]] = True
    return found
