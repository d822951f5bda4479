from __future__ import annotations

import numpy as np
import pytest

from taumltools.config.production import HpsConfig
from taumltools.production.taucolumns import energy_shares, eta_at_ecal, signal_cone, tau_columns


def test_signal_cone_shrinks_with_pt():
    assert signal_cone(np.array([20.0, 40.0, 200.0]), HpsConfig()).tolist() == pytest.approx([0.1, 0.075, 0.05])


def test_eta_at_the_ecal_moves_with_the_vertex():
    central = eta_at_ecal(np.array([0.0, 0.0]), np.array([0.0, 10.0]))
    assert central[0] == 0.0
    assert central[1] == pytest.approx(np.arcsinh(10 / 129))


def test_endcap_entrance_is_on_the_endcap():
    eta = np.array([2.0, -2.0])
    z = 5.0
    rho = (317 - np.array([z, -z])) / np.sinh(2.0)
    assert eta_at_ecal(eta, np.array([z, z])) == pytest.approx(np.arcsinh(np.array([317, -317]) / rho))


def test_energy_shares(make_candidates):
    from taumltools.config.production import JetConfig
    from taumltools.production.hps import find_taus
    from taumltools.production.jets import reconstructed_jets

    c = make_candidates([(1, 1, 20.0, 0.5, 1.0), (4, 0, 10.0, 0.53, 1.0)], hcal_fraction=[0.75, 0.0])
    taus = find_taus(c, reconstructed_jets(c, JetConfig(), window=0.1), HpsConfig())
    shares = energy_shares(taus, c)
    assert shares["e_ratio"][0] == pytest.approx(0.25)
    hadron, photon = c.energy
    assert shares["emFraction"][0] == pytest.approx((0.25 * hadron + photon) / (hadron + photon))


@pytest.fixture(scope="module")
def columns(batch, config):
    return tau_columns(batch, config)


def test_all_columns_have_one_value_per_tau(columns, batch):
    assert {len(column) for column in columns.values()} == {len(batch.taus)}
    assert len(columns) == 43


def test_three_dimensional_impact_parameter_is_at_least_the_transverse_one(columns):
    assert np.all(np.abs(columns["ip3d"]) >= np.abs(columns["dxy"]) * 0.999)
    assert np.all(columns["ip3d_error"] > 0)


def test_point_of_closest_approach_is_dxy_away_from_the_vertex(columns, batch):
    pv = batch.collisions.pv[batch.taus.event]
    distance = np.hypot(columns["dxy_pca_x"] - pv[:, 0], columns["dxy_pca_y"] - pv[:, 1])
    assert distance == pytest.approx(np.abs(columns["dxy"]), abs=1e-6)


def test_vertices_exist_for_several_prongs_only(columns):
    several = columns["decayMode"] >= 5
    assert columns["hasSecondaryVertex"].tolist() == several.astype(int).tolist()
    assert np.isfinite(columns["sv_x"]).tolist() == several.tolist()
