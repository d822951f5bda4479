"""Batches for a fit: split, weights, order, and reading ahead.

A sample that fits into the stated memory is read once and kept; a larger one is read in large blocks in every epoch.
The content of every batch follows from the files, the settings, the seed, and the numbers of the epoch and of the step:
not from who reads it, nor from what was read before.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taumltools.config.features import FeaturesConfig
from taumltools.config.identity import plain
from taumltools.config.training import TrainingConfig
from taumltools.errors import InputError
from taumltools.training.ahead import in_order
from taumltools.training.batches import Batch
from taumltools.training.layout import Form, InputLayout
from taumltools.training.plan import Plan
from taumltools.training.reading import bytes_of
from taumltools.training.scan import Scan, scan
from taumltools.training.spectra import Binning
from taumltools.training.stream import Source, Stream
from taumltools.training.undefined import check_values
from taumltools.training.weights import TypeWeights, Weights, spectrum_weights
from taumltools.tuples.truth import TAU_TYPES

log = logging.getLogger(__name__)


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
        InputError: a file is not readable, lacks a feature, or one of the types is missing; a feature is NaN too
            often, or infinite; a spectrum has an empty bin.
        ConfigError: the network takes cells, and the features define no grid.
    """

    def __init__(
        self, paths: Sequence[Path], features: FeaturesConfig, config: TrainingConfig, form: Form = "sets"
    ) -> None:
        self._config = config
        self.layout = InputLayout.of(features, form)
        binning = Binning(config.spectra.bins) if config.class_weights == "spectra" else None
        found = scan([Path(p) for p in paths], self.layout, features, config.validation_fraction, binning)
        size = bytes_of(found.blocks, self.layout)
        self.cached = size < config.cache_mb * 1_000_000
        if not self.cached:
            log.info("%.0f MB of inputs exceed the budget of %d MB: streaming", size / 1e6, config.cache_mb)
        window = sum(map(len, found.blocks)) if self.cached else config.window
        plan = Plan(found.kinds["train"], window, config.composition)
        source = Source(found.blocks, self.layout, _weights(config, found, plan, binning), keep=self.cached)
        self._train = Stream(source, plan, config.workers)
        self._validation = Stream(source, Plan(found.kinds["validation"], window), config.workers)
        self.counts = {
            sample: dict(zip(TAU_TYPES, stream.plan.counts.tolist(), strict=True))
            for sample, stream in (("train", self._train), ("validation", self._validation))
        }
        check_values(source.read(self._validation.plan.file_order()[0]), features.infinite == "keep")

    @property
    def batch_size(self) -> int:
        """Entries per step, never more than the training sample has."""
        return min(self._config.batch_size, self.entries)

    @property
    def entries(self) -> int:
        """Entries of an epoch."""
        return self._train.plan.entries

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return self._train.steps(self.batch_size)

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
        return in_order(self._making(seed, epoch, start), self._config.workers)

    def _making(self, seed: int, epoch: int, start: int) -> Iterator[Callable[[], Batch]]:
        """What makes each batch of an epoch."""
        return (portion.batch for portion in self._train.epoch(seed, epoch, self.batch_size, start))

    def validation_batches(self) -> Iterator[Batch]:
        """The validation sample in the order of the files; the last batch may be smaller."""
        portions = self._validation.in_order(self._config.batch_size)
        return in_order((portion.batch for portion in portions), self._config.workers)

    def state(self, seed: int, epoch: int, step: int) -> LoaderState:
        """What to save so that :meth:`resume` goes on after ``step`` steps of an epoch.

        Args:
            seed: of the order.
            epoch: number of the epoch.
            step: steps of it that are done.

        Returns:
            The state; it identifies the sample too.
        """
        return LoaderState(seed, epoch, step, self._fingerprint())

    def resume(self, state: LoaderState | Mapping[str, Any]) -> Iterator[Batch]:
        """The batches an interrupted epoch would have had next.

        Args:
            state: of :meth:`state`, or its plain form.

        Yields:
            The batches, as :meth:`train_batches`.

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
        parts = [self._train.plan.fingerprint(), self.batch_size, self.layout.as_dict(), config]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


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
