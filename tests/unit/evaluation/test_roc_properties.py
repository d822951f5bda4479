"""ROC curves against brute force, closed forms and their own promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from taumltools.evaluation.intervals import clopper_pearson
from taumltools.evaluation.roc import Roc, make_roc, thinning_indices

rows = st.lists(
    st.tuples(st.integers(-3, 3), st.booleans(), st.sampled_from([0.25, 1.0, 2.5])), min_size=2, max_size=25
).filter(lambda found: {flag for _, flag, _ in found} == {True, False})


def columns(found: list[tuple[int, bool, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score, is_tau, weight = (np.array(column) for column in zip(*found, strict=True))
    return score.astype(np.float64), is_tau, weight


def gaussians(n: int, distance: float, seed: int) -> Roc:
    rng = np.random.default_rng(seed)
    is_tau = np.arange(n) % 2 == 0
    return make_roc(rng.normal(size=n) + distance * is_tau, is_tau)


@given(rows)
def test_area_is_the_chance_that_a_tau_wins(found: list[tuple[int, bool, float]]):
    """Every pair of a tau and a fake is compared; half a point for a tie."""
    score, is_tau, weight = columns(found)
    won = total = 0.0
    for i, j in itertools.product(np.flatnonzero(is_tau), np.flatnonzero(~is_tau)):
        pair = weight[i] * weight[j]
        total += pair
        won += pair * (float(score[i] > score[j]) + 0.5 * float(score[i] == score[j]))
    assert make_roc(score, is_tau, weight).auc == pytest.approx(won / total)


@given(rows)
def test_points_are_those_of_every_possible_selection(found: list[tuple[int, bool, float]]):
    score, is_tau, weight = columns(found)
    roc = make_roc(score, is_tau, weight)
    cuts = [*np.unique(score)[::-1], -np.inf]
    expected = [[weight[flag & (score > cut)].sum() / weight[flag].sum() for cut in cuts] for flag in (is_tau, ~is_tau)]
    np.testing.assert_allclose([roc.tpr, roc.fpr], expected, atol=1e-12)


@given(rows, st.randoms(use_true_random=False))
def test_order_of_entries_does_not_matter(found: list[tuple[int, bool, float]], random: object):
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = make_roc(*columns(found)), make_roc(*columns(shuffled))
    np.testing.assert_allclose([one.tpr, one.fpr], [other.tpr, other.fpr], atol=1e-12)
    assert one.auc == pytest.approx(other.auc)


@given(rows)
def test_a_rising_function_of_the_score_changes_thresholds_only(found: list[tuple[int, bool, float]]):
    score, is_tau, weight = columns(found)
    one, other = make_roc(score, is_tau, weight), make_roc(np.exp(score) + 7, is_tau, weight)
    np.testing.assert_array_equal([one.tpr, one.fpr], [other.tpr, other.fpr])
    np.testing.assert_allclose(np.exp(one.threshold[:-1]) + 7, other.threshold[:-1])


@given(rows)
def test_turning_the_score_around_mirrors_the_area(found: list[tuple[int, bool, float]]):
    score, is_tau, weight = columns(found)
    one, mirrored = make_roc(score, is_tau, weight), make_roc(-score, is_tau, weight)
    assert one.auc + mirrored.auc == pytest.approx(1)
    assert one.auc_error == pytest.approx(mirrored.auc_error)


@given(rows, st.floats(0.1, 50))
def test_scale_of_the_weights_does_not_matter(found: list[tuple[int, bool, float]], scale: float):
    score, is_tau, weight = columns(found)
    one, other = make_roc(score, is_tau, weight), make_roc(score, is_tau, scale * weight)
    assert one.auc == pytest.approx(other.auc)
    assert (one.n_eff_tau, one.n_eff_fake) == pytest.approx((other.n_eff_tau, other.n_eff_fake))


@given(rows, st.floats(0.001, 1))
def test_interpolation_is_the_lower_edge_of_the_polygon(found: list[tuple[int, bool, float]], at: float):
    roc = make_roc(*columns(found))
    crossing = [
        f0 + (f1 - f0) * (at - t0) / (t1 - t0)
        for (t0, t1), (f0, f1) in zip(itertools.pairwise(roc.tpr), itertools.pairwise(roc.fpr), strict=True)
        if t0 < at <= t1
    ]
    assume(len(crossing) == 1)
    assert float(roc.fpr_at(at)) == pytest.approx(crossing[0], abs=1e-12)


@pytest.mark.parametrize("distance", [0.5, 1.5, 3.0])
@pytest.mark.parametrize(("points", "deviations"), [(60, 1.5), (600, 0.4)])
def test_thinned_curve_is_closer_than_the_uncertainty(distance: float, points: int, deviations: float):
    roc = gaussians(60_000, distance, seed=4)
    thin = roc.thinned(points)
    at = np.linspace(0.05, 0.999, 200)
    exact = roc.fpr_at(at)
    usable = exact > 10 / roc.n_fake
    low, high = roc.fpr_interval_at(at[usable])
    difference = np.abs(thin.fpr_at(at[usable]) - exact[usable])
    assert (difference < deviations * (high - low) / 2).all()
    assert len(thin.tpr) <= points


@given(rows, st.integers(8, 40))
def test_thinned_points_are_some_of_the_points(found: list[tuple[int, bool, float]], points: int):
    roc = make_roc(*columns(found))
    keep = thinning_indices(roc.tpr, roc.fpr, points)
    assert len(keep) <= points
    assert (keep[0], keep[-1]) == (0, len(roc.tpr) - 1)
    assert (np.diff(keep) > 0).all()


@given(rows)
def test_intervals_of_points_hold_the_points(found: list[tuple[int, bool, float]]):
    """Where several points have one efficiency, all had the interval of the first, and lay above it."""
    roc = make_roc(*columns(found))
    low, high = roc.fpr_interval_at(roc.tpr, roc.fpr)
    assert (low <= roc.fpr).all()
    assert (roc.fpr <= high).all()


def test_interval_of_fakes_alone_is_that_of_a_binomial():
    """With all taus at one score a shift of the threshold changes nothing, so only fakes count."""
    score = np.concatenate([np.full(500, 1.0), np.full(30, 2.0), np.full(170, 0.0)])
    roc = make_roc(score, np.arange(700) < 500)
    low, high = roc.fpr_interval_at(1.0)
    expected = binomtest(30, 200).proportion_ci(0.682689492137, method="exact")
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high))


def test_error_of_a_ratio_is_that_of_two_independent_curves():
    distances, at, n = (1.5, 1.0), np.array([0.6]), 2000
    pairs = [[gaussians(n, d, seed=10 * i + 1000 * k) for k, d in enumerate(distances)] for i in range(150)]
    found = np.array([ours.ratio_to(theirs, at) for ours, theirs in pairs])[:, :, 0]
    ours, theirs = (norm.sf(norm.isf(0.6) + d) for d in distances)
    assert found[:, 0].mean() == pytest.approx(ours / theirs, rel=0.03)
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.2)


@pytest.mark.parametrize(
    ("passed", "tried"), [(0, 1), (1, 1), (0, 40), (1, 40), (17, 40), (39, 40), (40, 40), (3, 9999)]
)
@pytest.mark.parametrize("level", [0.682689492137, 0.95])
def test_intervals_are_those_of_scipy(passed: int, tried: int, level: float):
    expected = binomtest(passed, tried).proportion_ci(level, method="exact")
    low, high = clopper_pearson(passed / tried, tried, level)
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-9)
