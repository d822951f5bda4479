import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.config.htt_events import EventMassConfig
from taumltools.htt.events_mass import TAU_MASS, Momenta, likelihood_mass, share_density, visible_mass

CONFIG = EventMassConfig()
angles = st.floats(-3.1, 3.1)
momenta = st.tuples(st.floats(15, 200), st.floats(-2.3, 2.3), angles)


def leg(pt, eta, phi, mass=0.0, leptonic=False):
    return Momenta(*(np.atleast_1d(np.asarray(x, float)) for x in (pt, eta, phi, mass)), leptonic)


@settings(deadline=None)
@given(momenta, momenta)
def test_visible_mass_of_massless_legs_in_closed_form(one, two):
    expected = np.sqrt(2 * one[0] * two[0] * (np.cosh(one[1] - two[1]) - np.cos(one[2] - two[2])))
    assert visible_mass(leg(*one), leg(*two))[0] == pytest.approx(expected, rel=1e-6, abs=1e-3)


def test_visible_mass_of_a_boson_at_rest():
    assert visible_mass(leg(40, 0, 0.3), leg(40, 0, 0.3 - np.pi))[0] == pytest.approx(80)


@settings(deadline=None)
@given(momenta, momenta, st.floats(0, 100), angles, angles)
def test_masses_do_not_change_when_the_event_is_turned(one, two, met, met_phi, turn):
    def both(angle):
        legs = (leg(*one[:2], one[2] + angle, 0.8), leg(*two[:2], two[2] + angle, 0.0005, True))
        return visible_mass(*legs)[0], likelihood_mass(*legs, np.array([met]), np.array([met_phi + angle]), CONFIG)[0]

    assert both(turn) == pytest.approx(both(0.0), rel=1e-6, abs=1e-3)


@settings(deadline=None)
@given(momenta, momenta, st.floats(0, 100), angles)
def test_estimate_is_finite_above_the_visible_mass_and_symmetric(one, two, met, met_phi):
    legs = (leg(*one, 1.2), leg(*two, 0.8))
    missing = (np.array([met]), np.array([met_phi]))
    found = likelihood_mass(*legs, *missing, CONFIG)[0]
    assert visible_mass(*legs)[0] <= found < np.inf
    assert likelihood_mass(*legs[::-1], *missing, CONFIG)[0] == pytest.approx(found, rel=1e-9)


def test_estimate_finds_the_mass_where_collinear_neutrinos_fix_it():
    """Legs that are not back to back and a good resolution: the shares follow from the missing momentum."""
    one, two = leg(60, 0.3, 0.0, 0.8), leg(45, -0.4, 1.9, 0.8)
    share = (0.6, 0.7)
    missing = sum(
        part.pt[0] * (1 / x - 1) * np.exp(1j * part.phi[0]) for part, x in zip((one, two), share, strict=True)
    )
    config = EventMassConfig(met_resolution=1.5, points=200)
    found = likelihood_mass(one, two, np.abs([missing]), np.angle([missing]), config)[0]
    assert found == pytest.approx(visible_mass(one, two)[0] / np.sqrt(share[0] * share[1]), rel=0.02)


@pytest.mark.parametrize(("mass", "leptonic"), [(0.0, False), (0.8, False), (1.5, False), (0.0, True)])
def test_densities_of_shares_are_normalised(mass, leptonic):
    x = (np.arange(20_000) + 0.5) / 20_000
    density = share_density(x, np.array(mass), leptonic)
    assert density.mean() == pytest.approx(1, abs=1e-3)
    assert (density >= 0).all()
    if not leptonic:
        assert not density[x < (mass / TAU_MASS) ** 2 - 1e-4].any()


def test_taus_heavier_than_a_tau_are_kept():
    assert np.isfinite(
        likelihood_mass(leg(40, 0, 0, 2.1), leg(40, 0, 2.5, 2.1), np.zeros(1), np.zeros(1), CONFIG)
    ).all()
