"""Which entries of a batch are written: the options of the CMS producer that matter to physics.

They work on the finished table, so that every source has them alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taumltools.config.datasets import DatasetConfig
from taumltools.errors import ConfigError, InputError
from taumltools.eventhash import GOLDEN, mix
from taumltools.production.entries import entry_numbers
from taumltools.production.genrecord import TAU_TO_HADRONS
from taumltools.production.probes import LEFT_OUT, mu_tau, tag_and_probe
from taumltools.production.tagging import Tags
from taumltools.tuples.data import Tuples
from taumltools.tuples.schema import tautuple_schema

GEN_TAU = {"pt": 10.0, "abs_eta": 2.5}
"""``genTauTau``: generated hadronic taus above this visible pt (GeV) and below this |η| count."""

SIEVE_PT, SIEVE_SLOPE = 80.0, 0.05
"""The sieve keeps a candidate below that pt (GeV) with a probability of exp(slope · (pt - that))."""

SIEVE_SEED = 12345
"""Part of the hash that decides: as the CMS producer's seed, though not its random numbers."""


TAGGED: dict[str, tuple[Callable[[Tuples, np.ndarray, Tags], np.ndarray], str]] = {
    "MuTau": (mu_tau, "no_mu_tau"),
    "TagAndProbe": (tag_and_probe, "not_tag_and_probe"),
}
"""Selectors that need tags: their rule, and what the account calls entries that they leave out.

They choose among the entries that the other options left, as the CMS producer does.
"""


@dataclass(frozen=True)
class GenTaus:
    """Generated leptons of a batch, for selectors of events.

    Attributes:
        event: event of each in the batch, int64.
        kind: as ``genLepton_kind``.
        pt: visible pt, GeV.
        eta: of the visible momentum.
    """

    event: np.ndarray
    kind: np.ndarray
    pt: np.ndarray
    eta: np.ndarray


def select(
    table: Tuples,
    event: np.ndarray,
    gen: GenTaus,
    dataset: DatasetConfig,
    account: dict[str, Any],
    tags: Tags | None = None,
) -> Tuples:
    """The entries of a batch that a dataset wants.

    Args:
        table: all entries of the batch.
        event: event of each entry in the batch, ascending, int64.
        gen: generated leptons of the batch.
        dataset: the settings.
        account: how many were left out, by option, is added to it.
        tags: tags of the events, for the selectors that need them.

    Returns:
        The chosen entries, numbered anew inside their event.
    """
    return take(table, event, *choose(table, event, gen, dataset, account, tags))


