"""Settings of the fit."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Literal

from pydantic import model_validator

from taumltools.config.base import settings

LossName = Literal["tau_crossentropy_v2", "tau_crossentropy", "categorical_crossentropy"]


@settings
class TrackingConfig:
    """What mlflow is told.

    Attributes:
        enabled: False trains without mlflow.
        experiment: name of the experiment that collects the runs.
    """

    enabled: bool = True
    experiment: str = "tau identification"


@settings
class TrainingConfig:
    """How the network is fitted (``configs/training``).

    Attributes:
        epochs: passes over the training sample.
        batch_size: tau candidates per step.
        learning_rate: highest learning rate.
        schedule: ``cosine`` warms up over the first twentieth and falls to zero, ``constant`` stays.
        optimizer: rule of the update.
        weight_decay: of ``adamw``.
        clip_norm: largest norm of the gradient; one bad batch cannot spoil the fit.
        loss: a loss of :data:`taumltools.training.losses.LOSSES`.
        scale_factors: importance of e, mu, tau, jet in the tau losses (DeepTau v2.5).
        class_weights: ``balanced`` gives the four types equal total weight.
        validation_fraction: share of events (by hash of run, lumi, evt) not trained on.
        patience: epochs without better validation loss before the fit stops; 0 never stops.
        cache_mb: the sample is kept in memory if it takes less than this, else it is streamed.
        window: tau candidates that are shuffled together when streaming.
        jit_compile: compile the step with XLA.
        tracking: what mlflow is told.
    """

    epochs: int = 12
    batch_size: int = 512
    learning_rate: float = 4e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    optimizer: Literal["adam", "adamw", "nadam"] = "adamw"
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    loss: LossName = "tau_crossentropy_v2"
    scale_factors: tuple[float, float, float, float] = (1.0, 2.5, 5.0, 1.5)
    class_weights: Literal["none", "balanced"] = "balanced"
    validation_fraction: float = 0.15
    patience: int = 0
    cache_mb: int = 1000
    window: int = 65_536
    jit_compile: bool = False
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    @model_validator(mode="after")
    def _ranges(self) -> TrainingConfig:
        for name in ("epochs", "batch_size", "learning_rate", "clip_norm", "window"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, found {getattr(self, name)}")
        for name in ("weight_decay", "patience", "cache_mb"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")
        if not 0.0 < self.validation_fraction < 1.0:
            raise ValueError(f"validation_fraction must be between 0 and 1, found {self.validation_fraction}")
        if not all(0 <= factor < math.inf for factor in self.scale_factors) or not any(self.scale_factors):
            raise ValueError(f"scale_factors must be positive, found {self.scale_factors}")
        return self
