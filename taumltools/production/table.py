"""Flat records grouped by event: the shape of every intermediate result of the simulation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


def offsets_from_counts(counts: np.ndarray) -> np.ndarray:
    """Row offsets of groups of the given sizes.

    Args:
        counts: int array of shape (n,).

    Returns:
        int64 array of shape (n + 1,) that starts with 0.

    Examples:
        >>> offsets_from_counts(np.array([2, 0, 3])).tolist()
        [0, 2, 2, 5]
    """
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def falling_order(event: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Order by rising event, then falling value, then rising row.

    Event, value and row are packed into one integer, because sorting integers is ten times
    faster than ``np.lexsort`` on two keys.

    Args:
        event: int array, shape (n,).
        values: positive float32, shape (n,).

    Returns:
        int64 row order of shape (n,).

    Examples:
        >>> falling_order(np.array([1, 0, 1]), np.array([2.0, 1.0, 3.0], "f4")).tolist()
        [1, 2, 0]
    """
    row_bits = max(len(event).bit_length(), 1)
    if int(event.max(initial=0)).bit_length() + 32 + row_bits > 64:
        return np.lexsort((-values, event))
    # the bits of positive floats rise with the float
    bits = ~np.ascontiguousarray(values, np.float32).view(np.uint32)
    key = (event.astype(np.uint64) << np.uint64(32 + row_bits)) | (bits.astype(np.uint64) << np.uint64(row_bits))
    key |= np.arange(len(event), dtype=np.uint64)
    key.sort()
    return (key & np.uint64((1 << row_bits) - 1)).astype(np.int64)


@dataclass(frozen=True)
class EventTable:
    """Base of flat records: named columns of equal length, rows of one event side by side.

    Attributes:
        offsets: int64, shape (n_events + 1,): rows of event i are offsets[i] to offsets[i + 1].
    """

    offsets: np.ndarray

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @property
    def n_events(self) -> int:
        """Number of events, empty ones included."""
        return len(self.offsets) - 1

    @property
    def event(self) -> np.ndarray:
        """Event of each row, int64, shape (rows,)."""
        return np.repeat(np.arange(self.n_events), np.diff(self.offsets))

    @classmethod
    def column_names(cls) -> list[str]:
        """Names of the columns, in order."""
        return [f.name for f in dataclasses.fields(cls) if f.name != "offsets"]

    def columns(self) -> dict[str, np.ndarray]:
        """All columns by name."""
        return {name: getattr(self, name) for name in self.column_names()}

    def take(self, rows: np.ndarray) -> Self:
        """The given rows (int array or mask); they must stay grouped by event, in event order."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        counts = np.bincount(self.event[index], minlength=self.n_events)
        return type(self)(offsets_from_counts(counts), **{n: c[index] for n, c in self.columns().items()})

    @classmethod
    def merge(cls, parts: Sequence[Self], *, order: str = "") -> Self:
        """Join tables that describe the same events.

        Args:
            parts: tables with the same number of events.
            order: column by which the rows of an event are sorted, falling; empty keeps the order of the parts.

        Returns:
            One table with the rows of all parts.
        """
        event = np.concatenate([p.event for p in parts])
        if order:
            index = falling_order(event, np.concatenate([getattr(p, order) for p in parts]))
        else:
            index = np.argsort(event, kind="stable")
        columns = {n: np.concatenate([getattr(p, n) for p in parts])[index] for n in cls.column_names()}
        return cls(offsets_from_counts(np.bincount(event, minlength=parts[0].n_events)), **columns)
