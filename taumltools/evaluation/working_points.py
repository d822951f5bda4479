"""Working points: thresholds for given genuine-tau efficiencies, and what they achieve.

Thresholds are derived on one part of the events and reported on the other, so that the
efficiencies that are quoted are not the ones that were asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from taumltools.errors import InputError
from taumltools.evaluation.intervals import clopper_pearson, effective_entries

logger = logging.getLogger(__name__)


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
    if len(score) == 0:
        raise InputError("a working point needs genuine taus, found none: check the cuts and the pt range")
    order = np.argsort(-score)
    ordered = score[order]
    sums = np.cumsum(np.ones(len(score)) if weight is None else weight[order], dtype=np.float64)
    # Index of the last score that has to pass; the tolerance undoes rounding of the sums.
    last = int(np.searchsorted(sums, target * sums[-1] * (1 - 1e-12)))
    failing = ordered[ordered < ordered[min(last, len(ordered) - 1)]]
    return float(failing[0]) if len(failing) else float(np.nextafter(ordered[-1], ordered.dtype.type(-np.inf)))


def derive_thresholds(
    scores: Mapping[str, np.ndarray],
    targets: Mapping[str, Mapping[str, float]],
    weight: np.ndarray | None = None,
    required: Mapping[str, str] | None = None,
    *,
    tolerance: float = 1e-5,
    max_iterations: int = 100,
) -> dict[str, dict[str, float]]:
    """Thresholds of all working points from genuine taus.

    With ``required``, efficiencies are those of taus that also pass the required points of the
    other types. As these move with each other, all types are updated together until no
    threshold changes by more than ``tolerance``.

    Args:
        scores: fake type to scores of the same genuine taus, shape (n,).
        targets: fake type to working point to efficiency.
        weight: float, shape (n,); equal weights if left out.
        required: fake type to the working point the other types require.
        tolerance: largest change of a threshold that counts as converged.
        max_iterations: most updates.

    Returns:
        Fake type to working point to threshold, in the order of ``targets``.

    Raises:
        InputError: no taus, or no convergence.
    """
    required = {vs: name for vs, name in (required or {}).items() if vs in scores}
    thresholds: dict[str, dict[str, float]] = {}
    for iteration in range(max_iterations):
        updated = {}
        for vs, score in scores.items():
            passed = np.ones(len(score), bool)
            for other, name in required.items():
                if other != vs and thresholds:
                    passed &= scores[other] > thresholds[other][name]
            used = None if weight is None else weight[passed]
            updated[vs] = {name: threshold_at(score[passed], t, used) for name, t in targets.get(vs, {}).items()}
        changes = [abs(updated[v][n] - thresholds[v][n]) for v in thresholds for n in thresholds[v]]
        thresholds = updated
        if not required or (changes and max(changes) < tolerance):
            logger.debug("working points: %d iterations", iteration + 1)
            return thresholds
    raise InputError(
        f"working points did not settle in {max_iterations} iterations (last change {max(changes):.2g}, "
        f"allowed {tolerance:.2g}): use more taus, or drop evaluation.working_points.required"
    )
