"""Calibration: is a score the probability to be a genuine tau that it claims to be?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.evaluation.intervals import clopper_pearson


@dataclass(frozen=True)
class Calibration:
    """Fraction of genuine taus in bins of the score; NaN in bins without entries.

    Taus and fakes have the same total weight, as a score p_tau / (p_tau + p_x) assumes of a
    network that was trained with equally frequent classes.

    Attributes:
        edges: edges of the bins, float64, shape (k + 1,).
        score: mean score of each bin, float64, shape (k,).
        fraction: fraction of genuine taus, float64, shape (k,).
        low: lower limits of the 68% intervals, float64, shape (k,).
        high: upper limits, float64, shape (k,).
        entries: effective entries, float64, shape (k,).
        error: mean of abs(fraction - score) over all entries (expected calibration error).
    """

    edges: np.ndarray
    score: np.ndarray
    fraction: np.ndarray
    low: np.ndarray
    high: np.ndarray
    entries: np.ndarray
    error: float


def calibration(score: np.ndarray, is_tau: np.ndarray, weight: np.ndarray | None = None, bins: int = 20) -> Calibration:
    """Compare a score with the fraction of genuine taus that have it.

    Args:
        score: between 0 and 1, shape (n,).
        is_tau: bool, shape (n,).
        weight: float, shape (n,); equal weights if left out.
        bins: number of bins of equal width.

    Returns:
        The comparison; without taus or without fakes all bins are NaN.

    Examples:
        >>> found = calibration(np.array([0.25, 0.25, 0.75, 0.75]), np.array([False, True, True, False]), bins=2)
        >>> found.fraction.tolist(), found.score.tolist(), found.error
        ([0.5, 0.5], [0.25, 0.75], 0.25)
    """
    edges = np.linspace(0, 1, bins + 1)
    used = np.ones(len(score)) if weight is None else weight.astype(np.float64)
    totals = used[is_tau].sum(), used[~is_tau].sum()
    if not min(totals) > 0:
        nothing = np.full(bins, np.nan)
        return Calibration(edges, nothing, nothing, nothing, nothing, np.zeros(bins), float("nan"))
    used = used * np.where(is_tau, 1 / totals[0], 1 / totals[1])
    index = np.clip((score * bins).astype(np.int64), 0, bins - 1)
    total, of_taus = np.bincount(index, used, bins), np.bincount(index[is_tau], used[is_tau], bins)
    squares = np.bincount(index, used**2, bins)
    known = total > 0
    fraction = np.divide(of_taus, total, out=np.full(bins, np.nan), where=known)
    mean = np.divide(np.bincount(index, used * score, bins), total, out=np.full(bins, np.nan), where=known)
    entries = np.divide(total**2, squares, out=np.zeros(bins), where=squares > 0)
    low, high = clopper_pearson(fraction, entries)
    error = float(np.sum(total[known] * np.abs(fraction - mean)[known]) / total.sum())
    return Calibration(edges, mean, fraction, low, high, entries, error)
