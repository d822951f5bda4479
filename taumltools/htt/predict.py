"""Scores of events, each by the model that has not seen it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.htt.foldfile import FoldFile
from taumltools.htt.folds import fold_of
from taumltools.htt.model import EventModel, load_model
from taumltools.htt.table import EventTable

STEP = 100_000
"""Events that are scored at a time."""


@dataclass(frozen=True)
class Ensemble:
    """The models of all folds.

    Attributes:
        models: by number of the fold that each has not seen.
    """

    models: tuple[EventModel, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.models[0].description.classes

    @property
    def split_feature(self) -> str:
        """What folds are made of."""
        return self.models[0].description.split_feature

    def fold(self, events: EventTable) -> np.ndarray:
        """The fold of each event, which is the number of the model that scores it."""
        return fold_of(events[self.split_feature], len(self.models))

    def predict(self, events: EventTable) -> np.ndarray:
        """Score events.

        Args:
            events: with features, ``run``, ``evt`` and what folds are made of.

        Returns:
            Probabilities, float32, shape (n, classes).

        Raises:
            InputError: a model would score an event that it has seen.
        """
        scores = np.full((len(events), len(self.classes)), np.nan, np.float32)
        fold = self.fold(events)
        for number, model in enumerate(self.models):
            rows = np.flatnonzero(fold == number)
            part = events.take(rows)
            refuse_seen(model, part)
            for start in range(0, len(rows), STEP):
                some = slice(start, start + STEP)
                scores[rows[some]] = model.predict(part.take(np.arange(len(rows))[some]))
        if not np.isfinite(scores).all():
            raise InputError("a model gives scores that are not finite: train it again with a lower learning rate")
        return scores


def refuse_seen(model: EventModel, events: EventTable) -> None:
    """Refuse events that a model was trained on.

    Args:
        model: of one fold.
        events: that it should score, with ``run`` and ``evt``.

    Raises:
        InputError: names the first of them.
    """
    seen = model.has_seen(events)
    if seen.any():
        first = int(np.flatnonzero(seen)[0])
        raise InputError(
            f"the model of fold {model.description.fold} was trained on {int(seen.sum())} of the events it should score, "
            f"e.g. run {events['run'][first]}, event {events['evt'][first]}: models and events do not belong together"
        )


def load_ensemble(folders: Sequence[Path]) -> Ensemble:
    """Read the models of all folds.

    Args:
        folders: one per fold, in any order.

    Returns:
        The models by fold.

    Raises:
        InputError: a fold is missing or there twice, or the models are of different trainings.
    """
    models = sorted((load_model(folder) for folder in folders), key=lambda model: model.description.fold)
    found = [model.description.fold for model in models]
    n_splits = {model.description.n_splits for model in models}
    if len(n_splits) != 1 or found != list(range(n_splits.pop())):
        raise InputError(f"models of folds {found}, expected one of each fold; run TrainEvents with all branches")
    for name in ("features", "classes", "split_feature"):
        if len({getattr(model.description, name) for model in models}) > 1:
            raise InputError(f"models differ in their {name}: they are of different trainings")
    return Ensemble(tuple(models))


def score_columns(scores: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of prediction files.

    Args:
        scores: probabilities, shape (n, classes).

    Returns:
        ``pred_class_{k}_proba`` (float32), ``pred_class`` (int32, the class with the largest one, the first on ties) and
        ``pred_class_proba`` (float32, the largest one).

    Examples:
        >>> found = score_columns(np.array([[0.25, 0.75]], np.float32))
        >>> found["pred_class"].tolist(), found["pred_class_proba"].tolist()
        ([1], [0.75])
    """
    columns = {f"pred_class_{k}_proba": scores[:, k].astype(np.float32) for k in range(scores.shape[1])}
    columns["pred_class"] = scores.argmax(axis=1).astype(np.int32)
    columns["pred_class_proba"] = scores.max(axis=1).astype(np.float32)
    return columns


def score_file(path: Path, ensemble: Ensemble) -> tuple[EventTable, np.ndarray]:
    """Score all events of a fold file.

    Args:
        path: fold file.
        ensemble: models of all folds.

    Returns:
        The events, fold by fold of the file, and their scores.
    """
    with FoldFile(path) as file:
        events = file.read()
    return events, ensemble.predict(events)


def write_csv(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write columns as comma-separated values.

    Args:
        path: the file.
        columns: by name, shape (n,) each; bytes are written as text.
    """
    text = [values.astype(str) if values.dtype.kind == "S" else values for values in columns.values()]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(zip(*(values.tolist() for values in text), strict=True))


def predict_for_evaluation(path: Path, ensemble: Ensemble, out: Path) -> dict[str, int]:
    """Score a training or test sample, for plots.

    Args:
        path: fold file with targets.
        ensemble: models of all folds.
        out: CSV to write: scores, ``run``, ``evt``, ``target``, ``group_name``, ``fold`` (the model that scored), weights.

    Returns:
        How many events were scored.
    """
    events, scores = score_file(path, ensemble)
    others = ["run", "evt", "target", "group_name", *(name for name in events.columns if name.startswith("w_"))]
    columns = score_columns(scores) | {"fold": ensemble.fold(events)} | {name: events[name] for name in others}
    write_csv(out, columns)
    return {"events": len(events)}
