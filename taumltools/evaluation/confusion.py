"""Confusion matrix: which class gets the largest output, by true class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.errors import InputError


@dataclass(frozen=True)
class ConfusionMatrix:
    """Rows are true classes, columns the class with the largest output.

    Attributes:
        counts: entries (unweighted), int64, shape (c, c).
        fractions: weighted fractions of each row, float64, shape (c, c); NaN in empty rows.
    """

    counts: np.ndarray
    fractions: np.ndarray


def confusion_matrix(outputs: np.ndarray, truth: np.ndarray, weight: np.ndarray | None = None) -> ConfusionMatrix:
    """Confusion matrix of the class with the largest output (the first one on ties).

    Args:
        outputs: network outputs, float, shape (n, c); no NaN.
        truth: true class, integer, shape (n,), from 0 to c - 1.
        weight: float, shape (n,); equal weights if left out.

    Returns:
        The matrix.

    Raises:
        InputError: an output is NaN or a class is out of range.

    Examples:
        >>> confusion_matrix(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0])).fractions[0].tolist()
        [0.5, 0.5]
    """
    classes = outputs.shape[1]
    if np.isnan(outputs).any():
        raise InputError("network outputs contain NaN: remove entries that are not scored first")
    if len(truth) and (truth.min() < 0 or truth.max() >= classes):
        raise InputError(f"true classes must be 0 to {classes - 1}, found {truth.min()} to {truth.max()}")
    cell = truth.astype(np.int64) * classes + np.argmax(outputs, axis=1)
    counts = np.bincount(cell, minlength=classes**2).reshape(classes, classes)
    sums = counts.astype(float) if weight is None else np.bincount(cell, weight, classes**2).reshape(classes, classes)
    rows = sums.sum(axis=1, keepdims=True)
    return ConfusionMatrix(counts, np.divide(sums, rows, out=np.full_like(sums, np.nan), where=rows > 0))
