"""Figures that follow a fit: losses by their short names, accuracy and the three discriminators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from taumltools.training import losses
from taumltools.training.losses import JET, MU, TAU, E
from taumltools.tuples.truth import TAU_TYPES

OTHERS = (E, MU, JET)

RowMetric = Callable[[Any, Any, Sequence[float], losses.Points], Any]
"""(y, p, scale factors, working points) -> one value per row."""


def _fixed(function: Callable[..., Any], *arguments: Any, **options: Any) -> RowMetric:
    return lambda y, p, _factors, _points: function(y, p, *arguments, **options)


def _working_point(x: int) -> RowMetric:
    return lambda y, p, _factors, points: losses.working_point_loss(y, p, x, points[TAU_TYPES[x]])


METRICS: dict[str, RowMetric] = {
    "tau_crossentropy": lambda y, p, factors, _: losses.tau_crossentropy(y, p, factors),
    "tau_crossentropy_v2": lambda y, p, factors, _: losses.tau_crossentropy_v2(y, p, factors),
    "categorical_crossentropy": _fixed(losses.categorical_crossentropy),
    **{f"L{TAU_TYPES[x]}": _fixed(losses.pair_crossentropy, x) for x in OTHERS},
    **{f"H{TAU_TYPES[x]}": _fixed(losses.class_crossentropy, x) for x in (E, MU, TAU, JET)},
    **{f"Hcat_{TAU_TYPES[x]}": _fixed(losses.switched_crossentropy, x) for x in OTHERS},
    "Hbin": _fixed(losses.not_tau_crossentropy),
    **{f"Hcat_{TAU_TYPES[x]}Inv": _fixed(losses.switched_crossentropy, x, inverse=True) for x in OTHERS},
    **{f"F{TAU_TYPES[x]}": _fixed(losses.focal, x) for x in OTHERS},
    "Fcmb": _fixed(losses.focal_not_tau),
    **{f"W{TAU_TYPES[x]}": _working_point(x) for x in OTHERS},
    "WPloss": lambda y, p, factors, points: losses.wp_loss(y, p, factors, points),
    "WPloss2": lambda y, p, factors, points: losses.wp_loss_2(y, p, factors, points),
}
"""Losses that can be followed, by the names of the original code; their meaning is in docs/training.md."""


def row_values(
    names: Sequence[str],
    y: np.ndarray,
    p: np.ndarray,
    factors: Sequence[float] = losses.SCALE_FACTORS,
    points: losses.Points = losses.WORKING_POINTS,
) -> np.ndarray:
    """Losses of each row.

    Args:
        names: keys of :data:`METRICS`.
        y: one-hot targets, float32, shape (n, 4).
        p: probabilities, float32, shape (n, 4).
        factors: importance of e, mu, tau, jet.
        points: thresholds of the working-point losses.

    Returns:
        float64, shape (number of names, n).
    """
    from keras import ops

    target, prediction = ops.convert_to_tensor(y), ops.convert_to_tensor(p)
    rows = [ops.convert_to_numpy(METRICS[name](target, prediction, factors, points)) for name in names]
    return np.array(rows, np.float64).reshape(len(names), len(y))


def discriminator(probability: np.ndarray, against: int) -> np.ndarray:
    """p_tau / (p_tau + p_x), the score of taus against one other type.

    Args:
        probability: shape (n, 4), order e, mu, tau, jet.
        against: index of the other type.

    Returns:
        Shape (n,).
    """
    p_tau, p_x = probability[:, TAU].astype(np.float64), probability[:, against].astype(np.float64)
    return p_tau / np.maximum(p_tau + p_x, np.finfo(np.float64).tiny)


def auc(score: np.ndarray, signal: np.ndarray) -> float:
    """Area under the ROC curve: how often a signal entry scores higher than a background entry.

    Args:
        score: shape (n,).
        signal: bool, shape (n,).

    Returns:
        0 to 1, equal scores count half; NaN if one of the two classes is empty.

    Examples:
        >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
        0.75
    """
    n_signal = int(signal.sum())
    n_background = len(signal) - n_signal
    if not n_signal or not n_background:
        return float("nan")
    _, group, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2  # mean rank of equal scores, from 1
    below = rank[group][signal].sum() - n_signal * (n_signal + 1) / 2
    return float(below / (n_signal * n_background))


def discriminator_aucs(probability: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """AUC of taus against each other type.

    Args:
        probability: shape (n, 4).
        target: one-hot truth, shape (n, 4).

    Returns:
        ``{"auc_e": ..., "auc_mu": ..., "auc_jet": ...}``.
    """
    aucs = {}
    for x, name in enumerate(TAU_TYPES):
        if x != TAU:
            rows = (target[:, TAU] > 0) | (target[:, x] > 0)
            aucs[f"auc_{name}"] = auc(discriminator(probability[rows], x), target[rows, TAU] > 0)
    return aucs
