"""Which events are trained on and which validate: decided by the event, not by the file."""

from __future__ import annotations

import numpy as np


def event_hash(run: np.ndarray, lumi: np.ndarray, evt: np.ndarray) -> np.ndarray:
    """A well-mixed 64-bit number per event, the same on every machine.

    Args:
        run: run numbers, integers, shape (n,).
        lumi: luminosity sections, integers, shape (n,).
        evt: event numbers, integers, shape (n,).

    Returns:
        uint64, shape (n,).

    Examples:
        >>> one = np.ones(2, np.uint64)
        >>> a, b = event_hash(one, one, np.uint64([7, 7]))
        >>> bool(a == b)
        True
    """
    state = np.zeros(len(evt), np.uint64)
    for number in (run, lumi, evt):
        state = _mix(state ^ number.astype(np.uint64))
    return state


def _mix(value: np.ndarray) -> np.ndarray:
    """One step of SplitMix64 (Steele, Lea, Flood 2014); arithmetic is modulo 2**64 on purpose."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def is_validation(run: np.ndarray, lumi: np.ndarray, evt: np.ndarray, fraction: float) -> np.ndarray:
    """True for events of the validation sample.

    All tau candidates of one event fall on the same side, in every file and every job.

    Args:
        run: run numbers, shape (n,).
        lumi: luminosity sections, shape (n,).
        evt: event numbers, shape (n,).
        fraction: share of events in the validation sample, 0 to 1.

    Returns:
        bool, shape (n,).
    """
    return event_hash(run, lumi, evt) < np.uint64(min(int(fraction * 2.0**64), 2**64 - 1))
