"""Deciding which candidates of a range enter the mixed sample, from their truth alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from taumltools.sampling.acceptance import AcceptancePlan
from taumltools.sampling.counted import TypedChunk, typed_chunks
from taumltools.sampling.methods import Method
from taumltools.sampling.partition import FileRange
from taumltools.tuples.truth import NO_TYPE, TauType

ALL_PARITIES = 3
"""Value of ``parity`` that keeps even and odd event numbers."""


@dataclass(frozen=True)
class Losses:
    """Entries that were read and not accepted; every one is in exactly one of the numbers.

    Attributes:
        not_valid: entries without a truth type.
        other_type: entries of a type that their group does not take.
        repeated: candidates dropped because their key occurred before in the dataset.
        outside: candidates outside of the pt or |η| edges.
        rejected: candidates that the acceptance dropped.
        other_parity: accepted candidates of the event parity that is not wanted.
        surplus: accepted candidates beyond ``max_entries``.
        not_read: candidates of the range that were not looked at (``rng: legacy`` stops early).
    """

    not_valid: int = 0
    other_type: int = 0
    repeated: int = 0
    outside: int = 0
    rejected: int = 0
    other_parity: int = 0
    surplus: int = 0
    not_read: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(getattr(self, field.name) for field in fields(self))

    def __add__(self, other: Losses) -> Losses:
        return Losses(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True)
class Chosen:
    """Accepted candidates of one range of a file.

    Attributes:
        where: the range.
        group: the group it was read for.
        rows: accepted entry numbers in the file, int64, ascending.
        types: their truth types, int8.
        bins: flat numbers of their (pt, |η|) bins, int32.
        losses: what became of the other entries.
    """

    where: FileRange
    group: str
    rows: np.ndarray
    types: np.ndarray
    bins: np.ndarray
    losses: Losses

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class AcceptedYields:
    """Account of one part: ``read`` is the sum of all losses and all accepted candidates.

    Attributes:
        read: entries of the part's ranges.
        losses: entries that were not accepted, by reason.
        accepted: type name to accepted candidates, int64, shape (pt bins, eta bins).
        duplicates: entries whose key (run, lumi, evt, jet_index, tau_index) occurred before in
            the same dataset, dropped or not.
    """

    read: int
    losses: Losses
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
        accepted = {name: counts.tolist() for name, counts in self.accepted.items()}
        return {"read": self.read, **vars(self.losses), "duplicates": self.duplicates, "accepted": accepted}

    @staticmethod
    def from_json(content: dict[str, object]) -> AcceptedYields:
        """What :meth:`as_json` made."""
        known = {f.name: content[f.name] for f in fields(Losses)}
        accepted = {name: np.array(counts, np.int64) for name, counts in content["accepted"].items()}  # type: ignore[attr-defined]
        return AcceptedYields(content["read"], Losses(**known), accepted, content["duplicates"])  # type: ignore[arg-type]

    @staticmethod
    def merge(parts: Sequence[AcceptedYields]) -> AcceptedYields:
        """The sum of the accounts of parts with the same bins."""
        accepted: dict[str, np.ndarray] = {}
        for part in parts:
            for name, counts in part.accepted.items():
                accepted[name] = accepted[name] + counts if name in accepted else counts
        losses = sum((part.losses for part in parts), Losses())
        return AcceptedYields(sum(p.read for p in parts), losses, accepted, sum(p.duplicates for p in parts))


def account(chosen: Sequence[Chosen], plan: AcceptancePlan, duplicates: int, surplus: int = 0) -> AcceptedYields:
    """What became of all entries of some ranges.

    Args:
        chosen: the ranges.
        plan: the plan they were chosen by.
        duplicates: how many entries repeat earlier ones.
        surplus: accepted candidates that were taken out of ``chosen`` again.

    Returns:
        The account.
    """
    rows, columns = plan.shape
    types = np.concatenate([np.zeros(0, np.int8), *(part.types for part in chosen)])
    bins = np.concatenate([np.zeros(0, np.int32), *(part.bins for part in chosen)])
    accepted = {
        name: np.bincount(bins[types == TauType[name]], minlength=rows * columns).reshape(rows, columns)
        for name in plan.types
    }
    losses = sum((part.losses for part in chosen), Losses(surplus=surplus))
    return AcceptedYields(sum(len(part.where) for part in chosen), losses, accepted, duplicates)


def choose(
    where: FileRange,
    group: str,
    plan: AcceptancePlan,
    method: Method,
    rng: np.random.Generator,
    *,
    repeated: np.ndarray | None = None,
    parity: int = ALL_PARITIES,
) -> Chosen:
    """Accept candidates of one range.

    One random number per entry is drawn, whatever the entry is, so that neither chunks nor
    the settings of one type shift the numbers of others.

    Args:
        where: entries of one file; a dozen branches of them are read.
        group: name of the group the file is read for.
        plan: the plan.
        method: decides about candidates inside of the edges.
        rng: random numbers.
        repeated: entry numbers to leave out because they repeat earlier ones, ascending.
        parity: 0 for even event numbers, 1 for odd ones, 3 for all.

    Returns:
        What was accepted.

    Raises:
        InputError: the file cannot be read or has another number of entries than stated, or
            a candidate with a type has no finite pt or η.
    """
    rows, types, bins = [], [], []
    losses = Losses()
    for chunk in typed_chunks(where, ("evt",)):
        u = rng.random(len(chunk.types))
        unwanted = np.zeros(len(u), bool)
        if repeated is not None:
            low, high = np.searchsorted(repeated, [chunk.first, chunk.first + len(u)])
            unwanted[repeated[low:high] - chunk.first] = True
        accepted, flat, lost = _accept(chunk, group, plan, method, u, unwanted)
        if parity != ALL_PARITIES:
            other = accepted & (chunk.tuples["evt"] % 2 != parity)
            accepted &= ~other
            lost += Losses(other_parity=int(np.count_nonzero(other)))
        found = np.flatnonzero(accepted)
        rows.append(found + chunk.first)
        types.append(chunk.types[found])
        bins.append(flat[found].astype(np.int32))
        losses += lost
    return Chosen(where, group, np.concatenate(rows), np.concatenate(types), np.concatenate(bins), losses)


def _accept(
    chunk: TypedChunk, group: str, plan: AcceptancePlan, method: Method, u: np.ndarray, unwanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Losses]:
    """Which entries are accepted, the bins of all, and what became of the others."""
    rows, columns, inside = plan.bins(chunk.tuples["tau_pt"], np.abs(chunk.tuples["tau_eta"]))
    bins = rows * plan.shape[1] + columns
    codes = {name: TauType[name] for name in plan.groups[group].acceptance}
    wanted = np.isin(chunk.types, list(codes.values()))
    typed = chunk.types != NO_TYPE
    accepted = np.zeros(len(u), bool)
    for name, code in codes.items():
        mine = np.flatnonzero((chunk.types == code) & inside & ~unwanted)
        accepted[mine[method.keep(name, bins[mine], u[mine])]] = True
    usable = wanted & ~unwanted
    return (
        accepted,
        bins,
        Losses(
            not_valid=int(np.count_nonzero(~typed)),
            other_type=int(np.count_nonzero(typed & ~wanted)),
            repeated=int(np.count_nonzero(wanted & unwanted)),
            outside=int(np.count_nonzero(usable & ~inside)),
            rejected=int(np.count_nonzero(usable & inside & ~accepted)),
        ),
    )
