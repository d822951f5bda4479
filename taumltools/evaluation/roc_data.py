"""What a ROC plot shows: curves of several discriminators, runs and periods, and their ratio to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.evaluation.artefact import array, find_curve, find_points, rounded

Performance = dict[str, Any]


@dataclass(frozen=True)
class RocSeries:
    """One discriminator of one run in a ROC plot.

    Attributes:
        title: what the legend shows.
        tpr: efficiencies for genuine taus, float64, shape (m,); empty if there are only working points.
        fpr: misidentification probabilities, float64, shape (m,).
        low: lower limits of their 68% intervals, float64, shape (m,).
        high: upper limits, float64, shape (m,).
        auc: area under the curve and its uncertainty; None without a curve.
        points: working points as stored, each with ``name``, ``efficiency`` and ``misid``.
        ratio: efficiencies, ratios and uncertainties, float64, shape (k,) each; None if there is none.
        is_reference: True for the one that ratios are taken to.
    """

    title: str
    tpr: np.ndarray
    fpr: np.ndarray
    low: np.ndarray
    high: np.ndarray
    auc: tuple[float, float] | None
    points: tuple[dict[str, Any], ...]
    ratio: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    is_reference: bool = False

    def as_json(self) -> dict[str, Any]:
        """The numbers in plain JSON types."""
        curve = {"true_positive_rate": self.tpr, "false_positive_rate": self.fpr}
        curve |= {"false_positive_rate_low": self.low, "false_positive_rate_high": self.high}
        ratio = None
        if self.ratio is not None:
            names = ("true_positive_rate", "ratio", "error")
            ratio = {name: rounded(column) for name, column in zip(names, self.ratio, strict=True)}
        return {
            "title": self.title,
            "is_reference": self.is_reference,
            "auc": None if self.auc is None else self.auc[0],
            "auc_error": None if self.auc is None else self.auc[1],
            **{name: rounded(column) for name, column in curve.items()},
            "working_points": list(self.points),
            "ratio": ratio,
        }


@dataclass(frozen=True)
class RocPlot:
    """A ROC plot of one fake type and region.

    Attributes:
        vs: fake type.
        region: as stored in the artefacts.
        series: what is drawn, the most important one first.
        period: data-taking period or energy of all of them; empty if they differ (titles say it then).
    """

    vs: str
    region: dict[str, Any]
    series: tuple[RocSeries, ...]
    period: str = ""

    @property
    def reference(self) -> RocSeries | None:
        """The series that ratios are taken to, None if there are no ratios."""
        chosen = [one for one in self.series if one.is_reference]
        return chosen[0] if chosen and any(one.ratio is not None for one in self.series) else None

    def as_json(self) -> dict[str, Any]:
        """The numbers in plain JSON types."""
        reference = self.reference
        return {
            "vs": self.vs,
            "region": self.region,
            "period": self.period,
            "reference": None if reference is None else reference.title,
            "series": [one.as_json() for one in self.series],
        }


def make_roc_plot(
    performances: Sequence[Performance], vs: str, region: dict[str, Any], reference: int | None = None
) -> RocPlot:
    """Collect what a ROC plot shows.

    Args:
        performances: artefacts, the most important one first; those without this curve and
            without working points in the region are left out.
        vs: fake type.
        region: region as stored in the artefacts.
        reference: position of the artefact that ratios are taken to; None for the one that the
            first artefact names.

    Returns:
        The content of the plot.

    Raises:
        InputError: no artefact has this curve, or the reference does not.
    """
    chosen = _reference(performances, vs, region) if reference is None else reference
    if reference is not None and find_curve(performances[reference], vs, region) is None:
        title = performances[reference]["title"]
        raise InputError(f"'{title}' has no ROC curve vs {vs} for {region}, so that no ratio can be taken to it")
    other = None if chosen is None else find_curve(performances[chosen], vs, region)
    drawn = [i for i, p in enumerate(performances) if vs in p["vs"] and _has_content(p, vs, region)]
    if not drawn:
        raise InputError(f"no ROC curve vs {vs} for {region}: the test sample has no taus or fakes there")
    periods = {performances[i].get("period", "") for i in drawn}
    series = []
    for i in drawn:
        title = performances[i]["title"]
        if len(periods) > 1 and performances[i].get("period"):
            title += f", {performances[i]['period']}"
        ratio = None
        if other is not None and chosen is not None and i != chosen:
            ratio = _ratio(performances[i], performances[chosen], vs, region, other)
        series.append(_series(performances[i], vs, region, title, ratio, i == chosen))
    return RocPlot(vs, region, tuple(series), periods.pop() if len(periods) == 1 else "")


def _reference(performances: Sequence[Performance], vs: str, region: dict[str, Any]) -> int | None:
    """Position of the first artefact of the discriminator that the first artefact is compared with."""
    name = performances[0]["reference"].get(vs) if performances else None
    for i, performance in enumerate(performances):
        if performance["discriminator"] == name and find_curve(performance, vs, region) is not None:
            return i
    return None


def _has_content(performance: Performance, vs: str, region: dict[str, Any]) -> bool:
    return find_curve(performance, vs, region) is not None or bool(_points(performance, vs, region))


def _points(performance: Performance, vs: str, region: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Working points that are drawn: those of networks, and those that belong to a discriminator."""
    if performance["score"] != "network" and performance.get("points_from", "derived") == "derived":
        return ()
    found = find_points(performance, vs, region)
    return tuple(p for p in found if p["efficiency"]["value"] is not None and p["misid"]["value"] is not None)


