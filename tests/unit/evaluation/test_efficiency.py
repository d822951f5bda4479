from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.evaluation import BinningConfig
from taumltools.evaluation.efficiency import MIN_ENTRIES, Binned, drawn_bins, efficiency_against
from taumltools.evaluation.intervals import clopper_pearson
from taumltools.evaluation.working_points import measure


def test_lower_edge_belongs_to_the_bin():
    curve = efficiency_against(np.array([20.0, 30.0, 40.0]), np.array([True, False, True]), [20, 30, 40])
    assert curve.efficiency.tolist() == [1, 0]
    assert curve.entries.tolist() == [1, 1]


def test_outside_and_nan_are_left_out():
    curve = efficiency_against(np.array([np.nan, 10.0, 25.0]), np.array([True, True, False]), [20, 30])
    assert curve.efficiency.tolist() == [0]
    assert curve.entries.tolist() == [1]


def test_empty_bins_are_nan():
    curve = efficiency_against(np.array([25.0]), np.array([True]), [20, 30, 40])
    assert np.isnan(curve.efficiency[1])
    assert np.isnan([curve.low[1], curve.high[1]]).all()
    assert curve.entries[1] == 0


def test_intervals_are_those_of_the_counts():
    rng = np.random.default_rng(0)
    curve = efficiency_against(rng.random(1000), rng.random(1000) < 0.3, [0, 0.5, 1])
    low, high = clopper_pearson(curve.efficiency, curve.entries)
    np.testing.assert_allclose(curve.low, low)
    np.testing.assert_allclose(curve.high, high)


@given(st.integers(1, 200), st.booleans())
def test_one_bin_is_the_plain_efficiency(n: int, weighted: bool):
    rng = np.random.default_rng(n)
    passed, weight = rng.random(n) < 0.4, rng.uniform(0.5, 2, n) if weighted else None
    curve = efficiency_against(rng.random(n), passed, [0, 1], weight)
    expected = measure(passed, weight)
    assert curve.efficiency[0] == pytest.approx(expected.value)
    assert curve.entries[0] == pytest.approx(expected.entries)
    assert curve.high[0] == pytest.approx(expected.high)


@given(st.lists(st.tuples(st.floats(-1, 6), st.booleans(), st.sampled_from([0.5, 1.0, 2.0])), min_size=1, max_size=40))
def test_same_as_a_loop_over_bins(rows: list[tuple[float, bool, float]]):
    variable, passed, weight = (np.array(column) for column in zip(*rows, strict=True))
    edges = [0, 1, 2.5, 5]
    curve = efficiency_against(variable, passed, edges, weight)
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = (variable >= low) & (variable < high)
        expected = measure(passed[inside], weight[inside])
        np.testing.assert_allclose(
            [curve.efficiency[i], curve.low[i], curve.high[i], curve.entries[i]],
            [expected.value, expected.low, expected.high, expected.entries],
            atol=1e-9,
        )


@given(st.lists(st.tuples(st.floats(0, 1) | st.just(0.0) | st.just(np.nan), st.floats(0, 30)), min_size=1, max_size=9))
def test_small_bins_are_never_drawn_and_others_once(bins: list[tuple[float, float]]):
    efficiency, entries = np.array(bins).T
    for log_axis in (True, False):
        value, limit = drawn_bins(efficiency, entries, log_axis)
        assert not (value & limit).any()
        np.testing.assert_array_equal(value | limit, (entries >= MIN_ENTRIES) & ~np.isnan(efficiency))
        assert (efficiency[limit] == 0).all()
        assert limit.any() <= log_axis


def test_single_values_have_a_bin_each():
    binning = BinningConfig(values=(0, 1, 10), names=("a", "b", "c"))
    mode = np.array([0, 0, 1, 5, 10, -1])
    curve = Binned(mode, binning).efficiency(np.array([True, False, True, True, False, True]))
    assert curve.edges.tolist() == [0, 1, 2, 3]
    assert curve.efficiency.tolist() == [0.5, 1, 0]
    assert curve.entries.tolist() == [2, 1, 1]


def test_one_binning_serves_many_selections():
    rng = np.random.default_rng(4)
    variable, weight, score = rng.random(500), rng.random(500), rng.random(500)
    binned = Binned(variable, (0.0, 0.3, 1.0), weight)
    for threshold in (0.1, 0.5, 0.9):
        one = efficiency_against(variable, score > threshold, (0.0, 0.3, 1.0), weight)
        np.testing.assert_array_equal(binned.efficiency(score > threshold).efficiency, one.efficiency)
