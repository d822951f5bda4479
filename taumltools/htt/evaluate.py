"""Figures of a classifier on one sample: densities, confusion matrices, curves.  Drawing is elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.htt import HttConfig
from taumltools.errors import InputError
from taumltools.htt.curves import one_vs_rest, thinned
from taumltools.htt.train import targets
from taumltools.htt.weights import class_imbalance

Evaluation = dict[str, Any]
"""Figures of one sample, ready for JSON."""


def read_scores(path: Path) -> dict[str, np.ndarray]:
    """Columns of a file of scores.

    Args:
        path: as :func:`taumltools.htt.predict.predict_for_evaluation` wrote it.

    Returns:
        Columns by name.

    Raises:
        InputError: it is missing or is no such file.
    """
    import pandas

    try:
        frame = pandas.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no file of scores ({error}); run PredictEvents --purpose evaluation") from error
    columns = {str(name): frame[name].to_numpy() for name in frame.columns}
    if missing := {"target", "pred_class", "pred_class_proba"} - set(columns):
        raise InputError(f"{path} lacks the columns {sorted(missing)}; run PredictEvents --purpose evaluation")
    return columns


def evaluate(columns: dict[str, np.ndarray], config: HttConfig, dataset: str) -> Evaluation:
    """All figures of one sample.

    Args:
        columns: scores and ``target``.
        config: classes, mode, bins.
        dataset: name of the sample, ``train`` or ``test``.

    Returns:
        ``classes``, ``densities``, ``confusion``, ``curves``, ``metrics`` and ``entries``.

    Raises:
        InputError: the classes of the events are not those of the settings.
    """
    classes = config.trained_classes()
    target = targets(columns["target"].astype(np.int64), config)
    if sorted(set(target.tolist())) != [*classes]:
        raise InputError(
            f"events of {dataset} are of the classes {sorted(set(target.tolist()))}, the settings have {[*classes]}"
        )
    scores = np.stack([columns[f"pred_class_{number}_proba"] for number in classes], axis=1)
    weight = class_imbalance(target, len(classes)).astype(
        np.float64
    )  # of those that are told apart: two in binary mode
    confusion = confusion_matrices(target, columns["pred_class"].astype(np.int64), weight, len(classes))
    curves = _curves(scores, target, config)
    return {
        "dataset": dataset,
        "classes": [{"name": one.name, "title": one.title, "colour": one.colour} for one in classes.values()],
        "densities": densities(target, columns["pred_class"], columns["pred_class_proba"], config),
        "confusion": {name: np.round(matrix, 7).tolist() for name, matrix in confusion.items()},
        "curves": curves,
        "metrics": _metrics(confusion, curves, [one.name for one in classes.values()], dataset),
        "entries": np.bincount(target, minlength=len(classes)).tolist(),
    }


FEWEST_BINS = 5
"""Bins of a density of hardly any events."""


def number_of_bins(entries: int, most: int) -> int:
    """Bins for a histogram by Rice's rule, 2 n**(1/3): more of them would show single events.

    Args:
        entries: events in it.
        most: upper limit.

    Examples:
        >>> [number_of_bins(n, 40) for n in (0, 100, 8000, 10**6)]
        [5, 9, 40, 40]
    """
    return min(most, max(FEWEST_BINS, round(2 * entries ** (1 / 3))))


def densities(target: np.ndarray, category: np.ndarray, score: np.ndarray, config: HttConfig) -> list[dict[str, Any]]:
    """Distribution of the largest score in each category, by true class; each has area one.

    Args:
        target: true class, shape (n,).
        category: class with the largest score, shape (n,).
        score: that score, shape (n,).
        config: bins, classes.

    Returns:
        By category: ``edges``, and ``values`` and ``entries`` by true class.
    """
    numbers = [*config.trained_classes()]
    found = []
    for chosen in numbers:
        bins = number_of_bins(int((category == chosen).sum()) // len(numbers), config.evaluation.bins)
        edges = np.linspace(1 / len(numbers), 1, bins + 1)  # the largest of k scores is at least 1/k
        counts = [np.histogram(score[(category == chosen) & (target == true)], edges)[0] for true in numbers]
        values = [c / (c.sum() * np.diff(edges)) if c.sum() else c.astype(float) for c in counts]
        found.append(
            {
                "edges": np.round(edges, 7).tolist(),
                "values": [np.round(one, 7).tolist() for one in values],
                "entries": [int(c.sum()) for c in counts],
            }
        )
    return found


def confusion_matrices(
    target: np.ndarray, chosen: np.ndarray, weight: np.ndarray, classes: int
) -> dict[str, np.ndarray]:
    """Weighted confusion matrices: rows are true classes, columns are those with the largest score.

    Args:
        target: true class, shape (n,).
        chosen: class with the largest score, shape (n,).
        weight: of the events, shape (n,).
        classes: how many there are.

    Returns:
        ``true``: each row adds up to one; ``pred``: each column does, or is zero if nothing was taken for that class.

    Examples:
        >>> found = confusion_matrices(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1.0, 1.0, 2.0]), 2)
        >>> found["true"].tolist(), found["pred"].round(2).tolist()
        ([[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.33], [0.0, 0.67]])
    """
    sums = np.bincount(target * classes + chosen, weight, classes**2).reshape(classes, classes)
    return {name: sums / np.where(total > 0, total, 1) for name, total in _totals(sums).items()}


def _totals(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {"true": sums.sum(axis=1, keepdims=True), "pred": sums.sum(axis=0, keepdims=True)}


def _curves(scores: np.ndarray, target: np.ndarray, config: HttConfig) -> list[dict[str, Any]]:
    found = []
    for number in config.trained_classes():
        curve = one_vs_rest(scores[:, number], target == number)
        figures = {"auc": round(curve.auc, 7), "average_precision": round(curve.average_precision, 7)}
        found.append(figures | thinned(curve, config.evaluation.curve_points))
    return found


def _metrics(
    confusion: dict[str, np.ndarray], curves: list[dict[str, Any]], names: list[str], dataset: str
) -> dict[str, float]:
    """Figures by the names under which they are logged."""
    metrics = {
        f"cm_{k}{k}_{norm} / {dataset}": round(float(matrix[k, k]), 7)
        for norm, matrix in confusion.items()
        for k in range(len(names))
    }
    for name, curve in zip(names, curves, strict=True):
        metrics[f"roc_auc_{name} / {dataset}"] = curve["auc"]
        metrics[f"pr_average_prec_{name} / {dataset}"] = curve["average_precision"]
    return metrics


def save_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write figures as JSON, which has no NaN.

    Args:
        path: the file.
        evaluation: of :func:`evaluate`.
    """
    path.write_text(json.dumps(evaluation, allow_nan=False) + "\n", encoding="utf-8")


def load_evaluation(path: Path) -> Evaluation:
    """Read figures.

    Args:
        path: the file, or the folder with ``evaluation.json``.

    Raises:
        InputError: there are none.
    """
    path = path / "evaluation.json" if path.is_dir() else path
    try:
        content: Evaluation = json.loads(path.read_text(encoding="utf-8"))
        return content
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path} holds no figures ({error}); run EvaluateEvents") from error
