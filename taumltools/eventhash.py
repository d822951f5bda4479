"""Numbers that look random and follow from an event alone: the same on every machine, in every file and every job."""

from __future__ import annotations

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""What SplitMix64 adds before each mixing: 2**64 over the golden ratio."""


def mix(numbers: np.ndarray) -> np.ndarray:
    """Mix the bits of numbers, one to one; arithmetic is modulo 2**64 on purpose.

    Args:
        numbers: uint64, any shape.

    Returns:
        uint64, the same shape.

    References:
        The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).

    Examples:
        >>> [hex(number) for number in mix(np.uint64([0, GOLDEN])).tolist()]
        ['0x0', '0xe220a8397b1dcdaf']
    """
    with np.errstate(over="ignore"):
        numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def event_hash(run: np.ndarray, lumi: np.ndarray, evt: np.ndarray) -> np.ndarray:
    """A well-mixed 64-bit number per event.

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
        state = mix((state ^ np.asarray(number).astype(np.uint64)) + GOLDEN)
    return state


def in_first_part(run: np.ndarray, lumi: np.ndarray, evt: np.ndarray, fraction: float) -> np.ndarray:
    """Split events in two: all tau candidates of one event fall on the same side.

    The split neither depends on the order of files nor follows the parity of event numbers.

    Args:
        run: run numbers, integers, shape (n,).
        lumi: luminosity sections, integers, shape (n,).
        evt: event numbers, integers, shape (n,).
        fraction: fraction of events in the first part, 0 to 1.

    Returns:
        bool, shape (n,).

    Examples:
        >>> one = np.ones(1000, np.int64)
        >>> part = in_first_part(one, one, np.arange(1000), 0.5)
        >>> 450 < int(part.sum()) < 550
        True
    """
    return event_hash(run, lumi, evt) < np.uint64(min(int(fraction * 2.0**64), 2**64 - 1))
