"""Optimizer and learning rate of a fit."""

from __future__ import annotations

import math
from typing import Any

from taumltools.config.training import TrainingConfig

WARM_UP = 0.05
"""Share of all steps over which the cosine schedule rises."""


def learning_rate(config: TrainingConfig, step: int, steps: int) -> float:
    """Learning rate of one step.

    It is set step by step from outside: inside the compiled step the schedule would be
    evaluated for every variable, which doubles the time to build it.

    Args:
        config: settings of the fit.
        step: this step, from 0.
        steps: steps of the whole fit.

    Returns:
        The rate: constant; or halved at every epoch (from 0) that ``step_epochs`` divides; or rising
        linearly over the first steps and then falling to 0 along a cosine (Loshchilov, Hutter 2016,
        without restarts).
    """
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "step":
        epoch = step * config.epochs // steps
        return config.learning_rate * 0.5 ** (epoch // config.step_epochs)
    warm_up = max(int(steps * WARM_UP), 1)
    if step < warm_up:
        return config.learning_rate * (step + 1) / warm_up
    done = (step - warm_up) / max(steps - warm_up, 1)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


def make_optimizer(config: TrainingConfig) -> Any:
    """The optimizer of the settings.

    Args:
        config: settings of the fit.

    Returns:
        A ``keras.optimizers.Optimizer``.
    """
    import keras

    from taumltools.training.nadam import Nadam

    options: dict[str, Any] = {"learning_rate": config.learning_rate, "global_clipnorm": config.clip_norm or None}
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(weight_decay=config.weight_decay, **options)
    if config.optimizer == "nadam":
        return Nadam(schedule_decay=config.schedule_decay, **options)
    return keras.optimizers.Adam(**options)


def second_optimizer(config: TrainingConfig) -> Any:
    """The optimizer of the second head of domain adaptation: Nadam with a constant learning rate of its own.

    Args:
        config: settings of the fit, with ``adversarial``.

    Returns:
        A ``keras.optimizers.Optimizer``.

    Raises:
        ConfigError: there is no domain adaptation in the settings.
    """
    from taumltools.training.nadam import Nadam

    return Nadam(
        learning_rate=config.control_region().learning_rate,
        schedule_decay=config.schedule_decay,
        global_clipnorm=config.clip_norm or None,
    )
