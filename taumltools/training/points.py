"""Thresholds of the working-point losses: from the scores of an epoch to those of the next.

The scores of millions of candidates are kept as histograms, fine in the logit of the score, so that
thresholds near 1, where one jet in a thousand passes, are as exact as those near 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from taumltools.training.losses import EPSILON, JET, MU, TAU, E
from taumltools.tuples.truth import TAU_TYPES

OTHERS = (E, MU, JET)

BINS = 32_768
"""Bins in the logit of the score, each 0.001 wide: p_tau / (p_tau + p_x) of 0.99 is known to 1e-5."""

RANGE = 16.2
"""Largest logit; scores are clipped to [1e-7, 1 - 1e-7], where it is 16.118."""


class ScoreHistograms:
    """Weighted histograms of p_tau / (p_tau + p_x), of genuine x and of genuine taus, for x of e, mu, jet.

    Attributes:
        sums: float64, shape (3, 2, BINS): for each x the weights of x and those of taus.

    Examples:
        >>> scores = ScoreHistograms()
        >>> p = np.array([[0.9, 0, 0.1, 0], [0.1, 0, 0.9, 0], [0.2, 0, 0.8, 0]])
        >>> scores.add(np.eye(4)[[0, 0, 2]], p, np.ones(3))
        >>> float(scores.passing("e", [0.5], TAU)[0]), float(scores.passing("e", [0.5], E)[0])
        (1.0, 0.5)
    """

    def __init__(self) -> None:
        self.sums = np.zeros((len(OTHERS), 2, BINS))

    def add(self, target: np.ndarray, prediction: np.ndarray, weight: np.ndarray) -> None:
        """Count some rows.

        Args:
            target: one-hot truth, shape (n, 4).
            prediction: probabilities, shape (n, 4).
            weight: shape (n,).
        """
        p = prediction.astype(np.float64)
        for i, x in enumerate(OTHERS):
            for j, kind in enumerate((x, TAU)):
                rows = target[:, kind] > 0
                place = _bin(p[rows, TAU] / (p[rows, TAU] + p[rows, x] + EPSILON))
                self.sums[i, j] += np.bincount(place, weights=weight[rows], minlength=BINS)

    def thresholds(self, other: str, wanted: Sequence[float]) -> np.ndarray | None:
        """Scores above which the wanted fractions of ``other`` lie.

        Args:
            other: ``e``, ``mu`` or ``jet``.
            wanted: fractions of its total weight.

        Returns:
            float64, one per fraction; None if nothing of ``other`` was counted.
        """
        above = self._above(other, 0)
        if above is None:
            return None
        logit = np.interp(wanted, above[::-1], _edges()[::-1])
        return 1.0 / (1.0 + np.exp(-logit))

    def passing(self, other: str, thresholds: Sequence[float] | np.ndarray, kind: int) -> np.ndarray:
        """Fraction of genuine taus, or of ``other``, above thresholds.

        Args:
            other: ``e``, ``mu`` or ``jet``.
            thresholds: on p_tau / (p_tau + p_x).
            kind: index of the type that is asked for: tau, or ``other`` itself.

        Returns:
            float64, one per threshold; NaN if nothing was counted.
        """
        above = self._above(other, 1 if kind == TAU else 0)
        if above is None:
            return np.full(len(thresholds), np.nan)
        return np.interp(_logit(np.asarray(thresholds, np.float64)), _edges(), above)

    def _above(self, other: str, part: int) -> np.ndarray | None:
        """Fraction of the weight at and above each edge, falling from 1 to 0."""
        sums = self.sums[OTHERS.index(TAU_TYPES.index(other)), part]
        total = sums.sum()
        if not total > 0:
            return None
        above = np.concatenate([np.cumsum(sums[::-1])[::-1], [0.0]]) / total
        return np.minimum.accumulate(above)  # single negative weights must not make it rise


def next_points(
    scores: ScoreHistograms, wanted: Mapping[str, Sequence[float]], points: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Thresholds of the next epoch.

    Args:
        scores: of the epoch that ended.
        wanted: mis-identification per threshold, by other type.
        points: thresholds of the epoch that ended; they stay for a type of which there was no entry.

    Returns:
        float32 arrays by other type.
    """
    found = {other: scores.thresholds(other, fractions) for other, fractions in wanted.items()}
    return {other: np.asarray(points[other] if t is None else t, np.float32) for other, t in found.items()}


def first_points(
    initial: Mapping[str, Sequence[float]], wanted: Mapping[str, Sequence[float]]
) -> dict[str, np.ndarray]:
    """Thresholds of the first epoch, as many as are wanted: the initial ones, spread evenly if their number differs.

    Args:
        initial: thresholds by other type.
        wanted: wanted fractions by other type; only their number counts.

    Returns:
        float32 thresholds by other type.

    Examples:
        >>> {k: v.tolist() for k, v in first_points({"e": (0.25, 0.75)}, {"e": (0.1, 0.01, 0.001)}).items()}
        {'e': [0.25, 0.5, 0.75]}
    """
    first = {}
    for other, fractions in wanted.items():
        known = np.asarray(initial[other], np.float64)
        place = np.linspace(0, len(known) - 1, len(fractions))
        first[other] = np.interp(place, np.arange(len(known)), known).astype(np.float32)
    return first


def _logit(score: np.ndarray) -> np.ndarray:
    clipped = np.clip(score, EPSILON, 1.0 - EPSILON)
    return np.log(clipped) - np.log1p(-clipped)


def _bin(score: np.ndarray) -> np.ndarray:
    return ((_logit(score) + RANGE) * (BINS / (2 * RANGE))).astype(np.int64)


def _edges() -> np.ndarray:
    return np.linspace(-RANGE, RANGE, BINS + 1)
