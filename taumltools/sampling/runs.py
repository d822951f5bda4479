"""Sorting entries by a small whole number, with bounded memory and without changing their order otherwise.

What fits into the memory is sorted there.  What does not is written to disk in sorted runs,
which are merged at the end.  The sorted stream is the same in both cases.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from taumltools.tuples.arrowio import ArrowWriter
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.io import open_tuples

COPIES = 2.5
"""Memory of a run in units of its size: what was collected, its sorted copy, one column in between."""

TABLES = 4
"""A merged table is at most this part of the memory: it is there twice, besides a block being written."""


class SortedRuns:
    """Collects entries with keys and gives them back ordered by key; a context manager.

    Entries of the same key keep the order in which they were added.

    Examples:
        >>> with SortedRuns(3, memory_mb=100) as runs:
        ...     runs.add(Tuples({"evt": np.array([1, 2, 3])}), np.array([2, 0, 2]))
        ...     [(keys.tolist(), table["evt"].tolist()) for keys, table in runs.tables()]
        [([0, 2, 2], [2, 1, 3])]
    """

    def __init__(self, n_keys: int, memory_mb: float, scratch: Path | None = None) -> None:
        """Prepare; nothing is written before the memory is full.

        Args:
            n_keys: keys are 0 to ``n_keys`` - 1.
            memory_mb: memory to use, in MB.
            scratch: folder for temporary files; None means the system's.
        """
        self._n_keys = n_keys
        self._bytes = memory_mb * 1e6
        self._scratch = scratch
        self._folder: tempfile.TemporaryDirectory | None = None
        self._held: list[tuple[Tuples, np.ndarray]] = []
        self._held_bytes = 0
        self._paths: list[Path] = []
        self._starts: list[np.ndarray] = []
        self._total_bytes = 0
        self._total = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._held = []
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def runs(self) -> int:
        """Runs on disk so far."""
        return len(self._paths)

    def add(self, tuples: Tuples, keys: np.ndarray) -> None:
        """Add entries; they must not be changed afterwards.

        Args:
            tuples: entries, always with the same columns.
            keys: int, shape (n,).
        """
        if not len(tuples):
            return
        self._held.append((tuples, keys))
        self._held_bytes += tuples.nbytes
        self._total_bytes += tuples.nbytes
        self._total += len(tuples)
        if self._held_bytes * COPIES > self._bytes:
            self._spill()

    def tables(self) -> Iterator[tuple[np.ndarray, Tuples]]:
        """All entries, ordered by key; may be called once.

        Yields:
            Consecutive tables with their keys, ascending.  A key may go on in the next table.
        """
        if not self._paths:
            if self._held:
                yield _take_sorted(self._held)
            return
        self._spill()
        limit = max(1, int(self._bytes / TABLES / (self._total_bytes / self._total)))
        counts = np.sum([np.diff(starts) for starts in self._starts], axis=0)
        first = 0
        while first < self._n_keys:
            last = first + 1
            while last < self._n_keys and counts[first : last + 1].sum() <= limit:
                last += 1
            if counts[first:last].sum() > limit:
                yield from self._one_key(first, limit)
            elif counts[first:last].any():
                pieces = [piece for run in range(self.runs) for piece in self._read(run, first, last)]
                yield _take_sorted(pieces)
            first = last

    def _spill(self) -> None:
        if not self._held:
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix=".runs-", dir=self._scratch)
        keys, table = _take_sorted(self._held)
        self._held_bytes = 0
        path = Path(self._folder.name, f"run_{self.runs}.arrow")
        writer = ArrowWriter(path, table, "none")
        try:
            for start in range(0, len(table), writer.block):
                writer.write(table.slice(start, min(start + writer.block, len(table))))
        finally:
            writer.close()
        self._paths.append(path)
        self._starts.append(np.searchsorted(keys, np.arange(self._n_keys + 1)))

    def _read(self, run: int, first: int, last: int) -> Iterator[tuple[Tuples, np.ndarray]]:
        """Entries with first <= key < last of one run; the file is closed so that its pages are given back."""
        starts = self._starts[run]
        low, high = int(starts[first]), int(starts[last])
        if low < high:
            keys = np.repeat(np.arange(first, last), np.diff(starts[first : last + 1]))
            with open_tuples(self._paths[run]) as file:
                yield _copied(file.read([*file.branches, *file.other_branches], low, high)), keys

    def _one_key(self, key: int, limit: int) -> Iterator[tuple[np.ndarray, Tuples]]:
        """A key with more entries than fit: they are in order already."""
        for run, starts in enumerate(self._starts):
            with open_tuples(self._paths[run]) as file:
                names = [*file.branches, *file.other_branches]
                for low in range(int(starts[key]), int(starts[key + 1]), limit):
                    table = file.read(names, low, min(low + limit, int(starts[key + 1])))
                    yield np.full(len(table), key), table


def _copied(tuples: Tuples) -> Tuples:
    """The same without views of a file, which would keep many of its pages in the memory."""
    collections = {
        prefix: Collection(part.offsets, {name: column.copy() for name, column in part.columns.items()})
        for prefix, part in tuples.collections.items()
    }
    return Tuples({name: column.copy() for name, column in tuples.scalars.items()}, collections)


def _take_sorted(pieces: list[tuple[Tuples, np.ndarray]]) -> tuple[np.ndarray, Tuples]:
    """All pieces as one table ordered by key; the list is emptied, and columns are joined one at a time."""
    keys = np.concatenate([keys for _, keys in pieces])
    tables = [tuples for tuples, _ in pieces]
    pieces.clear()
    order = np.argsort(keys, kind="stable")
    first = tables[0]
    scalars = {name: np.concatenate([t.scalars[name] for t in tables])[order] for name in first.scalars}
    collections = {
        prefix: _take_collection([t.collections[prefix] for t in tables], order) for prefix in first.collections
    }
    return keys[order], Tuples(scalars, collections)


def _take_collection(parts: list[Collection], order: np.ndarray) -> Collection:
    counts = np.concatenate([part.counts for part in parts])
    starts = np.concatenate([[0], np.cumsum(counts)])[:-1]
    taken = counts[order]
    offsets = np.concatenate([[0], np.cumsum(taken)])
    rows = np.arange(offsets[-1]) + np.repeat(starts[order] - offsets[:-1], taken)
    return Collection(
        offsets, {name: np.concatenate([part.columns[name] for part in parts])[rows] for name in parts[0].columns}
    )
