from __future__ import annotations

import numpy as np
import pytest

from taumltools.config.production import PileupConfig, ProductionConfig
from taumltools.errors import InputError
from taumltools.production.candidates import Candidates
from taumltools.production.pileup import PileupPool, generate_pileup, overlay

POINTLIKE = {"pv_resolution_xy": 0.0, "pv_resolution_z": 0.0}


@pytest.fixture
def signal(make_candidates):
    one = [(1, 1, 30.0, 0.0, 0.0), (4, 0, 10.0, 0.5, 1.0)]
    return make_candidates(*[one] * 200)


def test_pool_has_the_collisions_asked_for(pool, config):
    assert len(pool) == config.pileup.pool_events
    per_event = len(pool.candidates) / len(pool)
    assert 25 < per_event < 50


def test_mix_of_kinds_is_close_to_cms_at_28_pileup(pool):
    """CMS: 803 tracks, 246 photons and 89 neutral hadrons an event; a hard collision adds about a tenth."""
    kinds = np.bincount(pool.candidates.kind, minlength=6) / len(pool) * 30
    assert kinds[1:4].sum() == pytest.approx(750, rel=0.15)
    assert kinds[4] == pytest.approx(220, rel=0.2)
    assert kinds[5] == pytest.approx(75, rel=0.25)


def test_same_seed_same_pool():
    # non-diffractive collisions alone start sixteen times faster
    small = ProductionConfig(pileup={"pool_events": 20, "process": ["SoftQCD:nonDiffractive = on"]})
    one, two = (generate_pileup(small, np.random.SeedSequence(4)).candidates for _ in range(2))
    assert len(one) > 0
    assert all(np.array_equal(column, getattr(two, name)) for name, column in one.columns().items())


def test_save_and_load(tmp_path, pool):
    path = tmp_path / "pool.npz"
    pool.save(path)
    back = PileupPool.load(path)
    assert np.array_equal(back.candidates.offsets, pool.candidates.offsets)
    for name, column in pool.candidates.columns().items():
        assert np.array_equal(getattr(back.candidates, name), column)
        assert getattr(back.candidates, name).dtype == column.dtype


@pytest.mark.parametrize("damage", ["missing", "foreign", "truncated", "text"])
def test_unusable_pool_files_are_named(tmp_path, pool, damage):
    path = tmp_path / "pool.npz"
    if damage == "foreign":
        np.savez(path, offsets=np.zeros(3))
    elif damage == "truncated":
        pool.save(path)
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "text":
        path.write_text("not a pool")
    with pytest.raises(InputError, match=r"pool\.npz"):
        PileupPool.load(path)


def test_without_pileup_the_signal_is_unchanged(signal, pool):
    settings = PileupConfig(mean=0.0, underlying_event=0.0, **POINTLIKE)
    merged, collisions = overlay(signal, pool, settings, np.random.default_rng(1))
    assert np.array_equal(merged.pt, signal.pt)
    assert np.array_equal(merged.dz, signal.dz)
    assert np.all(collisions.mean == 0)
    assert np.all(collisions.vertices == 1)


def test_number_of_collisions(signal, pool):
    settings = PileupConfig(mean=10.0, spread=0.0, underlying_event=2.0)
    merged, collisions = overlay(signal, pool, settings, np.random.default_rng(1))
    added = (len(merged) - len(signal)) / 200
    assert added == pytest.approx(12 * len(pool.candidates) / len(pool), rel=0.1)
    assert np.all(collisions.mean == 10.0)
    assert (collisions.vertices - 1).mean() == pytest.approx(10 * settings.vertex_efficiency, rel=0.1)


def test_underlying_event_sits_on_the_signal_vertex(signal, pool):
    settings = PileupConfig(mean=0.0, underlying_event=3.0, **POINTLIKE)
    merged, _ = overlay(signal, pool, settings, np.random.default_rng(1))
    assert np.all(merged.pileup == 0)
    assert np.all(merged.vertex_z == 0)


def test_pileup_is_spread_along_the_beam(signal, pool):
    settings = PileupConfig(mean=10.0, spread=0.0, underlying_event=0.0, **POINTLIKE)
    merged, _ = overlay(signal, pool, settings, np.random.default_rng(1))
    outside = merged.pileup > 0
    assert merged.vertex_z[outside].std() == pytest.approx(3.5 * np.sqrt(2), rel=0.1)
    hard = outside & merged.charged & (merged.pt > 2)
    assert np.median(np.abs(merged.dz - merged.vertex_z)[hard]) < 0.02
    assert np.all(merged.dz[~merged.charged] == 0)


def test_order_does_not_tell_the_origin(signal, pool):
    merged, _ = overlay(signal, pool, PileupConfig(), np.random.default_rng(1))
    inside = np.diff(merged.event) == 0
    assert np.all(np.diff(merged.pt)[inside] <= 0)


def test_vertex_resolution_moves_all_tracks_of_an_event_together(signal, pool):
    settings = PileupConfig(mean=0.0, underlying_event=0.0, pv_resolution_xy=0.0, pv_resolution_z=0.01)
    merged, collisions = overlay(signal, pool, settings, np.random.default_rng(1))
    assert merged.dz[merged.charged].std() == pytest.approx(0.01, rel=0.2)
    assert np.all(merged.dxy == 0)
    assert collisions.pv.shape == (200, 3)


def test_tracks_of_resolved_vertices_are_not_the_signals(make_candidates):
    row = (1, 1, 5.0, 0.0, 0.0)
    c: Candidates = make_candidates(
        [row] * 4, dz=[0.0, 0.06, 0.06, 0.2], vertex_z=[0, 0.07, 0.07, 0.2], pileup=[0, 1, 2, 1]
    )
    assert c.from_primary(0.1).tolist() == [True, False, True, False]
