"""The order in which the CMS ShuffleMerge writes entries, draw by draw."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from taumltools.sampling.legacy_stream import LegacyStream

_BLOCK = 10_000
_BITS = 64


def legacy_places(quotas: Sequence[Sequence[int]], *, stop_early: bool, draws: LegacyDraws) -> list[list[np.ndarray]]:
    """Where every entry of every source goes.

    For each entry a bin is drawn in proportion to the sizes that the bins have at the start,
    again if it is exhausted by now; then a source of the bin likewise.  The source's next
    entry follows.

    Args:
        quotas: entries by bin and source, in the order of the CMS tool.
        stop_early: end with the entry that exhausts the first bin (``--ensure-uniformity``).
        draws: random numbers; later outputs of the same call of the tool go on with them.

    Returns:
        By bin and source the places of its first, second ... entry, int64, ascending; fewer than
        the quota with ``stop_early``.

    Examples:
        >>> places = legacy_places([[2], [1, 1]], stop_early=False, draws=LegacyDraws(LegacyStream()))
        >>> sorted(place for sources in places for part in sources for place in part.tolist())
        [0, 1, 2, 3]
    """
    bins = [i for i, sources in enumerate(quotas) if sum(sources)]
    top = _Urn([sum(quotas[i]) for i in bins])
    urns = [_Urn(quotas[i]) for i in bins]
    order: list[tuple[int, int]] = []
    while top.left:
        position = top.draw(draws)
        order.append((bins[position], urns[position].draw(draws)))
        if stop_early and not top.counts[position]:
            break
    places: list[list[list[int]]] = [[[] for _ in sources] for sources in quotas]
    for place, (i, j) in enumerate(order):
        places[i][j].append(place)
    return [[np.array(part, np.int64) for part in sources] for sources in places]


class LegacyDraws:
    """``std::uniform_int_distribution`` one draw at a time."""

    def __init__(self, stream: LegacyStream) -> None:
        """Draw from a stream."""
        self._raw = _one_by_one(stream)

    def integer(self, count: int) -> int:
        """The next integer of [0, count - 1].

        Examples:
            >>> draws = LegacyDraws(LegacyStream())
            >>> [draws.integer(100) for _ in range(5)]
            [98, 76, 65, 5, 8]
        """
        bias = 2**_BITS % count
        while True:
            product = next(self._raw) * count
            if product & (2**_BITS - 1) >= bias:
                return product >> _BITS


class _Urn:
    """Numbers of entries from which one is drawn in proportion to what was there at the start."""

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = list(counts)
        self.left = sum(counts)
        self._total = self.left
        self._ends = list(itertools.accumulate(counts))

    def draw(self, draws: LegacyDraws) -> int:
        while True:
            position = bisect_right(self._ends, draws.integer(self._total))
            if self.counts[position]:
                self.counts[position] -= 1
                self.left -= 1
                return position


def _one_by_one(stream: LegacyStream) -> Iterator[int]:
    while True:
        yield from stream.raw(_BLOCK).tolist()
