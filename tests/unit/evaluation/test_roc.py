from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from taumltools.errors import InputError
from taumltools.evaluation.roc import Roc, make_roc


def gaussians(n: int, distance: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_tau = rng.random(n) < 0.4
    return rng.normal(size=n) + distance * is_tau, is_tau


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
def test_area_of_two_gaussians(distance: float):
    roc = make_roc(*gaussians(40_000, distance))
    expected = norm.cdf(distance / np.sqrt(2))
    assert abs(roc.auc - expected) < 4 * roc.auc_error
    assert roc.auc_error < 0.004


def test_misid_of_two_gaussians():
    roc = make_roc(*gaussians(200_000, 2.0))
    tpr = np.array([0.3, 0.5, 0.8])
    expected = norm.sf(norm.isf(tpr) + 2.0)
    low, high = roc.fpr_interval_at(tpr)
    width = (high - low) / 2
    assert (np.abs(roc.fpr_at(tpr) - expected) < 4 * width).all()


def test_area_error_matches_the_spread_of_repetitions():
    areas = [make_roc(*gaussians(600, 1.5, seed)) for seed in range(200)]
    spread = np.std([roc.auc for roc in areas])
    assert np.mean([roc.auc_error for roc in areas]) == pytest.approx(spread, rel=0.15)


def test_interval_covers_the_truth_as_often_as_it_says():
    truth = norm.sf(norm.isf(0.7) + 1.0)
    inside = 0
    for seed in range(200):
        low, high = make_roc(*gaussians(800, 1.0, seed)).fpr_interval_at(0.7)
        inside += int(low <= truth <= high)
    assert 0.60 < inside / 200 < 0.85


cases = st.lists(
    st.tuples(st.integers(-4, 4), st.booleans(), st.sampled_from([0.0, 0.5, 1.0, 3.0])), min_size=2, max_size=60
).filter(lambda rows: {flag for _, flag, w in rows if w > 0} == {True, False})


@given(cases)
@settings(max_examples=200)
def test_same_as_sklearn_with_ties_and_weights(rows: list[tuple[int, bool, float]]):
    score, is_tau, weight = (np.array(column) for column in zip(*rows, strict=True))
    roc = make_roc(score, is_tau, weight)
    used = weight > 0
    fpr, tpr, _ = roc_curve(is_tau[used], score[used], sample_weight=weight[used], drop_intermediate=False)
    np.testing.assert_allclose(roc.tpr, tpr, atol=1e-12)
    np.testing.assert_allclose(roc.fpr, fpr, atol=1e-12)
    assert roc.auc == pytest.approx(roc_auc_score(is_tau[used], score[used], sample_weight=weight[used]))


@given(cases)
def test_each_point_is_the_selection_it_claims(rows: list[tuple[int, bool, float]]):
    score, is_tau, weight = (np.array(column) for column in zip(*rows, strict=True))
    score = score.astype(np.float32)
    roc = make_roc(score, is_tau, weight)
    for threshold, tpr, fpr in zip(roc.threshold, roc.tpr, roc.fpr, strict=True):
        passed = score > threshold
        assert weight[passed & is_tau].sum() / weight[is_tau].sum() == pytest.approx(tpr)
        assert weight[passed & ~is_tau].sum() / weight[~is_tau].sum() == pytest.approx(fpr)


def test_weights_count_like_copies():
    score, is_tau = gaussians(500, 1.0)
    copies = np.random.default_rng(1).integers(1, 4, 500)
    weighted = make_roc(score, is_tau, copies.astype(float))
    copied = make_roc(np.repeat(score, copies), np.repeat(is_tau, copies))
    np.testing.assert_allclose(weighted.tpr, copied.tpr)
    assert weighted.auc == pytest.approx(copied.auc)
    assert weighted.n_eff_tau < copied.n_eff_tau
    assert weighted.auc_error > copied.auc_error


def test_all_scores_equal_is_a_guess():
    roc = make_roc(np.zeros(10), np.arange(10) < 5)
    assert roc.auc == 0.5
    assert roc.tpr.tolist() == [0, 1]


def test_perfect_separation():
    roc = make_roc(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, True, False, False]))
    assert roc.auc == 1
    assert roc.fpr_at(1.0) == 0


