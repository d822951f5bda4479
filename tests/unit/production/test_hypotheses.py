from __future__ import annotations

import numpy as np
import pytest

from taumltools.config.production import HpsConfig
from taumltools.production.hypotheses import (
    PRONGS,
    STRIPS,
    allowed_prongs,
    decay_mode,
    inside_cone,
    mass_in_window,
    mass_table,
    passes,
    track_momentum,
)

WINDOWS = mass_table(HpsConfig().mass_windows)


def combo(*tracks):
    return np.array([*tracks, *[-1] * (3 - len(tracks))])


def test_all_choices_are_there_once():
    assert PRONGS.shape == (41, 3)
    assert STRIPS.shape == (11, 2)
    assert len({tuple(row) for row in PRONGS.tolist()}) == 41


@pytest.mark.parametrize(
    ("prongs", "strips", "mode"), [(1, 0, 0), (1, 1, 1), (1, 2, 2), (2, 0, 5), (2, 1, 6), (3, 0, 10), (3, 1, 11)]
)
def test_decay_modes(prongs, strips, mode):
    assert decay_mode(prongs, strips) == mode


@pytest.mark.parametrize(
    ("tracks", "charges", "electrons", "expected"),
    [
        ((0,), (1, 1, -1), (0, 0, 0), 1),
        ((0, 1, 2), (1, 1, -1), (0, 0, 0), 3),
        ((0, 1, 2), (1, 1, 1), (0, 0, 0), 0),
        ((0, 1), (1, 1, -1), (0, 0, 0), 2),
        ((0,), (1, 1, -1), (1, 0, 0), 1),
        ((1,), (1, 1, -1), (0, 1, 0), 0),
        ((0, 1, 2), (1, 1, -1), (0, 1, 0), 0),
        ((0, 4), (1, 1, -1), (0, 0, 0), 0),
    ],
)
def test_conversion_electrons_are_no_prongs_and_charges_must_fit(tracks, charges, electrons, expected):
    found = allowed_prongs(combo(*tracks), 3, np.array(charges), np.array(electrons, bool))
    assert found == expected


def test_mass_window_grows_with_pt_up_to_the_cap():
    window = WINDOWS[1]
    assert mass_in_window(1.2, 50.0, window)
    assert not mass_in_window(1.4, 50.0, window)
    assert mass_in_window(2.0, 400.0, window)
    assert not mass_in_window(4.3, 1e5, window)
    assert not mass_in_window(0.2, 50.0, window)


def test_fixed_windows_do_not_grow():
    assert not mass_in_window(1.6, 1e5, WINDOWS[10])


def test_modes_without_window_accept_nothing():
    table = mass_table({0: (-1.0, 1.0, 1.0)})
    assert not any(mass_in_window(m, 50.0, table[10]) for m in np.linspace(-1, 5, 50))
    assert mass_in_window(0.14, 50.0, table[0])


def test_signal_cone():
    momentum = np.array([10.0, 0.0, 0.0, 10.0])
    assert inside_cone(momentum, 0.05, 0.05, 0.1)
    assert not inside_cone(momentum, 0.1, 0.05, 0.1)
    assert inside_cone(np.array([-10.0, 1e-3, 0.0, 10.0]), 0.0, -3.14, 0.1)


def momenta(*rows):
    out = np.zeros((len(rows), 4))
    pt, eta, phi = (np.array(column, float) for column in zip(*rows, strict=True))
    for k in range(len(rows)):
        track_momentum(k, pt, eta, phi, out[k])
    return out


def check(tracks, max_eta=2.5):
    total = np.zeros(4)
    chosen = combo(*range(len(tracks)))
    mode = decay_mode(len(tracks), 0)
    cone = np.array([3.0, 0.05, 0.1])
    return passes(chosen, STRIPS[0], tracks, np.zeros((0, 4)), mode, WINDOWS, cone, max_eta, total), total


def test_single_track_passes():
    ok, total = check(momenta((30.0, 0.5, 1.0)))
    assert ok
    assert np.hypot(total[0], total[1]) == pytest.approx(30.0)


def test_three_tracks_need_the_mass_of_an_a1():
    good = momenta((15.0, 0.0, 0.0), (10.0, 0.05, 0.0), (8.0, 0.0, 0.07))
    narrow = momenta((15.0, 0.0, 0.0), (10.0, 0.005, 0.0), (8.0, 0.0, 0.005))
    assert check(good)[0]
    assert not check(narrow)[0]


def test_wide_tracks_and_forward_taus_fail():
    assert not check(momenta((15.0, 0.0, 0.0), (10.0, 0.3, 0.0)))[0]
    assert not check(momenta((30.0, 2.0, 0.0)), max_eta=1.0)[0]
