"""The control region of domain adaptation: rows of data and of simulation that accompany every batch.

Of each sample every batch has the same number of rows, so that a batch is a fixed mixture.  A sample is gone through again
and again, each time in a new order, which does not depend on the epochs of the ordinary sample.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.adversarial import AdversarialConfig, ControlSample
from taumltools.config.features import FeaturesConfig
from taumltools.config.training import TrainingConfig
from taumltools.errors import InputError
from taumltools.training.batches import Batch, Inputs, Samples
from taumltools.training.layout import InputLayout
from taumltools.training.plan import Plan
from taumltools.training.reading import bytes_of
from taumltools.training.scan import SAMPLES, Look, look_at
from taumltools.training.stream import Portion, Source, Stream
from taumltools.training.undefined import check_values
from taumltools.training.weights import EqualWeights


def control_files(config: AdversarialConfig) -> dict[str, list[Path]]:
    """The files of samples that are given by files.

    Args:
        config: the control region.

    Returns:
        By name of the sample, sorted.

    Raises:
        InputError: a name or pattern finds nothing; its sample is named.
    """
    found: dict[str, list[Path]] = {}
    for name, sample in config.samples.items():
        for pattern in sample.files:
            paths = sorted(Path("/").glob(pattern.lstrip("/"))) if "://" not in pattern else []
            if not paths:
                raise InputError(
                    f"training.adversarial.samples.{name}.files: nothing is called {pattern}; expected flat tuples of the "
                    "control region on a file system that this machine sees"
                )
            found.setdefault(name, []).extend(paths)
    return found


@dataclass(frozen=True)
class ControlStream:
    """One sample of the control region.

    Attributes:
        name: its name in the settings.
        config: its settings.
        train: entries that are trained on.
        validation: the others.
    """

    name: str
    config: ControlSample
    train: Stream
    validation: Stream


class ControlRegion:
    """The samples of a control region.

    Args:
        paths: flat tuples by name of the sample.
        layout: what the network takes.
        features: the features, with the limit on undefined values.
        config: how the fit is done, with ``adversarial``.

    Attributes:
        rows: entries in each batch.
        counts: entries by sample: ``{"train": {"dy": ...}, "validation": {...}}``.

    Raises:
        ConfigError: the settings have no control region.
        InputError: a file is missing or lacks a feature, or a sample has too few entries; it is named.
    """

    def __init__(
        self,
        paths: Mapping[str, Sequence[Path]],
        layout: InputLayout,
        features: FeaturesConfig,
        config: TrainingConfig,
    ) -> None:
        region = config.control_region()
        samples, self.rows = region.samples, region.rows
        self._batch_size = config.batch_size
        looks = {name: _look(name, samples[name], paths.get(name, ()), layout, features, config) for name in samples}
        size = bytes_of([block for found in looks.values() for look in found for block in look.blocks], layout)
        keep = size < config.cache_mb * 1_000_000
        self._streams = [_stream(name, samples[name], looks[name], layout, config, keep=keep) for name in samples]
        for stream in self._streams:
            first = stream.validation.plan.file_order()[0]
            check_values(stream.validation.source.read(first), features.infinite == "keep")
        self.counts = {
            part: {stream.name: getattr(stream, part).plan.entries for stream in self._streams} for part in SAMPLES
        }

    def portions(self, seed: int, start: int) -> Iterator[list[Portion]]:
        """What belongs into each batch, one portion per sample, without end.

        Args:
            seed: decides the order.
            start: number of the first batch, counted from the beginning of the fit.
        """
        streams = [stream.train.endless(seed, stream.config.rows, start) for stream in self._streams]
        yield from map(list, zip(*streams, strict=True))

    def mixed(self, ordinary: Portion, control: Sequence[Portion]) -> Batch:
        """One batch of ordinary rows and then those of the control region, in the order of the samples.

        Args:
            ordinary: rows with a class.
            control: one portion per sample, of :meth:`portions`.

        Returns:
            Rows of the control region have neither class nor weight in ``target`` and ``weight``, ordinary rows no
            weight in ``adversarial``.
        """
        parts = [ordinary.taken(), *(portion.taken() for portion in control)]
        joined = Samples.concatenate(parts)
        batch = joined.batch(np.arange(len(joined)))
        is_control = np.arange(len(joined)) >= len(parts[0])
        data = [np.full(len(part), stream.config.data) for part, stream in zip(parts[1:], self._streams, strict=True)]
        adversarial = {
            "target": np.concatenate([np.zeros(len(parts[0])), *data]).astype(np.float32),
            "weight": np.where(is_control, joined.weights, 0).astype(np.float32),
        }
        target = np.where(is_control[:, None], 0, batch.target).astype(np.float32)
        weight = np.where(is_control, 0, batch.weight).astype(np.float32)
        return Batch(batch.inputs, target, weight, adversarial=adversarial)

    def validation(self) -> Iterator[tuple[ControlSample, Iterator[Inputs]]]:
        """Each sample with the inputs of its validation entries, batch by batch."""
        for stream in self._streams:
            yield stream.config, (p.batch().inputs for p in stream.validation.in_order(self._batch_size))

    def fingerprint(self) -> str:
        """Hexadecimal digits that change when entries, their split or the mixture do."""
        parts: list[Any] = [[s.name, s.config.data, s.config.rows, s.config.weight] for s in self._streams]
        parts += [stream.train.plan.fingerprint() for stream in self._streams]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _look(
    name: str,
    sample: ControlSample,
    paths: Sequence[Path],
    layout: InputLayout,
    features: FeaturesConfig,
    config: TrainingConfig,
) -> list[Look]:
    label = f"training.adversarial.samples.{name}"
    if not paths:
        raise InputError(f"{label}: it has no files")
    looks = list(look_at(paths, layout, features, config.validation_fraction))
    train, validation = (sum(int(look.sides()[part].sum()) for look in looks) for part in SAMPLES)
    if train < sample.rows or not validation:
        raise InputError(
            f"{label}: {train} entries to train on and {validation} to validate in {len(paths)} files ({paths[0]}): expected "
            f"at least the {sample.rows} of a batch (rows) to train on, and one to validate"
        )
    return looks


def _stream(
    name: str, sample: ControlSample, looks: Sequence[Look], layout: InputLayout, config: TrainingConfig, *, keep: bool
) -> ControlStream:
    blocks = [block for look in looks for block in look.blocks]
    # windows of all samples are in memory together: as much as that of the ordinary sample
    window = sum(map(len, blocks)) if keep else config.window // len(config.control_region().samples)
    source = Source(blocks, layout, EqualWeights(sample.weight), keep=keep)
    plans = []
    for part in SAMPLES:
        kinds = [np.where(look.sides()[part], np.int8(0), np.int8(-1)) for look in looks]
        cut = [kind[block.start : block.stop] for kind, look in zip(kinds, looks, strict=True) for block in look.blocks]
        plans.append(Plan(cut, window))
    train, validation = (Stream(source, plan, config.workers) for plan in plans)
    return ControlStream(name, sample, train, validation)
