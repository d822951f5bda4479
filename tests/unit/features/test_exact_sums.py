import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.features.exact_sums import _BATCH, ExactSums

FLOATS = st.lists(st.floats(width=32), max_size=40)
FINITE = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


@given(FINITE)
def test_sums_are_exact(values):
    sums = ExactSums.of(np.array(values, np.float32))
    exact = [Fraction(v) for v in values]
    assert Fraction(sums.total, 2**149) == sum(exact)
    assert Fraction(sums.squares, 2**298) == sum(v * v for v in exact)
    assert sums.mean == float(sum(exact) / len(exact))


@given(FLOATS, st.integers(0, 40), st.randoms())
def test_any_partition_in_any_order_gives_the_same(values, cut, random):
    array = np.array(values, np.float32)
    shuffled = list(values)
    random.shuffle(shuffled)
    mixed = np.array(shuffled, np.float32)
    assert ExactSums.of(mixed[:cut]) + ExactSums.of(mixed[cut:]) == ExactSums.of(array)


@given(FLOATS)
def test_json_keeps_everything(values):
    sums = ExactSums.of(np.array(values, np.float32))
    assert ExactSums.from_json(sums.to_json()) == sums


def test_close_to_double_precision_on_many_values():
    values = np.random.default_rng(1).normal(3.0, 0.5, _BATCH + 1000).astype(np.float32)
    sums = ExactSums.of(values)
    assert sums.count == len(values)
    assert sums.mean == pytest.approx(values.mean(dtype=np.float64), rel=1e-12)
    assert sums.std == pytest.approx(values.std(dtype=np.float64), rel=1e-10)
    assert sums.mean_square == pytest.approx((values.astype(np.float64) ** 2).mean(), rel=1e-12)


def test_order_matters_for_plain_sums_but_not_here():
    values = np.float32([1e30, 1.0, -1e30, 1.0])
    results = {ExactSums.of(np.array(p, np.float32)).mean for p in itertools.permutations(values)}
    assert results == {0.5}


def test_extremes_and_constants():
    tiny, huge = np.float32(1e-45), np.float32(3.4e38)
    sums = ExactSums.of(np.array([tiny, -tiny, huge, -huge], np.float32))
    assert sums.total == 0
    assert sums.std == pytest.approx(float(huge) / np.sqrt(2))
    assert ExactSums.of(np.full(7, 0.1, np.float32)).std == 0.0


def test_missing_and_infinite_values_are_counted_apart():
    sums = ExactSums.of(np.float32([1, np.nan, np.inf, -np.inf, np.nan, 3]))
    assert (sums.count, sums.missing, sums.infinite, sums.mean) == (2, 2, 2, 2.0)


def test_nothing_gives_nan():
    empty = ExactSums.of(np.zeros(0, np.float32))
    assert np.isnan([empty.mean, empty.std, empty.mean_square]).all()


def test_double_precision_is_refused():
    with pytest.raises(TypeError, match="float64"):
        ExactSums.of(np.zeros(2))
