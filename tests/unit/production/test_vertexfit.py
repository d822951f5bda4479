from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from taumltools.config.production import HpsConfig, JetConfig
from taumltools.production.hps import find_taus
from taumltools.production.jets import reconstructed_jets
from taumltools.production.vertexfit import (
    TAU_MASS,
    fit_vertices,
    flight_significance,
    gottfried_jackson_difference,
    inverse,
)

ROWS = [(1, 1, 15.0, 0.3, 0.0), (1, -1, 10.0, 0.35, 0.0), (1, 1, 8.0, 0.3, 0.07)]


def tracks_through(point, make_candidates, rows=ROWS):
    """Tracks whose impact parameters say that they pass ``point`` (cm)."""
    eta, phi = (np.array([row[k] for row in rows]) for k in (3, 4))
    x, y, z = point
    dxy = y * np.cos(phi) - x * np.sin(phi)
    dz = z - (x * np.cos(phi) + y * np.sin(phi)) * np.sinh(eta)
    c = make_candidates(rows, dxy=dxy, dz=dz)
    return find_taus(c, reconstructed_jets(c, JetConfig(), window=0.1), HpsConfig()), c


@pytest.mark.parametrize("point", [(0.2, 0.01, 0.06), (0.0, 0.0, 0.0), (0.5, 0.0, 0.15)])
def test_exact_tracks_give_the_exact_vertex(make_candidates, point):
    taus, c = tracks_through(point, make_candidates)
    assert taus.mode.tolist() == [10]
    assert fit_vertices(taus, c).position[0] == pytest.approx(point, abs=1e-5)


def test_one_prong_has_no_vertex(make_candidates):
    taus, c = tracks_through((0.2, 0.01, 0.06), make_candidates, [(1, 1, 30.0, 0.3, 0.0)])
    vertices = fit_vertices(taus, c)
    assert vertices.exists.tolist() == [False]
    assert np.isnan(flight_significance(vertices)[0])


def test_significance_is_length_over_its_uncertainty(make_candidates):
    near, far = (fit_vertices(*tracks_through((x, 0.0, x * np.sinh(0.3)), make_candidates)) for x in (0.2, 0.4))
    assert flight_significance(far)[0] == pytest.approx(2 * flight_significance(near)[0], rel=1e-3)


def test_no_taus(make_candidates):
    c = make_candidates([])
    taus = find_taus(c, reconstructed_jets(c, JetConfig(), window=0.1), HpsConfig())
    assert fit_vertices(taus, c).position.shape == (0, 3)


def test_pulls_of_real_taus(batch):
    """Flight lengths of three-prong taus point along the tau more often than against it."""
    vertices = fit_vertices(batch.taus, batch.candidates)
    three = np.flatnonzero((batch.taus.mode == 10) & (flight_significance(vertices) > 3))
    along = np.cos(batch.taus.phi[three]) * vertices.position[three, 0]
    along += np.sin(batch.taus.phi[three]) * vertices.position[three, 1]
    assert len(three) >= 5
    assert (along > 0).mean() > 0.8


def test_gottfried_jackson_angle_of_parallel_momentum_and_flight():
    p = np.array([[0.0, 0.0, 40.0]])
    found = gottfried_jackson_difference(p, np.array([1.0]), np.array([[0.0, 0.0, 0.3]]))
    assert found[0] == pytest.approx(-np.arcsin((TAU_MASS**2 - 1) / (2 * TAU_MASS * 40)))


def test_gottfried_jackson_angle_is_missing_where_it_is_not_defined():
    flight = np.array([[np.nan] * 3, [0.0, 0.0, 1.0]])
    found = gottfried_jackson_difference(np.array([[0.0, 0.0, 40.0], [0.0, 0.0, 0.1]]), np.ones(2), flight)
    assert np.isnan(found).all()


def spd(n, rng, scale=1.0):
    """Symmetric positive matrices, some of them badly conditioned."""
    a = rng.normal(size=(n, 3, 3)) * 10.0 ** rng.uniform(-scale, scale, (n, 1, 3))
    return np.einsum("kij,klj->kil", a, a)


def test_inverse_is_that_of_lapack():
    matrices = spd(2000, np.random.default_rng(1), 2.0)
    mine, theirs = inverse(matrices), np.linalg.inv(matrices)
    condition = np.linalg.cond(matrices)
    error = np.abs(mine - theirs).max(axis=(1, 2)) / np.abs(theirs).max(axis=(1, 2))
    assert (error < 1e-14 * condition + 1e-13).all()
    assert np.isnan(inverse(np.zeros((1, 3, 3)))).all()


BLAS = """
import hashlib
import numpy as np
from taumltools.production.vertexfit import inverse
a = np.random.default_rng(1).normal(size=(20000, 3, 3))
print(hashlib.sha256(inverse(np.einsum("kij,klj->kil", a, a)).tobytes()).hexdigest())
"""


def test_vertices_do_not_depend_on_the_environment():
    """A job on a batch system, which has no OPENBLAS_CORETYPE, gave some vertices another last bit."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}
    results = {
        subprocess.run(
            [sys.executable, "-c", BLAS], env=plain | more, capture_output=True, text=True, check=True
        ).stdout
        for more in (
            {},
            {"OPENBLAS_CORETYPE": "Haswell"},
            {"OPENBLAS_CORETYPE": "Nehalem"},
            {"OPENBLAS_NUM_THREADS": "1"},
        )
    }
    assert len(results) == 1
