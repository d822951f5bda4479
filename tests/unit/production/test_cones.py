from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.cones import PUPPI_CORE, in_cones, neighbour_activity, puppi_weights
from taumltools.production.geometry import delta_r


def test_cones_agree_with_numpy(batch):
    c, taus = batch.candidates, batch.taus
    offsets, rows = in_cones(taus.event, taus.eta, taus.phi, c, 0.5)
    for k in range(0, len(taus), 10):
        here = np.arange(c.offsets[taus.event[k]], c.offsets[taus.event[k] + 1])
        inside = delta_r(c.eta[here].astype(float), c.phi[here].astype(float), taus.eta[k], taus.phi[k]) < 0.5
        assert rows[offsets[k] : offsets[k + 1]].tolist() == here[inside].tolist()


def test_no_directions_no_rows(batch):
    none = np.zeros(0)
    offsets, rows = in_cones(np.zeros(0, np.int64), none, none, batch.candidates, 0.5)
    assert offsets.tolist() == [0]
    assert len(rows) == 0


def test_activity_is_the_sum_over_near_tracks():
    tracks = np.array([0.1, 0.3, 0.001, 0.39]), np.zeros(4), np.array([2.0, 3.0, 1.0, 5.0])
    found = neighbour_activity(np.array([0]), np.zeros(1), np.zeros(1), np.array([0, 3, 4]), *tracks, 0.4)
    assert found[0] == pytest.approx((2 / 0.1) ** 2 + (3 / 0.3) ** 2 + (1 / PUPPI_CORE) ** 2)


def test_weights_of_tracks_and_neutrals(make_candidates):
    rows = [(1, 1, 30.0, 0.0, 0.0), (1, 1, 5.0, 1.0, 0.0), (4, 0, 2.0, 0.05, 0.0), (4, 0, 2.0, -2.0, 0.0)]
    c = make_candidates(rows)
    weights = puppi_weights(c, np.array([True, False, False, False]), 0.4)
    assert weights[:2].tolist() == [1.0, 0.0]
    assert weights[2] > 0.9
    assert weights[3] < 0.01


def test_weights_tell_pileup_photons_from_others(batch):
    c = batch.candidates
    photon = (c.kind == 4) & (c.pt > 2) & (np.abs(c.eta) < 2.3)
    signal, pileup = batch.puppi[photon & (c.pileup == 0)], batch.puppi[photon & (c.pileup > 0)]
    assert signal.mean() > pileup.mean() + 0.3
