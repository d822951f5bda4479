"""Which entries an epoch has and in which order: known before anything is read, from the seed alone.

A sample is a row of blocks, each a stretch of one file.  In every epoch the blocks are put
into a new order, a few blocks at a time make a window, and the entries of a window are
shuffled.  Since the number of entries of every block is known, so is the place of every batch:
an epoch can be entered anywhere, and who reads a window does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.tuples.truth import TAU_TYPES

_BLOCKS, _ENTRIES, _DRAWN = range(3)  # what a random stream is for


@dataclass(frozen=True)
class Window:
    """Blocks that are in memory together.

    Attributes:
        number: position in the epoch.
        blocks: numbers of the blocks, in the order in which they are put into memory.
        start: entries of the epoch before this window.
        size: entries of the epoch in this window.
    """

    number: int
    blocks: tuple[int, ...]
    start: int
    size: int


class Plan:
    """The order of a sample's entries.

    Args:
        kinds: of each block the truth type of its entries, -1 for those that are not used; int8 arrays.
        window: entries that are shuffled together; whole blocks, at least one.
        composition: shares of e, mu, tau and jet; empty: all entries.

    Attributes:
        counts: entries of an epoch by type, int, shape (4,).
        entries: entries of an epoch.

    Examples:
        >>> plan = Plan([np.int8([0, 1, 2, 3, -1]), np.int8([3, 3, 1, 2, 0])], window=5)
        >>> windows = plan.windows(seed=1, epoch=1)
        >>> plan.entries, sorted(window.size for window in windows), sorted(window.start for window in windows)[0]
        (9, [4, 5], 0)
    """

    def __init__(self, kinds: Sequence[np.ndarray], window: int, composition: Sequence[float] = ()) -> None:
        self._kinds = list(kinds)
        self._window = window
        counts = np.array([np.bincount(k[k >= 0], minlength=len(TAU_TYPES)) for k in kinds]).reshape(-1, len(TAU_TYPES))
        self._quota = _quotas(counts, composition)
        self._thinned = self._quota < counts
        self.counts = self._quota.sum(axis=0)
        self.entries = int(self.counts.sum())

    def windows(self, seed: int, epoch: int) -> list[Window]:
        """The windows of one epoch; blocks without entries are in none, unless all blocks fit into one window.

        Args:
            seed: decides the order.
            epoch: number of the epoch.

        Returns:
            In the order in which they are used.
        """
        used = np.flatnonzero(self._quota.sum(axis=1))
        return self._cut(used[_stream(seed, epoch, _BLOCKS).permutation(len(used))])

    def file_order(self) -> list[Window]:
        """Windows in the order of the files."""
        return self._cut(np.flatnonzero(self._quota.sum(axis=1)))

    def rows(self, window: Window, seed: int, epoch: int) -> np.ndarray:
        """Entries of a window in the order of the epoch, as positions in its blocks put together.

        Args:
            window: of :meth:`windows` with the same seed and epoch.
            seed: decides the order.
            epoch: number of the epoch.

        Returns:
            int, shape (window.size,).
        """
        rows = self._positions(window, seed, epoch)
        return rows[_stream(seed, epoch, _ENTRIES, window.number).permutation(len(rows))]

    def rows_in_order(self, window: Window) -> np.ndarray:
        """The same in the order of the files.

        Args:
            window: of :meth:`file_order`.

        Returns:
            int, shape (window.size,), ascending.
        """
        return self._positions(window, 0, 0)

    def fingerprint(self) -> str:
        """Hexadecimal digits that change when blocks, types, the window or the composition do."""
        digest = hashlib.sha256(f"{self._window} {self._quota.tolist()}".encode())
        for kinds in self._kinds:
            digest.update(kinds.tobytes())
        return digest.hexdigest()[:16]

    def _cut(self, order: np.ndarray) -> list[Window]:
        if sum(map(len, self._kinds)) <= self._window:
            return [self._group(0, range(len(self._kinds)), 0)]
        windows: list[Window] = []
        group: list[int] = []
        start = 0
        for number in order.tolist():
            if group and sum(len(self._kinds[i]) for i in (*group, number)) > self._window:
                windows.append(self._group(len(windows), group, start))
                start += windows[-1].size
                group = []
            group.append(number)
        return [*windows, self._group(len(windows), group, start)] if group else windows

    def _group(self, number: int, blocks: Sequence[int], start: int) -> Window:
        return Window(number, tuple(blocks), start, int(self._quota[list(blocks)].sum()))

    def _positions(self, window: Window, seed: int, epoch: int) -> np.ndarray:
        parts, start = [], 0
        for block in window.blocks:
            parts.append(self._chosen(block, seed, epoch) + start)
            start += len(self._kinds[block])
        return np.concatenate(parts)

    def _chosen(self, block: int, seed: int, epoch: int) -> np.ndarray:
        """Positions of a block's entries; of types that have too many, as many as its quota, drawn for this epoch."""
        kinds = self._kinds[block]
        if not self._thinned[block].any():
            return np.flatnonzero(kinds >= 0)
        rng = _stream(seed, epoch, _DRAWN, block)
        of_type = [np.flatnonzero(kinds == t) for t in range(len(TAU_TYPES))]
        drawn = [rng.choice(rows, n, replace=False) for rows, n in zip(of_type, self._quota[block], strict=True)]
        return np.sort(np.concatenate(drawn))


def _quotas(counts: np.ndarray, composition: Sequence[float]) -> np.ndarray:
    """Entries to take of each block and type: spread evenly over the blocks, exact in the sum."""
    if not composition:
        return counts
    totals = counts.sum(axis=0)
    share = np.asarray(composition, np.float64)
    kept = share / np.where(totals, totals, 1) * (totals / share).min()
    kept[np.argmin(totals / share)] = 1.0  # all of the scarcest type, without rounding
    return np.diff(np.floor(counts.cumsum(axis=0) * kept).astype(np.int64), axis=0, prepend=0)


def _stream(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)
