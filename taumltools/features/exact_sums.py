"""Exact sums of float32 values and of their squares.

A float32 is an integer of 24 bits times a power of two.  Adding values of the same power
in float64 loses nothing, and Python integers take the rest.  So the sums do not depend on
the order of values or on how they were spread over files and jobs: mean and standard
deviation come out bit for bit the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

_LOWEST_EXPONENT = -149
"""Every finite float32 is an integer multiple of 2**-149."""

_BATCH = 1 << 17
"""Values added at once: they stay in the cache, and 2**17 integers of at most 25 bits stay far below 2**53."""


@dataclass(frozen=True)
class ExactSums:
    """Count, sum and sum of squares of float32 values; non-finite ones are only counted.

    Attributes:
        count: finite values.
        total: their sum in units of 2**-149.
        squares: sum of their squares in units of 2**-298.
        missing: NaN values.
        infinite: infinite values.

    Examples:
        >>> a, b = ExactSums.of(np.float32([1, 2])), ExactSums.of(np.float32([6, np.nan]))
        >>> both = a + b
        >>> both.count, both.mean, both.std, both.missing
        (3, 3.0, 2.160246899469287, 1)
    """

    count: int = 0
    total: int = 0
    squares: int = 0
    missing: int = 0
    infinite: int = 0

    @staticmethod
    def of(values: np.ndarray) -> ExactSums:
        """Sums over an array.

        Args:
            values: float32, any shape.

        Returns:
            The sums.
        """
        if values.dtype != np.float32:
            raise TypeError(f"exact sums are defined for float32, found {values.dtype}")
        values = values.ravel()
        finite = values[np.isfinite(values)]
        missing = int(np.isnan(values).sum())
        total = squares = 0
        for start in range(0, len(finite), _BATCH):
            part = _integers(finite[start : start + _BATCH])
            total, squares = total + part[0], squares + part[1]
        return ExactSums(len(finite), total, squares, missing, len(values) - len(finite) - missing)

    def __add__(self, other: ExactSums) -> ExactSums:
        return ExactSums(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            self.missing + other.missing,
            self.infinite + other.infinite,
        )

    @property
    def mean(self) -> float:
        """Arithmetic mean, correctly rounded; NaN without values."""
        return float(self._moment(self.total, -_LOWEST_EXPONENT)) if self.count else math.nan

    @property
    def mean_square(self) -> float:
        """Mean of squares, correctly rounded; NaN without values."""
        return float(self._moment(self.squares, -2 * _LOWEST_EXPONENT)) if self.count else math.nan

    @property
    def std(self) -> float:
        """Standard deviation of the population; NaN without values."""
        if not self.count:
            return math.nan
        mean = self._moment(self.total, -_LOWEST_EXPONENT)
        return math.sqrt(self._moment(self.squares, -2 * _LOWEST_EXPONENT) - mean * mean)

    def _moment(self, total: int, shift: int) -> Fraction:
        return Fraction(total, self.count << shift)

    def to_json(self) -> dict[str, str]:
        """All numbers as decimal strings (they exceed what JSON numbers carry)."""
        return {name: str(getattr(self, name)) for name in ("count", "total", "squares", "missing", "infinite")}

    @staticmethod
    def from_json(data: Mapping[str, str]) -> ExactSums:
        """The inverse of :meth:`to_json`.

        Args:
            data: of :meth:`to_json`.

        Returns:
            Equal sums.
        """
        return ExactSums(**{name: int(value) for name, value in data.items()})


def _integers(values: np.ndarray) -> tuple[int, int]:
    """Sum in units of 2**-149 and sum of squares in units of 2**-298.

    A value is split into its upper 12 bits and the rest, so that products have at most 24
    bits and their float64 sums stay exact.
    """
    bits = values.view(np.uint32)
    group = (bits >> np.uint32(23) & np.uint32(0xFF)).astype(np.intp)
    upper = (bits & np.uint32(0xFFFFF000)).view(np.float32).astype(np.float64)
    lower = values - upper
    total = _sum_groups(values, group, -_LOWEST_EXPONENT)
    parts = [
        _sum_groups(product, group, -2 * _LOWEST_EXPONENT)
        for product in (upper * upper, 2 * upper * lower, lower * lower)
    ]
    return total, sum(parts)


def _sum_groups(numbers: np.ndarray, group: np.ndarray, shift: int) -> int:
    """Sum times 2**shift, an integer; within one exponent the float64 sum is exact."""
    sums = np.bincount(group, weights=numbers)
    return sum(_shifted(float(s), shift) for s in sums[sums != 0.0])


def _shifted(value: float, shift: int) -> int:
    numerator, denominator = value.as_integer_ratio()
    return (numerator << shift) // denominator
