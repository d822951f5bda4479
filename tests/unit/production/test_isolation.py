from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from taumltools.config.production import ConeConfig, HpsConfig, JetConfig
from taumltools.production.hps import find_taus
from taumltools.production.isolation import is_signal, muon_isolation, tau_isolation
from taumltools.production.jets import reconstructed_jets

TAU = (1, 1, 40.0, 0.0, 0.0)


def sums(make_candidates, *rows, **columns):
    c = make_candidates([TAU, *rows], **columns)
    taus = find_taus(c, reconstructed_jets(c, JetConfig(), window=0.1), HpsConfig())
    assert taus.mode.tolist() == [0]
    return {name: float(v[0]) for name, v in tau_isolation(taus, c, ConeConfig(), np.array([0.075])).items()}


def test_lonely_tau_is_isolated(make_candidates):
    found = sums(make_candidates)
    assert set(found.values()) == {0.0}


def test_tracks_count_by_cone(make_candidates):
    found = sums(make_candidates, (1, 1, 3.0, 0.25, 0.0), (1, 1, 2.0, 0.0, 0.45), (1, 1, 9.0, 0.0, 0.6))
    assert found["chargedIsoPtSum"] == pytest.approx(5.0)
    assert found["chargedIsoPtSumdR03"] == pytest.approx(3.0)


def test_displaced_and_soft_tracks_do_not_count(make_candidates):
    rows = [(1, 1, 3.0, 0.25, 0.0), (1, 1, 3.0, 0.0, 0.25), (1, 1, 0.4, 0.0, -0.25)]
    found = sums(make_candidates, *rows, dxy=[0, 0.1, 0, 0], dz=[0, 0, 1.0, 0])
    assert found["chargedIsoPtSum"] == 0.0
    assert found["puCorrPtSum"] == pytest.approx(3.0)


def test_photons_count_in_the_neutral_sum(make_candidates):
    found = sums(make_candidates, (4, 0, 2.0, 0.2, 0.0), (4, 0, 1.5, 0.0, 0.4))
    assert found["neutralIsoPtSum"] == pytest.approx(3.5)
    assert found["neutralIsoPtSumdR03"] == pytest.approx(2.0)
    assert found["pt_weighted_dr_iso"] == pytest.approx((2 * 0.2 + 1.5 * 0.4) / 3.5, rel=1e-3)
    assert found["n_photons"] == 0


def test_signal_photons_have_shapes_and_are_not_isolation(make_candidates):
    c = make_candidates([TAU, (4, 0, 10.0, 0.02, 0.0), (4, 0, 5.0, 0.02, 0.08)])
    taus = find_taus(c, reconstructed_jets(c, JetConfig(), window=0.1), HpsConfig())
    assert taus.mode.tolist() == [1]
    found = {n: float(v[0]) for n, v in tau_isolation(taus, c, ConeConfig(), np.array([0.05])).items()}
    assert found["neutralIsoPtSum"] == 0.0
    assert found["n_photons"] == 2
    phi = float(taus.phi[0])
    assert found["pt_weighted_dphi_strip"] == pytest.approx((10 * phi + 5 * (0.08 - phi)) / 15, rel=1e-2)
    assert found["photonPtSumOutsideSignalCone"] == pytest.approx(5.0)


def test_is_signal_agrees_with_a_loop(batch):
    taus = batch.taus
    rng = np.random.default_rng(1)
    owner = rng.integers(0, len(taus), 500)
    rows = np.where(rng.random(500) < 0.5, taus.lead[owner], taus.lead[owner] + 1)
    expected = [row in taus.signal[tau] for tau, row in zip(owner, rows, strict=True)]
    assert is_signal(owner, rows, taus).tolist() == expected


def test_muon_isolation_formula(make_candidates):
    rows = [(3, -1, 50.0, 0.0, 0.0), (1, 1, 5.0, 0.1, 0.0), (4, 0, 4.0, 0.2, 0.0), (1, 1, 2.0, 0.0, 0.2)]
    c = make_candidates(rows)
    primary = np.array([True, True, False, False])
    assert muon_isolation(np.array([0]), c, primary, 0.4)[0] == pytest.approx((5 + max(0, 4 - 1)) / 50)
    far = dataclasses.replace(c, eta=c.eta + np.array([0, 1, 1, 1], np.float32))
    assert muon_isolation(np.array([0]), far, primary, 0.4)[0] == 0.0
