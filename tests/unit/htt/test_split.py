import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.htt.split import event_key, fold_rows, train_rows

ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=80)


@given(ROWS, st.floats(0.1, 0.9))
def test_no_event_is_on_both_sides(rows, size):
    target, event = np.array(rows).T
    key = event_key(np.ones(len(event), np.uint32), event)
    train = train_rows(target, key, size)
    assert not set(event[train]) & set(event[~train])


@given(ROWS, st.integers(1, 5))
def test_no_event_is_in_two_folds(rows, n):
    target, event = np.array(rows).T
    fold = fold_rows(target, event_key(np.ones(len(event), np.uint32), event), n)
    for number in np.unique(event):
        assert len(set(fold[event == number])) == 1
    assert fold.max() < n


def test_shares_of_classes_are_exact_when_events_are_all_different():
    target = np.repeat([0, 1, 2], [1000, 200, 30])
    key = event_key(np.ones(1230, np.uint32), np.arange(1230))
    assert np.bincount(target[train_rows(target, key, 0.8)]).tolist() == [800, 160, 24]
    for fold in range(10):
        counts = np.bincount(target[fold_rows(target, key, 10) == fold])
        assert counts.tolist() == [100, 20, 3]


def test_shares_hold_nearly_when_samples_number_their_events_alike():
    target = np.repeat([0, 1], [20_000, 8_000])
    evt = np.concatenate([np.arange(20_000), np.arange(8_000)])
    train = train_rows(target, event_key(np.ones(28_000, np.uint32), evt), 0.8)
    assert train[target == 1].sum() == 6400  # the rarer class is exact
    assert train[target == 0].mean() == pytest.approx(0.8, abs=0.005)


def test_the_split_does_not_follow_order_or_file():
    target, evt = np.repeat([0, 1], 500), np.arange(1000)
    train = train_rows(target, event_key(np.ones(1000, np.uint32), evt), 0.7)
    order = np.random.default_rng(1).permutation(1000)
    moved = train_rows(target[order], event_key(np.ones(1000, np.uint32), evt[order]), 0.7)
    assert np.array_equal(moved, train[order])
    assert abs(evt[train].mean() - 499.5) < 30
