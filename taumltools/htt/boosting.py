"""Gradient boosted trees by LightGBM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taumltools.config.htt_training import BoostingConfig
from taumltools.htt.sets import FitSet, History, Told


def fit_boosting(
    train: FitSet, validation: FitSet, classes: int, categorical: list[int], config: BoostingConfig, tell: Told
) -> tuple[Any, int, History]:
    """Fit trees.

    Args:
        train: events to fit to.
        validation: events that say when to stop.
        classes: how many; two make a binary model.
        categorical: columns that are codes of categories.
        config: parameters.
        tell: told the figures of every ``metric_freq``-th round.

    Returns:
        The booster, the number of rounds to use, and the figures of every round.
    """
    import lightgbm

    made = [
        lightgbm.Dataset(part.inputs, part.target, weight=part.weight, categorical_feature=categorical or "auto")
        for part in (train, validation)
    ]
    made[1].set_reference(made[0])
    history: History = {"step": []}
    callbacks = [_record(history, tell, config)]
    if config.early_stopping:
        callbacks.append(lightgbm.early_stopping(config.early_stopping, first_metric_only=True, verbose=False))
    booster = lightgbm.train(
        parameters(config, classes), made[0], config.num_iterations, made, ["train", "val"], callbacks=callbacks
    )
    return booster, int(booster.best_iteration or booster.current_iteration()), history


def parameters(config: BoostingConfig, classes: int) -> dict[str, Any]:
    """Parameters by LightGBM's names.

    Args:
        config: settings.
        classes: how many.

    Returns:
        Parameters; sums do not depend on the number of threads.
    """
    kind = "binary" if classes == 2 else "multi"
    own = ("learning_rate", "max_depth", "num_leaves", "bagging_fraction", "bagging_freq", "feature_fraction")
    more = ("lambda_l1", "lambda_l2", "seed", "num_threads")
    return {
        "objective": "binary" if classes == 2 else "multiclass",
        "metric": [f"{kind}_logloss", f"{kind}_error"],
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        **({} if classes == 2 else {"num_class": classes}),
        **{name: getattr(config, name) for name in (*own, *more)},
        "bagging_seed": config.seed,
        **config.more,
    }


def _record(history: History, tell: Told, config: BoostingConfig) -> Callable[[Any], None]:
    """A callback of LightGBM that keeps the figures of each round and tells those of every ``metric_freq``-th."""

    def record(state: Any) -> None:
        figures = {
            (f"val_{metric}" if part == "val" else metric).replace("multi_", "").replace("binary_", ""): float(value)
            for part, metric, value, *_ in state.evaluation_result_list
        }
        step = state.iteration + 1
        history["step"].append(step)
        for name, value in figures.items():
            history.setdefault(name, []).append(value)
        if step % config.metric_freq == 0 or step == 1:
            tell(figures, step)

    vars(record)["order"] = 5  # before early stopping, which ends the last round by an exception
    return record
