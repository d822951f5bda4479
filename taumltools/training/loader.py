"""Read flat tuples for a fit: split, shuffle, batch.

A sample that fits into the stated memory is read once and kept; a larger one is read in
blocks of a random order, and shuffled within a window, in every epoch.  The content of
every batch follows from the files, the settings and the generator handed in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.config.training import TrainingConfig
from taumltools.errors import InputError
from taumltools.eventhash import in_first_part
from taumltools.features.flat import FlatFile
from taumltools.training.batches import Batch, Layout, Samples
from taumltools.tuples.truth import TAU_TYPES

log = logging.getLogger(__name__)

READ_BLOCK = 16_384
"""Entries read at once: one chunk of the files."""


@dataclass(frozen=True)
class _Block:
    path: Path
    start: int
    stop: int


class Loader:
    """Batches of the training and of the validation sample.

    Args:
        paths: files of flat tuples.
        features: the features, in the order the network takes them.
        config: batch size, split, memory.

    Attributes:
        counts: entries by sample and type: ``{"train": {"e": ...}, "validation": {...}}``.
        cached: True if the sample is kept in memory.

    Raises:
        InputError: a file is not readable, lacks a feature, or one of the types is missing.
    """

    def __init__(self, paths: Sequence[Path], features: FeaturesConfig, config: TrainingConfig) -> None:
        if not paths:
            raise InputError("no flat tuples to train on")
        self._config = config
        self._layout: Layout = {block: list(names) for block, names in features.blocks().items()}
        self._blocks = [block for path in paths for block in _blocks(Path(path))]
        self.counts, size = self._scan(paths)
        self._weights = self._class_weights()
        self.cached = size < config.cache_mb * 1_000_000
        self._cache: dict[bool, Samples] = {}
        if self.cached:
            parts = [self._read(block) for block in self._blocks]
            self._cache = {side: Samples.concatenate([p[side] for p in parts]) for side in (False, True)}
        else:
            log.info("%.0f MB of inputs exceed the budget of %d MB: streaming", size / 1e6, config.cache_mb)

    @property
    def batch_size(self) -> int:
        """Entries per step, never more than the training sample has."""
        return min(self._config.batch_size, sum(self.counts["train"].values()))

    @property
    def steps(self) -> int:
        """Steps per epoch; the entries of the last, incomplete batch wait for the next epoch."""
        return sum(self.counts["train"].values()) // self.batch_size

    def train_batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """One epoch of shuffled batches, all of the same size.

        Args:
            rng: decides the order.

        Yields:
            :attr:`steps` batches.
        """
        left: Samples | None = None
        for window in self._windows(rng):
            window = Samples.concatenate([left, window]) if left is not None else window
            order = rng.permutation(len(window))
            full = len(window) - len(window) % self.batch_size
            for start in range(0, full, self.batch_size):
                yield window.batch(order[start : start + self.batch_size])
            left = window.select(order[full:])

    def validation_batches(self) -> Iterator[Batch]:
        """The validation sample in file order; the last batch may be smaller."""
        if self.cached:
            yield from self._cache[True].batches(self._config.batch_size)
            return
        for block in self._blocks:
            yield from self._read(block)[True].batches(self._config.batch_size)

    def _windows(self, rng: np.random.Generator) -> Iterator[Samples]:
        if self.cached:
            yield self._cache[False]
            return
        order = rng.permutation(len(self._blocks))
        per_window = max(self._config.window // READ_BLOCK, 1)
        for start in range(0, len(order), per_window):
            parts = [self._read(self._blocks[i])[False] for i in order[start : start + per_window]]
            yield Samples.concatenate(parts)

    def _read(self, block: _Block) -> tuple[Samples, Samples]:
        """Training and validation part of one block."""
        with FlatFile(block.path) as file:
            flat = file.read(block.start, block.stop)
        side = self._side(flat.index)
        train, validation = (flat.take(np.flatnonzero(side == s)) for s in (0, 1))
        return Samples.of(train, self._layout, self._weights), Samples.of(validation, self._layout, self._weights)

    def _side(self, index: dict[str, np.ndarray]) -> np.ndarray:
        """0 training, 1 validation, -1 no type to learn."""
        validation = in_first_part(index["run"], index["lumi"], index["evt"], self._config.validation_fraction)
        labelled = (index["tau_type"] >= 0) & (index["tau_type"] < len(TAU_TYPES))
        return np.where(labelled, validation.astype(np.int8), np.int8(-1))

    def _scan(self, paths: Sequence[Path]) -> tuple[dict[str, dict[str, int]], int]:
        """Count types on both sides, and bytes of all inputs."""
        counts = np.zeros((2, len(TAU_TYPES)), np.int64)
        size = 0
        for path in paths:
            with FlatFile(path) as file:
                index = file.read_index()
                rows = {"taus": file.entries, **file.object_counts()}
            side = self._side(index)
            for s in (0, 1):
                counts[s] += np.bincount(index["tau_type"][side == s], minlength=len(TAU_TYPES))
            size += sum(4 * rows.get(block, 0) * len(names) for block, names in self._layout.items())
        named = {
            s: dict(zip(TAU_TYPES, map(int, counts[i]), strict=True)) for i, s in enumerate(("train", "validation"))
        }
        for sample, by_type in named.items():
            empty = [name for name, n in by_type.items() if not n]
            if empty:
                raise InputError(
                    f"no entries of type {', '.join(empty)} in the {sample} sample (found {by_type}): the network "
                    "separates four types and needs all of them; add datasets or events"
                )
        return named, size

    def _class_weights(self) -> list[float]:
        if self._config.class_weights == "none":
            return [1.0] * len(TAU_TYPES)
        numbers = list(self.counts["train"].values())
        return [sum(numbers) / (len(numbers) * n) for n in numbers]


def _blocks(path: Path) -> list[_Block]:
    with FlatFile(path) as file:
        starts = range(0, file.entries, READ_BLOCK)
        return [_Block(path, start, min(start + READ_BLOCK, file.entries)) for start in starts]
