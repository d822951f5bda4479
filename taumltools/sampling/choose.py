"""Deciding which candidates of a file enter the mixed sample, from their truth alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.errors import InputError
from taumltools.sampling.acceptance import AcceptancePlan
from taumltools.sampling.partition import FileRange
from taumltools.sampling.spectra import SPECTRA_BRANCHES, check_finite
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples
from taumltools.tuples.truth import NO_TYPE, TauType, truth_type

KEY = ("run", "lumi", "evt", "jet_index", "tau_index")
"""What identifies a candidate inside of a dataset."""


@dataclass(frozen=True)
class AcceptedYields:
    """Account of one part: every entry read is in exactly one of the numbers.

    Attributes:
        read: entries read = not_valid + other_type + outside + rejected + all accepted.
        not_valid: entries without a truth type.
        other_type: entries of a type that their group does not take.
        outside: candidates outside of the pt or |η| edges.
        rejected: candidates that the acceptance dropped.
        accepted: type name to accepted candidates, int64, shape (pt bins, eta bins).
        duplicates: candidates whose key (run, lumi, evt, jet_index, tau_index) occurred
            before in the same dataset and part; they are kept and counted.
    """

    read: int
    not_valid: int
    other_type: int
    outside: int
    rejected: int
    accepted: dict[str, np.ndarray]
    duplicates: int = 0

    @property
    def accepted_total(self) -> dict[str, int]:
        """Accepted candidates by type."""
        return {name: int(counts.sum()) for name, counts in self.accepted.items()}

    @property
    def total(self) -> int:
        """All accepted candidates."""
        return sum(self.accepted_total.values())

    def as_json(self) -> dict[str, object]:
        """The account in JSON types."""
        numbers = {name: getattr(self, name) for name in (*_NUMBERS, "duplicates")}
        return {**numbers, "accepted": {name: counts.tolist() for name, counts in self.accepted.items()}}

    @staticmethod
    def merge(parts: Sequence[AcceptedYields], duplicates: int | None = None) -> AcceptedYields:
        """The sum of accounts.

        Args:
            parts: accounts of files or parts with the same bins.
            duplicates: number to state instead of the sum of the parts' duplicates.

        Returns:
            Their sum.
        """
        numbers = {name: sum(getattr(part, name) for part in parts) for name in _NUMBERS}
        accepted: dict[str, np.ndarray] = {}
        for part in parts:
            for name, counts in part.accepted.items():
                accepted[name] = accepted[name] + counts if name in accepted else counts
        known = sum(part.duplicates for part in parts) if duplicates is None else duplicates
        return AcceptedYields(**numbers, accepted=accepted, duplicates=known)


_NUMBERS = ("read", "not_valid", "other_type", "outside", "rejected")


@dataclass(frozen=True)
class Chosen:
    """Accepted candidates of one range of a file.

    Attributes:
        where: the range that was read.
        group: the group it was read for.
        rows: accepted entry numbers in the file, int64, ascending.
        types: their truth types, int8.
        available: branches the file has.
        keys: columns of :data:`KEY` for all candidates the group may take, accepted or not.
        yields: the account of the range.
    """

    where: FileRange
    group: str
    rows: np.ndarray
    types: np.ndarray
    available: frozenset[str]
    keys: dict[str, np.ndarray]
    yields: AcceptedYields


def choose(where: FileRange, group: str, plan: AcceptancePlan, rng: np.random.Generator) -> Chosen:
    """Accept candidates of one range at random.

    One random number per entry is drawn, whatever the entry is, so that neither chunks nor
    the settings of one type shift the numbers of others.

    Args:
        where: entries of one file; 14 branches of them are read at once (80 bytes an entry).
        group: name of the group the file is read for.
        plan: the plan.
        rng: random numbers.

    Returns:
        What was accepted.

    Raises:
        InputError: the file cannot be read or has another number of entries than stated, or
            a candidate with a type has no finite pt or η.
    """
    with open_tuples(where.file.path) as file:
        if file.entries != where.file.entries:
            raise InputError(
                f"{where.file.path}: has {file.entries} entries, its spectra say {where.file.entries}; the file has "
                "changed since, count its spectra again"
            )
        tuples = file.read([*SPECTRA_BRANCHES, *KEY], where.start, where.stop)
        available = frozenset(file.branches)
    types = truth_type(tuples, where.file.sample_type)
    check_finite(tuples, types, where.file.path, where.start)
    accepted, yields = _accept(tuples, types, group, plan, rng.random(len(tuples)))
    wanted = np.isin(types, [TauType[name] for name in plan.groups[group].acceptance])
    keys = {name: tuples[name][wanted] for name in KEY}
    rows = np.flatnonzero(accepted)
    return Chosen(where, group, rows + where.start, types[rows], available, keys, yields)


def _accept(
    tuples: Tuples, types: np.ndarray, group: str, plan: AcceptancePlan, u: np.ndarray
) -> tuple[np.ndarray, AcceptedYields]:
    """Which entries are accepted (u < q · P), and the account."""
    pt, abs_eta = tuples["tau_pt"], np.abs(tuples["tau_eta"])
    rows, columns, inside = plan.bins(pt, abs_eta)
    accepted = np.zeros(len(types), bool)
    wanted = np.zeros(len(types), bool)
    counts = {}
    shape = (len(plan.pt_edges) - 1, len(plan.eta_edges) - 1)
    for name in plan.groups[group].acceptance:
        mine = types == TauType[name]
        passed = mine & (u < plan.probability(name, pt, abs_eta, group))
        wanted |= mine
        accepted |= passed
        flat = rows[passed] * shape[1] + columns[passed]
        counts[name] = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)
    return accepted, AcceptedYields(
        read=len(types),
        not_valid=int(np.count_nonzero(types == NO_TYPE)),
        other_type=int(np.count_nonzero((types != NO_TYPE) & ~wanted)),
        outside=int(np.count_nonzero(wanted & ~inside)),
        rejected=int(np.count_nonzero(wanted & inside & ~accepted)),
        accepted=counts,
    )


def count_duplicates(chosen: Sequence[Chosen]) -> int:
    """Candidates whose key occurred before in the same dataset.

    Args:
        chosen: ranges of one part.

    Returns:
        Number of repetitions (a key that occurs three times counts twice).
    """
    total = 0
    for dataset in sorted({part.where.file.dataset for part in chosen}):
        parts = [part.keys for part in chosen if part.where.file.dataset == dataset]
        columns = [np.concatenate([keys[name] for keys in parts]) for name in KEY]
        order = np.lexsort(columns)
        same = [column[order][1:] == column[order][:-1] for column in columns]
        total += int(np.count_nonzero(np.logical_and.reduce(same)))
    return total
