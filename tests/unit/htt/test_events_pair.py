import numpy as np
import pytest

from taumltools.htt.events_legs import Legs, combined_isolation
from taumltools.htt.events_pair import choose_pairs


def make_legs(offsets, pt, phi, row=None, weight=None):
    n = len(pt)
    pt, phi = np.array(pt, float), np.array(phi, float)
    whole = np.ones(n, np.int32)
    row = np.arange(n) if row is None else np.array(row)
    weight = np.ones(n) if weight is None else np.array(weight)
    return Legs(np.array(offsets), pt, np.zeros(n), phi, np.zeros(n), whole, whole, np.zeros(n), row, weight)


def test_hardest_pair_of_taus_harder_one_first():
    taus = make_legs([0, 3, 4, 4, 6], [40, 60, 50, 90, 30, 30], [0, 2, -2, 0, 0, 2])
    found = choose_pairs(taus, taus, 0.5)
    assert found.event.tolist() == [0, 3]
    assert found.first.tolist() == [1, 4]
    assert found.second.tolist() == [2, 5]


def test_legs_that_are_near_to_each_other_are_no_pair():
    taus = make_legs([0, 3], [60, 50, 40], [0.0, 0.3, 2.0])
    found = choose_pairs(taus, taus, 0.5)
    assert (found.first.tolist(), found.second.tolist()) == ([0], [2])


def test_genuine_legs_come_before_harder_relaxed_ones():
    electrons = make_legs([0, 2], [80, 20], [0, 1], row=[5, 6], weight=[0.01, 1.0])
    muons = make_legs([0, 2], [70, 16], [2, 3], row=[7, 8], weight=[0.01, 0.01])
    found = choose_pairs(electrons, muons, 0.3)
    assert (found.first.tolist(), found.second.tolist()) == ([1], [0])


def test_one_track_is_not_both_legs():
    electrons = make_legs([0, 1], [80], [0], row=[5], weight=[0.01])
    muons = make_legs([0, 1], [80], [3], row=[5], weight=[0.01])
    assert len(choose_pairs(electrons, muons, 0.3)) == 0


def test_isolation_never_falls_below_the_tracks():
    assert combined_isolation(np.array([1.5]), np.array([2.0]), np.array([50.0])) == pytest.approx(1.5)
