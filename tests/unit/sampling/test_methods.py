from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.config.sampling import SamplingConfig
from taumltools.sampling.acceptance import AcceptancePlan, GroupPlan
from taumltools.sampling.methods import Quota, Spectral, Weighted, permuted, rank_within, training_weight

EDGES = ((20.0, 40.0, 100.0, 1000.0), (0.0, 1.2, 2.4))
COUNTS = np.array([[1000, 500], [100, 50], [10, 5]])
P = 5 / COUNTS


def plan(q=1.0, counts=COUNTS, acceptance=P):
    group = GroupPlan(("a",), {"tau": counts}, {"tau": acceptance}, {"tau": q}, int(counts.sum()))
    return AcceptancePlan(*EDGES, {"g": group})


def bins_of(counts, rng):
    """Candidates in random order, as bin numbers."""
    return rng.permutation(np.repeat(np.arange(counts.size), counts.ravel()))


@given(st.lists(st.integers(0, 5), max_size=60))
def test_rank_within_counts_earlier_ones(bins):
    expected = [bins[:i].count(b) for i, b in enumerate(bins)]
    assert rank_within(np.array(bins, int)).tolist() == expected


def test_spectral_keeps_below_the_probability():
    u = np.array([0.0, 0.0049, 0.005, 0.99])
    assert Spectral(plan(), "g").keep("tau", np.zeros(4, int), u).tolist() == [True, True, False, False]
    assert Spectral(plan(q=0.5), "g").keep("tau", np.zeros(4, int), u).tolist() == [True, False, False, False]
    assert Spectral(plan(), "g").keep("tau", np.full(4, 5), u).all()


def test_weighted_keeps_all_and_the_weights_average_to_one():
    assert Weighted().keep("tau", np.arange(6), np.ones(6)).all()
    weight = training_weight(plan(), "g", "tau")
    assert weight.dtype == np.float32
    assert np.sum(weight * COUNTS.ravel()) / COUNTS.sum() == pytest.approx(1, rel=1e-6)
    flat = (weight * COUNTS.ravel()).reshape(COUNTS.shape)
    assert np.allclose(flat, flat[0, 0], rtol=1e-6)


def test_weighted_composition_follows_the_type_probability():
    counts = {"tau": COUNTS, "jet": COUNTS * 10}
    group = GroupPlan(("a",), counts, {"tau": P, "jet": P / 10}, {"tau": 1.0, "jet": 0.25}, int(COUNTS.sum() * 11))
    both = AcceptancePlan(*EDGES, {"g": group})
    sums = {t: float(np.sum(training_weight(both, "g", t) * counts[t].ravel())) for t in counts}
    assert sums["jet"] / sums["tau"] == pytest.approx(0.25, rel=1e-6)
    assert sum(sums.values()) == pytest.approx(COUNTS.sum() * 11, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=6, max_size=6),
    st.floats(0, 1),
    st.integers(0, 2**32),
    st.lists(st.integers(0, 240), max_size=4),
)
def test_quota_is_exact_for_any_partition(counts, share, seed, cuts):
    """Each bin gives its quota, however the candidates are cut into ranges."""
    counts = np.array(counts).reshape(3, 2)
    it = plan(counts=counts, acceptance=np.full((3, 2), share))
    bins = bins_of(counts, np.random.default_rng(seed))
    edges = sorted({0, len(bins), *(min(c, len(bins)) for c in cuts)})
    kept = []
    for low, high in itertools.pairwise(edges):
        before = np.bincount(bins[:low], minlength=6)
        kept.append(Quota(it, "g", {"tau": before}, seed).keep("tau", bins[low:high], np.zeros(high - low)))
    taken = bins[np.concatenate([np.zeros(0, bool), *kept])]
    quota = it.groups["g"].quota("tau")
    assert np.bincount(taken, minlength=6).tolist() == quota.ravel().tolist()
    assert np.all(quota <= counts)
    assert abs(quota - counts * share).max() <= 1
    assert abs(int(quota.sum()) - float((counts * share).sum())) <= 0.5 + 1e-9


def test_quota_takes_every_candidate_equally_often():
    """Over 2,000 seeds each of 12 candidates is taken in 5 of 12 cases."""
    it = plan(counts=np.array([[12, 0], [0, 0], [0, 0]]), acceptance=np.full((3, 2), 5 / 12))
    zero = {"tau": np.zeros(6, int)}
    taken = np.sum([Quota(it, "g", zero, seed).keep("tau", np.zeros(12, int), np.zeros(12)) for seed in range(2000)], 0)
    sigma = np.sqrt(2000 * 5 / 12 * 7 / 12)
    assert np.abs(taken - 2000 * 5 / 12).max() < 4.5 * sigma


def test_quota_of_large_bins_stays_in_64_bits():
    counts = np.full((3, 2), 10**12)
    it = plan(counts=counts, acceptance=np.full((3, 2), 0.25))
    before = {"tau": np.full(6, 10**12 - 100_000)}
    kept = Quota(it, "g", before, 1).keep("tau", np.zeros(100_000, int), np.zeros(100_000))
    assert abs(kept.sum() - 25_000) < 5 * np.sqrt(25_000 * 0.75)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**63), st.integers(0, 40))
def test_permuted_is_a_permutation(size, key, stream):
    out = permuted(np.arange(size), np.full(size, size), np.full(size, stream), key)
    assert sorted(out.tolist()) == list(range(size))


def test_permutations_of_sizes_mixed_together_do_not_disturb_each_other():
    sizes = np.repeat([1, 4, 5, 64, 65], [1, 4, 5, 64, 65])
    numbers = np.concatenate([np.arange(n) for n in (1, 4, 5, 64, 65)])
    out = permuted(numbers, sizes, np.zeros_like(sizes), 3)
    for n in (1, 4, 5, 64, 65):
        alone = permuted(np.arange(n), np.full(n, n), np.zeros(n, int), 3)
        assert out[sizes == n].tolist() == alone.tolist()


def test_permutations_look_random():
    """Every place is equally likely for every number, neighbours do not stay neighbours, streams differ."""
    n = 9
    tables = np.array([permuted(np.arange(n), np.full(n, n), np.zeros(n, int), key) for key in range(6000)])
    counts = np.array([np.bincount(tables[:, i], minlength=n) for i in range(n)])
    chi2 = float(np.sum((counts - 6000 / n) ** 2 / (6000 / n)))
    assert chi2 < (n - 1) ** 2 + 5 * np.sqrt(2 * (n - 1) ** 2)
    large = permuted(np.arange(10_000), np.full(10_000, 10_000), np.zeros(10_000, int), 4)
    assert abs(np.corrcoef(large[1:], large[:-1])[0, 1]) < 0.05
    assert abs(np.corrcoef(np.arange(10_000), large)[0, 1]) < 0.05
    other = permuted(np.arange(10_000), np.full(10_000, 10_000), np.ones(10_000, int), 4)
    assert abs(np.corrcoef(other, large)[0, 1]) < 0.05


def test_the_settings_know_the_methods():
    assert SamplingConfig(method="quota").method == "quota"
    with pytest.raises(ValueError, match="method 'quota' takes its numbers from the whole sample"):
        SamplingConfig(method="quota", refill_spectrum=True)
