from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.production.table import EventTable, falling_order, offsets_from_counts


@dataclass(frozen=True)
class Numbers(EventTable):
    value: np.ndarray


def numbers(*events):
    values = np.array([v for event in events for v in event], np.float32)
    return Numbers(offsets_from_counts(np.array([len(e) for e in events])), values)


rows = st.lists(st.tuples(st.integers(0, 20), st.floats(0.015625, 1e4, width=32)), max_size=60)


@given(rows)
def test_falling_order_agrees_with_a_stable_sort(pairs):
    event = np.array([e for e, _ in pairs], np.int64)
    values = np.array([v for _, v in pairs], np.float32)
    expected = sorted(range(len(pairs)), key=lambda i: (event[i], -values[i], i))
    assert falling_order(event, values).tolist() == expected


def test_falling_order_with_too_many_events_to_pack():
    event = np.array([1 << 40, 0, 1 << 40])
    assert falling_order(event, np.array([1.0, 2.0, 3.0], np.float32)).tolist() == [1, 2, 0]


def test_event_of_each_row_and_length():
    table = numbers([1], [], [2, 3])
    assert table.event.tolist() == [0, 2, 2]
    assert len(table) == 3
    assert table.n_events == 3


@pytest.mark.parametrize("rows", [np.array([True, False, True]), np.array([0, 2])])
def test_take_keeps_all_events(rows):
    taken = numbers([1], [2], [3]).take(rows)
    assert taken.value.tolist() == [1, 3]
    assert taken.offsets.tolist() == [0, 1, 1, 2]


def test_merge_joins_event_by_event_in_order_of_the_parts():
    merged = Numbers.merge([numbers([1], [2]), numbers([3], [4, 5])])
    assert merged.value.tolist() == [1, 3, 2, 4, 5]
    assert merged.offsets.tolist() == [0, 2, 5]


def test_merge_can_sort_inside_each_event():
    merged = Numbers.merge([numbers([1, 9], [2]), numbers([3], [4, 5])], order="value")
    assert merged.value.tolist() == [9, 3, 1, 5, 4, 2]


def test_merge_of_empty_tables():
    merged = Numbers.merge([numbers([], []), numbers([], [])], order="value")
    assert len(merged) == 0
    assert merged.n_events == 2
