"""How well one discriminator does: all numbers of an evaluation as one JSON artefact."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.evaluation import NETWORK, DiscriminatorConfig, EvaluationConfig
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.artefact import load_performance, number, rounded, save_performance
from taumltools.evaluation.confusion import confusion_matrix
from taumltools.evaluation.efficiency import efficiency_against
from taumltools.evaluation.frame import Frame, Region, make_frame, regions
from taumltools.evaluation.roc import Roc, make_roc
from taumltools.evaluation.scores import check_columns, discriminator_score, required_columns
from taumltools.evaluation.table import Predictions
from taumltools.evaluation.working_points import Efficiency, derive_thresholds, measure
from taumltools.tuples.truth import TAU_TYPES

__all__ = ["evaluate", "evaluate_to_folder", "load_performance", "save_performance"]

logger = logging.getLogger(__name__)

Thresholds = dict[str, dict[str, float]]


def evaluate(predictions: Predictions, config: EvaluationConfig, discriminator: str) -> dict[str, Any]:
    """Evaluate one discriminator.

    Args:
        predictions: entries of all test datasets.
        config: settings of the evaluation.
        discriminator: its name in ``config.discriminators``.

    Returns:
        Plain JSON types: ``curves`` (ROC curves by fake type and region, with area, intervals
        and ratio to the reference), ``working_points``, ``efficiencies``, ``scores``
        (distributions), ``confusion`` (networks only) and ``entries``. Described in
        docs/evaluation.md.

    Raises:
        ConfigError: no such discriminator, or a branch is missing.
        InputError: nothing to evaluate.
    """
    if discriminator not in config.discriminators:
        known = ", ".join(config.discriminators) or "none"
        raise ConfigError(f"no discriminator '{discriminator}' in evaluation.discriminators; known are {known}")
    check_columns(config, predictions.columns)
    setup, frame = config.discriminators[discriminator], make_frame(predictions, config)
    scores = {vs: discriminator_score(setup, vs, frame.outputs, frame.columns) for vs in setup.vs}
    references = _reference_scores(frame, discriminator, setup, config)
    thresholds = _thresholds(frame, scores, config)
    areas = regions(config)
    return {
        "discriminator": discriminator,
        "title": setup.title,
        "score": setup.score,
        "vs": list(setup.vs),
        "model": predictions.model,
        "datasets": list(predictions.datasets),
        "entries": frame.counts | {"not_scored": _not_scored(frame, scores)},
        "reference": {vs: name for vs, name in config.reference.items() if vs in setup.vs},
        "curves": [
            _curve(frame, scores[vs], vs, region, config, references.get(vs)) for vs in setup.vs for region in areas
        ],
        "working_points": [
            _working_points(frame, scores[vs], vs, region, thresholds[vs], config)
            for vs in setup.vs
            for region in areas
        ],
        "efficiencies": [
            item
            for vs in setup.vs
            for variable in config.efficiency
            for item in _efficiencies(frame, scores[vs], vs, variable, thresholds[vs], config)
        ],
        "scores": [_distribution(frame, scores[vs], vs, setup, config.score_bins) for vs in setup.vs],
        "confusion": _confusion(frame) if setup.score == NETWORK else None,
    }


def evaluate_to_folder(
    prediction_paths: Sequence[Path], config: EvaluationConfig, discriminator: str, folder: Path
) -> dict[str, Any]:
    """Evaluate one discriminator and write ``performance.json`` and all plots into a folder.

    Args:
        prediction_paths: prediction files of all test datasets.
        config: settings of the evaluation.
        discriminator: its name.
        folder: where to write; it is made if needed.

    Returns:
        Area under the curve in the leading region by fake type, and the entries used.
    """
    from taumltools.evaluation.draw import draw_all

    columns = required_columns(config)
    predictions = Predictions.concatenate([_read(path, columns) for path in prediction_paths])
    performance = evaluate(predictions, config, discriminator)
    references = sorted(set(performance["reference"].values()) - {discriminator})
    others = {name: evaluate(predictions, config, name) for name in references}
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_performance(Path(folder) / "performance.json", performance)
    draw_all(performance, others, config, Path(folder))
    leading = regions(config)[0].as_json()
    areas = {curve["vs"]: curve["auc"] for curve in performance["curves"] if curve["region"] == leading}
    return {"auc": areas, "entries": performance["entries"]}


def _read(path: Path, columns: list[str]) -> Predictions:
    try:
        return Predictions.read(path, columns)
    except InputError as error:
        raise InputError(f"{error}; branches to copy are listed in evaluation.columns") from error


def _thresholds(frame: Frame, scores: dict[str, np.ndarray], config: EvaluationConfig) -> Thresholds:
    """Thresholds from the taus of the first part of events."""
    points = config.working_points
    pt = frame.columns["tau_pt"]
    used = frame.is_tau & frame.derive & (pt >= points.pt[0]) & (pt < points.pt[1])
    for score in scores.values():
        used &= np.isfinite(score)
    if not used.any():
        raise InputError(
            f"working points need genuine taus with {points.pt[0]:g} <= tau_pt < {points.pt[1]:g} GeV, found none "
            f"among {len(frame)} entries: use more test events or change evaluation.working_points.pt"
        )
    targets = {vs: points.targets.get(vs, {}) for vs in scores}
    return derive_thresholds(
        {vs: score[used] for vs, score in scores.items()}, targets, frame.weight_of(used), points.required
    )


def _not_scored(frame: Frame, scores: dict[str, np.ndarray]) -> dict[str, int]:
    return {vs: int((frame.pair(vs) & ~np.isfinite(score)).sum()) for vs, score in scores.items()}


def _roc(frame: Frame, score: np.ndarray, vs: str, region: Region) -> Roc | str:
    """The curve in a region, or why there is none."""
    used = frame.pair(vs) & region.contains(frame.columns) & np.isfinite(score)
    is_tau = frame.is_tau[used]
    if not is_tau.any() or is_tau.all():
        return f"{int(is_tau.sum())} taus and {int((~is_tau).sum())} fakes in this region"
    return make_roc(score[used], is_tau, frame.weight_of(used))


def _reference_scores(
    frame: Frame, discriminator: str, setup: DiscriminatorConfig, config: EvaluationConfig
) -> dict[str, np.ndarray]:
    """Scores that ratios are taken to, by fake type; none where the discriminator is the reference itself."""
    names = {vs: config.reference[vs] for vs in setup.vs if config.reference.get(vs, discriminator) != discriminator}
    return {
        vs: discriminator_score(config.discriminators[name], vs, frame.outputs, frame.columns)
        for vs, name in names.items()
    }


def _curve(
    frame: Frame, score: np.ndarray, vs: str, region: Region, config: EvaluationConfig, reference: np.ndarray | None
) -> dict[str, Any]:
    entry: dict[str, Any] = {"vs": vs, "region": region.as_json()}
    roc = _roc(frame, score, vs, region)
    if isinstance(roc, str):
        return entry | {"missing": roc, "auc": None}
    thin = roc.thinned(config.curve_points)
    low, high = roc.fpr_interval_at(thin.tpr)
    other = None if reference is None else _roc(frame, reference, vs, region)
    return entry | {
        "auc": roc.auc,
        "auc_error": roc.auc_error,
        "n_tau": roc.n_tau,
        "n_fake": roc.n_fake,
        "n_eff_tau": roc.n_eff_tau,
        "n_eff_fake": roc.n_eff_fake,
        "threshold": rounded(thin.threshold, 9),
        "true_positive_rate": rounded(thin.tpr),
        "false_positive_rate": rounded(thin.fpr),
        "false_positive_rate_low": rounded(low),
        "false_positive_rate_high": rounded(high),
        "ratio": _ratio(roc, other, thin.tpr) if isinstance(other, Roc) else None,
    }


def _ratio(roc: Roc, other: Roc, tpr: np.ndarray) -> dict[str, Any]:
    """Ratio to the reference at the efficiencies of the stored curve, where it is defined."""
    tpr = np.unique(tpr)
    ratio, error = roc.ratio_to(other, tpr)
    usable = np.isfinite(ratio)
    columns = {"true_positive_rate": tpr, "ratio": ratio, "error": error}
    return {name: rounded(column[usable]) for name, column in columns.items()}


def _working_points(
    frame: Frame, score: np.ndarray, vs: str, region: Region, thresholds: dict[str, float], config: EvaluationConfig
) -> dict[str, Any]:
    """Efficiency and misidentification probability in the part of events not used for thresholds."""
    used = frame.pair(vs) & region.contains(frame.columns) & ~frame.derive & np.isfinite(score)
    taus, fakes = used & frame.is_tau, used & ~frame.is_tau
    points = [
        {
            "name": name,
            "target": config.working_points.targets[vs][name],
            "threshold": threshold,
            "efficiency": _as_json(measure(score[taus] > threshold, frame.weight_of(taus))),
            "misid": _as_json(measure(score[fakes] > threshold, frame.weight_of(fakes))),
        }
        for name, threshold in thresholds.items()
    ]
    return {"vs": vs, "region": region.as_json(), "points": points}


def _as_json(efficiency: Efficiency) -> dict[str, float | None]:
    return {name: number(value) for name, value in asdict(efficiency).items()}


def _efficiencies(
    frame: Frame, score: np.ndarray, vs: str, variable: str, thresholds: dict[str, float], config: EvaluationConfig
) -> list[dict[str, Any]]:
    """Efficiency against a variable, for taus and for fakes, at each working point."""
    items = []
    edges = config.efficiency[variable].edges
    for kind, flag in (("tau", frame.is_tau), (vs, ~frame.is_tau)):
        used = frame.pair(vs) & flag & ~frame.derive & np.isfinite(score)
        values, weight = frame.columns[variable][used], frame.weight_of(used)
        for name, threshold in thresholds.items():
            curve = efficiency_against(values, score[used] > threshold, edges, weight)
            items.append(
                {
                    "vs": vs,
                    "variable": variable,
                    "type": kind,
                    "working_point": name,
                    **{key: rounded(column) for key, column in asdict(curve).items()},
                }
            )
    return items


def _distribution(frame: Frame, score: np.ndarray, vs: str, setup: DiscriminatorConfig, bins: int) -> dict[str, Any]:
    """Score distributions of taus and fakes; entries beyond the edges are in the outer bins."""
    used = frame.pair(vs) & np.isfinite(score)
    low, high = 0.0, 1.0
    if setup.score != NETWORK and used.any():
        low, high = (float(q) for q in np.quantile(score[used], [0.005, 0.995]))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    inside = np.clip(score, edges[0], edges[-1])
    counts = {}
    for name in ("tau", vs):
        chosen = used & (frame.truth == TAU_TYPES.index(name))
        counts[name] = rounded(np.histogram(inside[chosen], edges, weights=frame.weight_of(chosen))[0])
    return {"vs": vs, "edges": rounded(edges, 9), "counts": counts}


def _confusion(frame: Frame) -> dict[str, Any]:
    known = np.isfinite(frame.outputs).all(axis=1)
    matrix = confusion_matrix(frame.outputs[known], frame.truth[known], frame.weight_of(known))
    fractions = [rounded(row) for row in matrix.fractions]
    return {"classes": list(TAU_TYPES), "counts": matrix.counts.tolist(), "fractions": fractions}
