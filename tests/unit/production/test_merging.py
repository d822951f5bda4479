from __future__ import annotations

import numpy as np
import pytest

from taumltools.config.production import CalorimeterConfig
from taumltools.production.geometry import delta_r
from taumltools.production.merging import excess_over_tracks, merge_clusters, merge_photons

PHOTON, TRACK, NEUTRAL = (4, 0), (1, 1), (5, 0)


def test_close_photons_become_one_with_their_summed_energy(make_candidates):
    c = make_candidates([(*PHOTON, 8.0, 0.0, 0.0), (*PHOTON, 2.0, 0.01, 0.01), (*PHOTON, 1.0, 0.5, 0.0)])
    merged = merge_clusters(c, CalorimeterConfig())
    assert merged.pt.tolist() == pytest.approx([10.0, 1.0])
    assert merged.eta.tolist() == pytest.approx([0.0, 0.5])


def test_photons_of_different_events_do_not_merge(make_candidates):
    c = make_candidates([(*PHOTON, 8.0, 0.0, 0.0)], [(*PHOTON, 2.0, 0.0, 0.0)])
    assert merge_clusters(c, CalorimeterConfig()).pt.tolist() == [8.0, 2.0]


def test_photons_merge_across_the_seam_of_phi(make_candidates):
    c = make_candidates([(*PHOTON, 8.0, 0.0, 3.14), (*PHOTON, 2.0, 0.0, -3.14)])
    assert len(merge_clusters(c, CalorimeterConfig())) == 1


def test_merging_agrees_with_the_slow_way():
    rng = np.random.default_rng(2)
    n = 60
    eta, phi = rng.uniform(-0.2, 0.2, n), rng.uniform(-0.2, 0.2, n)
    pt = np.sort(rng.uniform(1, 10, n))[::-1].copy()
    expected, alive = pt.copy(), np.ones(n, bool)
    for i in range(n):
        for j in range(i):
            if alive[j] and delta_r(eta[i], phi[i], eta[j], phi[j]) < 0.05:
                expected[j] += expected[i]
                alive[i] = False
                break
    merged = pt.copy()
    keep = merge_photons(np.array([0, n]), eta, phi, merged, pt.copy(), 0.05)
    assert keep.tolist() == alive.tolist()
    assert merged[keep] == pytest.approx(expected[alive])


def test_neutral_hadron_beside_a_hard_track_is_absorbed(make_candidates):
    c = make_candidates([(*TRACK, 50.0, 0.0, 0.0), (*NEUTRAL, 5.0, 0.05, 0.0), (*NEUTRAL, 5.0, 0.5, 0.0)])
    merged = merge_clusters(c, CalorimeterConfig())
    assert merged.kind.tolist() == [1, 5]
    assert merged.eta[1] == pytest.approx(0.5)


def test_neutral_hadron_that_stands_out_stays(make_candidates):
    c = make_candidates([(*NEUTRAL, 50.0, 0.05, 0.0), (*TRACK, 2.0, 0.0, 0.0)])
    assert len(merge_clusters(c, CalorimeterConfig())) == 2


def test_resolutions_of_several_tracks_add_up():
    neutral = np.array([True, False, False])
    arguments = (np.array([0, 3]), np.zeros(3), np.zeros(3), np.array([4.5, 1.0, 1.0]), neutral)
    one = excess_over_tracks(*arguments, np.array([0.0, 4.0, 0.0]), 0.1, 1.0)
    two = excess_over_tracks(*arguments, np.array([0.0, 4.0, 4.0]), 0.1, 1.0)
    assert one.tolist() == [True, True, True]
    assert two.tolist() == [False, True, True]
