"""Batches for a fit: split, weights, order, and reading ahead.

A sample that fits into the stated memory is read once and kept; a larger one is read in large blocks in every epoch.
The content of every batch follows from the files, the settings, the seed, and the numbers of the epoch and of the step:
not from who reads it, nor from what was read before.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.config.identity import plain
from taumltools.config.training import TrainingConfig
from taumltools.errors import InputError
from taumltools.training.ahead import in_order
from taumltools.training.batches import Batch, Samples
from taumltools.training.layout import Form, InputLayout
from taumltools.training.plan import Plan, Window
from taumltools.training.reading import bytes_of, read_blocks
from taumltools.training.scan import Scan, scan
from taumltools.training.spectra import Binning
from taumltools.training.undefined import check_values
from taumltools.training.weights import TypeWeights, Weights, spectrum_weights
from taumltools.tuples.truth import TAU_TYPES

log = logging.getLogger(__name__)

READ_BLOCK = 16_384
"""Entries read at once: one chunk of the files."""


@dataclass(frozen=True)
class LoaderState:
    """Where a fit is in its sample: small enough to be saved with every checkpoint.

    Attributes:
        seed: of the order.
        epoch: the epoch, counted as the fit does.
        step: steps of it that are done.
        sample: digits that identify the sample and how it is cut into batches.
    """

    seed: int
    epoch: int
    step: int
    sample: str

    def as_dict(self) -> dict[str, Any]:
        """Plain types, as JSON has them; ``LoaderState(**...)`` gives the state back."""
        return dataclasses.asdict(self)


class Loader:
    """Batches of the training and of the validation sample.

    Args:
        paths: files of flat tuples.
        features: the features, in the order the network takes them.
        config: batch size, split, weights, memory, threads.
        form: how the network takes objects, see :mod:`taumltools.training.models`.

    Attributes:
        layout: the network's inputs.
        counts: entries of an epoch by sample and type: ``{"train": {"e": ...}, "validation": {...}}``.
        cached: True if the sample is kept in memory.

    Raises:
        InputError: a file is not readable, lacks a feature, or one of the types is missing; a feature is undefined too
            often; a spectrum has an empty bin.
        ConfigError: the network takes cells, and the features define no grid.
    """

    def __init__(
        self, paths: Sequence[Path], features: FeaturesConfig, config: TrainingConfig, form: Form = "sets"
    ) -> None:
        self._config = config
        self.layout = InputLayout.of(features, form)
        binning = Binning(config.spectra.bins) if config.class_weights == "spectra" else None
        found = scan([Path(p) for p in paths], self.layout, config.validation_fraction, READ_BLOCK, binning)
        self._blocks = found.blocks
        size = bytes_of(self._blocks, self.layout)
        self.cached = size < config.cache_mb * 1_000_000
        window = sum(map(len, self._blocks)) if self.cached else config.window
        self._train = Plan(found.kinds["train"], window, config.composition)
        self._validation = Plan(found.kinds["validation"], window)
        self.counts = {
            sample: dict(zip(TAU_TYPES, plan.counts.tolist(), strict=True))
            for sample, plan in (("train", self._train), ("validation", self._validation))
        }
        self._weights = _weights(config, found, self._train, binning)
        self._kept: Samples | None = None
        if self.cached:
            self._kept = read_blocks(self._blocks, self.layout, self._weights)
        else:
            log.info("%.0f MB of inputs exceed the budget of %d MB: streaming", size / 1e6, config.cache_mb)
        check_values(self._read(self._validation.file_order()[0]), config.max_undefined, features.infinite == "keep")

    @property
    def batch_size(self) -> int:
        """Entries per step, never more than the training sample has."""
        return min(self._config.batch_size, self._train.entries)

    @property
    def entries(self) -> int:
        """Entries of an epoch."""
        return self._train.entries

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return -(-self._train.entries // self.batch_size)

    def train_batches(self, seed: int, epoch: int = 1, start: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, all of the same size, in an order that is new in every epoch.

        Every entry is in exactly one batch with its weight.  The last batch is filled up with entries of weight 0.

        Args:
            seed: decides the order, not negative.
            epoch: number of the epoch, not negative.
            start: first step; those before it are not read.

        Yields:
            ``steps - start`` batches; the same ones for any number of workers and any start.

        Raises:
            InputError: the epoch has fewer steps.
        """
        if not 0 <= start <= self.steps:
            raise InputError(f"step {start} of an epoch with {self.steps} steps")
        order = functools.partial(self._train.rows, seed=seed, epoch=epoch)
        windows = self._train.windows(seed, epoch)
        return in_order(self._tasks(windows, order, self.batch_size, start, fill=True), self._config.workers)

    def validation_batches(self) -> Iterator[Batch]:
        """The validation sample in the order of the files; the last batch may be smaller."""
        windows = self._validation.file_order()
        tasks = self._tasks(windows, self._validation.rows_in_order, self._config.batch_size, 0, fill=False)
        return in_order(tasks, self._config.workers)

    def state(self, seed: int, epoch: int, step: int) -> LoaderState:
        """What to save so that :meth:`resume` goes on after ``step`` steps of an epoch."""
        return LoaderState(seed, epoch, step, self._fingerprint())

    def resume(self, state: LoaderState | Mapping[str, Any]) -> Iterator[Batch]:
        """The batches an interrupted epoch would have had next.

        Args:
            state: of :meth:`state`, or its plain form.

        Raises:
            InputError: the sample, its order of files, or how it is cut into batches are not those of the state.
        """
        state = state if isinstance(state, LoaderState) else LoaderState(**state)
        if state.sample != self._fingerprint():
            raise InputError(
                f"the checkpoint was made with another sample or other batches ({state.sample}, now "
                f"{self._fingerprint()}): give the same files, features and settings, or start a new training"
            )
        return self.train_batches(state.seed, state.epoch, state.step)

    def _fingerprint(self) -> str:
        config = {key: plain(getattr(self._config, key)) for key in ("class_weights", "spectra")}
        parts = [self._train.fingerprint(), self.batch_size, self.layout.as_dict(), config]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def _tasks(
        self,
        windows: Sequence[Window],
        order: Callable[[Window], np.ndarray],
        size: int,
        start: int,
        fill: bool,
    ) -> Iterator[Callable[[], Batch]]:
        """What makes each batch; what is left of a window is put in front of the next one."""
        done = start * size
        left: Samples | None = None
        windows = [window for window in windows if window.start + window.size > done]
        reading = (functools.partial(self._read, window) for window in windows)
        samples_of = in_order(reading, min(self._config.workers, 1), ahead=1)
        for window in windows:
            samples, rows = next(samples_of), order(window)
            todo = rows[max(done - window.start, 0) :]
            missing = 0 if left is None else size - len(left)
            if left is not None and missing:
                left = Samples.concatenate([left, samples.select(todo[:missing])])
            todo = todo[missing:]
            if left is not None and len(left) == size:
                yield functools.partial(left.batch, np.arange(size))
                left = None
            full = len(todo) - len(todo) % size
            for first in range(0, full, size):
                yield functools.partial(samples.batch, todo[first : first + size])
            if full < len(todo):
                left = samples.select(todo[full:])
            if window is windows[-1] and left is not None:
                missing = size - len(left) if fill else 0
                last = Samples.concatenate([left, samples.select(np.resize(rows, missing))])
                yield functools.partial(last.batch, np.arange(len(last)), missing)
            del samples  # before the next window is read

    def _read(self, window: Window) -> Samples:
        if self._kept is not None:
            return self._kept
        return read_blocks([self._blocks[i] for i in window.blocks], self.layout, self._weights)


def _weights(config: TrainingConfig, found: Scan, plan: Plan, binning: Binning | None) -> Weights:
    if config.class_weights == "none":
        return TypeWeights()
    if config.class_weights == "balanced" or binning is None or found.spectra is None:
        return TypeWeights.balanced(plan.counts.tolist())
    kept = plan.counts / found.counts("train")
    inside = found.spectra.sum() / found.counts("train").sum()
    if inside < 1:
        log.info("%.2f%% of the training entries lie outside of the bins of the spectra: weight 0", 100 * (1 - inside))
    return spectrum_weights(config.spectra, binning, found.spectra * kept[:, None])
