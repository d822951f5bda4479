"""One-vs-rest curves of a classifier: ROC, and precision against recall, with weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.errors import InputError
from taumltools.evaluation.roc import make_roc


@dataclass(frozen=True)
class OneVsRest:
    """Curves of one class against all others.

    Attributes:
        threshold: descending, shape (k,); an event is taken from its score on.
        efficiency: weighted share of the class at each threshold (recall, true positive rate).
        misid: weighted share of the others (false positive rate).
        precision: weighted share of the class among what is taken.
        auc: area under the efficiency against misid.
        average_precision: sum of precision times step in recall.
    """

    threshold: np.ndarray
    efficiency: np.ndarray
    misid: np.ndarray
    precision: np.ndarray
    auc: float
    average_precision: float


def balancing_weights(label: np.ndarray) -> np.ndarray:
    """Weights with which a class and all others together count the same: N / N_label.

    Args:
        label: bool, True for the class, shape (n,).

    Returns:
        float64, shape (n,).

    Raises:
        InputError: one of the two is empty.

    Examples:
        >>> balancing_weights(np.array([True, False, False, False])).tolist()
        [4.0, 1.3333333333333333, 1.3333333333333333, 1.3333333333333333]
    """
    inside = int(label.sum())
    if inside in (0, len(label)):
        raise InputError(f"{inside} of {len(label)} events are of the class: a curve needs events of both sides")
    return np.where(label, len(label) / inside, len(label) / (len(label) - inside))


def one_vs_rest(score: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None) -> OneVsRest:
    """Curves of one class.

    Args:
        score: probability of the class, shape (n,).
        label: bool, True for the class, shape (n,).
        weight: positive, shape (n,); None for :func:`balancing_weights`.

    Returns:
        The curves; events of equal score are one point, and the area counts half of them.

    Raises:
        InputError: there are events of one side only.

    Examples:
        >>> one_vs_rest(np.array([0.9, 0.8, 0.3, 0.1]), np.array([True, False, True, False])).auc
        0.75
    """
    balanced = balancing_weights(label)
    weight = balanced if weight is None else weight
    roc = make_roc(score, label, weight)
    efficiency, misid = roc.tpr[1:], roc.fpr[1:]
    taken, wrong = efficiency * weight[label].sum(), misid * weight[~label].sum()
    precision = taken / (taken + wrong)
    average = np.sum(np.diff(efficiency, prepend=0) * precision)
    return OneVsRest(roc.threshold[:-1], efficiency, misid, precision, roc.auc, float(average))


def thinned(curve: OneVsRest, points: int) -> dict[str, list[float]]:
    """At most so many points of the curves, evenly spread in efficiency, first and last kept.

    Args:
        curve: all points.
        points: how many at most, besides the two ends.

    Returns:
        Plain lists by name: ``threshold``, ``efficiency``, ``misid``, ``precision``.
    """
    wanted = np.searchsorted(curve.efficiency, np.linspace(0, 1, points))
    keep = np.unique(np.append(np.minimum(wanted, len(curve.efficiency) - 1), [0, len(curve.efficiency) - 1]))
    names = ("threshold", "efficiency", "misid", "precision")
    return {name: np.round(getattr(curve, name)[keep], 7).tolist() for name in names}
