"""Efficiency of a selection against a variable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.config.plots import BinningConfig
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


class Binned:
    """Entries sorted into bins of a variable once, for the efficiencies of many selections.

    Args:
        variable: shape (n,); entries outside of all bins, and NaN, are left out.
        bins: increasing bin edges (a bin being lower edge <= x < upper edge), or a binning that
            may have single values instead, each of which has the bin i <= x < i + 1.
        weight: float, shape (n,); equal weights if left out.
    """

    def __init__(
        self, variable: np.ndarray, bins: Sequence[float] | BinningConfig, weight: np.ndarray | None = None
    ) -> None:
        values = bins.values if isinstance(bins, BinningConfig) else ()
        self.bounds = np.asarray(bins.bounds if isinstance(bins, BinningConfig) else bins, np.float64)
        index = _index_of_value(variable, values) if values else _index_of_edge(variable, self.bounds)
        self._rows = np.flatnonzero((index >= 0) & (index < len(self.bounds) - 1))
        self._index = index[self._rows].astype(np.int32)
        self._weight = None if weight is None else weight[self._rows].astype(np.float64)
        self._total = self._sum(self._index, self._weight)
        squares = self._total if self._weight is None else self._sum(self._index, self._weight**2)
        self._entries = np.divide(self._total**2, squares, out=np.zeros_like(squares), where=squares > 0)

    def _sum(self, index: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        return np.bincount(index, weight, len(self.bounds) - 1).astype(np.float64)

    def efficiency(self, passed: np.ndarray) -> EfficiencyCurve:
        """Efficiency of a selection in each bin.

        Args:
            passed: bool, shape (n,).

        Returns:
            The efficiency with Clopper-Pearson intervals at 68%.
        """
        chosen = passed[self._rows]
        kept = self._sum(self._index[chosen], None if self._weight is None else self._weight[chosen])
        efficiency = np.divide(kept, self._total, out=np.full_like(kept, np.nan), where=self._total > 0)
        low, high = clopper_pearson(efficiency, self._entries)
        return EfficiencyCurve(self.bounds, efficiency, low, high, self._entries)


def _index_of_edge(variable: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    index = np.searchsorted(bounds, variable, side="right") - 1
    return np.where(np.isnan(variable), -1, index)


def _index_of_value(variable: np.ndarray, values: Sequence[int]) -> np.ndarray:
    index = np.full(len(variable), -1)
    for i, value in enumerate(values):
        index[variable == value] = i
    return index


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
    return Binned(variable, edges, weight).efficiency(passed)


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
