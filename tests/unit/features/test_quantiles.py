"""Quantiles from fixed bins against numpy on all values."""

from __future__ import annotations

import random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.features.quantiles import SIGMAS, Sketch

FINITE = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=60)
ANY = st.lists(st.floats(width=32), max_size=60)


def exact(values, probability):
    return float(np.quantile(np.float32(values), probability, method="lower"))


@given(FINITE, st.floats(0, 1))
def test_a_quantile_is_that_value_of_the_sample_rounded_towards_zero_by_less_than_a_part_in_256(values, probability):
    found, wanted = Sketch.of(np.float32(values)).quantile(probability), exact(values, probability)
    assert abs(found) <= abs(wanted)
    assert abs(wanted) - abs(found) < max(abs(wanted) / 256, 2.0**-134)  # below 2**-126 bins are equally wide
    assert found == 0 or np.sign(found) == np.sign(wanted)


@given(st.lists(st.integers(-512, 512), min_size=1, max_size=60), st.floats(0, 1))
def test_small_integers_are_exact(values, probability):
    assert Sketch.of(np.float32(values)).quantile(probability) == exact(values, probability)


@given(ANY, st.integers(0, 60), st.integers(0, 60), st.randoms(use_true_random=False))
def test_any_partition_in_any_order_gives_the_same(values, first, second, rng: random.Random):
    shuffled = list(values)
    rng.shuffle(shuffled)
    a, b = sorted((first, second))
    parts = [Sketch.of(np.array(p, np.float32)) for p in (shuffled[:a], shuffled[a:b], shuffled[b:])]
    assert parts[2] + (parts[0] + parts[1]) == Sketch.of(np.array(values, np.float32))


def test_summary_of_a_normal_distribution():
    values = np.random.default_rng(1).normal(10, 2, 200_000).astype(np.float32)
    summary = Sketch.of(values).summary()
    assert (summary["min"], summary["max"]) == (values.min(), values.max())
    assert summary["median"] == pytest.approx(np.median(values), rel=1 / 256)
    for n in SIGMAS:
        for side, sign in (("left", -1), ("right", 1)):
            wanted = exact(values, NormalDist().cdf(sign * n))
            assert summary[f"{n}sigma"][side] == pytest.approx(wanted, rel=1 / 256)
    assert summary["1sigma"]["right"] == pytest.approx(12, rel=0.01)


def test_what_is_not_finite_is_left_out():
    sketch = Sketch.of(np.float32([np.nan, np.inf, -np.inf, 3]))
    assert (sketch.count, sketch.low, sketch.high) == (1, 3, 3)


def test_minus_zero_is_zero():
    assert Sketch.of(np.float32([-0.0, 0.0])).bins.tolist() == [0]


def test_nothing_has_no_quantiles():
    assert np.isnan(Sketch().quantile(0.5))
    assert Sketch.of(np.float32([np.nan])).summary() == {}
    assert Sketch() + Sketch() == Sketch()
    assert Sketch() != 0


def test_double_precision_is_refused():
    with pytest.raises(TypeError, match="float64"):
        Sketch.of(np.zeros(2))
