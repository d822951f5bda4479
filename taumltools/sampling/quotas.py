"""How many entries each source gives to a bin, and what each bin weighs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taumltools.errors import ConfigError

MAX_WEIGHT_RATIO = 1e7
"""Weights that differ by this factor or more are refused: float32 sums over them lose the small ones."""


@dataclass(frozen=True)
class Source:
    """What one source has for one bin.

    Attributes:
        name: of the source.
        weight: > 0, its share relative to the other sources.
        entries: entries it has.
    """

    name: str
    weight: float
    entries: int


def effective_size(entries: int, max_occupancy: int | None) -> int:
    """Entries of a bin that are used: all, or as many as allowed.

    Examples:
        >>> effective_size(1000, 600), effective_size(1000, None)
        (600, 1000)
    """
    return entries if max_occupancy is None else min(entries, max_occupancy)


def source_quotas(sources: Sequence[Source], effective: int) -> dict[str, int]:
    """Share the entries of a bin among its sources.

    The rule of the CMS tool: in each pass, sources that still have entries get, one after the
    other, ceil(missing · w / Σw), but not more than they have left or than is still missing.
    They come in the order of weight (largest first), entries (fewest first) and name.  Passes
    are repeated until nothing is missing.

    Args:
        sources: the sources of the bin.
        effective: entries to share, not more than they have together.

    Returns:
        Entries by source; they add up to ``effective``.

    Raises:
        ConfigError: ``effective`` is more than the sources have.

    Examples:
        >>> source_quotas([Source("a", 2, 1000), Source("b", 1, 100)], 600)
        {'a': 500, 'b': 100}
    """
    if effective > sum(source.entries for source in sources):
        raise ConfigError(f"{effective} entries were asked of sources that have {[s.entries for s in sources]}")
    left = {source.name: source.entries for source in sources}
    quotas = dict.fromkeys(left, 0)
    missing = effective
    ordered = sorted(sources, key=lambda source: (-source.weight, source.entries, source.name))
    while missing:
        available = [source for source in ordered if left[source.name]]
        total, wanted = sum(source.weight for source in available), missing
        for source in available:
            given = min(math.ceil(wanted * source.weight / total), left[source.name], missing)
            quotas[source.name] += given
            left[source.name] -= given
            missing -= given
    return quotas


def spread(entries: Sequence[int], quota: int) -> list[int]:
    """The same share of every file of a source.

    Args:
        entries: entries of each file.
        quota: entries to take in total.

    Returns:
        Entries to take of each file; they add up to ``quota``, none is more than the file has,
        and each is its exact share rounded up or down.

    Examples:
        >>> spread([100, 50, 50], 101)
        [50, 25, 26]
    """
    total, before, taken = sum(entries), 0, 0
    shares: list[int] = []
    for size in entries:
        before += size
        shares.append(quota * before // total - taken if total else 0)
        taken += shares[-1]
    return shares


def first_ones(entries: Sequence[int], quota: int) -> list[int]:
    """The first entries of a source, file after file, as the CMS tool takes them.

    Examples:
        >>> first_ones([100, 50, 50], 101)
        [100, 1, 0]
    """
    shares: list[int] = []
    for size in entries:
        shares.append(min(size, quota - sum(shares)))
    return shares


def training_weights(effective: Mapping[str, int], *, skip_empty: bool = False) -> dict[str, float]:
    """Weight of an entry of each bin: 1 / bins / entries of the bin.

    Args:
        effective: entries used, by bin.
        skip_empty: leave bins without entries out instead of refusing them.

    Returns:
        Weights by bin that has entries; summed over all entries they make 1.

    Raises:
        ConfigError: a bin is empty, or the weights differ by a factor of 10^7 or more.

    Examples:
        >>> training_weights({"a": 100, "b": 50})
        {'a': 0.005, 'b': 0.01}
    """
    empty = [name for name, entries in effective.items() if not entries]
    if empty and not skip_empty:
        raise ConfigError(
            f"{len(empty)} of {len(effective)} bins have no entries, e.g. {', '.join(empty[:3])}, and trainingWeight "
            "would leave them out; choose wider bins, add candidates, or set skip_empty_bins: true for this step"
        )
    used = {name: entries for name, entries in effective.items() if entries}
    weights = {name: 1.0 / len(used) / entries for name, entries in used.items()}
    if weights and max(weights.values()) >= MAX_WEIGHT_RATIO * min(weights.values()):
        least, most = min(used, key=lambda name: used[name]), max(used, key=lambda name: used[name])
        raise ConfigError(
            f"trainingWeight differs by a factor of 10^7 or more between '{least}' ({used[least]} entries) and '{most}' "
            f"({used[most]}); set max_bin_occupancy, or choose bins that are filled more evenly"
        )
    return weights
