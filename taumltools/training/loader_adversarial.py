"""Batches of domain adaptation: ordinary rows, then rows of a control region."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from taumltools.config.features import FeaturesConfig
from taumltools.config.training import TrainingConfig
from taumltools.training.batches import Batch
from taumltools.training.control import ControlRegion
from taumltools.training.layout import Form
from taumltools.training.loader import Loader


class AdversarialLoader(Loader):
    """A loader whose training batches end with rows of the control region; its validation batches are ordinary.

    Args:
        paths: flat tuples of the ordinary sample.
        control: flat tuples of the control region, by name of the sample.
        features: see :class:`taumltools.training.loader.Loader`.
        config: the same, with ``adversarial``.
        form: the same.

    Attributes:
        control: the control region.

    Raises:
        ConfigError: the settings have no control region.
        InputError: see :class:`taumltools.training.loader.Loader` and
            :class:`taumltools.training.control.ControlRegion`.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        control: Mapping[str, Sequence[Path]],
        features: FeaturesConfig,
        config: TrainingConfig,
        form: Form = "sets",
    ) -> None:
        super().__init__(paths, features, config, form)
        self.control = ControlRegion(control, self.layout, features, config)

    def _making(self, seed: int, epoch: int, start: int) -> Iterator[Callable[[], Batch]]:
        ordinary = self._train.epoch(seed, epoch, self.batch_size, start)
        control = self.control.portions(seed, epoch * self.steps + start)
        return (functools.partial(self.control.mixed, *both) for both in zip(ordinary, control, strict=False))

    def _fingerprint(self) -> str:
        return super()._fingerprint() + self.control.fingerprint()
