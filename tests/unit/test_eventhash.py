import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.eventhash import event_hash, in_first_part


def split(evt, fraction, run=1, lumi=1):
    n = len(evt)
    return in_first_part(np.full(n, run, np.uint32), np.full(n, lumi, np.uint32), np.asarray(evt, np.uint64), fraction)


def test_known_values_never_change():
    """A changed hash would move events between the samples of a running campaign."""
    found = event_hash(np.uint32([1, 1, 2]), np.uint32([1, 2, 1]), np.uint64([1, 1, 1]))
    assert found.tolist() == [8112600223918159332, 13264548337748323810, 9927824318307884416]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_share_of_events(fraction):
    assert split(np.arange(40_000), fraction).mean() == pytest.approx(fraction, abs=0.01)


@pytest.mark.parametrize(("run", "lumi"), [(1, 2), (2, 1), (320000, 1500)])
def test_runs_and_sections_are_independent(run, lumi):
    here, there = split(np.arange(20_000), 0.5), split(np.arange(20_000), 0.5, run, lumi)
    assert (here == there).mean() == pytest.approx(0.5, abs=0.02)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_each_event_decides_for_itself(events):
    together = split(events, 0.3)
    alone = [bool(split([evt], 0.3)[0]) for evt in events]
    assert together.tolist() == alone


def test_larger_fraction_only_adds_events():
    small, large = split(np.arange(1000), 0.2), split(np.arange(1000), 0.6)
    assert (large | ~small).all()


def test_extremes():
    assert not split(np.arange(100), 0.0).any()
    assert split(np.arange(100), 1.0).all()
