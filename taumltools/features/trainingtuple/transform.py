"""How TrainingTuple columns are normalised."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from taumltools.errors import ConfigError
from taumltools.features.expression import isnormal
from taumltools.features.trainingtuple.table import Column

CLIP = 5.0
"""Largest absolute value of a ``norm`` column, in standard deviations."""


def finite(values: np.ndarray) -> np.ndarray:
    """The value where it is a normal float32, else 0 (NaN, infinite, zero, subnormal).

    Args:
        values: any numbers.

    Returns:
        float32, of the same shape.
    """
    with np.errstate(over="ignore"):
        single = np.asarray(values).astype(np.float32)
    return np.where(isnormal(single), single, np.float32(0))


def norm(values: np.ndarray, mean: float, sigma: float) -> np.ndarray:
    """Standardised and clipped: clip((finite(x) - mean) / sigma, -5, 5).

    Args:
        values: any numbers.
        mean: of the feature.
        sigma: its standard deviation.

    Returns:
        float32, of the same shape.
    """
    with np.errstate(over="ignore"):
        deviations = (finite(values) - np.float32(mean)) / np.float32(sigma)
    return np.clip(deviations, np.float32(-CLIP), np.float32(CLIP))


def linear(values: np.ndarray, low: float, high: float, *, both_signs: bool) -> np.ndarray:
    """From [low, high] to [0, 1], or to [-1, 1]; values outside are moved to the nearer end.

    Args:
        values: any numbers.
        low: lower end.
        high: upper end.
        both_signs: map to [-1, 1].

    Returns:
        float32, of the same shape.
    """
    low32, high32 = np.float32(low), np.float32(high)
    share = (np.clip(finite(values), low32, high32) - low32) / (high32 - low32)
    return share * np.float32(2) - np.float32(1) if both_signs else share


def evaluate(column: Column, source: Mapping[str, np.ndarray], size: int, tree: int = 0) -> np.ndarray:
    """A column from its formula.

    Args:
        column: any but ``own``.
        source: branches under their names of 2020.
        size: number of rows.
        tree: 0 for ``taus`` and inner cells, 1 for outer cells.

    Returns:
        The column in its type, shape (size,); 0 where it is not valid.
    """
    if column.value is None:
        raise ConfigError(f"column '{column.name}' has no formula")
    values = np.broadcast_to(column.value.evaluate(source), size)
    if column.kind == "finite":
        values = finite(values)
    elif column.kind == "norm":
        values = norm(values, *column.ranges[tree])
    elif column.kind in {"linear01", "linear11"}:
        values = linear(values, *column.ranges[tree], both_signs=column.kind == "linear11")
    if column.valid is not None:
        values = np.where(column.valid.evaluate(source), values, 0)
    return values.astype(column.dtype)
