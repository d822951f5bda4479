"""How candidates are accepted: at random, by exact quota, or all of them with weights."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from taumltools.eventhash import GOLDEN, mix
from taumltools.sampling.acceptance import AcceptancePlan

ROUNDS = 6
"""Of the network that permutes; four are enough for a permutation that tests cannot tell from a random one."""


class Method(Protocol):
    """Decides about candidates of one group and type that lie inside of the edges."""

    def keep(self, tau_type: str, bins: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Which candidates are accepted.

        Args:
            tau_type: truth type name.
            bins: flat numbers of their bins, int64, shape (n,), in the order of the files.
            u: a random number of each, uniform in [0, 1).

        Returns:
            bool, shape (n,).
        """
        ...


class Spectral:
    """Accepts each candidate with its probability q · P."""

    def __init__(self, plan: AcceptancePlan, group: str) -> None:
        part = plan.groups[group]
        self._probability = {t: (part.type_probability[t] * p).ravel() for t, p in part.acceptance.items()}

    def keep(self, tau_type: str, bins: np.ndarray, u: np.ndarray) -> np.ndarray:
        """See :class:`Method`."""
        return u < self._probability[tau_type][bins]


class Weighted:
    """Accepts all; :func:`training_weight` says how much each counts."""

    def keep(self, tau_type: str, bins: np.ndarray, u: np.ndarray) -> np.ndarray:  # noqa: ARG002 - the protocol
        """See :class:`Method`."""
        return np.ones(len(bins), bool)


def training_weight(plan: AcceptancePlan, group: str, tau_type: str) -> np.ndarray:
    """Weight of a candidate that stands for its acceptance: q · P, on average 1 over the sample.

    Args:
        plan: the plan.
        group: name of the group.
        tau_type: truth type name.

    Returns:
        By bin, float32, shape (pt bins * eta bins,).
    """
    part = plan.groups[group]
    weight = part.type_probability[tau_type] * part.acceptance[tau_type] / plan.mean_probability
    return weight.ravel().astype(np.float32)


class Quota:
    """Accepts exactly K of the n candidates of a bin, whatever the parts.

    The n candidates of a type and bin are numbered in the order of the files; a pseudo-random
    permutation of the numbers 0 .. n - 1, which follows from seed, group, type and bin alone,
    decides: those that it sends below K are accepted.  So a part decides about its own range
    without knowing the others, every candidate has the same chance, and all parts together
    take exactly K.
    """

    def __init__(self, plan: AcceptancePlan, group: str, before: Mapping[str, np.ndarray], seed: int) -> None:
        """Prepare for one range.

        Args:
            plan: the plan.
            group: name of the group.
            before: by type the candidates of each bin before the range, int64, shape (bins,).
            seed: the same for all parts.
        """
        part = plan.groups[group]
        self._counts = {t: part.counts[t].ravel() for t in part.acceptance}
        self._quota = {t: part.quota(t).ravel() for t in part.acceptance}
        self._next = {t: np.array(before[t], np.int64) for t in part.acceptance}
        self._key = {t: (seed << 32) ^ zlib.crc32(f"{group}/{t}".encode()) for t in part.acceptance}

    def keep(self, tau_type: str, bins: np.ndarray, u: np.ndarray) -> np.ndarray:  # noqa: ARG002 - the protocol
        """See :class:`Method`; calls must follow the order of the files."""
        rank = self._next[tau_type][bins] + rank_within(bins)
        self._next[tau_type] += np.bincount(bins, minlength=len(self._next[tau_type]))
        n, quota = self._counts[tau_type][bins], self._quota[tau_type][bins]
        known = rank < n
        out = np.zeros(len(bins), bool)
        out[known] = permuted(rank[known], n[known], bins[known], self._key[tau_type]) < quota[known]
        return out


def rank_within(bins: np.ndarray) -> np.ndarray:
    """How many earlier entries have the same number.

    Args:
        bins: int, shape (n,).

    Returns:
        int64, shape (n,).

    Examples:
        >>> rank_within(np.array([3, 1, 3, 3, 1])).tolist()
        [0, 0, 1, 2, 1]
    """
    order = np.argsort(bins, kind="stable")
    ordered = bins[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(bins) else np.zeros(0, int)
    sizes = np.diff(np.append(starts, len(bins)))
    out = np.empty(len(bins), np.int64)
    out[order] = np.arange(len(bins)) - np.repeat(starts, sizes)
    return out


def permuted(numbers: np.ndarray, sizes: np.ndarray, streams: np.ndarray, key: int) -> np.ndarray:
    """Pseudo-random permutations: where each number goes among 0 .. size - 1.

    A Feistel network permutes the numbers of the next power of four; a result outside of the
    range is permuted again until it is inside (cycle walking), which leaves a permutation of
    the range.

    Args:
        numbers: int64, shape (n,), 0 <= number < size.
        sizes: int64, shape (n,).
        streams: int64, shape (n,): numbers of the same size and stream are permuted together.
        key: chooses the permutations.

    Returns:
        int64, shape (n,).

    Source:
        Black and Rogaway, "Ciphers with arbitrary finite domains" (2002), for the method; the round
        function is the finaliser of splitmix64 (Steele, Lea and Flood 2014).

    Examples:
        >>> same = np.zeros(7, np.int64)
        >>> sorted(permuted(np.arange(7), same + 7, same, key=1).tolist())
        [0, 1, 2, 3, 4, 5, 6]
    """
    half = (np.ceil(np.log2(np.maximum(sizes, 1))).astype(np.uint64) + np.uint64(1)) // np.uint64(2)
    half = np.where(np.uint64(1) << (np.uint64(2) * half) < sizes.astype(np.uint64), half + np.uint64(1), half)
    keys = mix(np.uint64(key & 0xFFFFFFFFFFFFFFFF) ^ (streams.astype(np.uint64) << np.uint64(40)))
    out = np.asarray(numbers).astype(np.uint64)
    outside = np.arange(len(out))
    while len(outside):
        out[outside] = _feistel(out[outside], half[outside], keys[outside])
        outside = outside[out[outside] >= sizes[outside].astype(np.uint64)]
    return out.astype(np.int64)


def _feistel(x: np.ndarray, half: np.ndarray, keys: np.ndarray) -> np.ndarray:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = x >> half, x & mask
    for turn in range(ROUNDS):
        with np.errstate(over="ignore"):
            mixed = mix(keys + right * GOLDEN + np.uint64(turn * 0x2545F4914F6CDD1D))
        left, right = right, left ^ ((mixed >> np.uint64(20)) & mask)
    return (left << half) | right
