"""Hadrons plus strips: one tau candidate per jet, the hardest hypothesis that passes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np

from taumltools.config.production import HpsConfig
from taumltools.production.candidates import ELECTRON, PHOTON, Candidates
from taumltools.production.clustering import Jets
from taumltools.production.geometry import invariant_mass, pt_eta_phi
from taumltools.production.hypotheses import (
    MAX_PRONGS,
    PRONGS,
    STRIPS,
    allowed_prongs,
    count_chosen,
    decay_mode,
    mass_table,
    passes,
    track_momentum,
)
from taumltools.production.strips import build_strips
from taumltools.production.table import EventTable, offsets_from_counts

MAX_SIGNAL = 64
"""Most signal constituents of one candidate; more than any real tau has."""


@dataclass(frozen=True)
class TauCandidates(EventTable):
    """Reconstructed taus.

    Attributes:
        pt: GeV, float64; also ``eta``, ``phi`` (rad) and ``mass`` (GeV).
        eta: see ``pt``.
        phi: see ``pt``.
        mass: see ``pt``.
        charge: sum of the prongs' charges, int32.
        mode: HPS decay mode, int32.
        lead: row of the leading charged candidate, int64.
        jet: jet it was found in, int64.
        signal: rows of the signal constituents, -1 for none, int64, shape (n, 64).
    """

    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    charge: np.ndarray
    mode: np.ndarray
    lead: np.ndarray
    jet: np.ndarray
    signal: np.ndarray


@nb.njit(cache=True)
def best_hypothesis(
    tracks: np.ndarray,
    charge: np.ndarray,
    electron: np.ndarray,
    strips: np.ndarray,
    windows: np.ndarray,
    cone: np.ndarray,
    min_pt: float,
    max_eta: float,
    prong_choices: np.ndarray,
    strip_choices: np.ndarray,
    momentum: np.ndarray,
) -> tuple[int, int]:
    """Hardest hypothesis of one jet.

    Args:
        tracks: momenta of the tracks, falling in pt, shape (n, 4).
        charge: charge of each track.
        electron: True for electrons.
        strips: momenta of the strips, shape (m, 4).
        windows: from :func:`~taumltools.production.hypotheses.mass_table`.
        cone: (GeV, smallest, largest radius) of the signal cone.
        min_pt: softest tau in GeV.
        max_eta: acceptance.
        prong_choices: ``PRONGS``.
        strip_choices: ``STRIPS``.
        momentum: is filled with (px, py, pz, E) in GeV of the best one.

    Returns:
        Rows of the two tables of choices, -1 if none passes.
    """
    best, best_prongs, best_strips = min_pt, -1, -1
    total = np.zeros(4)
    for p in range(len(prong_choices)):
        n_prongs = allowed_prongs(prong_choices[p], len(tracks), charge, electron)
        if n_prongs == 0:
            continue
        for s in range(len(strip_choices)):
            n_strips = count_chosen(strip_choices[s])
            if max(strip_choices[s, 0], strip_choices[s, 1]) >= len(strips) or n_strips > (2 if n_prongs == 1 else 1):
                continue
            mode = decay_mode(n_prongs, n_strips)
            if not passes(prong_choices[p], strip_choices[s], tracks, strips, mode, windows, cone, max_eta, total):
                continue
            pt = math.hypot(total[0], total[1])
            if pt > best:
                best, best_prongs, best_strips = pt, p, s
                momentum[:] = total
    return best_prongs, best_strips


@nb.njit(cache=True)
def first_rows(members: np.ndarray, wanted: np.ndarray, without: int, most: int) -> np.ndarray:
    """The first members in a mask, in their order.

    Args:
        members: rows of candidates.
        wanted: mask of all candidates.
        without: a row to leave out; -1 for none.
        most: how many at most.

    Returns:
        Rows, int64, shape (most,) or shorter.
    """
    out = np.empty(most, np.int64)
    n = 0
    for i in members:
        if wanted[i] and i != without and n < most:
            out[n] = i
            n += 1
    return out[:n]


@nb.njit(cache=True)
def load_tracks(
    rows: np.ndarray,
    pt: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    charge: np.ndarray,
    electron: np.ndarray,
    momenta: np.ndarray,
    charges: np.ndarray,
    electrons: np.ndarray,
) -> None:
    """Gather what hypotheses need of some tracks.

    Args:
        rows: of candidates, shape (n,).
        pt: of all candidates, GeV.
        eta: of all candidates.
        phi: of all candidates, rad.
        charge: of all candidates.
        electron: which of them are electrons.
        momenta: filled with (px, py, pz, E) in GeV, shape (at least n, 4).
        charges: filled, shape (at least n,).
        electrons: filled likewise.
    """
    for k in range(len(rows)):
        track_momentum(rows[k], pt, eta, phi, momenta[k])
        charges[k], electrons[k] = charge[rows[k]], electron[rows[k]]


@nb.njit(cache=True)
def total_charge(choice: np.ndarray, charges: np.ndarray) -> int:
    """Sum of the charges of chosen prongs."""
    total = 0
    for k in choice:
        if k >= 0:
            total += charges[k]
    return total


@nb.njit(cache=True)
def select_signal(
    prongs: np.ndarray,
    strips: np.ndarray,
    tracks: np.ndarray,
    clusters: np.ndarray,
    strip_of: np.ndarray,
    out: np.ndarray,
) -> None:
    """Rows of the signal constituents of a hypothesis: prongs first, then those of the strips.

    Args:
        prongs: positions in ``tracks``, -1 for none.
        strips: one or two numbers of strips, -1 for none.
        tracks: rows of candidates.
        clusters: rows of candidates.
        strip_of: number of the strip of each cluster, -1 for none.
        out: filled; what does not fit is left out.
    """
    n = 0
    for k in prongs:
        if k >= 0:
            out[n] = tracks[k]
            n += 1
    for c in range(len(clusters)):
        chosen = strip_of[c] >= 0 and (strip_of[c] == strips[0] or strip_of[c] == strips[1])
        if chosen and n < len(out):
            out[n] = clusters[c]
            n += 1


@nb.njit(cache=True)
def _reconstruct(
    first: np.ndarray,
    last: np.ndarray,
    members: np.ndarray,
    is_track: np.ndarray,
    is_cluster: np.ndarray,
    electron: np.ndarray,
    pt: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    charge: np.ndarray,
    windows: np.ndarray,
    numbers: np.ndarray,
    prong_choices: np.ndarray,
    strip_choices: np.ndarray,
    ints: np.ndarray,
    momenta: np.ndarray,
    signal: np.ndarray,
) -> None:
    """Tau candidate of each jet; fills ``ints`` (mode, charge, leading row), ``momenta`` and ``signal``.

    Jets are rows ``first`` to ``last`` of ``members``, which are rows of the candidates, falling in pt.
    ``is_track`` and ``is_cluster`` say which candidates can be prongs and which can be in strips.
    ``numbers`` come from :func:`_numbers`.  A jet without tau keeps what the outputs hold.
    """
    tracks = np.empty((MAX_PRONGS, 4))
    charges = np.empty(MAX_PRONGS, np.int64)
    electrons = np.empty(MAX_PRONGS, np.bool_)
    for jet in range(len(first)):
        rows = members[first[jet] : last[jet]]
        prongs = first_rows(rows, is_track, -1, MAX_PRONGS)
        n = len(prongs)
        if n == 0:
            continue
        # the leading track is never part of a strip, even if it is an electron
        clusters = first_rows(rows, is_cluster, prongs[0], MAX_SIGNAL)
        strips, strip_of = build_strips(clusters, eta, phi, pt, numbers[5], numbers[6], numbers[7])
        load_tracks(prongs, pt, eta, phi, charge, electron, tracks, charges, electrons)
        p, s = best_hypothesis(
            tracks[:n],
            charges,
            electrons,
            strips,
            windows,
            numbers[:3],
            numbers[3],
            numbers[4],
            prong_choices,
            strip_choices,
            momenta[jet],
        )
        if p < 0:
            continue
        select_signal(prong_choices[p], strip_choices[s], prongs, clusters, strip_of, signal[jet])
        chosen = prong_choices[p]
        ints[jet, 0] = decay_mode(count_chosen(chosen), count_chosen(strip_choices[s]))
        ints[jet, 1] = total_charge(chosen, charges)
        ints[jet, 2] = prongs[chosen[0]]


def prong_mask(candidates: Candidates, config: HpsConfig) -> np.ndarray:
    """Candidates that can be prongs: tracks of the signal vertex, harder ones if they are electrons."""
    c = candidates
    threshold = np.where(c.kind == ELECTRON, config.electron_min_pt, config.track_min_pt)
    near = (np.abs(c.dz) < config.track_max_dz) & (np.abs(c.dxy) < config.track_max_dxy)
    return c.charged & (c.pt > threshold) & near


def strip_mask(candidates: Candidates, config: HpsConfig) -> np.ndarray:
    """Candidates that can be in strips: photons and electrons."""
    c = candidates
    return ((c.kind == PHOTON) | (c.kind == ELECTRON)) & (c.pt > config.strip_object_min_pt)


def _numbers(config: HpsConfig) -> np.ndarray:
    """The settings in the order that :func:`_reconstruct` expects."""
    cone = [config.cone, config.cone_min, config.cone_max, config.min_pt, config.max_eta]
    return np.array([*cone, config.strip_eta, config.strip_phi, config.strip_min_pt])


def find_taus(candidates: Candidates, jets: Jets, config: HpsConfig) -> TauCandidates:
    """Reconstruct taus in jets.

    Args:
        candidates: particle-flow candidates, falling in pt inside each event.
        jets: seeds, with rows of ``candidates`` as members.
        config: settings of the algorithm.

    Returns:
        At most one tau per jet, in the order of the jets.
    """
    c = candidates
    seeds = np.flatnonzero((jets.pt > config.seed_min_pt) & (np.abs(jets.eta) < config.max_eta + 0.4))
    n = len(seeds)
    ints, momenta, signal = np.full((n, 3), -1, np.int64), np.zeros((n, 4)), np.full((n, MAX_SIGNAL), -1, np.int64)
    members = (jets.first[seeds], jets.last[seeds], jets.members)
    masks = (prong_mask(c, config), strip_mask(c, config), c.kind == ELECTRON)
    tracks = (c.pt, c.eta, c.phi, c.charge.astype(np.int64))
    settings = (mass_table(config.mass_windows), _numbers(config), PRONGS, STRIPS)
    _reconstruct(*members, *masks, *tracks, *settings, ints, momenta, signal)
    found = ints[:, 0] >= 0
    jet, ints, momenta = seeds[found], ints[found], momenta[found]
    pt, eta, phi = pt_eta_phi(*momenta[:, :3].T)
    return TauCandidates(
        offsets=offsets_from_counts(np.bincount(jets.event[jet], minlength=jets.n_events)),
        pt=pt,
        eta=eta,
        phi=phi,
        mass=invariant_mass(*momenta.T),
        charge=ints[:, 1].astype(np.int32),
        mode=ints[:, 0].astype(np.int32),
        lead=ints[:, 2].copy(),
        jet=jet,
        signal=signal[found],
    )
