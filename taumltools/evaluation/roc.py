"""ROC curves: data and maths only; drawing is in ``plots``.

Everything here is exact: ties are one step of the curve, weights are summed in double
precision, no binning.  Uncertainties use effective numbers of entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.errors import InputError
from taumltools.evaluation.intervals import clopper_pearson, effective_entries


@dataclass(frozen=True)
class Roc:
    """Misidentification probability against genuine-tau efficiency.

    Point k is the selection ``score > threshold[k]``. The first point is (0, 0), the last
    (1, 1), and there is one point for each distinct score in between.

    Attributes:
        threshold: float64, shape (m,), decreasing.
        tpr: efficiency for genuine taus, float64, shape (m,), not decreasing.
        fpr: misidentification probability, float64, shape (m,), not decreasing.
        auc: area under tpr(fpr), which is the probability that a tau scores higher than a fake.
        auc_error: its standard deviation.
        n_tau: genuine taus.
        n_fake: fakes.
        n_eff_tau: effective number of genuine taus.
        n_eff_fake: effective number of fakes.
    """

    threshold: np.ndarray
    tpr: np.ndarray
    fpr: np.ndarray
    auc: float
    auc_error: float
    n_tau: int
    n_fake: int
    n_eff_tau: float
    n_eff_fake: float

    def fpr_at(self, tpr: np.ndarray | float) -> np.ndarray:
        """Misidentification probability at given efficiencies, linear between points.

        Args:
            tpr: efficiencies between 0 and 1.

        Returns:
            float64 of the same shape; the lowest value where several have that efficiency.
        """
        tpr = np.asarray(tpr, float)
        right = np.clip(np.searchsorted(self.tpr, tpr, side="left"), 1, len(self.tpr) - 1)
        x0, x1 = self.tpr[right - 1], self.tpr[right]
        step = np.divide(tpr - x0, x1 - x0, out=np.zeros_like(tpr), where=x1 > x0)
        return np.where(tpr <= 0, 0.0, self.fpr[right - 1] + step * (self.fpr[right] - self.fpr[right - 1]))

    @property
    def lowest(self) -> float:
        """The lowest efficiency that a threshold gives; below it there is only a straight line to nothing."""
        return float(self.tpr[1])

    def fpr_interval_at(self, tpr: np.ndarray | float, fpr: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """68% interval of :meth:`fpr_at`, or of points of the curve.

        Two independent parts in quadrature: the number of fakes (Clopper-Pearson) and the
        number of taus, which shifts the threshold that has this efficiency.

        Args:
            tpr: efficiencies between 0 and 1.
            fpr: of points with these efficiencies, since several may have the same one; None: :meth:`fpr_at`.

        Returns:
            Lower and upper limit, float64 of the same shape, with the value in between.
        """
        tpr = np.asarray(tpr, float)
        centre = self.fpr_at(tpr) if fpr is None else np.asarray(fpr, float)
        low, high = clopper_pearson(centre, self.n_eff_fake)
        shift = np.sqrt(tpr * (1 - tpr) / self.n_eff_tau)
        below = np.maximum(centre - self.fpr_at(np.clip(tpr - shift, 0, 1)), 0)
        above = np.maximum(self.fpr_at(np.clip(tpr + shift, 0, 1)) - centre, 0)
        lower = centre - np.hypot(centre - low, below)
        return np.clip(lower, 0, 1), np.clip(centre + np.hypot(high - centre, above), 0, 1)

    def ratio_to(self, reference: Roc, tpr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Misidentification probability over the reference's at equal efficiency.

        Args:
            reference: the other curve.
            tpr: efficiencies, shape (k,).

        Returns:
            Ratio and its uncertainty, shape (k,); NaN where the reference or this curve has no
            fakes left, and below the lowest efficiency that a threshold can give. The errors are added in quadrature: where both curves come from the same
            candidates their correlation makes the true one smaller.
        """
        ours, theirs = self.fpr_at(tpr), reference.fpr_at(tpr)
        usable = (theirs > 0) & (ours > 0) & (tpr >= max(self.lowest, reference.lowest))
        relative = np.zeros_like(ours)
        for roc, value in ((self, ours), (reference, theirs)):
            low, high = roc.fpr_interval_at(tpr)
            relative = np.hypot(relative, np.divide((high - low) / 2, value, out=np.zeros_like(value), where=usable))
        ratio = np.divide(ours, theirs, out=np.full_like(ours, np.nan), where=usable)
        return ratio, ratio * relative

    def thinned(self, points: int = 600) -> Roc:
        """The same curve with at most ``points`` points, for storing and drawing.

        Points are spread evenly in the efficiency, in log(misidentification) and in
        log(1 - efficiency), so that all parts that plots zoom into keep their shape.

        Args:
            points: most points, at least 8.

        Returns:
            A curve whose points are a subset; all numbers beside the points are unchanged.
        """
        if points < 8:
            raise InputError(f"a ROC curve cannot be thinned to {points} points: use 8 or more")
        if len(self.tpr) <= points:
            return self
        keep = thinning_indices(self.tpr, self.fpr, points)
        rest = (self.auc, self.auc_error, self.n_tau, self.n_fake, self.n_eff_tau, self.n_eff_fake)
        return Roc(self.threshold[keep], self.tpr[keep], self.fpr[keep], *rest)


