from __future__ import annotations

import numpy as np
import pytest

from taumltools.config.production import MaterialConfig
from taumltools.production.material import pass_material, radiation_lengths

N = 20000


def test_thickness_grows_and_then_stays():
    x0 = radiation_lengths(np.array([0.0, 1.0, -1.0, 2.2, 4.0]), MaterialConfig())
    assert x0[0] < x0[1] == x0[2] < x0[3] == x0[4]


def test_photons_convert_with_the_probability_of_the_settings(make_stable):
    config = MaterialConfig()
    after = pass_material(make_stable(N, code=22, charge=0), config, np.random.default_rng(1))
    expected = config.conversion * float(radiation_lengths(np.array([0.5]), config)[0])
    legs = after.converted.sum()
    assert legs / 2 / N == pytest.approx(expected, abs=0.01)
    assert len(after) == N + legs // 2
    assert after.charge.sum() == 0


def test_energy_is_conserved(make_stable):
    for code, charge in ((22, 0), (11, -1)):
        before = make_stable(N, code=code, charge=charge)
        after = pass_material(before, MaterialConfig(), np.random.default_rng(1))
        assert len(after) > N
        assert after.energy.sum() == pytest.approx(before.energy.sum(), rel=1e-4)


def test_conversion_legs_are_flagged_displaced_electrons(make_stable):
    after = pass_material(make_stable(N, code=22, charge=0), MaterialConfig(), np.random.default_rng(1))
    legs = after.take(after.converted)
    assert np.all(legs.code == 11)
    assert legs.radius.min() >= 3.0
    assert np.abs(legs.dxy).max() > 0.01


def test_brem_photon_flies_to_one_side_of_the_electron(make_stable):
    """Electrons bend, their photons do not: the sign follows the charge."""
    for charge in (-1, 1):
        after = pass_material(make_stable(2000, code=11, charge=charge), MaterialConfig(), np.random.default_rng(1))
        photon = after.code == 22
        assert photon.any()
        assert np.all((after.phi[photon] - 0.3) * charge <= 0)
        assert np.all(after.charge[~photon] == charge)


def test_hadrons_and_soft_photons_pass_unchanged(make_stable):
    for before in (make_stable(50, code=211, charge=1), make_stable(50, code=22, charge=0, pt=0.5)):
        after = pass_material(before, MaterialConfig(), np.random.default_rng(1))
        assert len(after) == 50
        assert np.array_equal(after.pt, before.pt)
        assert not after.converted.any()


def test_input_is_not_changed(make_stable):
    before = make_stable(500, code=22, charge=0)
    pass_material(before, MaterialConfig(), np.random.default_rng(1))
    assert np.all(before.pt == 10.0)
    assert not before.converted.any()
