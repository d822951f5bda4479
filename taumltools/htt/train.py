"""Training of the model of one fold."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.htt import HttConfig
from taumltools.config.identity import plain
from taumltools.htt.boosting import fit_boosting
from taumltools.htt.dense import fit_dense
from taumltools.htt.foldfile import FoldFile
from taumltools.htt.folds import FoldRows, rows_of_fold
from taumltools.htt.model import EventModel, describe, one_hot
from taumltools.htt.sets import FitSet, History
from taumltools.htt.split import event_key
from taumltools.htt.table import EventTable
from taumltools.training.tracking import Run, RunDescription, tracked

HISTORY, METRICS, RUN = "history.json", "metrics.json", "run.json"

log = logging.getLogger(__name__)


def train_fold(
    train_file: Path, config: HttConfig, fold: int, folder: Path, tracking: RunDescription | None = None
) -> dict[str, Any]:
    """Train the model of one fold and write it.

    Writes what :meth:`taumltools.htt.model.EventModel.save` writes, ``history.json``, ``metrics.json``, ``run.json``, and
    with tracking the log of the run.

    Args:
        train_file: fold file of the training sample.
        config: settings.
        fold: number of the fold that the model shall not see.
        folder: where to write.
        tracking: what the run is and where its log goes; None: no log.

    Returns:
        Figures of the model that is kept, with its entries, and the ids of the run.

    Raises:
        InputError: the file cannot be used.
    """
    training = config.training
    with tracked(tracking if training.tracking else None) as run:
        if run:
            _log_settings(run, config, train_file, fold)
        with FoldFile(train_file) as file:
            needed = {"run", "evt", training.split_feature, *([training.weight] if training.weight else [])}
            events = file.read(sorted(needed))
            codes = {name: len(values) for name, values in file.categories.items()}
            description = describe(config, file.cont_features, file.cat_features, codes, fold)
        rows = rows_of_fold(events, training, fold)
        model, history = _fit(events, rows, config, EventModel(description, None, _seen(events, rows)), run)
        model.save(folder)
        metrics = _metrics(history, model.description.best) | {
            f"entries_{name}": len(getattr(rows, name)) for name in ("train", "validation", "held_out")
        }
        ids = run.ids() if run else {}
        for name, content in ((HISTORY, history), (METRICS, metrics), (RUN, ids)):
            (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        if run:
            run.log_summary(metrics, model.description.best)
            run.deliver(folder)
    return metrics | {"run": ids}


def targets(target: np.ndarray, config: HttConfig) -> np.ndarray:
    """Classes as the model has them: in binary mode 1 for signal and 0 for the rest.

    Args:
        target: classes of the settings, shape (n,).
        config: settings.

    Returns:
        int64, shape (n,).
    """
    if config.training.mode == "multi":
        return target.astype(np.int64)
    return np.isin(target, config.training.signal).astype(np.int64)


def _log_settings(run: Run, config: HttConfig, train_file: Path, fold: int) -> None:
    training = config.training
    run.log_params(
        {
            "train_file": str(train_file),
            "fold": fold,
            "n_splits": training.n_splits,
            "xtrain_split_feature": training.split_feature,
            "weight_name": training.weight,
            "target_name": "target",
            "mode": training.mode,
            "model": training.model,
            "model_param": training.boosting if training.model == "boosting" else training.dense,
        }
    )
    run.log_document("htt", plain(config))


def _seen(events: EventTable, rows: FoldRows) -> np.ndarray:
    """Keys of the events that the model sees, sorted: those it is fitted to, and those that stop the fit.

    With ``validation: fold`` the fit is stopped by the events that will be scored, as users asked for; these do not count.
    """
    parts = np.setdiff1d(np.concatenate([rows.train, rows.validation]), rows.held_out)
    return np.unique(event_key(events["run"][parts], events["evt"][parts]))


def _fit(
    events: EventTable, rows: FoldRows, config: HttConfig, model: EventModel, run: Run | None
) -> tuple[EventModel, History]:
    training, description = config.training, model.description
    inputs, target = events.matrix(description.features), targets(events["target"], config)
    weight = events[training.weight] if training.weight else None
    if training.model == "dense":
        inputs = one_hot(inputs, description)
    train, validation = (
        FitSet.make(inputs[part], target[part], None if weight is None else weight[part])
        for part in (rows.train, rows.validation)
    )

    def tell(figures: dict[str, float], step: int) -> None:
        if run:
            run.log_metrics(figures, step)

    classes = len(description.classes)
    if training.model == "boosting":
        categorical = [i for i, name in enumerate(description.features) if name in description.cat_features]
        fitted, best, history = fit_boosting(train, validation, classes, categorical, training.boosting, tell)
    else:
        fitted, best, history = fit_dense(train, validation, classes, training.dense, tell)
    log.info("fold %d: best after %d of %d steps", description.fold, best, len(history["step"]))
    return EventModel(replace(description, best=best), fitted, model.seen), history


def _metrics(history: History, best: int) -> dict[str, float]:
    """Figures of the step that is kept."""
    place = history["step"].index(best)
    return {"best_step": best} | {f"best_{name}": values[place] for name, values in history.items() if name != "step"}
