from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taumltools.sampling.validation_stats import (
    Scatter,
    chi_square,
    equal_neighbours,
    kolmogorov_smirnov,
    likelihood_ratio,
    merge_starts,
    scatter_of_events,
)

LEVELS = (0.5, 0.1, 0.01, 0.001)


def pairs(pool, share, tests, seed=0):
    """Random splits of a pool of entries into a small sample and the rest."""
    pool = np.asarray(pool)
    rng = np.random.default_rng(seed)
    small = rng.multivariate_hypergeometric(pool, int(pool.sum() * share), size=tests, method="marginals")
    return np.stack([small, pool - small], axis=1)


def assert_uniform(p, slack=1.0):
    """Fractions below each level are as wanted, within five standard deviations and a relative slack."""
    assert np.isfinite(p).all()
    for level in LEVELS:
        expected = level * len(p)
        low, high = expected / slack - 5 * np.sqrt(expected), expected * slack + 5 * np.sqrt(expected)
        assert low <= np.count_nonzero(p < level) <= high, level


@pytest.mark.parametrize(
    ("pool", "share"),
    [([100] * 10, 0.1), ([1000] * 20, 0.01), ([100] * 9 + [100_000], 0.1), ([500, 800, 300], 0.4), ([250, 9000], 0.1)],
    ids=["ten", "hundredth", "unequal", "three", "two"],
)
def test_p_values_of_chi_square_are_uniform(pool, share):
    assert_uniform(chi_square(pairs(pool, share, 20_000), 10).p, slack=1.2)


def test_many_samples_at_once_are_uniform_too():
    rng = np.random.default_rng(1)
    tables = []
    for _ in range(4000):
        values = rng.permutation(np.repeat(np.arange(5), 400))
        tables.append(np.stack([np.bincount(chunk, minlength=5) for chunk in np.split(values, 10)]))
    result = likelihood_ratio(np.array(tables))
    assert set(result.ndf.tolist()) == {36}
    assert_uniform(result.p, slack=1.1)


@pytest.mark.parametrize("bins", [20, 200], ids=["coarse", "fine"])
def test_p_values_of_kolmogorov_smirnov_are_uniform(bins):
    tables = pairs(np.full(bins, 40_000 // bins), 0.1, 10_000)
    assert_uniform(kolmogorov_smirnov(tables[:, 0], tables[:, 1], 50).p, slack=1.1)


def test_likelihood_ratio_is_near_pearson_for_many_entries():
    table = np.array([[5000, 3000, 2000], [5150, 2920, 1930]])
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    assert likelihood_ratio(table[None]).statistic[0] == pytest.approx(
        ((table - expected) ** 2 / expected).sum(), rel=0.01
    )


def test_likelihood_ratio_by_hand():
    table = np.array([[[30, 10], [20, 40]]])
    g = 2 * sum(o * np.log(o / e) for o, e in zip([30, 10, 20, 40], [20, 20, 30, 30], strict=True))
    q = 1 + (100 / 40 + 100 / 60 - 1) * (100 / 50 + 100 / 50 - 1) / (6 * 100)
    result = likelihood_ratio(table)
    assert result.statistic[0] == pytest.approx(g / q)
    assert likelihood_ratio(table, Scatter(2)).statistic[0] == pytest.approx(g / q / 2)


def test_equal_samples_give_one():
    same = np.tile(np.array([40, 60, 80, 20]), (3, 2, 1))
    assert chi_square(same, 10).p == pytest.approx(1)
    assert kolmogorov_smirnov(same[:, 0], same[:, 1], 50).p == pytest.approx(1)


@pytest.mark.parametrize(
    "table",
    [[[0, 0], [50, 50]], [[50, 0], [70, 0]], [[0, 0], [0, 0]], [[9, 9], [90, 90]]],
    ids=["empty side", "one bin", "nothing", "too few"],
)
def test_what_cannot_be_tested_is_not(table):
    tables = np.array([table])
    assert np.isnan(chi_square(tables, 10).p).all()
    assert np.isnan(kolmogorov_smirnov(tables[:, 0], tables[:, 1], 51).p).all()
    assert not chi_square(tables, 10).ndf.any()


def test_no_tests_at_all():
    assert len(chi_square(np.zeros((0, 2, 5)), 10).p) == len(kolmogorov_smirnov(*np.zeros((2, 0, 5)), 50).p) == 0


def test_a_small_sample_gets_its_own_bins():
    """One thin row does not take the bins of the others."""
    tables = np.array([[[1000] * 10, [9000] * 10]] * 3 + [[[1] * 10, [9000] * 10]])
    assert chi_square(tables, 10).ndf.tolist() == [9, 9, 9, 0]
    tables[3, 0] = 5
    assert chi_square(tables, 10).ndf.tolist() == [9, 9, 9, 4]


def test_bins_are_merged_to_the_wanted_number():
    tables = np.full((1, 2, 400), 1000)
    assert chi_square(tables, 10, max_bins=20).ndf.tolist() == [19]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.floats(1, 100))
@example([2, 1, 2], 1.0000000000000002)  # 2 + this is rounded to 3
def test_merged_bins_hold_enough(counts, target):
    counts = np.array(counts)
    starts = merge_starts(counts, target)
    merged = np.add.reduceat(counts, starts)
    assert starts[0] == 0
    assert merged.sum() == counts.sum()
    assert len(starts) == 1 or merged.min() >= target
    assert len(starts) == 1 or counts.sum() < (2 * target + counts.max()) * len(starts)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda sizes: 2 <= sum(sizes) <= 6))
