from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from taumltools.errors import InputError
from taumltools.evaluation.working_points import derive_thresholds, measure, threshold_at
from taumltools.eventhash import in_first_part


@given(st.lists(st.integers(0, 8), min_size=1, max_size=80), st.floats(0.01, 1.0))
def test_threshold_is_the_tightest_that_is_loose_enough(values: list[int], target: float):
    score = np.array(values, np.float32)
    threshold = threshold_at(score, target)
    assert np.mean(score > threshold) >= target - 1e-9
    tighter = score[score > threshold].min()
    assert np.mean(score > tighter) < target


def test_threshold_with_weights():
    score, weight = np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.0, 1.0, 1.0, 7.0])
    assert threshold_at(score, 0.7, weight) == 0.3
    assert threshold_at(score, 0.71, weight) == 0.2


def test_no_taus_is_an_error():
    with pytest.raises(InputError, match="needs genuine taus, found none"):
        threshold_at(np.array([]), 0.5)


def test_independent_types():
    rng = np.random.default_rng(0)
    scores = {"e": rng.random(10_000), "jet": rng.random(10_000)}
    found = derive_thresholds(scores, {"e": {"Loose": 0.9}, "jet": {"Loose": 0.8, "Tight": 0.4}})
    assert found["e"]["Loose"] == pytest.approx(0.1, abs=0.02)
    assert list(found["jet"]) == ["Loose", "Tight"]
    assert np.mean(scores["jet"] > found["jet"]["Tight"]) == pytest.approx(0.4, abs=1e-3)


def test_required_points_make_efficiencies_conditional():
    rng = np.random.default_rng(1)
    common = rng.random(20_000)
    scores = {vs: 0.5 * common + 0.5 * rng.random(20_000) for vs in ("e", "mu", "jet")}
    targets = {"e": {"VVVLoose": 0.9, "Tight": 0.5}, "mu": {"VLoose": 0.95}, "jet": {"VVVLoose": 0.9, "Tight": 0.4}}
    required = {"e": "VVVLoose", "mu": "VLoose", "jet": "VVVLoose"}
    found = derive_thresholds(scores, targets, None, required)
    others = (scores["e"] > found["e"]["VVVLoose"]) & (scores["mu"] > found["mu"]["VLoose"])
    passed = scores["jet"] > found["jet"]["Tight"]
    assert np.mean(passed[others]) == pytest.approx(0.4, abs=1e-3)
    free = derive_thresholds(scores, targets)
    assert found["jet"]["Tight"] > free["jet"]["Tight"], "taus that pass the others have higher scores"


def test_required_points_of_types_without_score_are_ignored():
    score = {"jet": np.linspace(0, 1, 101)}
    targets = {"jet": {"Loose": 0.8}}
    assert derive_thresholds(score, targets, None, {"e": "VVVLoose"}) == derive_thresholds(score, targets)


def test_no_convergence_is_an_error():
    scores = {"e": np.linspace(0, 1, 50), "jet": np.linspace(1, 0, 50)}
    targets = {"e": {"L": 0.9}, "jet": {"L": 0.9}}
    with pytest.raises(InputError, match="did not settle in 2 iterations"):
        derive_thresholds(scores, targets, None, {"e": "L", "jet": "L"}, max_iterations=2)


def test_measure_counts():
    found = measure(np.array([True, False, False, False]))
    assert (found.value, found.entries) == (0.25, 4)
    assert found.low < 0.25 < found.high


def test_measure_with_weights_uses_effective_entries():
    passed = np.array([True, False])
    heavy = measure(passed, np.array([3.0, 1.0]))
    assert heavy.value == 0.75
    assert heavy.entries == pytest.approx(1.6)
    assert measure(passed, np.array([1.0, 1.0])).entries == 2


def test_measure_nothing():
    found = measure(np.array([], bool))
    assert np.isnan([found.value, found.low, found.high]).all()
    assert np.isnan(measure(np.array([True]), np.array([0.0])).value)


@given(st.integers(0, 2**31), st.integers(0, 2**62))
def test_split_depends_on_the_event_alone(run: int, evt: int):
    one = in_first_part(np.array([run]), np.array([1]), np.array([evt], np.uint64), 0.5)
    many = in_first_part(np.full(3, run), np.ones(3, int), np.full(3, evt, np.uint64), 0.5)
    assert (many == one[0]).all()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_split_has_the_fraction_and_ignores_parity(fraction: float):
    evt = np.arange(40_000)
    part = in_first_part(np.ones(40_000, int), evt // 100, evt, fraction)
    assert part.mean() == pytest.approx(fraction, abs=0.01)
    assert part[::2].mean() == pytest.approx(part[1::2].mean(), abs=0.02)
    assert not np.array_equal(part, in_first_part(np.full(40_000, 2), evt // 100, evt, fraction))


def test_thresholds_of_one_half_hold_in_the_other():
    rng = np.random.default_rng(3)
    score, evt = rng.random(40_000), np.arange(40_000)
    derive = in_first_part(np.ones(40_000, int), np.ones(40_000, int), evt, 0.5)
    found = measure(score[~derive] > threshold_at(score[derive], 0.7))
    assert abs(found.value - 0.7) < 4 * np.sqrt(2) * (found.high - found.low) / 2


@pytest.mark.parametrize("target", [0.4, 0.9, 0.995])
def test_efficiency_on_the_other_half_is_unbiased(target: float):
    """Two Gaussians, many repetitions: threshold and efficiencies of both types scatter around the exact ones."""
    taus, fakes, circular = [], [], []
    one = np.ones(4000, int)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        score, other = rng.normal(2, 1, 4000), rng.normal(0, 1, 4000)
        derive = in_first_part(one, one, np.arange(4000) + 4000 * seed, 0.5)
        threshold = threshold_at(score[derive], target)
        taus.append(measure(score[~derive] > threshold).value)
        fakes.append(measure(other > threshold).value)
        circular.append(np.mean(score[derive] > threshold))
    exact = {"tau": target, "fake": norm.sf(norm.isf(target) + 2)}
    for found, expected in ((taus, exact["tau"]), (fakes, exact["fake"])):
        error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found) - expected) < 4 * error + 1e-3
    # The half that defines the threshold has the wanted efficiency by construction, so quoting it says nothing.
    assert np.std(circular) < 0.2 * np.std(taus)


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=60), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_tighter_points_have_higher_thresholds(values: list[float], a: float, b: float):
    score = np.array(values, np.float32)
    loose, tight = max(a, b), min(a, b)
    assert threshold_at(score, loose) <= threshold_at(score, tight)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.data())
def test_integer_weights_are_copies(values: list[int], data: st.DataObject):
    score = np.array(values, float)
    copies = np.array(data.draw(st.lists(st.integers(1, 4), min_size=len(values), max_size=len(values))))
    target = data.draw(st.floats(0.05, 1))
    assert threshold_at(score, target, copies.astype(float)) == threshold_at(np.repeat(score, copies), target)
