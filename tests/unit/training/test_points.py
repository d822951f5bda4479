"""Thresholds from histograms against bisection on all scores, as the original code does it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.config.training import WorkingPointsConfig
from taumltools.training.losses import JET, TAU, WORKING_POINTS
from taumltools.training.points import OTHERS, ScoreHistograms, first_points, next_points
from taumltools.tuples.truth import TAU_TYPES


def sample(n, seed):
    rng = np.random.default_rng(seed)
    types = rng.integers(0, 4, n)
    logits = rng.normal(size=(n, 4)) * 2 + 3.0 * np.eye(4)[types]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.eye(4, dtype=np.float32)[types], p / p.sum(axis=1, keepdims=True), rng.uniform(0.1, 3, n)


def bisected(score, weight, wanted):
    """The threshold above which a fraction of the weight lies."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if weight[score > middle].sum() / weight.sum() > wanted:
            low = middle
        else:
            high = middle
    return high


def test_thresholds_are_those_of_bisection():
    y, p, w = sample(200_000, 1)
    scores = ScoreHistograms()
    for part in np.array_split(np.arange(len(y)), 7):
        scores.add(y[part], p[part], w[part])
    wanted = {"e": (0.065, 0.005, 0.0003), "mu": (0.002, 0.0004), "jet": (0.1, 0.02, 0.002)}
    for x in OTHERS:
        name = TAU_TYPES[x]
        rows = y[:, x] > 0
        score = p[rows, TAU] / (p[rows, TAU] + p[rows, x] + 1e-7)
        found = scores.thresholds(name, wanted[name])
        expected = np.array([bisected(score, w[rows], fraction) for fraction in wanted[name]])
        one_row = w[rows].max() / w[rows].sum()
        reached = np.array([w[rows][score > t].sum() / w[rows].sum() for t in found])
        np.testing.assert_allclose(reached, wanted[name], rtol=2e-3, atol=one_row)
        gaps = np.array([np.diff(np.sort(score)[-(np.sum(score > t) + 3) :]).max() for t in expected])
        assert (np.abs(found - expected) <= 1e-3 * (1 - expected) + 2 * gaps).all()
        taus = y[:, TAU] > 0
        of_taus = p[taus, TAU] / (p[taus, TAU] + p[taus, x] + 1e-7)
        efficiency = [w[taus][of_taus > t].sum() / w[taus].sum() for t in found]
        np.testing.assert_allclose(scores.passing(name, found, TAU), efficiency, atol=1e-3)
        np.testing.assert_allclose(scores.passing(name, found, x), wanted[name], rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.floats(0.01, 0.9))
def test_weights_count(seed, wanted):
    """A row of weight 3 is three rows."""
    y, p, _ = sample(60, seed)
    weight = np.random.default_rng(seed).integers(1, 4, 60)
    weighted, repeated = ScoreHistograms(), ScoreHistograms()
    weighted.add(y, p, weight.astype(float))
    repeated.add(np.repeat(y, weight, 0), np.repeat(p, weight, 0), np.ones(weight.sum()))
    np.testing.assert_allclose(weighted.sums, repeated.sums)
    found = weighted.thresholds("jet", [wanted])
    if found is not None:
        assert 0 < found[0] < 1
        np.testing.assert_allclose(weighted.passing("jet", found, JET), wanted, rtol=1e-6)


def test_a_type_without_entries_keeps_its_thresholds():
    y, p, w = sample(1000, 2)
    rows = y[:, 1] == 0
    scores = ScoreHistograms()
    scores.add(y[rows], p[rows], w[rows])
    before = first_points(WORKING_POINTS, vars(WorkingPointsConfig()))
    after = next_points(scores, vars(WorkingPointsConfig()), before)
    np.testing.assert_array_equal(after["mu"], before["mu"])
    assert not np.array_equal(after["jet"], before["jet"])
    assert np.isnan(scores.passing("mu", [0.5], 1)).all()


def test_first_thresholds_are_those_of_deeptau():
    first = first_points(WORKING_POINTS, vars(WorkingPointsConfig()))
    for name, thresholds in first.items():
        np.testing.assert_array_equal(thresholds, np.float32(WORKING_POINTS[name]))


@pytest.mark.parametrize("probability", [0.0, 1.0, 1e-30])
def test_extreme_scores_are_counted(probability):
    scores = ScoreHistograms()
    p = np.array([[0, 0, probability, 1 - probability]])
    scores.add(np.eye(4)[[3]], p, np.ones(1))
    assert scores.sums.sum() == 1