def _ratio(
    performance: Performance, reference: Performance, vs: str, region: dict[str, Any], other: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The ratio of full curves, which is stored where both are of one run; else that of the stored points."""
    curve = find_curve(performance, vs, region)
    if curve is None:
        return None
    one_run = all(performance[key] == reference[key] for key in ("model", "datasets"))
    if one_run and curve["ratio"] and performance["reference"].get(vs) == reference["discriminator"]:
        tpr, ratio, error = (array(curve["ratio"][key]) for key in ("true_positive_rate", "ratio", "error"))
        return tpr, ratio, error
    return curve_ratio(curve, other)


def _series(
    performance: Performance,
    vs: str,
    region: dict[str, Any],
    title: str,
    ratio: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    is_reference: bool,
) -> RocSeries:
    curve, points = find_curve(performance, vs, region), _points(performance, vs, region)
    if curve is None:
        nothing = np.zeros(0)
        return RocSeries(title, nothing, nothing, nothing, nothing, None, points)
    names = ("true_positive_rate", "false_positive_rate", "false_positive_rate_low", "false_positive_rate_high")
    tpr, fpr, low, high = (array(curve[name]) for name in names)
    return RocSeries(title, tpr, fpr, low, high, (curve["auc"], curve["auc_error"]), points, ratio, is_reference)


def curve_ratio(curve: dict[str, Any], reference: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Misidentification probability over that of the reference at equal efficiency, from stored curves.

    Args:
        curve: a stored ROC curve.
        reference: the stored curve it is compared with, possibly of another run.

    Returns:
        Efficiencies of the points of both curves that both reach with fakes left, the ratio there
        (linear between points), and its uncertainty: both errors in quadrature, as if the
        candidates were different ones. None if there are no such points.
    """
    tpr = np.union1d(*(array(one["true_positive_rate"]) for one in (curve, reference)))
    tpr = tpr[tpr >= max(_first_with_fakes(one) for one in (curve, reference))]
    (ours, our_error), (theirs, their_error) = (_at(one, tpr) for one in (curve, reference))
    usable = (ours > 0) & (theirs > 0)
    if not usable.any():
        return None
    tpr, ours, theirs = tpr[usable], ours[usable], theirs[usable]
    relative = np.hypot(our_error[usable] / ours, their_error[usable] / theirs)
    return tpr, ours / theirs, ours / theirs * relative


def _first_with_fakes(curve: dict[str, Any]) -> float:
    """The lowest efficiency of a threshold that some fakes pass."""
    tpr, fpr = (array(curve[key]) for key in ("true_positive_rate", "false_positive_rate"))
    return float(tpr[fpr > 0].min())


def _at(curve: dict[str, Any], tpr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Misidentification probability and half of its interval at efficiencies; the lowest where several have one."""
    known, first = np.unique(array(curve["true_positive_rate"]), return_index=True)
    keys = ("", "_low", "_high")
    value, low, high = (np.interp(tpr, known, array(curve[f"false_positive_rate{key}"])[first]) for key in keys)
    return value, (high - low) / 2
