"""Figures that follow a fit: loss, accuracy and the three discriminators."""

from __future__ import annotations

import numpy as np

from taumltools.tuples.truth import TAU_TYPES

TAU = TAU_TYPES.index("tau")


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
