"""Uncertainties of efficiencies, one method everywhere: Clopper-Pearson at 68%."""

from __future__ import annotations

import numpy as np

ONE_SIGMA = 0.682689492137
"""Probability content of one standard deviation."""


def effective_entries(weight: np.ndarray) -> float:
    """Number of unweighted entries with the same relative precision: (sum w)^2 / sum w^2.

    Args:
        weight: float, shape (n,), not negative.

    Returns:
        The number; 0 if there are no entries or all weights vanish.

    Examples:
        >>> effective_entries(np.array([2.0, 2.0, 2.0])), effective_entries(np.array([1.0, 0.0]))
        (3.0, 1.0)
    """
    squares = float(np.sum(np.square(weight, dtype=np.float64)))
    return float(np.sum(weight, dtype=np.float64)) ** 2 / squares if squares > 0 else 0.0


def clopper_pearson(
    efficiency: np.ndarray | float, entries: np.ndarray | float, level: float = ONE_SIGMA
) -> tuple[np.ndarray, np.ndarray]:
    """Clopper-Pearson interval of an efficiency (Biometrika 26 (1934) 404).

    With weights, ``entries`` is the effective number (see :func:`effective_entries`); the
    number of passed entries, their product, need not be an integer then.

    Args:
        efficiency: fraction that passed, broadcastable with ``entries``.
        entries: entries tried.
        level: probability content of the central interval.

    Returns:
        Lower and upper limit. Without entries nothing is known: NaN.

    Examples:
        >>> low, high = clopper_pearson(0.0, 10)
        >>> round(float(low), 3), round(float(high), 3)
        (0.0, 0.168)
    """
    from scipy.stats import beta

    efficiency, entries = np.broadcast_arrays(np.asarray(efficiency, float), np.asarray(entries, float))
    known = (entries > 0) & np.isfinite(efficiency)
    # Rounding may push a ratio of sums a hair outside of [0, 1].
    passed = np.where(known, np.clip(efficiency, 0, 1) * entries, 0.5)
    failed = np.where(known, np.clip(1 - efficiency, 0, 1) * entries, 0.5)
    tail = (1 - level) / 2
    low = np.where(passed > 0, beta.ppf(tail, np.maximum(passed, 1e-300), failed + 1), 0.0)
    high = np.where(failed > 0, beta.ppf(1 - tail, passed + 1, np.maximum(failed, 1e-300)), 1.0)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)
