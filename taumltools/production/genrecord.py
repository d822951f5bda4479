"""Truth: prompt leptons and taus of the event record, by the rule of the CMS producer."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

from taumltools.production.geometry import invariant_mass, pt_eta_phi
from taumltools.production.pythia import Particles
from taumltools.production.table import EventTable, offsets_from_counts

PROMPT_ELECTRON, PROMPT_MUON, TAU_TO_ELECTRON, TAU_TO_MUON, TAU_TO_HADRONS = 1, 2, 3, 4, 5
"""Kinds of generated leptons (``genLepton_kind``)."""

MAX_STEPS = 500
"""Longest way from a particle to its origin; event records are far shorter."""


@dataclass(frozen=True)
class GenLeptons(EventTable):
    """Prompt electrons, muons and taus.

    Attributes:
        kind: 1 e, 2 mu, 3 tau to e, 4 tau to mu, 5 tau to hadrons; int32.
        charge: of the first copy, int32.
        pt: visible decay products, GeV, float64; also ``eta``, ``phi``, ``mass``.
        eta: see ``pt``.
        phi: see ``pt``, rad.
        mass: see ``pt``, GeV.
        first: row of the first copy in the event record, int64.
        last: row of the last copy, int64.
        n_charged: charged hadrons of the decay, int32.
        n_pi0: neutral pions of the decay, int32.
    """

    kind: np.ndarray
    charge: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    first: np.ndarray
    last: np.ndarray
    n_charged: np.ndarray
    n_pi0: np.ndarray


@nb.njit(cache=True)
def daughter_range(daughter1: int, daughter2: int, second: int) -> tuple[int, int]:
    """First and last daughter of range 0 or 1 (``second``); an empty range is (1, 0).

    Pythia's conventions: (d, 0) and (d, d) are one daughter, d1 < d2 a range, d2 < d1 two single ones.
    """
    if daughter1 <= 0:
        return 1, 0
    if daughter2 >= daughter1:
        return (daughter1, daughter2) if second == 0 else (1, 0)
    if second == 0:
        return daughter1, daughter1
    return (daughter2, daughter2) if daughter2 > 0 else (1, 0)


@nb.njit(cache=True)
def is_prompt(row: int, base: int, pdg_id: np.ndarray, mother: np.ndarray) -> bool:
    """True if a lepton comes from a boson without a hadron, tau or photon in between.

    Args:
        row: of the lepton, in the record of all events.
        base: first row of its event.
        pdg_id: PDG codes, shape (rows,).
        mother: position of the mother inside its event, shape (rows,); 0 for none.
    """
    flavour = abs(pdg_id[row])
    current = row
    for _ in range(MAX_STEPS):
        step = mother[current]
        if step <= 0:
            return False
        current = base + step
        code = abs(pdg_id[current])
        if code == 23 or code == 24 or code == 25 or code == 32:
            return True
        if code == flavour:
            continue
        if code == 15 or code == 22 or code > 100:
            return False
    return False


@nb.njit(cache=True)
def last_copy(row: int, base: int, pdg_id: np.ndarray, daughter1: np.ndarray, daughter2: np.ndarray) -> int:
    """Row of the last copy of a particle: follow daughters of the same code.

    Args:
        row: of the particle, in the record of all events.
        base: first row of its event.
        pdg_id: PDG codes, shape (rows,).
        daughter1: first daughter inside the event, see :func:`daughter_range`; shape (rows,).
        daughter2: last daughter likewise.
    """
    current = row
    for _ in range(MAX_STEPS):
        following = -1
        for part in range(2):
            low, high = daughter_range(daughter1[current], daughter2[current], part)
            for d in range(low, high + 1):
                if pdg_id[base + d] == pdg_id[row]:
                    following = base + d
        if following < 0:
            return current
        current = following
    return current


@nb.njit(cache=True)
def visible_sum(
    row: int,
    base: int,
    pdg_id: np.ndarray,
    status: np.ndarray,
    daughter1: np.ndarray,
    daughter2: np.ndarray,
    momenta: np.ndarray,
    total: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Sum of the visible final descendants of ``row``.

    Args:
        row: where to start, a last copy.
        base: first row of the event.
        pdg_id: columns of the event record; also ``status``, ``daughter1``, ``daughter2``.
        status: see ``pdg_id``.
        daughter1: see ``pdg_id``.
        daughter2: see ``pdg_id``.
        momenta: (px, py, pz, E) in GeV of each row.
        total: is filled with the visible momentum, shape (4,).
        counts: is filled with the numbers of charged hadrons, neutral pions, electron and muon
            neutrinos, shape (4,).  Hadrons count where they first appear, so that the pions of
            a K0S and the electrons of a Dalitz decay are no prongs.
    """
    total[:] = 0.0
    counts[:] = 0
    stack = np.empty(MAX_STEPS, np.int64)
    inside = np.zeros(MAX_STEPS, np.bool_)
    stack[0], size = row, 1
    while size > 0:
        size -= 1
        current, below_hadron = stack[size], inside[size]
        code = abs(pdg_id[current])
        if not below_hadron:
            counts[0] += code == 211 or code == 321
            counts[1] += code == 111
            counts[2] += code == 12
            counts[3] += code == 14
        # final states of the hadronic current, not the resonances (rho, a1) that some models write out
        hadron = below_hadron or code == 111 or code == 130 or code == 211 or code == 310 or code == 311 or code == 321
        if status[current] > 0:
            if code != 12 and code != 14 and code != 16:
                for axis in range(4):
                    total[axis] += momenta[current, axis]
            continue
        for part in range(2):
            low, high = daughter_range(daughter1[current], daughter2[current], part)
            for d in range(low, high + 1):
                if size < MAX_STEPS:
                    stack[size], inside[size] = base + d, hadron
                    size += 1


