"""Deriving working points: which taus define thresholds, what the thresholds do on other events."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.evaluation import EvaluationConfig
from taumltools.errors import InputError
from taumltools.evaluation.artefact import number, to_text
from taumltools.evaluation.frame import Frame, make_frame
from taumltools.evaluation.intervals import clopper_pearson, effective_entries
from taumltools.evaluation.selection import make_selectors, refuse_empty, required_masks, scores_of
from taumltools.evaluation.table import Predictions
from taumltools.evaluation.working_points import (
    Derivation,
    Efficiency,
    Thresholds,
    derive,
    measure,
    passes_others,
    threshold_at,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TauSample:
    """Genuine taus of one part of the events.

    Attributes:
        rows: their rows of the frame, shape (k,).
        weight: float, shape (k,); None for equal weights.
    """

    rows: np.ndarray
    weight: np.ndarray | None


def tau_sample(frame: Frame, config: EvaluationConfig, *, derive: bool, known: np.ndarray | None = None) -> TauSample:
    """The genuine taus that define thresholds, or those of the other events that measure efficiencies.

    Args:
        frame: the entries.
        config: settings of the evaluation.
        derive: True for the part that defines thresholds.
        known: bool, shape (n,): entries with a score; None for all.

    Returns:
        The taus with their weights: those of the frame, and with luminosities the share of each dataset.

    Raises:
        InputError: there are none, or none of a dataset that has a luminosity.
    """
    points, columns = config.working_points, frame.columns
    pt = columns["tau_pt"]
    used = frame.is_tau & (frame.derive == derive) & (pt >= points.pt[0]) & (pt < points.pt[1])
    used &= (np.abs(columns["tau_eta"]) < points.abs_eta) & (np.abs(columns["tau_dz"]) < points.abs_dz)
    used &= ~np.isin(columns["tau_decayMode"], points.no_decay_modes)
    if known is not None:
        used &= known
    shares = _shares(frame, used, points.luminosity) if points.luminosity else None
    if shares is not None:
        used &= shares > 0
    rows = np.flatnonzero(used)
    if not len(rows):
        part = "that define thresholds" if derive else "that measure efficiencies"
        raise InputError(
            f"working points need genuine taus with {points.pt[0]:g} <= tau_pt < {points.pt[1]:g} GeV, found none "
            f"among {len(frame)} entries in the events {part}: use more test events or change evaluation.working_points.pt"
        )
    weight = None if frame.weight is None else frame.weight[rows]
    if shares is not None:
        weight = shares[rows] if weight is None else shares[rows] * weight
    return TauSample(rows, weight)


def _shares(frame: Frame, used: np.ndarray, luminosity: dict[str, float]) -> np.ndarray:
    """Weight of each entry that gives each dataset the share of its luminosity; 0 for other datasets.

    lumi / (sum of lumi * sum of weights of the dataset's taus), as the CMS tools mix data-taking periods.
    """
    unknown = sorted(set(luminosity) - set(frame.datasets))
    if unknown:
        raise InputError(
            f"evaluation.working_points.luminosity names {', '.join(unknown)}, but there are only predictions of "
            f"{', '.join(frame.datasets)}"
        )
    share = np.zeros(len(frame))
    for name, value in luminosity.items():
        of_dataset = used & (frame.dataset == frame.datasets.index(name))
        size = float(of_dataset.sum() if frame.weight is None else frame.weight[of_dataset].sum())
        if not size > 0:
            raise InputError(
                f"evaluation.working_points.luminosity.{name}: no genuine tau of this dataset is left to mix in; "
                "use more events of it, or leave it out"
            )
        share[of_dataset] = value / (sum(luminosity.values()) * size)
    return share


def derive_points(frame: Frame, scores: dict[str, np.ndarray], config: EvaluationConfig) -> Derivation:
    """Thresholds for the target efficiencies, from the taus of the first part of events.

    Args:
        frame: the entries.
        scores: fake type to score, shape (n,).
        config: settings of the evaluation.

    Returns:
        The thresholds with their history.

    Raises:
        InputError: no taus, or no convergence.
    """
    points = config.working_points
    sample = tau_sample(frame, config, derive=True, known=_known(scores))
    return derive(
        {vs: score[sample.rows] for vs, score in scores.items()},
        {vs: points.targets.get(vs, {}) for vs in scores},
        sample.weight,
        points.required,
        tolerance=points.tolerance,
        max_iterations=points.max_iterations,
    )


def _known(scores: dict[str, np.ndarray]) -> np.ndarray:
    return np.logical_and.reduce([np.isfinite(score) for score in scores.values()])


def rounded_down(thresholds: Thresholds, digits: int | None) -> Thresholds:
    """Thresholds with so many decimal digits, never above the exact ones, so that no efficiency is below its target.

    Examples:
        >>> rounded_down({"jet": {"Loose": 0.92337}}, 4)
        {'jet': {'Loose': 0.9233}}
    """
    if digits is None:
        return thresholds
    scale = 10**digits
    return {
        vs: {name: math.floor(value * scale) / scale for name, value in points.items()}
        for vs, points in thresholds.items()
    }


def derive_to_folder(
    prediction_paths: Sequence[Path], config: EvaluationConfig, discriminator: str, folder: Path
) -> dict[str, Any]:
    """Derive the working points of a discriminator and write them, their history and what they do.

    Args:
        prediction_paths: prediction files of all test datasets.
        config: settings of the evaluation.
        discriminator: its name.
        folder: where to write; it is made if needed.

    Returns:
        Where the points come from, and the number of iterations.

    Raises:
        InputError: a branch is missing, no taus, or no convergence.
    """
    from taumltools.evaluation.reading import read_predictions

    predictions = read_predictions(prediction_paths, config, [discriminator])
    content = derive_content(predictions, config, discriminator)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("working_points", "iterations", "summary"):
        (folder / f"{name}.json").write_text(to_text(content[name]) + "\n", encoding="utf-8")
    return {"points_from": content["summary"]["points_from"], "iterations": len(content["iterations"])}


def derive_content(predictions: Predictions, config: EvaluationConfig, discriminator: str) -> dict[str, Any]:
    """What :func:`derive_to_folder` writes, by file name: plain JSON types."""
    setup, frame = config.discriminators[discriminator], make_frame(predictions, config)
    scores = scores_of(frame, setup)
    for vs, score in scores.items():
        refuse_empty(frame, setup, vs, score)
    derivation = derive_points(frame, scores, config) if setup.derived else None
    exact = derivation.thresholds if derivation else setup.thresholds
    thresholds = rounded_down(exact, config.working_points.digits) if derivation else exact
    summary: dict[str, Any] = {
        "discriminator": discriminator,
        "points_from": points_from(config, discriminator),
        "required": config.working_points.required if derivation else {},
        "luminosity": config.working_points.luminosity,
        "taus": {},
        "points": _reported(frame, scores, thresholds, config, discriminator),
    }
    if derivation:
        derived = tau_sample(frame, config, derive=True, known=_known(scores))
        entries = len(derived.rows) if derived.weight is None else effective_entries(derived.weight)
        summary["taus"] = {"entries": len(derived.rows), "effective": float(entries)}
        _add_derived(summary["points"], derived, derivation, scores, config)
    return {
        "working_points": thresholds,
        "iterations": _history(derivation) if derivation else [],
        "summary": summary,
    }


def points_from(config: EvaluationConfig, discriminator: str) -> str:
    """Where working points come from: ``derived``, ``thresholds`` that are given, or ``bits``."""
    setup = config.discriminators[discriminator]
    return "derived" if setup.derived else "bits" if setup.bits else "thresholds"


def _history(derivation: Derivation) -> list[dict[str, Any]]:
    rows = zip(derivation.iterations, derivation.changes(), strict=True)
    return [
        {"iteration": i + 1, "largest_change": change, "thresholds": found} for i, (found, change) in enumerate(rows)
    ]


def _reported(
    frame: Frame, scores: dict[str, np.ndarray], thresholds: Thresholds, config: EvaluationConfig, discriminator: str
) -> dict[str, Any]:
    """Efficiency of each working point for taus of the events that did not define it."""
    setup = config.discriminators[discriminator]
    selectors = make_selectors(frame, setup, config, scores, thresholds)
    required = config.working_points.required if setup.derived else {}
    masks = required_masks(selectors, required, setup.title)
    sample = tau_sample(frame, config, derive=False, known=_known(scores))
    reported: dict[str, Any] = {}
    for vs, selector in selectors.items():
        tried = masks[vs][sample.rows]
        rows, weight = sample.rows[tried], None if sample.weight is None else sample.weight[tried]
        reported[vs] = {
            point.name: {
                "target": point.target,
                "threshold": point.threshold,
                "reported": as_json(measure(selector.passes(point, rows), weight)),
            }
            for point in selector.points
        }
    return reported


def _add_derived(
    points: dict[str, Any],
    sample: TauSample,
    derivation: Derivation,
    scores: dict[str, np.ndarray],
    config: EvaluationConfig,
) -> None:
    """Efficiency on the taus that define thresholds, and the uncertainty of thresholds from their number."""
    of_taus = {vs: score[sample.rows] for vs, score in scores.items()}
    for vs, of_type in points.items():
        used = passes_others(of_taus, derivation.thresholds, config.working_points.required, vs)
        score, weight = of_taus[vs][used], None if sample.weight is None else sample.weight[used]
        entries = float(len(score)) if weight is None else effective_entries(weight)
        for point in of_type.values():
            low, high = (float(limit) for limit in clopper_pearson(point["target"], entries))
            point["threshold_low"] = number(threshold_at(score, high, weight))
            point["threshold_high"] = number(threshold_at(score, low, weight))
            point["derived"] = as_json(measure(score > point["threshold"], weight))


def as_json(efficiency: Efficiency) -> dict[str, float | None]:
    """A measured fraction in plain JSON types."""
    return {name: number(value) for name, value in asdict(efficiency).items()}


def load_thresholds(folder: Path) -> Thresholds:
    """Thresholds that :func:`derive_to_folder` wrote.

    Args:
        folder: its folder.

    Returns:
        Fake type to working point to threshold.

    Raises:
        InputError: there are none.
    """
    import json

    path = Path(folder) / "working_points.json"
    try:
        content: Thresholds = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): run DeriveWorkingPoints again") from error
    return content
