"""Event weights of the training."""

from __future__ import annotations

import numpy as np

from taumltools.errors import InputError


def class_imbalance(target: np.ndarray, classes: int) -> np.ndarray:
    """Weights with which all classes count the same: N / N_class.

    Args:
        target: class, whole numbers from 0, shape (n,).
        classes: how many there are.

    Returns:
        float32, shape (n,); the sum over each class is n.

    Raises:
        InputError: a class has no events.

    Examples:
        >>> class_imbalance(np.array([0, 0, 0, 1]), 2).tolist()
        [1.3333333730697632, 1.3333333730697632, 1.3333333730697632, 4.0]
    """
    counts = np.bincount(target, minlength=classes)
    if not counts.all():
        raise InputError(f"class {int(np.argmin(counts))} has no events: loosen its cuts, or add samples")
    return (len(target) / counts)[target].astype(np.float32)


def cp_weights(weight: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights for the measurement of CP properties: abs(weight) times sum of all weights over that of the class.

    Args:
        weight: of the events, of either sign, shape (n,).
        target: class, whole numbers from 0, shape (n,).

    Returns:
        float32, shape (n,).

    Raises:
        InputError: the weights of a class, or of all, add up to zero or less.

    Examples:
        >>> cp_weights(np.array([1.0, 1.0, 2.0, -1.0]), np.array([0, 0, 1, 1])).tolist()
        [1.5, 1.5, 6.0, 3.0]
    """
    weight = np.asarray(weight, np.float64)
    sums = np.bincount(target, weight)
    present = np.bincount(target) > 0
    if weight.sum() <= 0 or (sums[present] <= 0).any():
        raise InputError(
            f"weights add up to {dict(enumerate(sums.tolist()))} by class: each sum must be positive for w_cp; "
            "check htt.preprocess.weight, or set compute_w_cp=false"
        )
    share = np.divide(weight.sum(), sums, out=np.zeros_like(sums), where=present)
    return (np.abs(weight) * share[target]).astype(np.float32)