def thinning_indices(tpr: np.ndarray, fpr: np.ndarray, points: int) -> np.ndarray:
    """Indices of at most ``points`` points that keep the shape of a ROC curve, sorted."""
    each = (points - 2) // 3
    smallest = fpr[np.searchsorted(fpr, 0, side="right")]
    last = max(1 - tpr[np.searchsorted(tpr, 1, side="left") - 1], 1e-12)
    chosen = [
        np.searchsorted(tpr, np.linspace(0, 1, each)),
        np.searchsorted(fpr, np.geomspace(smallest, 1, each)),
        np.searchsorted(tpr, 1 - np.geomspace(1, last, each)),
        np.array([0, len(tpr) - 1]),
    ]
    return np.unique(np.clip(np.concatenate(chosen), 0, len(tpr) - 1))


def make_roc(score: np.ndarray, is_tau: np.ndarray, weight: np.ndarray | None = None) -> Roc:
    """The exact, weighted ROC curve of a score.

    Args:
        score: float, shape (n,), larger = more tau-like; finite.
        is_tau: bool, shape (n,): genuine tau or fake.
        weight: float, shape (n,), not negative; equal weights if left out. Entries with weight
            0 are dropped.

    Returns:
        The curve, with the area and its uncertainty.

    Raises:
        InputError: score that is not finite, negative weight, different lengths, taus or fakes missing.

    Examples:
        >>> roc = make_roc(np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False]))
        >>> roc.tpr.tolist(), roc.fpr.tolist(), roc.auc
        ([0.0, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0], 0.875)
    """
    score, is_tau, weight = _checked(score, is_tau, weight)
    order = np.argsort(-score)
    score, is_tau = score[order], is_tau[order]
    # A point ends where the next score differs: ties are one step.
    ends = np.append(np.flatnonzero(score[1:] != score[:-1]), len(score) - 1)
    taus = _steps(is_tau, weight, order, ends)
    fakes = _steps(~is_tau, weight, order, ends)
    distinct = score[ends]
    below_all = np.nextafter(distinct[-1], distinct.dtype.type(-np.inf))
    threshold = np.append(distinct, below_all).astype(np.float64)
    tpr, fpr = _cumulative(taus), _cumulative(fakes)
    n_tau, n_fake = int(np.count_nonzero(is_tau)), int(np.count_nonzero(~is_tau))
    n_eff = [float(n_tau), float(n_fake)]
    if weight is not None:
        flags = is_tau, ~is_tau
        n_eff = [effective_entries(weight[order[flag]]) for flag in flags]
    auc, error = _area(tpr, fpr, *n_eff)
    return Roc(threshold, tpr, fpr, auc, error, n_tau, n_fake, *n_eff)


def _checked(
    score: np.ndarray, is_tau: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Arrays ready for use, without entries of weight 0; or an error that says what is wrong."""
    score, is_tau = np.asarray(score), np.asarray(is_tau, bool)
    if score.dtype.kind != "f":
        score = score.astype(np.float64)
    if len(score) != len(is_tau) or (weight is not None and len(weight) != len(score)):
        found = f"{len(score)} scores, {len(is_tau)} labels" + ("" if weight is None else f", {len(weight)} weights")
        raise InputError(f"a ROC curve needs as many labels and weights as scores; found {found}")
    if not np.isfinite(score).all():
        bad = int(np.sum(~np.isfinite(score)))
        raise InputError(f"{bad} scores are NaN or infinite: remove entries that are not scored first")
    if weight is not None:
        weight = np.asarray(weight)
        if not np.isfinite(weight).all() or (weight < 0).any():
            bad = int(np.sum(~(weight >= 0) | np.isinf(weight)))
            raise InputError(
                f"{bad} weights are negative or not finite, an efficiency is not defined with them; "
                "use equal weights (evaluation.weight='') or their absolute values"
            )
        used = weight > 0
        if not used.all():
            score, is_tau, weight = score[used], is_tau[used], weight[used]
    n_tau = int(np.count_nonzero(is_tau))
    if n_tau == 0 or n_tau == len(is_tau):
        raise InputError(f"a ROC curve needs taus and fakes; found {n_tau} taus and {len(is_tau) - n_tau} fakes")
    return score, is_tau, weight


def _steps(flag: np.ndarray, weight: np.ndarray | None, order: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Sum of the weights of flagged entries up to each end of a tie, float64."""
    if weight is None:
        return np.cumsum(flag, dtype=np.int64)[ends].astype(np.float64)
    return np.cumsum(np.where(flag, weight[order], 0), dtype=np.float64)[ends]


def _cumulative(sums: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], sums / sums[-1]])


def _area(tpr: np.ndarray, fpr: np.ndarray, n_tau: float, n_fake: float) -> tuple[float, float]:
    """Area and standard deviation after DeLong et al. (Biometrics 44 (1988) 837).

    The structural components are the same for all entries of one tie, so they come from
    the steps of the curve; effective numbers of entries take the place of numbers.
    """
    d_tpr, d_fpr = np.diff(tpr), np.diff(fpr)
    of_tau = 1 - (fpr[1:] + fpr[:-1]) / 2
    of_fake = (tpr[1:] + tpr[:-1]) / 2
    # not np.dot: its last bits depend on the number of threads
    area = float(np.sum(d_tpr * of_tau))
    variance = 0.0
    for share, value, entries in ((d_tpr, of_tau, n_tau), (d_fpr, of_fake, n_fake)):
        variance += float(np.sum(share * (value - area) ** 2)) / max(entries - 1, 1e-9) if entries > 1 else 0.25
    return area, float(np.sqrt(variance))