def test_one_candidate_of_each_kind_has_a_large_error():
    assert make_roc(np.array([1.0, 0.0]), np.array([True, False])).auc_error >= 0.5


def test_fpr_at_takes_the_lowest_of_a_vertical_part():
    roc = make_roc(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, False, True]))
    assert roc.fpr_at(np.array([0.0, 0.25, 0.5, 0.75, 1.0])).tolist() == [0, 0, 0, 1, 1]


def test_ratio_to_itself_is_one_and_errors_add():
    roc = make_roc(*gaussians(5_000, 1.5))
    tpr = np.array([0.5, 0.9])
    ratio, error = roc.ratio_to(roc, tpr)
    low, high = roc.fpr_interval_at(tpr)
    np.testing.assert_allclose(ratio, 1)
    np.testing.assert_allclose(error, np.sqrt(2) * (high - low) / 2 / roc.fpr_at(tpr))


def test_no_ratio_where_nothing_is_known():
    good = make_roc(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, True, True, False]))
    tied = make_roc(np.array([4.0, 4.0, 4.0, 1.0]), np.array([True, True, False, False]))
    ratio, error = tied.ratio_to(good, np.array([0.5, 1.0]))
    assert np.isnan(ratio).all()
    assert np.isnan(error[0]) or error[0] == 0
    lowest, _ = good.ratio_to(tied, np.array([0.3]))
    assert np.isnan(lowest).all(), "0.3 is below the lowest efficiency that thresholds of the tied score can give"


def test_thinning_keeps_shape_and_ends():
    roc = make_roc(*gaussians(50_000, 2.0))
    thin = roc.thinned(300)
    assert len(thin.tpr) <= 300
    assert (thin.tpr[0], thin.fpr[0], thin.tpr[-1], thin.fpr[-1]) == (0, 0, 1, 1)
    assert set(thin.threshold) <= set(roc.threshold)
    tpr = np.array([0.2, 0.5, 0.9, 0.99, 0.999])
    np.testing.assert_allclose(thin.fpr_at(tpr), roc.fpr_at(tpr), rtol=0.02)
    assert thin.auc == roc.auc


def test_short_curves_stay_as_they_are():
    roc = make_roc(np.arange(6.0), np.arange(6) % 2 == 0)
    assert roc.thinned(20) is roc
    with pytest.raises(InputError, match="8 or more"):
        roc.thinned(3)


def test_perfect_curve_can_be_thinned():
    score = np.arange(2000.0)
    thin = make_roc(score, score >= 1000).thinned(100)
    assert isinstance(thin, Roc)
    assert thin.fpr_at(1.0) == 0


@pytest.mark.parametrize(
    ("score", "is_tau", "weight", "message"),
    [
        ([0.1, np.nan], [True, False], None, "1 scores are NaN or infinite"),
        ([0.1, np.inf], [True, False], None, "not scored first"),
        ([0.1, 0.2], [True, False], [1.0, -1.0], "1 weights are negative"),
        ([0.1, 0.2], [True, False], [1.0, np.nan], "1 weights are negative or not finite"),
        ([0.1, 0.2], [True, True], None, "2 taus and 0 fakes"),
        ([0.1, 0.2], [True, False], [1.0, 0.0], "1 taus and 0 fakes"),
        ([], [], None, "0 taus and 0 fakes"),
        ([0.1], [True, False], None, "1 scores, 2 labels"),
    ],
)
def test_bad_input_is_refused(score: list, is_tau: list, weight: list | None, message: str):
    with pytest.raises(InputError, match=message):
        make_roc(np.array(score), np.array(is_tau, bool), None if weight is None else np.array(weight))
