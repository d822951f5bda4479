"""A sample as a row of portions of equal size: read window by window, or kept in memory."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.training.ahead import in_order
from taumltools.training.batches import Batch, Samples
from taumltools.training.layout import InputLayout
from taumltools.training.plan import Plan, Window
from taumltools.training.reading import Block, read_blocks
from taumltools.training.weights import Weights


@dataclass(frozen=True)
class Portion:
    """Entries that belong into one batch, still where they were read to.

    Attributes:
        samples: what was read.
        rows: which of it, int, shape (n,).
        filled: how many of the last rows only fill up; they are entries seen before, with weight 0.
    """

    samples: Samples
    rows: np.ndarray
    filled: int = 0

    def batch(self) -> Batch:
        """These entries alone as a padded batch."""
        return self.samples.batch(self.rows, self.filled)

    def taken(self) -> Samples:
        """A copy of these entries, to be joined with others; rows that only fill up have weight 0."""
        samples = self.samples.select(self.rows)
        samples.weights[len(self.rows) - self.filled :] = 0
        return samples


class Source:
    """Stretches of files, kept in memory, or read when a window needs them.

    Args:
        blocks: the stretches.
        layout: what the network takes.
        weights: gives the weights.
        keep: read everything now and keep it; then plans must have one window.
    """

    def __init__(self, blocks: Sequence[Block], layout: InputLayout, weights: Weights, *, keep: bool) -> None:
        self._blocks, self._layout, self._weights = blocks, layout, weights
        self._kept = read_blocks(blocks, layout, weights) if keep else None

    def read(self, window: Window) -> Samples:
        """The entries of a window, those of its blocks one after the other.

        Args:
            window: of the plan of these blocks.

        Returns:
            All entries of its blocks, used or not.
        """
        if self._kept is not None:
            return self._kept
        return read_blocks([self._blocks[i] for i in window.blocks], self._layout, self._weights)


@dataclass(frozen=True)
class Stream:
    """A sample with the order of its entries.

    Attributes:
        source: where entries come from.
        plan: which ones an epoch has, and their order.
        workers: threads; with any of them the next window is read while one is used.
    """

    source: Source
    plan: Plan
    workers: int = 0

    def steps(self, size: int) -> int:
        """Portions of an epoch.

        Args:
            size: rows of a portion.

        Returns:
            Their number.
        """
        return -(-self.plan.entries // size)

    def epoch(self, seed: int, epoch: int, size: int, start: int = 0) -> Iterator[Portion]:
        """One epoch in its random order; the last portion is filled up.

        Args:
            seed: decides the order, not negative.
            epoch: its number, not negative.
            size: rows of a portion.
            start: first portion; what is before it is not read, as far as windows allow.

        Yields:
            The portions, each read when it is asked for.
        """
        order = functools.partial(self.plan.rows, seed=seed, epoch=epoch)
        return self._portions(self.plan.windows(seed, epoch), order, size, start, fill=True)

    def endless(self, seed: int, size: int, start: int = 0) -> Iterator[Portion]:
        """Epoch after epoch, for a sample that accompanies a larger one.

        Args:
            seed: decides the order.
            size: rows of a portion.
            start: first portion, counted from the beginning of the first epoch.

        Yields:
            The portions, without end.
        """
        first, step = divmod(start, self.steps(size))
        for epoch in itertools.count(first):
            yield from self.epoch(seed, epoch, size, step if epoch == first else 0)

    def in_order(self, size: int) -> Iterator[Portion]:
        """All entries in the order of the files; the last portion may be smaller.

        Args:
            size: rows of a portion.

        Yields:
            The portions, each read when it is asked for.
        """
        return self._portions(self.plan.file_order(), self.plan.rows_in_order, size, 0, fill=False)

    def _portions(
        self, windows: Sequence[Window], order: Callable[[Window], np.ndarray], size: int, start: int, fill: bool
    ) -> Iterator[Portion]:
        """What makes each batch; what is left of a window is put in front of the next one."""
        done = start * size
        left: Samples | None = None
        windows = [window for window in windows if window.start + window.size > done]
        reading = (functools.partial(self.source.read, window) for window in windows)
        samples_of = in_order(reading, min(self.workers, 1), ahead=1)
        for window in windows:
            samples, rows = next(samples_of), order(window)
            todo = rows[max(done - window.start, 0) :]
            missing = 0 if left is None else size - len(left)
            if left is not None and missing:
                left = Samples.concatenate([left, samples.select(todo[:missing])])
            todo = todo[missing:]
            if left is not None and len(left) == size:
                yield Portion(left, np.arange(size))
                left = None
            full = len(todo) - len(todo) % size
            for first in range(0, full, size):
                yield Portion(samples, todo[first : first + size])
            if full < len(todo):
                left = samples.select(todo[full:])
            if window is windows[-1] and left is not None:
                missing = size - len(left) if fill else 0
                last = Samples.concatenate([left, samples.select(np.resize(rows, missing))])
                yield Portion(last, np.arange(len(last)), missing)
            del samples  # before the next window is read
