"""Settings of domain adaptation: the control region, and how the second head is trained."""

from __future__ import annotations

import math
from dataclasses import field

from pydantic import field_validator, model_validator

from taumltools.config.base import settings
from taumltools.config.features import SelectionConfig
from taumltools.config.files import absolute_name


@settings
class ControlSample:
    """One sample of a control region, e.g. the data, or simulated Drell-Yan events.

    Attributes:
        data: True for data, False for simulation.
        files: its flat tuples, names or patterns such as ``/data/control/dy_*.h5``; made absolute.
        dataset: instead of files, a dataset of the campaign, whose tuples are made and evaluated.
        rows: how many of its entries each batch has.
        weight: weight of each of them in the adversarial loss.
    """

    data: bool = False
    files: tuple[str, ...] = ()
    dataset: str = ""
    rows: int = 50
    weight: float = 1.0

    @field_validator("files")
    @classmethod
    def _absolute_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(absolute_name, value))

    @model_validator(mode="after")
    def _complete(self) -> ControlSample:
        if bool(self.files) == bool(self.dataset):
            raise ValueError("expected either files (flat tuples of the control region), or the name of a dataset")
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1, found {self.rows}")
        if not 0 < self.weight < math.inf:
            raise ValueError(f"weight must be positive and finite, found {self.weight}")
        return self


def _everything() -> SelectionConfig:
    return SelectionConfig(types=("e", "mu", "tau", "jet", "emb_e", "emb_mu", "emb_tau", "emb_jet", "data"))


@settings
class AdversarialConfig:
    """Domain adaptation (with ``model.adversarial``).

    A second head tells data from simulation in a control region, and what both heads share unlearns it.  The defaults of the factors and of the rate are those of the original code.

    Attributes:
        samples: the control region by name; at least one of data and one of simulation.
        k1: factor of the gradient of the classes in the shared layers.
        k2: factor of the gradient of the second head, which is subtracted there; 0: nothing is unlearned.
        learning_rate: of the second head, whose optimizer is the ``nadam`` of the settings of the fit.
        sample: which sample of the campaign datasets of the control region belong to.
        selection: which entries of those datasets are taken.
    """

    samples: dict[str, ControlSample] = field(default_factory=dict)
    k1: float = 1.0
    k2: float = 10.0
    learning_rate: float = 0.01
    sample: str = "control"
    selection: SelectionConfig = field(default_factory=_everything)

    @model_validator(mode="after")
    def _both_kinds(self) -> AdversarialConfig:
        kinds = {sample.data for sample in self.samples.values()}
        if kinds != {True, False}:
            lacking = " and ".join(name for name, data in (("data", True), ("simulation", False)) if data not in kinds)
            raise ValueError(
                f"samples has none of {lacking}, found {list(self.samples)}: the second head tells data (data: true) from "
                "simulation (data: false)"
            )
        for name in ("k1", "k2"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive and finite, found {self.learning_rate}")
        return self

    @property
    def rows(self) -> int:
        """Entries of the control region in each batch."""
        return sum(sample.rows for sample in self.samples.values())

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets of the campaign among the samples, each once."""
        return tuple(dict.fromkeys(sample.dataset for sample in self.samples.values() if sample.dataset))
