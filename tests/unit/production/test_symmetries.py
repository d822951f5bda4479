"""What must not change when an event is turned, mirrored, reordered or joined with others."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.config.production import HpsConfig, JetConfig
from taumltools.production.candidates import Candidates
from taumltools.production.cones import PUPPI_CORE, in_cones, neighbour_activity
from taumltools.production.eventlevel import energy_density, missing_momentum
from taumltools.production.geometry import cartesian, delta_r, fold_phi, invariant_mass, pt_eta_phi
from taumltools.production.hps import find_taus
from taumltools.production.jets import reconstructed_jets
from taumltools.production.pileup import overlay
from taumltools.production.table import offsets_from_counts

WINDOW = 0.1
CELL_PHI = 2 * np.pi / round(2 * np.pi / 0.55)


def turned(c: Candidates, *, angle: float = 0.0, mirror: bool = False) -> Candidates:
    """All candidates turned around the beam, or mirrored at the plane z = 0."""
    sign = np.float32(-1 if mirror else 1)
    return dataclasses.replace(
        c,
        phi=fold_phi(c.phi.astype(float) + angle).astype(np.float32),
        eta=c.eta * sign,
        dz=c.dz * sign,
        vertex_z=c.vertex_z * sign,
    )


@pytest.fixture(scope="module")
def reconstructed(batch):
    """Taus and jets of candidates."""

    def run(c):
        jets = reconstructed_jets(c, JetConfig(), window=WINDOW)
        return find_taus(c, jets, HpsConfig()), jets

    return run


@pytest.mark.parametrize("change", [{"angle": 1.234}, {"angle": -3.0}, {"mirror": True}], ids=str)
def test_turned_and_mirrored_events_have_the_same_jets_and_taus(batch, reconstructed, change):
    (taus, jets), (new_taus, new_jets) = (
        reconstructed(batch.candidates),
        reconstructed(turned(batch.candidates, **change)),
    )
    assert len(taus) > 100
    # rounding to float32 may move a candidate over a threshold, rarely
    assert abs(len(new_jets) - len(jets)) <= 2
    assert abs(len(new_taus) - len(taus)) <= 2
    old = {(int(e), int(lead)): k for k, (e, lead) in enumerate(zip(taus.event, taus.lead, strict=True))}
    pairs = [(old[key], k) for k, key in enumerate(zip(new_taus.event, new_taus.lead, strict=True)) if key in old]
    assert len(pairs) > 0.97 * len(taus)
    a, b = np.array(pairs).T
    assert (taus.mode[a] == new_taus.mode[b]).mean() > 0.97
    same = taus.mode[a] == new_taus.mode[b]
    a, b = a[same], b[same]
    assert np.mean(np.isclose(taus.pt[a], new_taus.pt[b], rtol=1e-4)) > 0.97
    turn = fold_phi(new_taus.phi[b] - taus.phi[a] - change.get("angle", 0.0))
    assert np.median(np.abs(turn)) < 1e-5
    sign = -1 if change.get("mirror") else 1
    assert np.median(np.abs(new_taus.eta[b] - sign * taus.eta[a])) < 1e-5


@pytest.mark.parametrize("event", [0, 3, 77, 149])
def test_an_event_does_not_know_its_neighbours(batch, reconstructed, event):
    """Reconstructed alone, an event gives what it gives in its batch."""
    c = batch.candidates
    rows = np.arange(c.offsets[event], c.offsets[event + 1])
    alone = Candidates(offsets_from_counts(np.array([len(rows)])), **{n: v[rows] for n, v in c.columns().items()})
    (taus, jets), here = reconstructed(alone), batch.taus.event == event
    np.testing.assert_array_equal(jets.pt, batch.jets.pt[batch.jets.event == event])
    for name in ("pt", "eta", "phi", "mass", "charge", "mode"):
        np.testing.assert_array_equal(getattr(taus, name), getattr(batch.taus, name)[here])
    np.testing.assert_array_equal(taus.lead + c.offsets[event], batch.taus.lead[here])
    assert energy_density(alone)[0] == energy_density(c)[event]


def test_density_and_missing_momentum_turn_and_scale_with_the_event(batch):
    c = batch.candidates
    rho, (pt, phi) = energy_density(c), missing_momentum(c, np.ones(len(c)))
    # a turn by whole cells moves every candidate to another cell of the same size
    around = turned(c, angle=3 * CELL_PHI)
    np.testing.assert_allclose(energy_density(around), rho, rtol=0.05)
    new_pt, new_phi = missing_momentum(around, np.ones(len(c)))
    np.testing.assert_allclose(new_pt, pt, rtol=1e-3, atol=1e-3)
    assert np.abs(fold_phi(new_phi - phi - 3 * CELL_PHI)).max() < 1e-2
    double = dataclasses.replace(c, pt=2 * c.pt)
    np.testing.assert_allclose(energy_density(double), 2 * rho, rtol=1e-6)
    np.testing.assert_allclose(missing_momentum(double, np.ones(len(c)))[0], 2 * pt, rtol=1e-6)


def test_missing_momentum_is_linear_in_the_weights(batch):
    c, rng = batch.candidates, np.random.default_rng(2)
    first, second = rng.random((2, len(c)))

    def vector(weights):
        pt, phi = missing_momentum(c, weights)
        return np.stack([pt * np.cos(phi), pt * np.sin(phi)])

    np.testing.assert_allclose(vector(first) + vector(second), vector(first + second), atol=2e-3)


def test_overlay_keeps_the_hard_event(make_candidates, pool, config):
    """Every candidate of the collision is still there once, with its momentum and its track."""
    rows = [(1, 1, 40.5, 0.3, 1.0), (4, 0, 33.25, -1.2, -3.0), (3, -1, 27.125, 2.0, 0.1)]
    signal = make_candidates(rows, [], rows[:1])
    sharp = dataclasses.replace(config.pileup, pv_resolution_xy=0.0, pv_resolution_z=0.0)
    merged, collisions = overlay(signal, pool, sharp, np.random.default_rng(9))
    assert merged.n_events == 3
    assert len(merged) > len(signal) + 100
    where = np.isin(merged.pt, signal.pt) & (merged.vertex_z == 0) & (merged.pileup == 0)
    assert where.sum() == len(signal)
    found = merged.take(where)
    np.testing.assert_array_equal(found.event, signal.event)
    for name in Candidates.column_names():
        np.testing.assert_array_equal(getattr(found, name), getattr(signal, name), err_msg=name)
    assert np.all(collisions.vertices >= 1)


def test_overlay_draws_whole_collisions(make_candidates, pool, config):
    """Each pool collision arrives with all its candidates: their energies are among those of the pool."""
    merged, _ = overlay(make_candidates([], []), pool, config.pileup, np.random.default_rng(4))
    kinds = np.bincount(merged.kind, minlength=6) / len(merged)
    expected = np.bincount(pool.candidates.kind, minlength=6) / len(pool.candidates)
    np.testing.assert_allclose(kinds, expected, atol=0.05)
    assert np.isin(merged.pt, pool.candidates.pt).all()
    sizes = set(np.diff(pool.candidates.offsets).tolist())
    for event in range(merged.n_events):
        here = slice(merged.offsets[event], merged.offsets[event + 1])
        away = merged.pileup[here] > 0  # every pile-up collision has its own z
        _, counts = np.unique(merged.vertex_z[here][away], return_counts=True)
        assert set(counts.tolist()) <= sizes


directions = st.tuples(
    st.integers(0, 2),
    st.floats(-2.5, 2.5, width=32),
    st.floats(-3.140625, 3.140625, width=32),
    st.floats(0.5, 50, width=32),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(directions, max_size=25), st.lists(directions, max_size=5), st.sampled_from([0.1, 0.5, 1.0, 4.0]))
def test_cones_and_activity_agree_with_a_loop(make_candidates, objects, centres, radius):
    """Also across the seam of phi, with empty events and with cones wider than half the detector."""
    objects = sorted(objects, key=lambda o: o[0])
    c = make_candidates(*([(4, 0, pt, eta, phi) for e, eta, phi, pt in objects if e == event] for event in range(3)))
    event, eta, phi = (np.array([o[k] for o in centres], t) for k, t in ((0, np.int64), (1, float), (2, float)))
    offsets, rows = in_cones(event, eta, phi, c, radius)
    activity = neighbour_activity(event, eta, phi, c.offsets, c.eta, c.phi, c.pt, radius)
    for k in range(len(centres)):
        distance = delta_r(c.eta.astype(float), c.phi.astype(float), eta[k], phi[k])
        here = c.event == event[k]
        on_the_rim = np.abs(distance - radius) < 1e-6
        expected = np.flatnonzero(here & (distance < radius))
        found = rows[offsets[k] : offsets[k + 1]]
        assert not set(expected.tolist()).symmetric_difference(found.tolist()) - set(
            np.flatnonzero(on_the_rim).tolist()
        )
        if not on_the_rim.any():
            terms = (c.pt[expected] / np.maximum(distance[expected], PUPPI_CORE)) ** 2
            assert activity[k] == pytest.approx(terms.sum(dtype=float), rel=1e-5)


momenta = st.tuples(st.floats(0.1, 1e3), st.floats(-5, 5), st.floats(-3.14, 3.14), st.floats(0.0, 10.0))


@settings(deadline=None)
@given(st.lists(momenta, min_size=1, max_size=6))
def test_momenta_return_from_cartesian_and_masses_do_not_shrink(rows):
    pt, eta, phi, mass = np.array(rows).T
    px, py, pz, energy = cartesian(pt, eta, phi, mass)
    for back, value in zip(pt_eta_phi(px, py, pz), (pt, eta, phi), strict=True):
        np.testing.assert_allclose(back, value, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(invariant_mass(px, py, pz, energy) ** 2, mass**2, atol=1e-12 * energy.max() ** 2)
    together = invariant_mass(px.sum(), py.sum(), pz.sum(), energy.sum())
    assert together >= mass.sum() - 1e-6 * energy.sum()
