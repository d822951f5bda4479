"""Histograms by row and cell: what is kept of a part, and of a sample.

A cell is a combination of dataset, group, truth type and sample type.  Every distribution
that is tested, in every slice, is a sum over cells, so nothing else has to be counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from taumltools.sampling.validation_events import EventSample, EventSampler
from taumltools.sampling.validation_order import Order

BUCKETS = 256
"""Buckets of events: their scatter is known to 9% for two bins, better for more."""

COARSE = 10
"""Fine bins that share one bin where weights or buckets are counted."""

ENTRIES = "entries"
"""Name of the table without a variable: one bin."""


class Cell(NamedTuple):
    """Entries that agree in everything that is sliced by."""

    dataset_id: int
    dataset_group_id: int
    tauType: int  # noqa: N815 - the name of the branch
    sampleType: int  # noqa: N815


@dataclass(frozen=True)
class Table:
    """Histograms of one variable.

    Attributes:
        counts: int64, shape (rows, cells, bins): entries.
        weights: float64, shape (rows, cells, coarse bins): sums of weights; zero without weights.
        squares: float64, shape (cells, coarse bins): sums of squared weights of all rows.
        buckets: int64, shape (BUCKETS, cells, coarse bins): entries by bucket of events.
    """

    counts: np.ndarray
    weights: np.ndarray
    squares: np.ndarray
    buckets: np.ndarray

    @staticmethod
    def zeros(rows: int, cells: int, bins: int) -> Table:
        """An empty table."""
        coarse = -(-bins // COARSE)
        return Table(
            np.zeros((rows, cells, bins), np.int64),
            np.zeros((rows, cells, coarse)),
            np.zeros((cells, coarse)),
            np.zeros((BUCKETS, cells, coarse), np.int64),
        )

    def with_cells(self, place: Sequence[int], cells: int) -> Table:
        """The same histograms among more cells.

        Args:
            place: where each present cell goes.
            cells: number of cells afterwards.
        """
        grown = Table.zeros(len(self.counts), cells, self.counts.shape[2])
        grown.counts[:, place], grown.weights[:, place] = self.counts, self.weights
        grown.squares[place], grown.buckets[:, place] = self.squares, self.buckets
        return grown


@dataclass(frozen=True)
class Counts:
    """Histograms of all variables by row; rows are the chunks of a part, or the parts of a sample.

    Attributes:
        name: what was counted, e.g. the name of a file.
        cells: the cells that occur.
        tables: histograms by variable; :data:`ENTRIES` is always among them.
        events: some of the events; none for a sample.
        weight_range: smallest and largest weight; both 1 without weights.
        order: order of the entries, for the chunks of a part.
    """

    name: str
    cells: tuple[Cell, ...]
    tables: dict[str, Table]
    events: EventSample
    weight_range: tuple[float, float] = (1.0, 1.0)
    order: Order | None = None

    @property
    def row_entries(self) -> np.ndarray:
        """Entries by row, int64."""
        return self.tables[ENTRIES].counts.sum((1, 2))

    @property
    def entries(self) -> int:
        """All entries."""
        return int(self.row_entries.sum())

    @property
    def weighted(self) -> bool:
        """Whether entries differ in weight."""
        return self.weight_range[0] < self.weight_range[1]


class SampleCounter:
    """Puts parts together to a sample, in which each part is one row."""

    def __init__(self) -> None:
        self._cells: dict[Cell, int] = {}
        self._sums: dict[str, Table] = {}
        self._rows: list[tuple[list[int], dict[str, tuple[np.ndarray, np.ndarray]]]] = []
        self._limits: list[tuple[float, float]] = []

    def add(self, part: Counts) -> None:
        """Add the next part; of it only sums are kept.

        Args:
            part: its counts, with the same variables and bins as those before.
        """
        known = len(self._cells)
        place = [self._cells.setdefault(cell, len(self._cells)) for cell in part.cells]
        rows = {}
        for variable, table in part.tables.items():
            sums = self._sums.get(variable) or Table.zeros(0, 0, table.counts.shape[2])
            if len(self._cells) > sums.counts.shape[1]:
                sums = sums.with_cells(range(known), len(self._cells))
            sums.squares[place] += table.squares
            sums.buckets[:, place] += table.buckets
            self._sums[variable] = sums
            rows[variable] = (table.counts.sum(0), table.weights.sum(0))
        self._rows.append((place, rows))
        self._limits += [part.weight_range] if part.entries else []

    def result(self) -> Counts:
        """Counts of the sample, with all cells that occur in any part."""
        tables = {}
        for variable, sums in self._sums.items():
            whole = Table.zeros(len(self._rows), len(self._cells), sums.counts.shape[2])
            for row, (place, arrays) in enumerate(self._rows):
                whole.counts[row, place], whole.weights[row, place] = arrays[variable]
            tables[variable] = Table(whole.counts, whole.weights, sums.squares, sums.buckets)
        limits = (
            (min(low for low, _ in self._limits), max(high for _, high in self._limits)) if self._limits else (1, 1)
        )
        return Counts("sample", tuple(self._cells), tables, EventSampler().result(), limits)
