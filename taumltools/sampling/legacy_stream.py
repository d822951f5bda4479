"""The random numbers of the CMS tools: engines and distributions of the C++ library of GCC, draw by draw.

The engines are those of Matsumoto and Nishimura (doi:10.1145/272991.272995) and, with 64 bits,
Nishimura (doi:10.1145/369534.369540), as ``std::mt19937`` and ``std::mt19937_64``.  The C++
standard fixes them, but not the distributions; these are libstdc++'s, of GCC 11 or newer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DEFAULT_SEED = 1234567
"""Seed of ShuffleMerge and ShuffleMergeSpectral, the same for every job."""

SIEVE_SEED = 12345
"""Seed of the thinning of low-pt fakes in the producer."""

_N, _M = 312, 156
_MATRIX = np.uint64(0xB5026F5AA96619E9)
_UPPER, _LOWER = np.uint64(0xFFFFFFFF80000000), np.uint64(0x7FFFFFFF)
_TEMPERING = ((17, 0x71D67FFFEDA60000), (37, 0xFFF7EEE000000000))
_ONE = np.uint64(1)
_BELOW_ONE = np.nextafter(1.0, 0.0)


class LegacyStream:
    """``std::mt19937_64`` and what libstdc++ makes of its numbers.

    Examples:
        >>> stream = LegacyStream(1234567)
        >>> stream.raw(3).tolist()
        [18172760479972437302, 14149568821422186474, 12104403404723486933]
        >>> LegacyStream(1234567).uniform(2).tolist()
        [0.9851473196222418, 0.7670496627959547]
    """

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        """Seed the engine with an integer, 0 <= seed < 2^64."""
        state = [seed % 2**64]
        for i in range(1, _N):
            state.append((6364136223846793005 * (state[-1] ^ (state[-1] >> 62)) + i) % 2**64)
        self._state = np.array(state, np.uint64)
        self._ready = np.empty(0, np.uint64)

    def raw(self, n: int) -> np.ndarray:
        """The next n numbers of the engine, uint64, shape (n,)."""
        parts, missing = [self._ready], n - len(self._ready)
        while missing > 0:
            parts.append(self._next_block())
            missing -= _N
        numbers = np.concatenate(parts) if len(parts) > 1 else parts[0]
        self._ready = numbers[n:]
        return numbers[:n]

    def _next_block(self) -> np.ndarray:
        """Renew the state; the second half of it depends on the new first half."""
        state = self._state
        for first, last, other in ((0, _M, _M), (_M, _N - 1, 0), (_N - 1, _N, _M - 1)):
            following = state[first + 1 : last + 1] if last < _N else state[:1]
            mixed = (state[first:last] & _UPPER) | (following & _LOWER)
            twisted = (mixed >> _ONE) ^ ((mixed & _ONE) * _MATRIX)
            state[first:last] = state[other : other + last - first] ^ twisted
        numbers = state ^ ((state >> np.uint64(29)) & np.uint64(0x5555555555555555))
        for shift, mask in _TEMPERING:
            numbers ^= (numbers << np.uint64(shift)) & np.uint64(mask)
        return numbers ^ (numbers >> np.uint64(43))

    def uniform(self, n: int) -> np.ndarray:
        """The next n values of ``std::uniform_real_distribution<double>(0, 1)``, float64, shape (n,)."""
        return _below_one(self.raw(n).astype(np.float64) / 2.0**64)

    def discrete(self, cumulative: np.ndarray, n: int) -> np.ndarray:
        """The next n values of ``std::discrete_distribution``.

        Args:
            cumulative: from :func:`cumulative_probabilities`; with a single one no number is drawn.
            n: how many.

        Returns:
            Indices, int64, shape (n,).

        Examples:
            >>> LegacyStream().discrete(cumulative_probabilities([1, 2, 3]), 8).tolist()
            [2, 2, 2, 0, 0, 0, 1, 1]
        """
        if len(cumulative) < 2:
            return np.zeros(n, np.int64)
        return np.searchsorted(cumulative, self.uniform(n), side="left")

    def integers(self, count: int, n: int) -> np.ndarray:
        """The next n values of ``std::uniform_int_distribution(0, count - 1)``, as of GCC 11.

        The value is the upper half of ``raw · count``; a number whose lower half is below
        2^64 mod ``count`` is skipped (Lemire, doi:10.1145/3230636).

        Args:
            count: number of values, 1 <= count < 2^64.
            n: how many.

        Returns:
            uint64, shape (n,).

        Examples:
            >>> LegacyStream().integers(100, 5).tolist()
            [98, 76, 65, 5, 8]
        """
        bias = np.uint64(2**64 % count)
        parts, missing = [np.empty(0, np.uint64)], n
        while missing:
            high, low = _product(self.raw(missing), count)
            parts.append(high[low >= bias])
            missing -= len(parts[-1])
        return np.concatenate(parts)


def cumulative_probabilities(weights: Sequence[float]) -> np.ndarray:
    """Cumulative probabilities as ``std::discrete_distribution`` computes them.

    Args:
        weights: at least one above 0.

    Returns:
        float64, same length, the last one exactly 1; summed one after the other, since the last bit counts.

    Examples:
        >>> cumulative_probabilities([1, 1, 2]).tolist()
        [0.25, 0.5, 1.0]
    """
    values = np.asarray(weights, np.float64)
    cumulative = np.cumsum(values / np.cumsum(values)[-1])
    cumulative[-1] = 1.0
    return cumulative


def _product(numbers: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower 64 bits of a product of 128 bits."""
    half, mask = np.uint64(32), np.uint64(0xFFFFFFFF)
    a, b = numbers >> half, numbers & mask
    c, d = np.uint64(factor >> 32), np.uint64(factor & 0xFFFFFFFF)
    middle = a * d + (b * d >> half)
    inner = b * c + (middle & mask)
    return a * c + (middle >> half) + (inner >> half), numbers * np.uint64(factor)


def _below_one(values: np.ndarray) -> np.ndarray:
    """Values that were rounded up to 1 become the largest number below, as in libstdc++."""
    return np.minimum(values, _BELOW_ONE)


def sieve_uniform(n: int, seed: int = SIEVE_SEED) -> np.ndarray:
    """The first n values of ``uniform_real_distribution<double>(0, 1)`` with the 32-bit engine ``std::mt19937``.

    Two draws a and b make one value (a + b · 2^32) / 2^64.  The producer's thinning of low-pt
    fakes draws from it.

    Args:
        n: how many.
        seed: seed of the engine, 0 <= seed < 2^32.

    Returns:
        float64, shape (n,).

    Examples:
        >>> sieve_uniform(2).tolist()
        [0.8901547132827379, 0.13070729405534817]
    """
    engine = np.random.MT19937()
    engine._legacy_seeding(seed)  # the seeding that std::mt19937 has
    draws = engine.random_raw(2 * n).astype(np.float64)
    return _below_one((draws[0::2] + draws[1::2] * 2.0**32) / 2.0**64)
