"""What a fit works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from taumltools.errors import InputError

History = dict[str, list[float]]
"""Figures by name, one value per round or epoch; ``step`` says which."""

Told = Callable[[dict[str, float], int], None]
"""Called with figures and the round or epoch they belong to."""


@dataclass(frozen=True)
class FitSet:
    """Events for a fit.

    Attributes:
        inputs: features side by side, float32, shape (n, features).
        target: class, shape (n,).
        weight: shape (n,); mean one.
    """

    inputs: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    @classmethod
    def make(cls, inputs: np.ndarray, target: np.ndarray, weight: np.ndarray | None) -> FitSet:
        """Normalise the weights.

        Args:
            inputs: features side by side.
            target: class.
            weight: of the events; None for equal ones.

        Raises:
            InputError: weights are negative, or all zero.
        """
        weight = np.ones(len(target)) if weight is None else weight.astype(np.float64)
        if weight.min() < 0 or weight.sum() <= 0:
            raise InputError(
                f"weights for the fit range from {weight.min():g} to {weight.max():g}; expected positive ones"
            )
        return cls(inputs, target, weight / weight.mean())
