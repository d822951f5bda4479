"""Counting one part of a shuffled sample: histograms by chunk and cell, in one pass over few columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from taumltools.config.validation import AxisConfig, ValidationConfig
from taumltools.errors import InputError
from taumltools.progress import progress
from taumltools.sampling.validation_events import EVENT, EventSampler, event_hash
from taumltools.sampling.validation_order import OrderCounter
from taumltools.sampling.validation_tables import BUCKETS, COARSE, ENTRIES, Cell, Counts, Table
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples

STEP = 210_000
"""Entries read at a time: twelve columns of them are 15 MB; whole blocks of both formats."""


def bin_index(values: np.ndarray, axis: AxisConfig) -> np.ndarray:
    """Bins of values; the first one takes what is too low or missing, the last one what is too high.

    Args:
        values: shape (n,), NaN where missing.
        axis: the fine bins.

    Returns:
        int64, shape (n,), from 0 to ``axis.bins + 1``.

    Examples:
        >>> bin_index(np.array([-1.0, 0.0, 0.9, 1.0, np.nan]), AxisConfig(bins=2, limits=(0, 1)))
        array([0, 1, 2, 3, 0])
    """
    low, high = axis.limits
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        position = np.log(values) if axis.log else values.astype(np.float64)
        if axis.log:
            low, high = np.log(low), np.log(high)
        scaled = np.floor((position - low) * (axis.bins / (high - low))) + 1
    return np.where(scaled >= 0, np.minimum(scaled, axis.bins + 1), 0).astype(np.int64)


class PartCounter:
    """Counts the entries of one part, block by block.

    Args:
        name: name of the part.
        entries: how many entries there will be; they are cut into chunks by their number.
        config: chunks, variables and bins.
        weighted: whether the entries have weights.
    """

    def __init__(self, name: str, entries: int, config: ValidationConfig, *, weighted: bool) -> None:
        self.name, self.entries, self.config = name, entries, config
        self._weight = config.weight if weighted else ""
        self._axes = dict(config.variables) | ({self._weight: config.weight_axis} if self._weight else {})
        self._cells: list[Cell] = []
        self._keys = np.zeros(0, np.uint64)
        self._codes = np.zeros(0, np.int64)
        bins = {ENTRIES: 1} | {variable: axis.bins + 2 for variable, axis in self._axes.items()}
        self._tables = {variable: Table.zeros(config.chunks, 0, size) for variable, size in bins.items()}
        self._limits = (np.inf, -np.inf)
        self._order, self._events = OrderCounter(), EventSampler()
        self._done = 0

    def branches(self) -> list[str]:
        """Branches that :meth:`add` needs."""
        return [*Cell._fields, *EVENT, *self._axes]

    def add(self, tuples: Tuples) -> None:
        """Count the next entries."""
        codes = self._encode(tuples)
        events = event_hash(tuples)
        buckets = (events >> np.uint64(56)).astype(np.int64)
        weights = tuples[self._weight].astype(np.float64) if self._weight else None
        if weights is not None:
            self._watch(weights)
        borders = np.arange(1, self.config.chunks) * self.entries
        borders = -(-borders // self.config.chunks) - self._done  # chunk of entry k is k * chunks // entries
        borders = np.concatenate([[0], np.clip(borders, 0, len(tuples)), [len(tuples)]])
        for variable, table in self._tables.items():
            size = table.counts.shape[2]
            bins = bin_index(tuples[variable], self._axes[variable]) if variable != ENTRIES else 0
            self._fill(table, borders, codes * size + bins, buckets, weights)
        self._events.add(codes, events)
        if self.config.order:
            self._order.add(codes, np.array(self._cells, object), tuples["evt"], events)
        self._done += len(tuples)

    def _fill(
        self, table: Table, borders: np.ndarray, flat: np.ndarray, buckets: np.ndarray, w: np.ndarray | None
    ) -> None:
        """Add entries to a table; ``flat`` is cell times bins plus bin."""
        shape, coarse_shape = table.counts.shape[1:], table.squares.shape
        size, coarse_size = shape[0] * shape[1], coarse_shape[0] * coarse_shape[1]
        coarse = flat // shape[1] * coarse_shape[1] + flat % shape[1] // COARSE
        for chunk in np.flatnonzero(np.diff(borders)):
            mine = slice(borders[chunk], borders[chunk + 1])
            table.counts[chunk] += np.bincount(flat[mine], minlength=size).reshape(shape)
            if w is not None:
                table.weights[chunk] += np.bincount(coarse[mine], w[mine], coarse_size).reshape(coarse_shape)
        if w is not None:
            table.squares[:] += np.bincount(coarse, w * w, coarse_size).reshape(coarse_shape)
        by_bucket = np.bincount(buckets * coarse_size + coarse, minlength=BUCKETS * coarse_size)
        table.buckets[:] += by_bucket.reshape(BUCKETS, *coarse_shape)

    def _encode(self, tuples: Tuples) -> np.ndarray:
        """Number of the cell of each entry; new cells get the next numbers."""
        columns = [tuples[name].astype(np.uint64) for name in Cell._fields]
        key = columns[0]
        for column in columns[1:]:
            key = (key ^ (key >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15) + column
        if len(new := np.setdiff1d(key if not len(self._keys) else key[~self._known(key)], self._keys)):
            rows = [int(np.argmax(key == one)) for one in new]
            self._cells += [Cell(*(int(tuples[name][row]) for name in Cell._fields)) for row in rows]
            keys, codes = np.concatenate([self._keys, new]), np.arange(len(self._cells))
            order = np.argsort(keys)
            self._keys, self._codes = keys[order], np.concatenate([self._codes, codes[len(self._keys) :]])[order]
            self._tables = {
                variable: table.with_cells(range(table.counts.shape[1]), len(self._cells))
                for variable, table in self._tables.items()
            }
        return self._codes[np.searchsorted(self._keys, key)]

    def _known(self, key: np.ndarray) -> np.ndarray:
        place = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        return self._keys[place] == key

    def _watch(self, weights: np.ndarray) -> None:
        if not np.isfinite(weights).all():
            row = int(np.flatnonzero(~np.isfinite(weights))[0])
            raise InputError(
                f"{self.name}: {self._weight} is {weights[row]} in entry {self._done + row}; weights are finite "
                "numbers, so make the part again, or set validation.weight to '' if it has none"
            )
        if len(weights):
            self._limits = (min(self._limits[0], weights.min()), max(self._limits[1], weights.max()))

    def result(self) -> Counts:
        """The counts of all entries."""
        if self._done != self.entries:
            raise InputError(f"{self.name}: {self._done} entries were counted, {self.entries} were announced")
        limits = (float(self._limits[0]), float(self._limits[1])) if self._weight and self._done else (1.0, 1.0)
        order = self._order.result() if self.config.order else None
        return Counts(self.name, tuple(self._cells), self._tables, self._events.result(), limits, order)


def count_part(path: Path, config: ValidationConfig, name: str = "") -> Counts:
    """Count one part of a shuffled sample.

    Args:
        path: a tuple file; about ten of its branches are read, in blocks.
        config: chunks, variables and bins.
        name: what reports call it; the name of the file if empty.

    Returns:
        Its counts by chunk.

    Raises:
        InputError: the file cannot be read, lacks a branch, or a weight is not finite.
    """
    with open_tuples(path) as file:
        weighted = bool(config.weight) and config.weight in {*file.branches, *file.other_branches}
        counter = PartCounter(name or path.name, file.entries, config, weighted=weighted)
        blocks = file.iterate(counter.branches(), STEP)
        for tuples in progress(blocks, total=-(-file.entries // STEP), label=counter.name, unit="block"):
            counter.add(tuples)
        return counter.result()