def choose(
    table: Tuples,
    event: np.ndarray,
    gen: GenTaus,
    dataset: DatasetConfig,
    account: dict[str, Any],
    tags: Tags | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Which entries of a batch a dataset wants.

    Args:
        table: see :func:`select`; collections are not looked at.  Also ``event``, ``gen``, ``dataset``, ``account``, ``tags``.
        event: see there.
        gen: see there.
        dataset: see there.
        account: see there.
        tags: see there.

    Returns:
        Rows of the chosen entries, and the branches that the selector fills for them.
    """
    keep = np.ones(len(table), bool)
    for name, mask in _masks(table, event, gen, dataset):
        account[name] = account.get(name, 0) + int(np.count_nonzero(keep & ~mask))
        keep &= mask
    rows = np.flatnonzero(keep)
    if dataset.selector not in TAGGED:
        return rows, {}
    if tags is None:
        raise InputError(f"selector '{dataset.selector}' needs the tags of the events, which this source does not give")
    rule, name = TAGGED[dataset.selector]
    why = rule(table.take(rows), event[rows], tags)
    chosen = why != LEFT_OUT
    account[name] = account.get(name, 0) + int(np.count_nonzero(~chosen))
    rows = rows[chosen]
    tag = {name: column[event[rows]] for name, column in tags.columns.items()}
    return rows, {**tag, "selectionType": why[chosen]}


def take(table: Tuples, event: np.ndarray, rows: np.ndarray, columns: dict[str, np.ndarray]) -> Tuples:
    """Chosen entries.

    Args:
        table: all entries.
        event: event of each.
        rows: the chosen ones, ascending.
        columns: further branches for them.

    Returns:
        The entries, numbered anew inside their event, scalar branches in the order of the schema.
    """
    if len(rows) == len(table) and not columns:
        return table
    chosen = table.take(rows)
    scalars = {**chosen.scalars, **entry_numbers(event[rows]), **columns}
    return Tuples({n: scalars[n] for n in tautuple_schema().scalars if n in scalars}, chosen.collections)


def _masks(table: Tuples, event: np.ndarray, gen: GenTaus, dataset: DatasetConfig) -> list[tuple[str, np.ndarray]]:
    masks = []
    if dataset.selector == "genTauTau":
        masks.append(("not_gen_tau_tau", two_gen_taus(gen, int(event.max(initial=-1)) + 1)[event]))
    if dataset.selector == "TauJetTag":
        some = [table[name] >= 0 for name in ("genLepton_index", "genJet_index", "jet_index")]
        masks.append(("no_tau_jet_tag", np.any(some, axis=0)))
    if dataset.require_gen_or_reco_tau:
        masks.append(
            ("neither_gen_nor_reco_tau", (table["tau_index"] >= 0) | (table["genLepton_kind"] == TAU_TO_HADRONS))
        )
    if dataset.reco_pt_sieve:
        masks.append(("sieved", pt_sieve(table)))
    return masks


def two_gen_taus(gen: GenTaus, n_events: int) -> np.ndarray:
    """``genTauTau``: events with exactly two generated hadronic taus in the acceptance.

    Args:
        gen: generated leptons.
        n_events: number of events to look at.

    Returns:
        Mask of shape (n_events,).

    Examples:
        >>> taus = GenTaus(np.array([0, 0, 1, 1]), np.full(4, 5), np.array([30.0, 12.0, 40.0, 9.0]), np.zeros(4))
        >>> two_gen_taus(taus, 2).tolist()
        [True, False]
    """
    good = (gen.kind == TAU_TO_HADRONS) & (gen.pt > GEN_TAU["pt"]) & (np.abs(gen.eta) < GEN_TAU["abs_eta"])
    return np.bincount(gen.event[good], minlength=n_events)[:n_events] == 2


def pt_sieve(table: Tuples) -> np.ndarray:
    """Thinning of the many soft fakes.

    Entries with a generated lepton stay; others without reconstructed tau go; the rest stay with a
    probability of exp(0.05 (pt - 80)) below 80 GeV.  What is random is a hash of the candidate's key, so that
    the choice does not depend on the order or the number of jobs.

    Args:
        table: entries.

    Returns:
        Mask of those that stay.
    """
    pt = np.where(table["tau_index"] >= 0, table["tau_pt"], -np.inf).astype(np.float64)
    chance = np.exp(np.minimum(SIEVE_SLOPE * (pt - SIEVE_PT), 0.0))
    return (table["genLepton_index"] >= 0) | (uniform_of_key(table) < chance)


def uniform_of_key(table: Tuples) -> np.ndarray:
    """A number from 0 to 1 that depends on (run, lumi, evt, jet_index, tau_index) alone.

    Args:
        table: entries.

    Returns:
        float64, shape (n,).

    References:
        The mixing is the finaliser of splitmix64 (Steele, Lea, Flood 2014).
    """
    state = np.full(len(table), SIEVE_SEED, np.uint64)
    for name in ("run", "lumi", "evt", "jet_index", "tau_index"):
        value = table[name].astype(np.int64).view(np.uint64) if table[name].dtype.kind == "i" else table[name]
        state = mix(state + value.astype(np.uint64) + GOLDEN)
    return (state >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def written_branches(dataset: DatasetConfig) -> list[str] | None:
    """Branches that a dataset's files have.

    Args:
        dataset: with regular expressions of enabled and disabled branches.

    Returns:
        Branch names; None for all of the schema.

    Raises:
        ConfigError: an expression matches no branch, or nothing is left.

    Examples:
        >>> written_branches(DatasetConfig(title="x", process=("a = b",), enabled_branches=("run", "evt")))
        ['run', 'evt']
    """
    if not dataset.enabled_branches and not dataset.disabled_branches:
        return None
    names = list(tautuple_schema().branches)

    def matches(patterns: Sequence[str], option: str) -> set[str]:
        for pattern in patterns:
            if not any(re.fullmatch(pattern, name) for name in names):
                raise ConfigError(f"{option}: '{pattern}' matches no branch; it must match a whole name")
        return {name for name in names if any(re.fullmatch(pattern, name) for pattern in patterns)}

    enabled = matches(dataset.enabled_branches, "enabled_branches") or set(names)
    kept = enabled - matches(dataset.disabled_branches, "disabled_branches")
    if not kept:
        raise ConfigError("enabled_branches and disabled_branches leave no branch to write")
    return [name for name in names if name in kept]
