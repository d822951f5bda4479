"""Events in memory: named columns of equal length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.errors import InputError

NO_CLASS = -1
"""Target of events that are only to be scored."""


@dataclass(frozen=True)
class EventTable:
    """Events with their columns.

    Attributes:
        columns: by name, shape (n,) each.
    """

    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, name: str) -> np.ndarray:
        """One column.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.columns:
            raise InputError(f"events have no column '{name}'; they have {', '.join(self.columns)}")
        return self.columns[name]

    def matrix(self, names: Sequence[str], dtype: type = np.float32) -> np.ndarray:
        """Columns side by side, shape (n, len(names))."""
        found: np.ndarray = np.empty((len(self), len(names)), dtype)
        for i, name in enumerate(names):
            found[:, i] = self[name]
        return found

    def take(self, rows: np.ndarray) -> EventTable:
        """Some rows, by positions or as a mask."""
        return EventTable({name: values[rows] for name, values in self.columns.items()})

    def having(self, columns: Mapping[str, np.ndarray]) -> EventTable:
        """The same events with more columns, or others of the same names."""
        return EventTable({**self.columns, **columns})

    def without(self, names: Iterable[str]) -> EventTable:
        """The same events with fewer columns."""
        gone = set(names)
        return EventTable({name: values for name, values in self.columns.items() if name not in gone})


def joined(tables: Sequence[EventTable]) -> EventTable:
    """Events of several tables, one after the other.

    Args:
        tables: with the same columns; at least one.

    Returns:
        All events.

    Examples:
        >>> one = EventTable({"evt": np.array([1, 2])})
        >>> joined([one, one])["evt"].tolist()
        [1, 2, 1, 2]
    """
    return EventTable({name: np.concatenate([table[name] for table in tables]) for name in tables[0].columns})