def test_equal_neighbours_of_all_orders(sizes):
    values = np.repeat(np.arange(len(sizes)), sizes)
    found = [sum(a == b for a, b in itertools.pairwise(order)) for order in itertools.permutations(values)]
    mean, variance = equal_neighbours(np.array(sizes))
    assert mean == pytest.approx(np.mean(found))
    assert variance == pytest.approx(np.var(found), abs=1e-9)


@pytest.mark.parametrize("per_event", [1, 2, 4])
def test_design_effect_is_the_number_of_equal_candidates(per_event):
    buckets = per_event * np.random.default_rng(3).poisson(200 / per_event, (256, 40))
    assert scatter_of_events(buckets, 20).effect == pytest.approx(per_event, rel=0.2)


def test_design_effect_of_smooth_correlations_is_that_of_broad_bins():
    rng = np.random.default_rng(5)
    first = rng.normal(size=50_000)
    values = np.concatenate([first, 0.8 * first + 0.6 * rng.normal(size=50_000)])
    bins = np.clip(np.floor(8 * values) + 20, 0, 39).astype(int)
    table = np.zeros((256, 40), int)
    np.add.at(table, (np.tile(rng.integers(0, 256, 50_000), 2), bins), 1)
    assert 1.45 < scatter_of_events(table, 20).effect < 1.8  # 1 + (2/π) asin 0.8 = 1.59 for halves


@pytest.mark.parametrize("buckets", [np.zeros((256, 4)), np.eye(256, 4), np.ones((256, 1))])
def test_design_effect_without_entries_is_one(buckets):
    assert scatter_of_events(buckets, 20) == Scatter(1, 8)


def test_an_estimated_effect_widens_the_tails():
    """A chi-square over an estimate is an F statistic; Kolmogorov's tail behaves alike."""
    table = np.array([[[300, 100], [200, 200]]])
    sure, guessed, vague = (chi_square(table, 10, scatter=Scatter(2, ndf)).p[0] for ndf in (math.inf, 50, 8))
    assert sure < guessed < vague
    assert chi_square(table, 10, scatter=Scatter(2, 1e9)).p[0] == pytest.approx(sure, rel=1e-4)
    ks = [kolmogorov_smirnov(table[:, 0], table[:, 1], 50, Scatter(2, ndf)).p[0] for ndf in (math.inf, 1e9, 50, 8)]
    assert ks[0] == pytest.approx(ks[1], rel=1e-4)
    assert ks[1] < ks[2] < ks[3]


def test_effects_of_events_that_are_torn_apart():
    assert Scatter(3, 100).diluted(1) == Scatter(3, 100)
    assert Scatter(3, 100).diluted(0) == Scatter()
    half = Scatter(3, 100).diluted(0.5)
    assert half.effect == 2
    assert half.ndf == pytest.approx(100 * (2 / 1.5) ** 2)


@pytest.mark.parametrize("per_event", [2, 5])
def test_p_values_of_whole_events_are_not_too_small(per_event):
    """Two parts of random events, with the effect estimated from the same few entries."""
    p = []
    for seed in range(600):
        rng = np.random.default_rng([seed, per_event])
        value, bucket = rng.integers(0, 10, 300), rng.integers(0, 256, 300)
        buckets = np.zeros((256, 10), int)
        np.add.at(buckets, (bucket, value), per_event)
        parts = np.stack([np.bincount(half, minlength=10) for half in np.split(value, 2)]) * per_event
        p.append(chi_square(parts[None], 10, 20, scatter_of_events(buckets, 20)).p[0])
    assert np.isfinite(p).all()
    assert np.mean(np.array(p) < 0.05) < 0.07
    assert np.mean(np.array(p) < 0.005) < 0.015
