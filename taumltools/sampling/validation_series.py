"""Which tests are made: every quantity in every slice, between rows, along the sample and inside of parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from taumltools.config.validation import ValidationConfig
from taumltools.sampling.validation_events import EventSample
from taumltools.sampling.validation_order import Order
from taumltools.sampling.validation_slices import ALL, Distribution, compositions, spectra, values_of
from taumltools.sampling.validation_stats import (
    INDEPENDENT,
    Result,
    Scatter,
    chi_square,
    equal_neighbours,
    kolmogorov_smirnov,
    scatter_of_events,
)
from taumltools.sampling.validation_tables import Cell, Counts

MIN_PAIRS = 25
"""Equal neighbours expected, and unequal ones, for the normal limit of their number to hold."""


@dataclass(frozen=True)
class Series:
    """The same test for several rows.

    Attributes:
        level: ``part`` (parts of the sample), ``chunk`` (chunks of a part), ``position`` (all
            chunks in a line) or ``order`` (neighbouring entries of a part).
        test: ``chi2``, ``chi2_weighted``, ``ks``, ``chi2_all`` (all rows together), ``share`` (one
            value against all others), ``equal_neighbours``, ``same_event`` or ``ascents``.
        quantity: what is compared: a branch.
        slice: among which entries, e.g. ``tauType=tau``.
        against: ``rest`` or ``next``, ``all`` for all rows together, else empty.
        part: the part that the rows belong to; empty if the rows are parts.
        rows: numbers of parts or chunks, or the values that are tested.
        result: statistics and p-values by row.
    """

    level: str
    test: str
    quantity: str
    slice: str
    against: str
    part: str
    rows: tuple[int | str, ...]
    result: Result

    @property
    def family(self) -> str:
        """Tests that share one part of the error probability, e.g. ``part: composition``."""
        if self.level not in {"part", "chunk"}:
            return self.level
        kinds = {"chi2_all": "all together", "share": "shares"}
        return f"{self.level}: {kinds.get(self.test, 'composition' if self.quantity in Cell._fields else 'spectra')}"


def compare_rows(
    counts: Counts,
    config: ValidationConfig,
    names: Mapping[int, str],
    *,
    level: str,
    part: str = "",
    together: float = 0.0,
) -> list[Series]:
    """Compare each row with the rest of its table, and with the next row.

    Args:
        counts: chunks of a part, or parts of a sample.
        config: bins and minimal numbers.
        names: names of datasets and groups by their hash.
        level: ``chunk`` or ``part``.
        part: name of the part that the chunks belong to.
        together: how far the rows hold whole events, 0 to 1, which widens what is expected
            (:func:`scatter_of_events`); 0 for chunks, whose entries were permuted.

    Returns:
        All tests; none of a single row.
    """
    found: list[Series] = []
    for entry in (*compositions(counts, names), *spectra(counts, config.weight, names)):
        scatter = _scatter(entry, config, together)
        made = {
            (test, against): result
            for against in ("rest", "next")
            for test, result in _two_samples(entry, against, counts.weighted, config, scatter)
        }
        made["chi2_all", ALL] = _all_rows(entry, config, scatter)
        for (test, against), result in made.items():
            rows = (ALL,) * len(result.p) if against == ALL else tuple(range(len(result.p)))
            found.append(Series(level, test, entry.quantity, entry.slice, against, part, rows, result))
        if level == "part":
            found += _shares(entry, config, scatter)
    return found


def _scatter(entry: Distribution, config: ValidationConfig, together: float) -> Scatter:
    """How counts scatter between rows; planned shares do so less than independent entries, whatever the events."""
    planned = config.planned_shares and entry.quantity in {"dataset_id", "dataset_group_id"}
    if not together or planned:
        return INDEPENDENT
    return scatter_of_events(entry.buckets, config.max_bins).diluted(together)


def _pairs(counts: np.ndarray, against: str) -> np.ndarray:
    """Each row and what it is compared with, shape (tests, 2, bins); of two rows only one comparison is left."""
    if len(counts) < 2 or (len(counts) == 2 and against == "next"):
        return counts[:0, None].repeat(2, axis=1)
    if against == "next":
        return np.stack([counts[:-1], counts[1:]], axis=1)
    first = counts[:1] if len(counts) == 2 else counts
    return np.stack([first, counts.sum(0) - first], axis=1)


def _two_samples(
    entry: Distribution, against: str, weighted: bool, config: ValidationConfig, scatter: Scatter
) -> Iterator[tuple[str, Result]]:
    pairs, most = _pairs(entry.counts, against), math.inf if entry.values else config.max_bins
    yield "chi2", chi_square(pairs, config.min_expected, most, scatter)
    if not entry.values:
        yield "ks", kolmogorov_smirnov(pairs[:, 0], pairs[:, 1], config.min_entries, scatter)
    if weighted and entry.quantity != config.weight:
        yield "chi2_weighted", _weighted(entry, against, config, most, scatter)


def _weighted(entry: Distribution, against: str, config: ValidationConfig, most: float, scatter: Scatter) -> Result:
    """The same for sums of weights: scaled to the numbers of unweighted entries that scatter as much.

    Source:
        G. Bohm and G. Zech, Nucl. Instrum. Meth. A 748 (2014) 1.
    """
    total = entry.weights.sum(0)
    scale = np.divide(total, entry.squares, out=np.zeros_like(total), where=entry.squares > 0)
    pairs = _pairs(entry.weights * scale, against)
    if (pairs < 0).any():
        return Result.untested(len(pairs))
    return chi_square(pairs, config.min_expected, most, scatter)


def _all_rows(entry: Distribution, config: ValidationConfig, scatter: Scatter) -> Result:
    """All rows in one table, which sees drifts too slow for any single row; rows of unusual size are left out."""
    size = entry.counts.sum(1)
    rows = np.flatnonzero(size >= 0.5 * np.median(size[size > 0])) if size.any() else np.zeros(0, np.int64)
    table = entry.counts[rows]
    if len(table) < 3:  # two rows are one pair, which is tested anyway
        return Result.untested(0)
    return chi_square(table[None], config.min_expected, math.inf if entry.values else config.max_bins, scatter)


def _shares(entry: Distribution, config: ValidationConfig, scatter: Scatter) -> Iterator[Series]:
    """Each value against all others: what a change of one of many values needs to be seen."""
    if len(entry.values) < 3 or entry.slice != ALL:
        return
    for number, value in enumerate(entry.values):
        share = np.stack([entry.counts[:, number], entry.counts.sum(1) - entry.counts[:, number]], axis=1)
        result = chi_square(_pairs(share, "rest"), config.min_expected, math.inf, scatter)
        where, rows = f"{entry.quantity}={value}", tuple(range(len(result.p)))
        yield Series("part", "share", entry.quantity, where, "rest", "", rows, result)


def compare_positions(
    counts: Counts, rows: np.ndarray, config: ValidationConfig, names: Mapping[int, str], together: float
) -> list[Series]:
    """Where in the sample the entries of each value are, against all others.

    This is the Kolmogorov-Smirnov test of dataset, group, truth type and sample type: along
    the sample, since their values have no order.

    Args:
        counts: counts of the sample (for its events).
        rows: entries by chunk (all parts in a line) and cell, shape (chunks, cells).
        config: minimal numbers.
        names: names of datasets and groups by their hash.
        together: as for :func:`compare_rows`.

    Returns:
        One series per quantity.
    """
    found = []
    for entry in compositions(counts, names):
        if entry.slice != ALL:
            continue
        values = values_of(counts.cells, entry.quantity, names)
        first = np.stack([rows[:, values[name]].sum(1) for name in entry.values])
        first, order = (first[:1], entry.values[:1]) if len(first) == 2 else (first, entry.values)
        scatter = _scatter(entry, config, together)
        result = kolmogorov_smirnov(first, rows.sum(1) - first, config.min_entries, scatter)
        found.append(Series("position", "ks", entry.quantity, ALL, "rest", "", order, result))
    return found


def compare_order(order: Order, events: EventSample, part: str) -> list[Series]:
    """Compare the neighbours in a part with those of a random permutation.

    Args:
        order: what was counted.
        events: some of its events.
        part: name of the part.

    Returns:
        Equal neighbours (both sides), neighbours from one event (too many), rising event
        numbers (both sides); the latter two within each dataset.
    """
    if not len(order.entries):
        return []
    labels = {"dataset_id": order.datasets, "tauType": order.types, "cell": np.arange(len(order.entries))}
    made = [
        ("equal_neighbours", name, _equal(order.equal[name], np.bincount(numbers, order.entries)))
        for name, numbers in labels.items()
        if numbers.any()
    ]
    of_dataset = np.bincount(order.datasets, order.entries)
    pairs = events.sizes * (events.sizes - 1.0) / of_dataset[order.datasets[events.cells]]
    made.append(("same_event", "evt", _same_event(order, float(pairs.sum()) / events.fraction)))
    made.append(("ascents", "evt", _ascents(order, of_dataset)))
    return [Series("order", test, quantity, ALL, "", part, (0,), result) for test, quantity, result in made]


def _normal(found: float, mean: float, variance: float) -> Result:
    from scipy.special import erfc

    z = (found - mean) / np.sqrt(variance)
    return Result(np.array([z]), np.zeros(1, np.int64), np.array([erfc(abs(z) / np.sqrt(2))]))


def _equal(found: int, sizes: np.ndarray) -> Result:
    mean, variance = equal_neighbours(sizes) if sizes.sum() > 1 else (0.0, 0.0)
    if min(mean, sizes.sum() - 1 - mean) < MIN_PAIRS or variance <= 0:
        return Result.untested(1)
    return _normal(found, mean, variance)


def _same_event(order: Order, mean: float) -> Result:
    """Too many neighbours from one event; their number is Poisson where it is small against all."""
    from scipy.special import gammainc

    if order.steps < MIN_PAIRS or mean > order.steps / 20:
        return Result.untested(1)
    p = gammainc(order.same_event, mean) if order.same_event else 1.0
    return Result(np.array([float(order.same_event)]), np.zeros(1, np.int64), np.array([float(p)]))


def _ascents(order: Order, of_dataset: np.ndarray) -> Result:
    """Rises of a random permutation of n different numbers: mean (n - 1) / 2, variance (n + 1) / 12."""
    pairs = order.steps - order.same_event
    if pairs < 2 * MIN_PAIRS:
        return Result.untested(1)
    return _normal(order.ascents, pairs / 2, float((of_dataset + 1).sum() / 12))
