"""Numbers of one discriminator against one fake type: curves, working points, efficiencies, scores, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from taumltools.config.evaluation import NETWORK, EvaluationConfig
from taumltools.errors import InputError
from taumltools.evaluation.artefact import rounded
from taumltools.evaluation.calibration import calibration
from taumltools.evaluation.derive import as_json
from taumltools.evaluation.efficiency import Binned
from taumltools.evaluation.frame import Frame, Region
from taumltools.evaluation.roc import Roc, make_roc
from taumltools.evaluation.selection import Selector
from taumltools.evaluation.working_points import measure

Regions = Sequence[tuple[Region, np.ndarray]]
"""Regions with their masks, bool, shape (n,)."""


@dataclass(frozen=True)
class Pair:
    """Genuine taus and fakes of one type that have a score of one discriminator.

    Attributes:
        frame: all entries, n.
        selector: the discriminator against the fake type.
        config: settings of the evaluation.
        title: of the discriminator, for messages.
        others: bool, shape (n,): passes the required working points of the other types.
        reference: score that ratios are taken to, shape (n,), or None.
    """

    frame: Frame
    selector: Selector
    config: EvaluationConfig
    title: str
    others: np.ndarray
    reference: np.ndarray | None = None

    @property
    def vs(self) -> str:
        """The fake type."""
        return self.selector.vs

    def curves(self, regions: Regions, *, with_score: bool) -> list[dict[str, Any]]:
        """ROC curves in regions, plain JSON types."""
        usable = self.frame.pair(self.vs) & self._tried()
        return [self._curve(usable & inside, region, with_score) for region, inside in regions]

    def _tried(self) -> np.ndarray:
        """Candidates that count in curves and at working points."""
        return self.selector.known & self.others if self.config.required.curves else self.selector.known

    def _curve(self, used: np.ndarray, region: Region, with_score: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {"vs": self.vs, "region": region.as_json()}
        if not with_score:
            return entry | {"missing": "only working points, no score", "auc": None}
        roc = self._roc(self.selector.score, used)
        if isinstance(roc, str):
            if self.config.empty_regions == "refuse":
                raise InputError(
                    f"'{self.title}' vs {self.vs}: {roc} {region.as_json()}; use more test events, change "
                    "evaluation.regions, or set evaluation.empty_regions=note to go on without it"
                )
            return entry | {"missing": roc, "auc": None}
        thin = roc.thinned(self.config.curve_points)
        low, high = roc.fpr_interval_at(thin.tpr, thin.fpr)
        other = None if self.reference is None else self._roc(self.reference, used & np.isfinite(self.reference))
        numbers = ("auc", "auc_error", "n_tau", "n_fake", "n_eff_tau", "n_eff_fake")
        return entry | {
            **{name: getattr(roc, name) for name in numbers},
            "threshold": rounded(thin.threshold, 9),
            "true_positive_rate": rounded(thin.tpr),
            "false_positive_rate": rounded(thin.fpr),
            "false_positive_rate_low": rounded(low),
            "false_positive_rate_high": rounded(high),
            "ratio": _ratio(roc, other, thin.tpr) if isinstance(other, Roc) else None,
        }

    def _roc(self, score: np.ndarray, used: np.ndarray) -> Roc | str:
        """The curve, or why there is none."""
        rows = np.flatnonzero(used if self.frame.weight is None else used & (self.frame.weight != 0))
        is_tau = self.frame.is_tau[rows]
        if not is_tau.any() or is_tau.all():
            return f"{int(is_tau.sum())} taus and {int((~is_tau).sum())} fakes in this region"
        return make_roc(score[rows], is_tau, None if self.frame.weight is None else self.frame.weight[rows])

    def working_points(self, regions: Regions) -> list[dict[str, Any]]:
        """Efficiency and misidentification probability in the events that did not define thresholds."""
        usable = self.frame.pair(self.vs) & ~self.frame.derive & self._tried()
        found = []
        for region, inside in regions:
            rows = np.flatnonzero(usable & inside)
            is_tau = self.frame.is_tau[rows]
            of_kind = {"efficiency": rows[is_tau], "misid": rows[~is_tau]}
            points = [
                {"name": point.name, "target": point.target, "threshold": point.threshold}
                | {
                    key: as_json(measure(self.selector.passes(point, chosen), self._weight(chosen)))
                    for key, chosen in of_kind.items()
                }
                for point in self.selector.points
            ]
            found.append({"vs": self.vs, "region": region.as_json(), "points": points})
        return found

    def _weight(self, rows: np.ndarray) -> np.ndarray | None:
        return None if self.frame.weight is None else self.frame.weight[rows]

    def efficiencies(self) -> list[dict[str, Any]]:
        """Efficiency against each variable, for taus and for fakes, at each working point."""
        required = self.config.required
        usable = self.frame.pair(self.vs) & ~self.frame.derive & self.selector.known
        if required.denominator:
            usable &= self.others
        if self.config.efficiency_abs_eta is not None:
            usable &= np.abs(self.frame.columns["tau_eta"]) < self.config.efficiency_abs_eta
        items = []
        for kind, flag in (("tau", self.frame.is_tau), (self.vs, ~self.frame.is_tau)):
            rows = np.flatnonzero(usable & flag)
            passed = {point.name: self.selector.passes(point, rows) for point in self.selector.points}
            if required.numerator:
                passed = {name: mask & self.others[rows] for name, mask in passed.items()}
            for variable, binning in self.config.efficiency.items():
                binned = Binned(self.frame.columns[variable][rows], binning, self._weight(rows))
                for name, mask in passed.items():
                    key = {"vs": self.vs, "variable": variable, "type": kind, "working_point": name}
                    items.append(key | {k: rounded(v) for k, v in asdict(binned.efficiency(mask)).items()})
        return items

    def distribution(self, score: str) -> dict[str, Any]:
        """Score distributions of taus and fakes; entries beyond the edges are in the outer bins."""
        rows = np.flatnonzero(self.frame.pair(self.vs) & self.selector.known)
        values, is_tau = self.selector.score[rows], self.frame.is_tau[rows]
        low, high = 0.0, 1.0
        if score != NETWORK and len(rows):
            low, high = (float(q) for q in np.quantile(values, [0.005, 0.995]))
        bins = self.config.score_bins
        edges = np.linspace(low, high if high > low else low + 1, bins + 1)
        index = np.clip(((values - edges[0]) * (bins / (edges[-1] - edges[0]))).astype(np.int64), 0, bins - 1)
        counts = {}
        for name, chosen in (("tau", is_tau), (self.vs, ~is_tau)):
            counts[name] = rounded(np.bincount(index[chosen], self._weight(rows[chosen]), bins))
        return {"vs": self.vs, "edges": rounded(edges, 9), "counts": counts}

    def calibration(self) -> dict[str, Any]:
        """Fraction of taus in bins of the score, taus and fakes having the same total weight."""
        rows = np.flatnonzero(self.frame.pair(self.vs) & self.selector.known)
        found = calibration(
            self.selector.score[rows], self.frame.is_tau[rows], self._weight(rows), self.config.calibration_bins
        )
        columns = {name: rounded(value) for name, value in asdict(found).items() if name != "error"}
        return {"vs": self.vs, "error": rounded(np.array([found.error]))[0]} | columns


def _ratio(roc: Roc, other: Roc, tpr: np.ndarray) -> dict[str, Any]:
    """Ratio to the reference at the efficiencies of the stored curve, where it is defined."""
    tpr = np.unique(tpr)
    ratio, error = roc.ratio_to(other, tpr)
    usable = np.isfinite(ratio)
    columns = {"true_positive_rate": tpr, "ratio": ratio, "error": error}
    return {name: rounded(column[usable]) for name, column in columns.items()}
