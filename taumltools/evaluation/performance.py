"""How well one discriminator does: all numbers of an evaluation as one JSON artefact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.evaluation import NETWORK, EvaluationConfig
from taumltools.evaluation.artefact import load_performance, rounded, save_performance
from taumltools.evaluation.confusion import confusion_matrix
from taumltools.evaluation.derive import derive_points, load_thresholds, points_from, rounded_down
from taumltools.evaluation.frame import Frame, make_frame, regions
from taumltools.evaluation.rates import Pair
from taumltools.evaluation.reading import check_discriminator, read_predictions
from taumltools.evaluation.scores import check_columns, discriminator_score
from taumltools.evaluation.selection import make_selectors, refuse_empty, required_masks, scores_of
from taumltools.evaluation.table import Predictions
from taumltools.evaluation.working_points import Thresholds
from taumltools.tuples.truth import TAU_TYPES

__all__ = ["evaluate", "evaluate_to_folder", "load_performance", "save_performance"]


def evaluate(
    predictions: Predictions, config: EvaluationConfig, discriminator: str, thresholds: Thresholds | None = None
) -> dict[str, Any]:
    """Evaluate one discriminator.

    Args:
        predictions: entries of all test datasets.
        config: settings of the evaluation.
        discriminator: its name in ``config.discriminators``.
        thresholds: its derived working points; None derives them here. A discriminator with points
            of its own (bits, thresholds) does not read them.

    Returns:
        Plain JSON types: ``curves`` (ROC curves by fake type and region, with area, intervals
        and ratio to the reference), ``working_points``, ``efficiencies``, ``scores``
        (distributions), ``calibration`` and ``confusion`` (networks only) and ``entries``.
        Described in docs/evaluation.md.

    Raises:
        ConfigError: no such discriminator, or a branch is missing.
        InputError: nothing to evaluate, a bad weight, or a region without taus or fakes.
    """
    check_discriminator(config, discriminator)
    needed = _with_references(config, discriminator)
    check_columns(config, predictions.columns, needed)
    setup, frame = config.discriminators[discriminator], make_frame(predictions, config)
    pairs = _pairs(frame, config, discriminator, thresholds)
    areas = [(region, frame.inside(region)) for region in regions(config)]
    is_network = setup.score == NETWORK
    return {
        "discriminator": discriminator,
        "title": setup.title,
        "score": setup.score,
        "points_from": points_from(config, discriminator),
        "period": config.style.energy,
        "vs": list(setup.vs),
        "model": predictions.model,
        "datasets": list(predictions.datasets),
        "entries": frame.counts | {"not_scored": _not_scored(pairs)},
        "reference": {vs: name for vs, name in config.reference.items() if vs in setup.vs},
        "curves": [curve for pair in pairs for curve in pair.curves(areas, with_score=bool(setup.score))],
        "working_points": [points for pair in pairs for points in pair.working_points(areas)],
        "efficiencies": [item for pair in pairs for item in pair.efficiencies()],
        "scores": [pair.distribution(setup.score) for pair in pairs] if setup.score else [],
        "calibration": [pair.calibration() for pair in pairs] if is_network else [],
        "confusion": _confusion(frame) if is_network else None,
    }


def _pairs(frame: Frame, config: EvaluationConfig, discriminator: str, thresholds: Thresholds | None) -> list[Pair]:
    """The discriminator against each of its fake types."""
    setup = config.discriminators[discriminator]
    scores = scores_of(frame, setup)
    if setup.derived and thresholds is None:
        thresholds = rounded_down(derive_points(frame, scores, config).thresholds, config.working_points.digits)
    selectors = make_selectors(frame, setup, config, scores, thresholds or {})
    others = required_masks(selectors, config.required.points, setup.title)
    references = _reference_scores(frame, discriminator, config)
    return [
        Pair(frame, selector, config, setup.title, others[vs], references.get(vs)) for vs, selector in selectors.items()
    ]


def evaluate_to_folder(
    prediction_paths: Sequence[Path],
    config: EvaluationConfig,
    discriminator: str,
    folder: Path,
    points: Path | None = None,
) -> dict[str, Any]:
    """Evaluate one discriminator and write ``performance.json`` into a folder.

    Args:
        prediction_paths: prediction files of all test datasets.
        config: settings of the evaluation.
        discriminator: its name.
        folder: where to write; it is made if needed.
        points: folder of its working points; None derives them here.

    Returns:
        Area under the curve in the leading region by fake type, and the entries used.
    """
    check_discriminator(config, discriminator)
    predictions = read_predictions(prediction_paths, config, _with_references(config, discriminator))
    performance = evaluate(predictions, config, discriminator, None if points is None else load_thresholds(points))
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_performance(Path(folder) / "performance.json", performance)
    leading = regions(config)[0].as_json()
    areas = {curve["vs"]: curve["auc"] for curve in performance["curves"] if curve["region"] == leading}
    return {"auc": areas, "entries": performance["entries"]}


def _with_references(config: EvaluationConfig, discriminator: str) -> list[str]:
    """The discriminator and those that ratios are taken to."""
    vs = config.discriminators[discriminator].vs
    return list(dict.fromkeys([discriminator, *(name for key, name in config.reference.items() if key in vs)]))


def _reference_scores(frame: Frame, discriminator: str, config: EvaluationConfig) -> dict[str, np.ndarray]:
    """Scores that ratios are taken to, by fake type; none where the discriminator is the reference itself."""
    setup = config.discriminators[discriminator]
    names = {vs: config.reference[vs] for vs in setup.vs if config.reference.get(vs, discriminator) != discriminator}
    scores = {}
    for vs, name in names.items():
        if config.discriminators[name].score:
            scores[vs] = discriminator_score(config.discriminators[name], vs, frame.outputs, frame.columns)
            refuse_empty(frame, config.discriminators[name], vs, scores[vs])
    return scores


def _not_scored(pairs: Sequence[Pair]) -> dict[str, int]:
    return {pair.vs: int((pair.frame.pair(pair.vs) & ~pair.selector.known).sum()) for pair in pairs}


def _confusion(frame: Frame) -> dict[str, Any]:
    known = np.isfinite(frame.outputs).all(axis=1)
    matrix = confusion_matrix(frame.outputs[known], frame.truth[known], frame.weight_of(known))
    fractions = [rounded(row) for row in matrix.fractions]
    return {"classes": list(TAU_TYPES), "counts": matrix.counts.tolist(), "fractions": fractions}
