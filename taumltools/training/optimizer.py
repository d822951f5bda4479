"""Optimizer and learning rate of a fit."""

from __future__ import annotations

from typing import Any

from taumltools.config.training import TrainingConfig

WARM_UP = 0.05
"""Share of all steps over which the cosine schedule rises."""


def make_optimizer(config: TrainingConfig, steps: int) -> Any:
    """The optimizer with its schedule.

    Args:
        config: settings of the fit.
        steps: steps of the whole fit.

    Returns:
        A ``keras.optimizers.Optimizer``.
    """
    import keras

    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        warm_up = max(int(steps * WARM_UP), 1)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=config.learning_rate / 20,
            decay_steps=max(steps - warm_up, 1),
            warmup_target=config.learning_rate,
            warmup_steps=warm_up,
        )
    options: dict[str, Any] = {"learning_rate": rate, "clipnorm": None, "global_clipnorm": config.clip_norm}
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(weight_decay=config.weight_decay, **options)
    return {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam}[config.optimizer](**options)
