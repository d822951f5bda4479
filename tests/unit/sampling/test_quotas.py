from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import ConfigError
from taumltools.sampling.quotas import (
    Source,
    effective_size,
    first_ones,
    source_quotas,
    spread,
    training_weights,
)

SOURCES = st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 1000)), min_size=1, max_size=8).map(
    lambda pairs: [Source(f"s{i}", weight, entries) for i, (weight, entries) in enumerate(pairs)]
)


@given(SOURCES, st.integers(1, 5000))
def test_quotas_add_up_and_fit(sources, cap):
    effective = effective_size(sum(source.entries for source in sources), cap)
    quotas = source_quotas(sources, effective)
    assert sum(quotas.values()) == effective
    assert all(0 <= quotas[source.name] <= source.entries for source in sources)
    assert [*quotas] == [source.name for source in sources]


@pytest.mark.parametrize(
    ("sources", "effective", "expected"),
    [
        # 2 : 1 where both have enough
        ([("a", 2, 1000), ("b", 1, 1000)], 600, {"a": 400, "b": 200}),
        # 2 : 1 with a small source: what it lacks is filled by the other one
        ([("a", 2, 1000), ("b", 1, 100)], 600, {"a": 500, "b": 100}),
        ([("a", 2, 100), ("b", 1, 1000)], 600, {"a": 100, "b": 500}),
        # everything is taken
        ([("a", 2, 10), ("b", 1, 20)], 30, {"a": 10, "b": 20}),
        # rounded up, so that the first in order (largest weight, then fewest entries, then name) is favoured
        ([("a", 1, 10), ("b", 1, 10), ("c", 1, 10)], 10, {"a": 4, "b": 4, "c": 2}),
        ([("a", 1, 10), ("b", 1, 9)], 5, {"a": 2, "b": 3}),
        ([("a", 1, 10), ("b", 3, 10)], 1, {"a": 0, "b": 1}),
        ([("a", 1, 0), ("b", 1, 5)], 0, {"a": 0, "b": 0}),
    ],
)
def test_examples(sources, effective, expected):
    assert source_quotas([Source(*source) for source in sources], effective) == expected


def test_more_than_there_is_cannot_be_shared():
    with pytest.raises(ConfigError, match=r"11 entries .* \[10\]"):
        source_quotas([Source("a", 1, 10)], 11)


def test_occupancy_cap():
    assert [effective_size(n, 500_000) for n in (0, 499_999, 500_000, 10**9)] == [0, 499_999, 500_000, 500_000]
    assert effective_size(10**9, None) == 10**9


@given(st.lists(st.integers(0, 500), min_size=1, max_size=10), st.floats(0, 1))
def test_both_ways_to_take_use_the_quota_exactly(entries, fraction):
    quota = int(fraction * sum(entries))
    for shares in (spread(entries, quota), first_ones(entries, quota)):
        assert sum(shares) == quota
        assert all(0 <= share <= size for share, size in zip(shares, entries, strict=True))
    exact = [quota * size / max(sum(entries), 1) for size in entries]
    assert all(abs(share - part) < 1 for share, part in zip(spread(entries, quota), exact, strict=True))


def test_spread_takes_of_all_and_first_of_the_first():
    assert spread([100, 100, 200], 200) == [50, 50, 100]
    assert first_ones([100, 100, 200], 150) == [100, 50, 0]


@given(st.lists(st.integers(1, 500), min_size=1, max_size=50))
def test_weights_add_up_to_one(sizes):
    effective = {f"bin{i}": size for i, size in enumerate(sizes)}
    weights = training_weights(effective)
    assert math.isclose(sum(weights[name] * size for name, size in effective.items()), 1)
    assert all(math.isclose(weights[name] * size, 1 / len(sizes)) for name, size in effective.items())


def test_weight_of_the_standard_recipe():
    weights = training_weights({f"bin{i}": 500_000 for i in range(120)})
    assert set(weights.values()) == {1 / 120 / 500_000}
    assert np.float32(weights["bin0"]) > 0


def test_empty_bins():
    sizes = {"a": 10, "b": 0, "c": 0, "d": 30}
    with pytest.raises(ConfigError, match=r"2 of 4 bins have no entries, e.g. b, c.*skip_empty_bins"):
        training_weights(sizes)
    assert training_weights(sizes, skip_empty=True) == {"a": 1 / 2 / 10, "d": 1 / 2 / 30}


def test_weights_that_differ_too_much():
    with pytest.raises(ConfigError, match=r"10\^7 or more between 'rare' \(1 entries\) and 'common' \(10000000\)"):
        training_weights({"common": 10**7, "rare": 1})
    assert len(training_weights({"common": 10**7 - 1, "rare": 1})) == 2
