"""Entries: which generated lepton, generated jet, tau candidate and jet belong together.

The rule of the CMS producer: one entry per generated lepton and one per generated jet
that no lepton claims; each takes the best tau and the best jet.  Here a tau or a jet
belongs to one entry only, so that (run, lumi, evt, jet_index, tau_index) is unique.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numba as nb
import numpy as np

from taumltools.config.production import MatchingConfig
from taumltools.production.clustering import Jets
from taumltools.production.genrecord import TAU_TO_HADRONS, GenLeptons
from taumltools.production.geometry import delta_r
from taumltools.production.hps import TauCandidates

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entries:
    """Rows of the tuple; -1 stands for "none".

    Attributes:
        event: event of each entry, int64, ascending.
        lepton: generated lepton, int64.
        gen_jet: generated jet, int64.
        tau: tau candidate, int64.
        jet: reconstructed jet, int64.
    """

    event: np.ndarray
    lepton: np.ndarray
    gen_jet: np.ndarray
    tau: np.ndarray
    jet: np.ndarray

    def __len__(self) -> int:
        return len(self.event)

    def take(self, rows: np.ndarray) -> Entries:
        """The given entries (int array or mask)."""
        return Entries(*(getattr(self, name)[rows] for name in ("event", "lepton", "gen_jet", "tau", "jet")))


def entry_numbers(event: np.ndarray) -> dict[str, np.ndarray]:
    """Number of each entry inside its event, and how many the event has.

    Args:
        event: event of each entry, int64, ascending.

    Returns:
        Branches ``entry_index`` and ``total_entries``, int32.

    Examples:
        >>> {name: numbers.tolist() for name, numbers in entry_numbers(np.array([0, 0, 2])).items()}
        {'entry_index': [0, 1, 0], 'total_entries': [2, 2, 1]}
    """
    return {
        "entry_index": (np.arange(len(event)) - np.searchsorted(event, event)).astype(np.int32),
        "total_entries": np.bincount(event, minlength=1)[event].astype(np.int32),
    }


def pairs(event: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a row and the rows of another table in the same event.

    Args:
        event: event of each row, shape (n,).
        offsets: offsets of the other table.

    Returns:
        Positions in ``event`` and rows of the other table.

    Examples:
        >>> left, right = pairs(np.array([0, 1]), np.array([0, 2, 3]))
        >>> left.tolist(), right.tolist()
        ([0, 0, 1], [0, 1, 2])
    """
    lengths = np.diff(offsets)[event]
    starts = np.cumsum(lengths) - lengths
    left = np.repeat(np.arange(len(event)), lengths)
    return left, np.repeat(offsets[event] - starts, lengths) + np.arange(len(left))


@nb.njit(cache=True)
def assign(left: np.ndarray, right: np.ndarray, n_left: int, n_right: int) -> np.ndarray:
    """Go through pairs from best to worst and join those whose partners are both free.

    Args:
        left: first partner of each pair, best pair first.
        right: second partner.
        n_left: number of first partners.
        n_right: number of second partners.

    Returns:
        The partner of each of the ``n_left``, -1 for none.
    """
    partner = np.full(n_left, -1, np.int64)
    taken = np.zeros(n_right, np.bool_)
    for k in range(len(left)):
        if partner[left[k]] < 0 and not taken[right[k]]:
            partner[left[k]] = right[k]
            taken[right[k]] = True
    return partner


def _within(distance: np.ndarray, limit: float) -> np.ndarray:
    return np.where(distance < limit, distance, np.inf)


