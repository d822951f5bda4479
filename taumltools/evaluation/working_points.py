"""Working points: thresholds for given genuine-tau efficiencies, and what they achieve.

Thresholds are derived on one part of the events and reported on the other, so that the
efficiencies that are quoted are not the ones that were asked for.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.evaluation.intervals import clopper_pearson, effective_entries

logger = logging.getLogger(__name__)

Thresholds = dict[str, dict[str, float]]
"""Fake type to working point to threshold."""


@dataclass(frozen=True)
class Efficiency:
    """A measured fraction.

    Attributes:
        value: passed over tried (sums of weights); NaN without entries.
        low: lower limit of the 68% interval.
        high: upper limit.
        entries: effective number of entries tried.
    """

    value: float
    low: float
    high: float
    entries: float


def measure(passed: np.ndarray, weight: np.ndarray | None = None) -> Efficiency:
    """Fraction of entries that pass, with its Clopper-Pearson interval at 68%.

    Args:
        passed: bool, shape (n,).
        weight: float, shape (n,); equal weights if left out.

    Returns:
        The efficiency.

    Examples:
        >>> measure(np.array([True, True, False, False])).value
        0.5
    """
    if weight is None:
        entries, kept = float(len(passed)), float(np.count_nonzero(passed))
        total = entries
    else:
        entries, kept = effective_entries(weight), float(np.sum(weight[passed], dtype=np.float64))
        total = float(np.sum(weight, dtype=np.float64))
    value = kept / total if total > 0 else float("nan")
    low, high = clopper_pearson(value, entries)
    return Efficiency(value, float(low), float(high), entries)


def threshold_at(score: np.ndarray, target: float, weight: np.ndarray | None = None) -> float:
    """The tightest threshold with at least the wanted efficiency.

    The selection is ``score > threshold``; the threshold is a score that occurs, except where
    everything has to pass.

    Args:
        score: scores of genuine taus, shape (n,).
        target: efficiency wanted, between 0 and 1.
        weight: float, shape (n,); equal weights if left out.

    Returns:
        The threshold.

    Raises:
        InputError: no taus.

    Examples:
        >>> scores = np.array([0.1, 0.2, 0.3, 0.4])
        >>> threshold_at(scores, 0.5), bool(np.mean(scores > threshold_at(scores, 1.0)) == 1)
        (0.2, True)
    """
    return Ordered(score, weight).thresholds([target])[0]


class Ordered:
    """Scores of genuine taus, sorted once for the thresholds of many efficiencies.

    Args:
        score: shape (n,).
        weight: float, shape (n,); equal weights if left out.
    """

    def __init__(self, score: np.ndarray, weight: np.ndarray | None = None) -> None:
        self._order = np.argsort(-score)
        self._score = score[self._order]
        self._weight = None if weight is None else weight[self._order].astype(np.float64)

    def thresholds(self, targets: Sequence[float], used: np.ndarray | None = None) -> list[float]:
        """The tightest threshold with at least each of the wanted efficiencies.

        Args:
            targets: efficiencies between 0 and 1.
            used: bool, shape (n,), in the order of the scores that were given: taus that count; None for all.

        Returns:
            A threshold for each, as :func:`threshold_at`.

        Raises:
            InputError: no taus.
        """
        chosen = slice(None) if used is None else used[self._order]
        ordered = self._score[chosen]
        if len(ordered) == 0:
            raise InputError("a working point needs genuine taus, found none: check the cuts and the pt range")
        weight = np.ones(len(ordered)) if self._weight is None else self._weight[chosen]
        sums = np.cumsum(weight, dtype=np.float64)
        if not sums[-1] > 0:
            raise InputError("a working point needs genuine taus, but all of them have the weight 0")
        below = float(np.nextafter(ordered[-1], ordered.dtype.type(-np.inf)))
        found = []
        for target in targets:
            # Index of the last score that has to pass; the tolerance undoes rounding of the sums.
            last = min(int(np.searchsorted(sums, target * sums[-1] * (1 - 1e-12))), len(ordered) - 1)
            # Scores decrease: what is lower than that one begins where the reversed order ends.
            lower = len(ordered) - int(np.searchsorted(ordered[::-1], ordered[last], side="left"))
            found.append(float(ordered[lower]) if lower < len(ordered) else below)
        return found


@dataclass(frozen=True)
class Derivation:
    """Thresholds, and how they came about.

    Attributes:
        thresholds: fake type to working point to threshold, in the order of the targets.
        iterations: thresholds after each iteration, the last ones being ``thresholds``.
        used: fake type to the taus that counted in the last iteration, bool, shape (n,).
    """

    thresholds: Thresholds
    iterations: tuple[Thresholds, ...]
    used: dict[str, np.ndarray]

    def changes(self) -> list[float | None]:
        """Largest change of a threshold in each iteration; None in the first."""
        pairs = itertools.pairwise(self.iterations)
        return [None, *(max(_differences(before, after), default=0.0) for before, after in pairs)]


def _differences(before: Thresholds, after: Thresholds) -> list[float]:
    return [abs(after[vs][name] - value) for vs, points in before.items() for name, value in points.items()]


def passes_others(
    scores: Mapping[str, np.ndarray], thresholds: Thresholds, required: Mapping[str, str], vs: str
) -> np.ndarray:
    """True for candidates that pass the required working points of all other types.

    Args:
        scores: fake type to scores, shape (n,).
        thresholds: fake type to working point to threshold.
        required: fake type to the working point that is required.
        vs: the type whose own point is not required.

    Returns:
        bool, shape (n,).
    """
    passed = np.ones(len(next(iter(scores.values()))), bool)
    for other, name in required.items():
        if other != vs and other in scores:
            passed &= scores[other] > thresholds[other][name]
    return passed


def derive(
    scores: Mapping[str, np.ndarray],
    targets: Mapping[str, Mapping[str, float]],
    weight: np.ndarray | None = None,
    required: Mapping[str, str] | None = None,
    *,
    tolerance: float = 1e-5,
    max_iterations: int = 100,
) -> Derivation:
    """Thresholds of all working points from genuine taus.

    With ``required``, efficiencies are those of taus that also pass the required points of the
    other types. As these move with each other, all types are updated together until no
    threshold changes by ``tolerance`` or more, which takes two iterations at least.

    Args:
        scores: fake type to scores of the same genuine taus, shape (n,).
        targets: fake type to working point to efficiency.
        weight: float, shape (n,); equal weights if left out.
        required: fake type to the working point the other types require.
        tolerance: a change of a threshold below this is no change.
        max_iterations: most updates.

    Returns:
        Thresholds with the history of the iterations.

    Raises:
        InputError: no taus, or no convergence; the message has the last changes.
    """
    required = {vs: name for vs, name in (required or {}).items() if vs in scores}
    ordered = {vs: Ordered(score, weight) for vs, score in scores.items() if targets.get(vs)}
    everything = {vs: np.ones(len(score), bool) for vs, score in scores.items()}
    iterations: list[Thresholds] = []
    for _ in range(max_iterations):
        last = iterations[-1] if iterations else None
        used = everything
        if last is not None and required:
            used = {vs: passes_others(scores, last, required, vs) for vs in scores}
        found: Thresholds = {vs: {} for vs in scores}
        for vs, sorted_scores in ordered.items():
            values = sorted_scores.thresholds(list(targets[vs].values()), used[vs])
            found[vs] = dict(zip(targets[vs], values, strict=True))
        iterations.append(found)
        settled = last is not None and max(_differences(last, found), default=0.0) < tolerance
        if not required or settled:
            logger.debug("working points: %d iterations", len(iterations))
            return Derivation(found, tuple(iterations), used)
    changes = Derivation(found, tuple(iterations), used).changes()[-3:]
    raise InputError(
        f"working points did not settle in {max_iterations} iterations (last changes "
        f"{', '.join(f'{change:.2g}' for change in changes if change is not None)}, allowed {tolerance:.2g}): use more taus, "
        "raise evaluation.working_points.tolerance, or drop evaluation.working_points.required"
    )


def derive_thresholds(*args: Any, **options: Any) -> Thresholds:
    """The thresholds of :func:`derive`, without their history."""
    return derive(*args, **options).thresholds
