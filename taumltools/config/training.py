"""Settings of the fit."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Literal

from pydantic import model_validator

from taumltools.config.adversarial import AdversarialConfig
from taumltools.config.base import settings
from taumltools.config.model import ModelConfig
from taumltools.config.weights import SpectraWeights
from taumltools.errors import ConfigError

LossName = Literal["tau_crossentropy_v2", "tau_crossentropy", "categorical_crossentropy", "WPloss", "WPloss2"]

MetricName = Literal[
    "tau_crossentropy", "tau_crossentropy_v2", "categorical_crossentropy", "Le", "Lmu", "Ljet", "He", "Hmu", "Htau",
    "Hjet", "Hcat_e", "Hcat_mu", "Hcat_jet", "Hbin", "Hcat_eInv", "Hcat_muInv", "Hcat_jetInv", "Fe", "Fmu", "Fjet",
    "Fcmb", "We", "Wmu", "Wjet", "WPloss", "WPloss2",
]  # fmt: skip


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
class WorkingPointsConfig:
    """Thresholds of the losses ``WPloss`` and ``WPloss2``.

    After each epoch the thresholds become those that give the wanted mis-identification on
    the training sample; until then they are those of DeepTau v2.1.

    Attributes:
        e: wanted fractions of electrons above the thresholds, by total weight.
        mu: the same of muons.
        jet: the same of jets.
    """

    e: tuple[float, ...] = (0.065, 0.03, 0.015, 0.005, 0.002, 0.0007, 0.0003, 0.0001)
    mu: tuple[float, ...] = (0.002, 0.0006, 0.0004, 0.0002)
    jet: tuple[float, ...] = (0.1, 0.08, 0.04, 0.02, 0.01, 0.006, 0.004, 0.002)

    @model_validator(mode="after")
    def _fractions(self) -> WorkingPointsConfig:
        for name in ("e", "mu", "jet"):
            wanted = getattr(self, name)
            if not wanted or not all(0 < fraction < 1 for fraction in wanted):
                raise ValueError(f"working_points.{name} needs fractions between 0 and 1, found {wanted}")
        return self


@settings
class TrainingConfig:
    """How the network is fitted (``configs/training``).

    Attributes:
        epochs: passes over the training sample.
        batch_size: tau candidates per step.
        learning_rate: highest learning rate.
        schedule: ``cosine`` warms up over the first twentieth and falls to zero, ``constant`` stays,
            ``step`` halves every ``step_epochs`` epochs.
        step_epochs: epochs between two halvings of ``step``.
        optimizer: rule of the update.
        schedule_decay: of ``nadam``, how fast its momentum rises from 0.45 to 0.9 per step (DeepTau v2.5: 1e-4).
        weight_decay: of ``adamw``.
        clip_norm: largest norm of the gradient; one bad batch cannot spoil the fit. 0 does not clip.
        loss: a loss of :data:`taumltools.training.losses.LOSSES`.
        scale_factors: importance of e, mu, tau, jet in the tau losses (DeepTau v2.5).
        working_points: thresholds of the working-point losses.
        metrics: further losses that are followed, with and without weights.
        monitor: the figure by which the best epoch is chosen, lowest is best.
        keep: which epoch's network is the result.
        class_weights: ``balanced`` gives the four types equal total weight, ``spectra`` the same spectrum in pt and |η| too.
        spectra: bins and files of ``spectra``.
        composition: shares of e, mu, tau, jet among the entries of an epoch, e.g. (1, 1, 2, 2): of types with more, as
            many as fit are drawn anew in every epoch. Empty: all entries.
        validation_fraction: share of events (by hash of run, lumi, evt) not trained on.
        patience: epochs without a better ``monitor`` before the fit stops; 0 never stops.
        min_delta: by how much ``monitor`` has to fall to count as better.
        snapshots: every so many epochs the network is kept with the result; 0 never.
        cache_mb: the sample is kept in memory if it takes less than this, else it is streamed.
        window: tau candidates that are shuffled together when streaming.
        workers: threads that prepare batches ahead of the network; 0 prepares each when it is needed.
        precision: type of numbers inside the network; weights stay float32.
        jit_compile: compile the step with XLA.
        deterministic: use only operations whose result does not depend on the order of threads.
        start_from: folder of a training, or ``.keras`` file, whose weights the fit begins with; empty: random weights.
        adversarial: domain adaptation: the control region of a network with ``model.adversarial``; None: there is none.
        tracking: what mlflow is told.
    """

    epochs: int = 12
    batch_size: int = 512
    learning_rate: float = 4e-3
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    step_epochs: int = 1
    optimizer: Literal["adam", "adamw", "nadam"] = "adamw"
    schedule_decay: float = 1e-4
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    loss: LossName = "tau_crossentropy_v2"
    scale_factors: tuple[float, float, float, float] = (1.0, 2.5, 5.0, 1.5)
    working_points: WorkingPointsConfig = field(default_factory=WorkingPointsConfig)
    metrics: tuple[MetricName, ...] = ()
    monitor: str = "val_loss"
    keep: Literal["best", "last"] = "best"
    class_weights: Literal["none", "balanced", "spectra"] = "balanced"
    spectra: SpectraWeights = field(default_factory=SpectraWeights)
    composition: tuple[float, ...] = ()
    validation_fraction: float = 0.15
    patience: int = 0
    min_delta: float = 0.0
    snapshots: int = 0
    cache_mb: int = 1000
    window: int = 65_536
    workers: int = 0
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    jit_compile: bool = False
    deterministic: bool = False
    start_from: str = ""
    adversarial: AdversarialConfig | None = None
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    @model_validator(mode="after")
    def _ranges(self) -> TrainingConfig:
        for name in ("epochs", "batch_size", "learning_rate", "window", "step_epochs"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive and finite, found {getattr(self, name)}")
        for name in ("weight_decay", "clip_norm", "schedule_decay", "patience", "min_delta", "snapshots", "cache_mb"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")
        if not 0.0 < self.validation_fraction < 1.0:
            raise ValueError(f"validation_fraction must be between 0 and 1, found {self.validation_fraction}")
        if not all(0 <= factor < math.inf for factor in self.scale_factors) or not any(self.scale_factors):
            raise ValueError(f"scale_factors must be positive, found {self.scale_factors}")
        return self

    @model_validator(mode="after")
    def _loading(self) -> TrainingConfig:
        shares = self.composition
        if shares and (len(shares) != 4 or not all(0 < share < math.inf for share in shares)):
            raise ValueError(f"composition needs four positive shares, of e, mu, tau and jet, found {list(shares)}")
        if not 0 <= self.workers <= 64:
            raise ValueError(f"workers must be between 0 and 64, found {self.workers}")
        return self

    @model_validator(mode="after")
    def _precision(self) -> TrainingConfig:
        if self.adversarial is not None and self.precision == "mixed_float16":
            raise ValueError(
                "precision: domain adaptation does not scale its losses, as mixed_float16 needs it: take mixed_bfloat16 or float32"
            )
        return self

    @model_validator(mode="after")
    def _monitor(self) -> TrainingConfig:
        known = ["val_loss", *(f"val_{weighted}{name}" for name in self.metrics for weighted in ("", "weighted_"))]
        if self.monitor not in known:
            raise ValueError(
                f"monitor: '{self.monitor}' is not followed; known are {known}, add what is missing to metrics"
            )
        return self

    def control_region(self) -> AdversarialConfig:
        """The settings of domain adaptation.

        Raises:
            ConfigError: there are none.
        """
        if self.adversarial is None:
            raise ConfigError(
                "model.adversarial: a network with a second head needs a control region: name its samples of data and of "
                "simulation in training.adversarial.samples, or set model.adversarial to false"
            )
        return self.adversarial


def check_adversarial(model: ModelConfig, training: TrainingConfig) -> None:
    """Refuse a second head without a control region, and the reverse.

    Raises:
        ConfigError: one is set without the other.
    """
    if model.adversarial:
        training.control_region()
    elif training.adversarial is not None:
        raise ConfigError(
            "training.adversarial: the network has no second head that could tell data from simulation: set "
            "model.adversarial to true, or training.adversarial to null"
        )