@nb.njit(cache=True)
def prompt_first_copies(offsets: np.ndarray, pdg_id: np.ndarray, mother: np.ndarray) -> np.ndarray:
    """Mask of first copies of prompt electrons, muons and taus, shape (rows,).

    Args:
        offsets: first row of each event, and the number of rows.
        pdg_id: PDG codes, shape (rows,).
        mother: position of the mother inside its event, shape (rows,).
    """
    found = np.zeros(len(pdg_id), np.bool_)
    for event in range(len(offsets) - 1):
        base = offsets[event]
        for row in range(base, offsets[event + 1]):
            flavour = abs(pdg_id[row])
            if flavour != 11 and flavour != 13 and flavour != 15:
                continue
            if mother[row] > 0 and pdg_id[base + mother[row]] == pdg_id[row]:
                continue
            found[row] = is_prompt(row, base, pdg_id, mother)
    return found


@nb.njit(cache=True)
def _follow(
    rows: np.ndarray,
    bases: np.ndarray,
    pdg_id: np.ndarray,
    status: np.ndarray,
    daughter1: np.ndarray,
    daughter2: np.ndarray,
    momenta: np.ndarray,
    last: np.ndarray,
    sums: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Fill last copy, visible momentum and decay counts of each first copy."""
    for k in range(len(rows)):
        last[k] = last_copy(rows[k], bases[k], pdg_id, daughter1, daughter2)
        visible_sum(last[k], bases[k], pdg_id, status, daughter1, daughter2, momenta, sums[k], counts[k])


def lepton_kinds(flavour: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """``genLepton_kind`` from abs(PDG code) and the decay counts of :func:`visible_sum`.

    Examples:
        >>> lepton_kinds(np.array([11, 15, 15]), np.array([[0, 0, 0, 0], [3, 1, 0, 0], [0, 0, 1, 0]])).tolist()
        [1, 5, 3]
    """
    tau = np.select([counts[:, 0] > 0, counts[:, 2] > 0], [TAU_TO_HADRONS, TAU_TO_ELECTRON], TAU_TO_MUON)
    return np.select([flavour == 11, flavour == 13], [PROMPT_ELECTRON, PROMPT_MUON], tau).astype(np.int32)


def find_gen_leptons(particles: Particles) -> GenLeptons:
    """Prompt electrons, muons and taus of the event record.

    Only last copies decay: photons that an earlier copy radiated are not part of the visible momentum.

    Args:
        particles: the event record.

    Returns:
        One row per prompt lepton, in the order of the record.
    """
    p = particles
    momenta = np.stack([p.px, p.py, p.pz, p.energy], axis=1)
    rows = np.flatnonzero(prompt_first_copies(p.offsets, p.pdg_id, p.mother))
    event = p.event[rows]
    last, sums, counts = np.zeros(len(rows), np.int64), np.zeros((len(rows), 4)), np.zeros((len(rows), 4), np.int64)
    _follow(rows, p.offsets[event], p.pdg_id, p.status, p.daughter1, p.daughter2, momenta, last, sums, counts)
    pt, eta, phi = pt_eta_phi(sums[:, 0], sums[:, 1], sums[:, 2])
    return GenLeptons(
        offsets=offsets_from_counts(np.bincount(event, minlength=p.n_events)),
        kind=lepton_kinds(np.abs(p.pdg_id[rows]), counts),
        charge=np.where(p.pdg_id[rows] > 0, -1, 1).astype(np.int32),
        pt=pt,
        eta=eta,
        phi=phi,
        mass=invariant_mass(*sums.T),
        first=rows,
        last=last,
        n_charged=counts[:, 0].astype(np.int32),
        n_pi0=counts[:, 1].astype(np.int32),
    )
