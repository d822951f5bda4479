"""Events in a shuffled sample: which candidates belong together, and where they went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from taumltools.tuples.data import Tuples

EVENT = ("run", "lumi", "evt")
"""Branches that identify an event inside of its dataset."""

KEYS = 1 << 20
"""Most entries of a part whose events are remembered: 10 MB, and 0.2% on what is counted with them."""

KEYS_OF_SAMPLE = 1 << 14
"""The same for parts of a sample, all of which are in memory together."""


def event_hash(tuples: Tuples) -> np.ndarray:
    """A number per event that looks random: the same for all candidates of an event.

    Args:
        tuples: entries with ``dataset_id`` and :data:`EVENT`.

    Returns:
        uint64, shape (n,); the high bits are the random ones.
    """
    value = tuples["dataset_id"].astype(np.uint64)
    for name in EVENT:
        value = value * np.uint64(0x9E3779B97F4A7C15) + tuples[name].astype(np.uint64)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = value ^ (value >> np.uint64(27))
    return value * np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class EventSample:
    """A random subset of the events with all their candidates.

    Attributes:
        keys: uint64, hashes of the events.
        sizes: int64, candidates of each.
        cells: int64, number of the cell of one of them.
        limit: the subset is all events with a hash up to this.
    """

    keys: np.ndarray
    sizes: np.ndarray
    cells: np.ndarray
    limit: int

    @property
    def fraction(self) -> float:
        """Fraction of the events that is in the subset."""
        return (self.limit + 1) / 2**64

    def below(self, limit: int) -> EventSample:
        """The subset of it up to a hash."""
        chosen = self.keys <= np.uint64(limit)
        return EventSample(self.keys[chosen], self.sizes[chosen], self.cells[chosen], min(limit, self.limit))

    def thinned(self, most: int) -> EventSample:
        """A subset of it with at most that many events."""
        limit = self.limit
        while np.count_nonzero(self.keys <= np.uint64(limit)) > most:
            limit >>= 1
        return self.below(limit)


@dataclass
class EventSampler:
    """Takes the sample of one part block by block; it is halved whenever it grows too large."""

    limit: int = 2**64 - 1
    _kept: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def add(self, codes: np.ndarray, events: np.ndarray) -> None:
        """Look at the next entries.

        Args:
            codes: numbers of their cells.
            events: :func:`event_hash` of them.
        """
        chosen = events <= np.uint64(self.limit)
        self._kept.append((codes[chosen].astype(np.int32), events[chosen]))
        while sum(len(codes) for codes, _ in self._kept) > KEYS:
            self.limit >>= 1
            codes, events = (np.concatenate(columns) for columns in zip(*self._kept, strict=True))
            chosen = events <= np.uint64(self.limit)
            self._kept = [(codes[chosen], events[chosen])]

    def result(self) -> EventSample:
        """The sample of all entries."""
        if not self._kept:
            return EventSample(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64), self.limit)
        codes, events = (np.concatenate(columns) for columns in zip(*self._kept, strict=True))
        keys, first, sizes = np.unique(events, return_index=True, return_counts=True)
        return EventSample(keys, sizes, codes[first].astype(np.int64), self.limit)


def togetherness(samples: Sequence[EventSample], entries: np.ndarray) -> float:
    """How far the candidates of an event stay in one part.

    Args:
        samples: events of each part.
        entries: entries of each part.

    Returns:
        1 if parts hold whole events, 0 if each candidate went its own way.

    Examples:
        >>> pairs = EventSample(np.array([3, 9], np.uint64), np.array([2, 2]), np.array([0, 0]), 2**64 - 1)
        >>> none = EventSample(np.array([5], np.uint64), np.array([2]), np.array([0]), 2**64 - 1)
        >>> togetherness([pairs, none], np.array([4, 2]))
        1.0
    """
    limit = min(sample.limit for sample in samples)
    chosen = [sample.below(limit) for sample in samples]
    inside = sum(float((s.sizes * (s.sizes - 1)).sum()) for s in chosen)
    _, place = np.unique(np.concatenate([s.keys for s in chosen]), return_inverse=True)
    sizes = np.bincount(place, np.concatenate([s.sizes for s in chosen]))
    pairs = float((sizes * (sizes - 1)).sum())
    by_chance = float(((entries / max(entries.sum(), 1)) ** 2).sum())
    if not pairs or by_chance >= 1:
        return 1.0
    return float(np.clip((inside / pairs - by_chance) / (1 - by_chance), 0, 1))
