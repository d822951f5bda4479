"""Quantiles of float32 values from counts in fixed bins: exact to merge, bounded in error.

The bins are those of a float with 8 bits of mantissa: a bin holds all float32 that agree in sign,
exponent and the first 8 bits after the point.  Their borders never move, so counts of parts add
up to the counts of the whole, in any order.  The rank of a quantile is exact; its value is
rounded towards zero by less than one part in 256, integers up to 512 not at all; minimum and
maximum are exact.  (The idea of bins of constant relative width is that of DDSketch, Masson et
al. 2019, arXiv:1908.10693; here the borders are those of the number format.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

MANTISSA_BITS = 8
"""Bits of the mantissa that a bin keeps; relative width of a bin: 2**-8."""

SIGMAS = (1, 2, 3, 5)
"""Quantiles are given where a normal distribution has n standard deviations."""

_SHIFT = np.uint32(23 - MANTISSA_BITS)
_MAGNITUDE = np.uint32(0x7FFFFFFF)


def _empty() -> np.ndarray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Sketch:
    """Counts of finite float32 values in fixed bins, minimum and maximum.

    Attributes:
        bins: numbers of the bins with values, ascending in the value; int64.
        counts: values in each of them; int64.
        low: smallest value; infinity without values.
        high: largest value; minus infinity without values.

    Examples:
        >>> whole = Sketch.of(np.float32([1, 2, 3])) + Sketch.of(np.float32([4, 5, np.nan]))
        >>> whole.count, whole.low, whole.quantile(0.5), whole.high
        (5, 1.0, 3.0, 5.0)
    """

    bins: np.ndarray = field(default_factory=_empty)
    counts: np.ndarray = field(default_factory=_empty)
    low: float = math.inf
    high: float = -math.inf

    @staticmethod
    def of(values: np.ndarray) -> Sketch:
        """Count values; those that are not finite are left out.

        Args:
            values: float32, any shape.

        Returns:
            The counts.
        """
        if values.dtype != np.float32:
            raise TypeError(f"bins are defined for float32, found {values.dtype}")
        finite = values[np.isfinite(values)]
        if not finite.size:
            return Sketch()
        bins, counts = np.unique(_bin_of(finite), return_counts=True)
        return Sketch(bins, counts, float(finite.min()), float(finite.max()))

    def __add__(self, other: Sketch) -> Sketch:
        bins, where = np.unique(np.concatenate([self.bins, other.bins]), return_inverse=True)
        counts = np.zeros(len(bins), np.int64)
        np.add.at(counts, where, np.concatenate([self.counts, other.counts]))
        return Sketch(bins, counts, min(self.low, other.low), max(self.high, other.high))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sketch)
            and np.array_equal(self.bins, other.bins)
            and np.array_equal(self.counts, other.counts)
            and (self.low, self.high) == (other.low, other.high)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def count(self) -> int:
        """Finite values."""
        return int(self.counts.sum())

    def quantile(self, probability: float) -> float:
        """The value of rank floor(probability * (count - 1)), rounded towards zero within its bin.

        Args:
            probability: between 0 and 1.

        Returns:
            The quantile; NaN without values.
        """
        if not self.count:
            return math.nan
        rank = math.floor(probability * (self.count - 1))
        at = int(np.searchsorted(np.cumsum(self.counts), rank, side="right"))
        return min(max(_value_of(int(self.bins[at])), self.low), self.high)

    def summary(self) -> dict[str, float | dict[str, float]]:
        """Median, extremes, and what lies n standard deviations to either side in a normal distribution.

        Returns:
            Keys ``median``, ``min``, ``max`` and ``1sigma``, ``2sigma``, ``3sigma``, ``5sigma`` with
            ``left`` and ``right``; empty without values.
        """
        if not self.count:
            return {}
        normal = NormalDist()
        sides = {
            f"{n}sigma": {"left": self.quantile(normal.cdf(-n)), "right": self.quantile(normal.cdf(n))} for n in SIGMAS
        }
        return {"median": self.quantile(0.5), "min": self.low, "max": self.high, **sides}


def _bin_of(values: np.ndarray) -> np.ndarray:
    """Number of the bin: ascending with the value, from -1 downwards for negative values."""
    bits = (values + np.float32(0)).view(np.uint32)  # adding 0 makes -0 to 0
    size = ((bits & _MAGNITUDE) >> _SHIFT).astype(np.int64)
    return np.where(values < 0, -1 - size, size)


def _value_of(number: int) -> float:
    """The value of a bin that is nearest to zero."""
    size = np.uint32(number if number >= 0 else -1 - number) << _SHIFT
    value = float(np.uint32(size).view(np.float32))
    return value if number >= 0 else -value
