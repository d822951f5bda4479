"""Efficiency of a selection against a variable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.evaluation.intervals import clopper_pearson

MIN_ENTRIES = 10
"""Fewest effective candidates of a bin that is drawn: below, the 68% interval covers 0.2 around 0.5 or more."""


@dataclass(frozen=True)
class EfficiencyCurve:
    """Efficiency in bins of a variable; NaN in bins without entries.

    Attributes:
        edges: bin edges, float64, shape (k + 1,).
        efficiency: float64, shape (k,).
        low: lower limits of the 68% intervals, float64, shape (k,).
        high: upper limits, float64, shape (k,).
        entries: effective entries, float64, shape (k,).
    """

    edges: np.ndarray
    efficiency: np.ndarray
    low: np.ndarray
    high: np.ndarray
    entries: np.ndarray


def efficiency_against(
    variable: np.ndarray, passed: np.ndarray, edges: Sequence[float], weight: np.ndarray | None = None
) -> EfficiencyCurve:
    """Efficiency in bins of ``variable``, a bin being lower edge <= x < upper edge.

    Args:
        variable: shape (n,); entries outside of the edges, and NaN, are left out.
        passed: bool, shape (n,).
        edges: increasing bin edges, shape (k + 1,).
        weight: float, shape (n,); equal weights if left out.

    Returns:
        The efficiency with Clopper-Pearson intervals at 68%.

    Examples:
        >>> curve = efficiency_against(np.array([1.0, 1.5, 2.5]), np.array([True, False, True]), [1, 2, 3])
        >>> curve.efficiency.tolist()
        [0.5, 1.0]
    """
    bounds = np.asarray(edges, np.float64)
    index = np.searchsorted(bounds, variable, side="right") - 1
    inside = (index >= 0) & (index < len(bounds) - 1) & ~np.isnan(variable)
    index, passed = index[inside], passed[inside]
    used = np.ones(len(index)) if weight is None else weight[inside].astype(np.float64)
    bins = len(bounds) - 1
    total = np.bincount(index, used, bins)
    kept = np.bincount(index[passed], used[passed], bins)
    squares = np.bincount(index, used**2, bins)
    entries = np.divide(total**2, squares, out=np.zeros(bins), where=squares > 0)
    efficiency = np.divide(kept, total, out=np.full(bins, np.nan), where=total > 0)
    low, high = clopper_pearson(efficiency, entries)
    return EfficiencyCurve(bounds, efficiency, low, high, entries)


def drawn_bins(efficiency: np.ndarray, entries: np.ndarray, log_axis: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which bins of an efficiency are drawn as a value, and which as an upper limit.

    Args:
        efficiency: shape (k,); NaN without entries.
        entries: effective entries, shape (k,).
        log_axis: True if zero has no place on the axis.

    Returns:
        Bins with a value and bins with only an upper limit, bool, shape (k,) each; bins with
        fewer than ``MIN_ENTRIES`` entries are in neither.

    Examples:
        >>> value, limit = drawn_bins(np.array([0.5, 0.0, 1.0]), np.array([40.0, 10.0, 9.0]), log_axis=True)
        >>> value.tolist(), limit.tolist()
        ([True, False, False], [False, True, False])
    """
    enough = np.isfinite(efficiency) & (entries >= MIN_ENTRIES)
    zero = enough & (efficiency <= 0) & log_axis
    return enough & ~zero, zero