def _directions(table: GenLeptons | Jets | TauCandidates, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eta and phi of rows, NaN for -1."""
    some = index >= 0
    eta, phi = np.full(len(index), np.nan), np.full(len(index), np.nan)
    eta[some], phi[some] = table.eta[index[some]], table.phi[index[some]]
    return eta, phi


def _best_partner(
    event: np.ndarray,
    references: list[tuple[tuple[np.ndarray, np.ndarray], float]],
    table: Jets | TauCandidates,
    allowed: np.ndarray,
) -> np.ndarray:
    """Exclusive best partner of each entry, ordered by the distances to the references in turn."""
    left, right = pairs(event, table.offsets)
    left, right = left[allowed[right]], right[allowed[right]]
    keys = []
    for (eta, phi), limit in references:
        distance = delta_r(table.eta[right], table.phi[right], eta[left], phi[left])
        keys.append(_within(np.where(np.isnan(distance), np.inf, distance), limit))
    close = np.any(np.isfinite(keys), axis=0)
    left, right, keys = left[close], right[close], [k[close] for k in keys]
    order = np.lexsort(keys[::-1])
    return assign(left[order], right[order], len(event), len(table))


def build_entries(
    leptons: GenLeptons, gen_jets: Jets, taus: TauCandidates, jets: Jets, config: MatchingConfig, *, max_jet_eta: float
) -> Entries:
    """Entries with a reconstructed tau, and generated hadronic taus without.

    Args:
        leptons: generated leptons.
        gen_jets: generated jets.
        taus: tau candidates.
        jets: reconstructed jets.
        config: distances and options.
        max_jet_eta: jets beyond are not attached.

    Returns:
        The entries, grouped by event, generated leptons first.
    """
    return _prune(match_entries(leptons, gen_jets, taus, jets, config, max_jet_eta=max_jet_eta), leptons, config)


def match_entries(
    leptons: GenLeptons, gen_jets: Jets, taus: TauCandidates, jets: Jets, config: MatchingConfig, *, max_jet_eta: float
) -> Entries:
    """All entries, whether there is a reconstructed tau or not.

    Args:
        leptons: generated leptons.
        gen_jets: generated jets.
        taus: tau candidates.
        jets: reconstructed jets.
        config: distances.
        max_jet_eta: jets beyond are not attached.

    Returns:
        The entries, grouped by event, generated leptons first.
    """
    everywhere = np.ones(len(gen_jets), np.bool_)
    claimed = _best_partner(leptons.event, [((leptons.eta, leptons.phi), config.lepton_gen_jet)], gen_jets, everywhere)
    free = np.setdiff1d(np.arange(len(gen_jets)), claimed)
    event = np.concatenate([leptons.event, gen_jets.event[free]])
    lepton = np.concatenate([np.arange(len(leptons)), np.full(len(free), -1)]).astype(np.int64)
    gen_jet = np.concatenate([claimed, free])
    order = np.argsort(event, kind="stable")
    event, lepton, gen_jet = event[order], lepton[order], gen_jet[order]
    at_lepton, at_gen_jet = _directions(leptons, lepton), _directions(gen_jets, gen_jet)
    references = [(at_lepton, config.lepton_tau), (at_gen_jet, config.gen_jet_tau)]
    tau = _best_partner(event, references, taus, np.ones(len(taus), np.bool_))
    references = [
        (at_lepton, config.lepton_jet),
        (at_gen_jet, config.gen_jet_jet),
        (_directions(taus, tau), config.tau_jet),
    ]
    jet = _best_partner(event, references, jets, np.abs(jets.eta) < max_jet_eta)
    return Entries(event, lepton, gen_jet, tau, jet)


def _prune(entries: Entries, leptons: GenLeptons, config: MatchingConfig) -> Entries:
    """Drop entries without tau, except generated hadronic taus inside the acceptance."""
    keep = entries.tau >= 0
    if config.keep_unreconstructed and len(leptons):
        gen = np.maximum(entries.lepton, 0)
        hadronic = (entries.lepton >= 0) & (leptons.kind[gen] == TAU_TO_HADRONS)
        hadronic &= leptons.pt[gen] > config.unreconstructed_min_pt
        keep |= hadronic & (np.abs(leptons.eta[gen]) < config.unreconstructed_max_eta)
    return distinct(entries.take(keep))


def distinct(kept: Entries) -> Entries:
    """Entries without those that the tuple's key cannot tell apart: of an event only the first with neither tau nor jet.

    Args:
        kept: entries.
    """
    bare = (kept.tau < 0) & (kept.jet < 0)
    rows = np.flatnonzero(bare)
    twin = bare.copy()
    twin[rows[np.unique(kept.event[rows], return_index=True)[1]]] = False
    if twin.any():
        logger.info("%d generated taus without tau and jet share an event with another one: left out", twin.sum())
    return kept.take(~twin)
