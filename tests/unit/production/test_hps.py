from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from taumltools.config.production import HpsConfig, JetConfig
from taumltools.production.hps import find_taus
from taumltools.production.jets import reconstructed_jets

PION, ELECTRON, PHOTON, MUON = (1, 1), (2, -1), (4, 0), (3, -1)


def reconstruct(candidates, **settings):
    jets = reconstructed_jets(candidates, JetConfig(), window=0.1)
    return find_taus(candidates, jets, HpsConfig(**settings))


def test_one_prong(make_candidates):
    taus = reconstruct(make_candidates([(*PION, 30.0, 0.5, 1.0)]))
    assert taus.mode.tolist() == [0]
    assert taus.charge.tolist() == [1]
    assert taus.pt[0] == pytest.approx(30.0, rel=1e-4)
    assert taus.lead.tolist() == [0]
    assert taus.signal[0, :2].tolist() == [0, -1]


def test_one_prong_and_a_pi0(make_candidates):
    taus = reconstruct(make_candidates([(*PION, 20.0, 0.5, 1.0), (*PHOTON, 15.0, 0.53, 1.0)]))
    assert taus.mode.tolist() == [1]
    assert taus.pt[0] == pytest.approx(35.0, rel=0.01)
    assert taus.mass[0] == pytest.approx(0.55, abs=0.2)
    assert sorted(taus.signal[0, :2].tolist()) == [0, 1]


def test_three_prongs(make_candidates):
    rows = [(1, 1, 15.0, 0.0, 0.0), (1, -1, 10.0, 0.05, 0.0), (1, 1, 8.0, 0.0, 0.07)]
    taus = reconstruct(make_candidates(rows))
    assert taus.mode.tolist() == [10]
    assert taus.charge.tolist() == [1]
    assert sorted(taus.signal[0, :3].tolist()) == [0, 1, 2]


def test_conversion_electrons_join_the_strip_and_are_no_prongs(make_candidates):
    rows = [(*PION, 20.0, 0.5, 1.0), (2, 1, 8.0, 0.53, 1.02), (2, -1, 7.0, 0.53, 0.98)]
    taus = reconstruct(make_candidates(rows))
    assert taus.mode.tolist() == [1]
    assert taus.charge.tolist() == [1]
    assert taus.lead.tolist() == [0]


def test_leading_electron_is_a_prong_and_not_in_a_strip(make_candidates):
    taus = reconstruct(make_candidates([(*ELECTRON, 40.0, 0.5, 1.0)]))
    assert taus.mode.tolist() == [0]
    assert taus.charge.tolist() == [-1]
    assert (taus.signal[0] == 0).sum() == 1


def test_muon_looks_like_a_tau(make_candidates):
    assert reconstruct(make_candidates([(*MUON, 40.0, 0.5, 1.0)])).mode.tolist() == [0]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([(*PHOTON, 40.0, 0.0, 0.0)], {}),
        ([(*PION, 12.0, 0.0, 0.0)], {}),
        ([(*PION, 40.0, 2.8, 0.0)], {}),
        ([(*PION, 40.0, 0.0, 0.0)], {"dxy": [0.3]}),
        ([(*PION, 40.0, 0.0, 0.0)], {"dz": [0.45]}),
    ],
    ids=["no track", "soft", "forward", "displaced", "other vertex"],
)
def test_no_tau(make_candidates, rows, columns):
    taus = reconstruct(make_candidates(rows, **columns))
    assert len(taus) == 0
    assert taus.n_events == 1


def test_hardest_hypothesis_wins(make_candidates):
    """A second track of the same charge cannot be added, so the strip is."""
    rows = [(*PION, 20.0, 0.0, 0.0), (*PHOTON, 10.0, 0.03, 0.0), (1, 1, 1.0, 0.02, 0.0)]
    taus = reconstruct(make_candidates(rows))
    assert taus.pt[0] > 29.0


def test_events_stay_apart(make_candidates):
    taus = reconstruct(make_candidates([(*PION, 30.0, 0.0, 0.0)], [], [(*PION, 40.0, 0.0, 0.0)]))
    assert taus.offsets.tolist() == [0, 1, 1, 2]
    assert taus.pt.round().tolist() == [30.0, 40.0]


def test_no_jets_no_taus(make_candidates):
    taus = reconstruct(make_candidates([], []))
    assert len(taus) == 0
    assert taus.n_events == 2


def test_modes_can_be_switched_off(make_candidates):
    windows = {10: (0.8, 1.5, 1.5)}
    assert len(reconstruct(make_candidates([(*PION, 30.0, 0.5, 1.0)]), mass_windows=windows)) == 0


def test_brute_force_finds_nothing_harder(batch, config):
    """Every tau is at least as hard as its leading track alone, if that alone is a tau."""
    taus, c = batch.taus, batch.candidates
    lead_pt = c.pt[taus.lead]
    assert np.all(taus.pt >= lead_pt * 0.999)
    assert np.all(taus.pt > config.hps.min_pt)
    assert dataclasses.is_dataclass(taus)


def test_momentum_is_the_sum_of_the_signal_constituents(batch):
    taus, c = batch.taus, batch.candidates
    tau, slot = np.nonzero(taus.signal >= 0)
    rows = taus.signal[tau, slot]
    px = np.bincount(tau, weights=c.pt[rows] * np.cos(c.phi[rows]), minlength=len(taus))
    py = np.bincount(tau, weights=c.pt[rows] * np.sin(c.phi[rows]), minlength=len(taus))
    assert np.hypot(px, py) == pytest.approx(taus.pt, rel=1e-3)
