"""The statistics of the validation: two-sample tests of counts, all rows of a table at once.

Everything here is about one null hypothesis: the entries were put into rows (parts, or chunks
of a part) at random.  Then each pair of samples has the same parent, and p-values are uniform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

DISCRETE = 0.5826
"""-ζ(1/2)/√(2π): how far a random walk overshoots a border between two looks, in units of its step."""


@dataclass(frozen=True)
class Result:
    """Tests of several pairs of samples.

    Attributes:
        statistic: float64, shape (tests,).
        ndf: int64, shape (tests,): degrees of freedom, 0 where there are none to speak of.
        p: float64, shape (tests,): p-values; NaN where there are too few entries for a test.
    """

    statistic: np.ndarray
    ndf: np.ndarray
    p: np.ndarray

    @staticmethod
    def untested(size: int) -> Result:
        """Results of tests that were not made."""
        return Result(np.full(size, np.nan), np.zeros(size, np.int64), np.full(size, np.nan))


@dataclass(frozen=True)
class Scatter:
    """By how much counts scatter more than those of independent entries.

    Attributes:
        effect: the factor in the variance (the design effect of survey statistics).
        ndf: degrees of freedom that it was estimated with; infinite if it is known.
    """

    effect: float = 1.0
    ndf: float = math.inf

    def diluted(self, together: float) -> Scatter:
        """The same where only some candidates of an event stay together.

        Args:
            together: 0 (each candidate by itself) to 1 (whole events).
        """
        if not together:
            return INDEPENDENT
        effect = 1 + together * (self.effect - 1)
        return Scatter(effect, self.ndf * (effect / (together * self.effect)) ** 2)


INDEPENDENT = Scatter()
"""Entries that come by themselves."""


def merge_starts(counts: np.ndarray, target: float) -> np.ndarray:
    """First bins of groups of neighbouring bins that hold at least ``target`` each.

    Args:
        counts: contents of bins, shape (n,).
        target: least content of a group, above zero.

    Returns:
        int64, increasing from 0, to be handed to ``np.add.reduceat``; one group if there is
        not enough for two.

    Examples:
        >>> merge_starts(np.array([5, 1, 1, 9, 2, 8, 1]), 5)
        array([0, 1, 4])
    """
    sums = np.cumsum(counts, dtype=np.float64)
    starts, done = [0], 0.0
    while sums[-1] - done >= 2 * target:
        last = int(np.searchsorted(sums, done + target))
        while sums[last] - done < target:  # done + target is rounded
            last += 1
        done = float(sums[last])
        if sums[-1] - done < target:
            break
        starts.append(last + 1)
    return np.array(starts, np.int64)


def likelihood_ratio(tables: np.ndarray, scatter: Scatter = INDEPENDENT) -> Result:
    """Chi-square test of homogeneity, as a likelihood ratio with Williams' correction.

    Pearson's form has the same limit, but its far tail, where thresholds are, is less exact
    where few entries are expected (docs/validation.md).

    Args:
        tables: contents of bins of the samples to compare, shape (tests, samples, bins), not negative.
        scatter: how counts scatter.

    Returns:
        The statistic G / (q · effect) and its p-value, from an F distribution if the effect was
        estimated; untested with one filled bin or an empty sample.

    Source:
        D. A. Williams, Biometrika 63 (1976) 33; J. N. K. Rao and A. J. Scott, Ann. Statist. 12
        (1984) 46 for the division by the design effect.

    Examples:
        >>> same = likelihood_ratio(np.array([[[10, 20, 30], [100, 200, 300]]]))
        >>> same.p.round(6).tolist(), same.ndf.tolist()
        ([1.0], [2])
    """
    from scipy.special import chdtrc, fdtrc, xlogy

    tables = tables.astype(np.float64)
    rows, columns = tables.sum(2), tables.sum(1)
    total, filled = rows.sum(1), (columns > 0).sum(1) - 1
    good = (filled > 0) & (rows > 0).all(1)
    ndf = np.where(good, filled * (tables.shape[1] - 1), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = xlogy(tables, tables).sum((1, 2)) - xlogy(rows, rows).sum(1) - xlogy(columns, columns).sum(1)
        spread = [total * (1 / x).sum(1, where=x > 0) - 1 for x in (rows, columns)]
        correction = 1 + spread[0] * spread[1] / (6 * total * ndf)
        statistic = np.maximum(2 * (logs + xlogy(total, total)), 0) / (correction * scatter.effect)
    statistic, some = np.where(good, statistic, np.nan), np.maximum(ndf, 1)
    p = chdtrc(some, statistic) if math.isinf(scatter.ndf) else fdtrc(some, scatter.ndf, statistic / some)
    return Result(statistic, ndf, np.where(good, p, np.nan))


def chi_square(
    tables: np.ndarray, min_expected: float, max_bins: float = math.inf, scatter: Scatter = INDEPENDENT
) -> Result:
    """Homogeneity of samples in bins that are merged until enough entries are expected.

    Bins are chosen from all samples together, which a permutation of the entries does not
    change, so the choice does not bias the test.  Tests of usual size share their bins; one
    of less than half of it gets its own.

    Args:
        tables: contents of bins, shape (tests, samples, bins); only neighbouring bins are merged.
        min_expected: least expected entries of the smallest sample in each bin, if independent.
        max_bins: most bins, about equally filled.
        scatter: how counts scatter.

    Returns:
        The tests; untested where there are not enough entries for two bins.
    """
    smaller = tables.sum(2).min(1) if len(tables) else np.zeros(0)
    result = Result.untested(len(tables))
    if not smaller.any():
        return result
    usual = smaller >= 0.5 * np.median(smaller[smaller > 0])
    groups = [np.flatnonzero(usual), *np.flatnonzero(~usual & (smaller > 0))[:, None]]
    for rows in groups:
        pooled = tables[rows].sum((0, 1))
        share = (smaller[rows] / tables[rows].sum((1, 2))).min() / len(rows)
        starts = merge_starts(pooled, max(min_expected * scatter.effect / share, pooled.sum() / max_bins))
        tested = likelihood_ratio(np.add.reduceat(tables[rows], starts, axis=2), scatter)
        result.statistic[rows], result.ndf[rows], result.p[rows] = tested.statistic, tested.ndf, tested.p
    return result


def kolmogorov_smirnov(
    first: np.ndarray, second: np.ndarray, min_entries: int, scatter: Scatter = INDEPENDENT
) -> Result:
    """Kolmogorov-Smirnov test of pairs of samples from fine histograms.

    The largest distance of the cumulative distributions is seen at the edges of bins only.  What
    is missed on average, 0.5826 √p for bins of probability p, is added for the thinner one
    of the two bins beside the largest distance.

    Args:
        first: contents of fine bins, shape (tests, bins).
        second: the same of the other sample.
        min_entries: entries needed on each side, if independent.
        scatter: how counts scatter; the samples count as if they had fewer entries.

    Returns:
        The distance scaled by the size of the samples, with the correction, and its asymptotic
        p-value; untested where a side has too few entries or all entries are in one bin.

    Source:
        D. Siegmund, Sequential Analysis (Springer, 1985), chapter X, for the correction.

    Examples:
        >>> apart = kolmogorov_smirnov(np.array([[90, 10]]), np.array([[10, 90]]), 50)
        >>> bool(apart.p[0] < 1e-20)
        True
    """
    from scipy.special import kolmogorov

    if not len(first):
        return Result.untested(0)
    n_first, n_second = first.sum(1), second.sum(1)
    good = (np.minimum(n_first, n_second) >= min_entries * scatter.effect) & (((first + second) > 0).sum(1) > 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.cumsum(first, axis=1) / n_first[:, None] - np.cumsum(second, axis=1) / n_second[:, None])
        size = n_first * (n_second / (n_first + n_second)) / scatter.effect
        place = (np.arange(len(first)), np.minimum(apart.argmax(1), first.shape[1] - 2))
        both = first + second
        step = np.minimum(both[place], both[place[0], place[1] + 1]) / (n_first + n_second)
        statistic = np.where(good, np.sqrt(size) * apart.max(1) + DISCRETE * np.sqrt(step), np.nan)
        tail = statistic if math.isinf(scatter.ndf) else _widened(statistic, scatter.ndf)
    return Result(statistic, np.zeros(len(first), np.int64), np.where(good, kolmogorov(tail), np.nan))


def _widened(statistic: np.ndarray, ndf: float) -> np.ndarray:
    """What gives exp(-2 x²) averaged over an effect that is known like a chi-square of ``ndf`` degrees."""
    return np.sqrt(ndf / 4 * np.log1p(4 * statistic**2 / ndf))


def scatter_of_events(buckets: np.ndarray, max_bins: int) -> Scatter:
    """By how much counts scatter more than those of independent entries, because events come whole.

    Candidates of one event are alike and stay in one part, so that parts differ by more than
    their numbers of candidates tell.  Events are dealt into buckets by a hash; the chi-square
    between buckets over its degrees of freedom is the factor.  It is largest for broad
    structures, hence the largest one of several binnings is taken.

    Args:
        buckets: contents of bins by bucket of events, shape (buckets, bins).
        max_bins: most bins.

    Returns:
        The factor, at least 1.

    Source:
        J. N. K. Rao and A. J. Scott, Ann. Statist. 12 (1984) 46, first-order correction.

    Examples:
        >>> pairs = 2 * np.random.default_rng(1).poisson(50, (256, 10))
        >>> 1.8 < scatter_of_events(pairs, 10).effect < 2.4
        True
    """
    found = [_scatter(buckets, bins) for bins in sorted({2, 4, max_bins})]
    return max((one for one in found if one), key=lambda one: one.effect, default=Scatter(1.0, 8.0))


def _scatter(buckets: np.ndarray, bins: int) -> Scatter | None:
    """The same in one binning; None if there are not enough entries.

    The mean of the chi-square needs no large numbers, only its variance does: with few events
    in a bin, it counts for fewer degrees of freedom.
    """
    while len(buckets) > 8 and buckets.sum() < 2 * len(buckets) * bins:
        buckets = buckets[0::2] + buckets[1::2]
    buckets = buckets[buckets.sum(1) > 0].astype(np.float64)
    if len(buckets) < 2:
        return None
    starts = merge_starts(buckets.sum(0), max(2 * len(buckets), buckets.sum() / (bins + 0.5)))
    if len(starts) < 2:
        return None
    table = np.add.reduceat(buckets, starts, axis=1)
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    ndf = (len(table) - 1) * (len(starts) - 1)
    effect = max(float(((table - expected) ** 2 / expected).sum() / ndf), 1.0)
    events = table.sum() / effect / table.size
    return Scatter(effect, ndf / (1 + 0.5 / events))


def equal_neighbours(counts: np.ndarray) -> tuple[float, float]:
    """Mean and variance of the number of equal neighbours in a random order.

    Args:
        counts: entries of each value, shape (values,).

    Returns:
        Mean and variance of the number of pairs of neighbours with equal values.

    Source:
        A. M. Mood, Ann. Math. Statist. 11 (1940) 367, for runs; equal neighbours are
        entries minus runs.

    Examples:
        >>> equal_neighbours(np.array([2, 1]))  # aab, aba, baa
        (0.6666666666666666, 0.2222222222222222)
    """
    n = counts.astype(np.float64)
    total, squares, cubes = n.sum(), (n**2).sum(), (n**3).sum()
    mean = (n * (n - 1)).sum() / total
    variance = (squares * (squares + total * (total + 1)) - 2 * total * cubes - total**3) / (total**2 * (total - 1))
    return float(mean), float(variance)
