from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from taumltools.evaluation.intervals import ONE_SIGMA, clopper_pearson, effective_entries


def test_limits_solve_the_defining_equations():
    low, high = clopper_pearson(3 / 20, 20)
    tail = (1 - ONE_SIGMA) / 2
    assert binom.sf(2, 20, low) == pytest.approx(tail)
    assert binom.cdf(3, 20, high) == pytest.approx(tail)


def test_nothing_and_everything_passed():
    assert clopper_pearson(0.0, 50)[0] == 0
    assert clopper_pearson(1.0, 50)[1] == 1
    assert clopper_pearson(1.0, 50)[0] == pytest.approx(1 - float(clopper_pearson(0.0, 50)[1]))


def test_no_entries_means_unknown():
    low, high = clopper_pearson(np.array([0.5, np.nan]), np.array([0.0, 10.0]))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_rounding_outside_of_zero_to_one_is_harmless():
    low, high = clopper_pearson(1 + 1e-16, 10)
    assert 0 < low < 1
    assert high == 1


@given(st.integers(1, 500), st.data())
def test_interval_contains_the_estimate(entries: int, data: st.DataObject):
    passed = data.draw(st.integers(0, entries))
    low, high = clopper_pearson(passed / entries, entries)
    assert 0 <= low <= passed / entries <= high <= 1


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=50), st.floats(0.1, 10))
def test_effective_entries_do_not_depend_on_scale(weights: list[float], scale: float):
    weight = np.array(weights)
    assert effective_entries(weight * scale) == pytest.approx(effective_entries(weight))
    assert 1 - 1e-9 <= effective_entries(weight) <= len(weight) + 1e-9


def test_effective_entries_of_nothing():
    assert effective_entries(np.array([])) == 0
    assert effective_entries(np.zeros(3)) == 0
