from __future__ import annotations

import numpy as np
import pytest

from taumltools.tuples.columns import complete
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.schema import INT_MISSING, tautuple_schema
from taumltools.tuples.truth import truth_type

SCHEMA = tautuple_schema()


@pytest.fixture(scope="module")
def taus():
    return mock_tuples(1000, seed=5)


def equal(a, b):
    return all(np.array_equal(a[n], b[n], equal_nan=a[n].dtype.kind == "f") for n in a.branches)


def test_all_branches_with_the_types_of_the_schema(taus):
    assert set(taus.branches) == set(SCHEMA.branches)
    assert all(taus[name].dtype == branch.dtype for name, branch in SCHEMA.branches.items())


def test_can_be_written_as_it_is(taus):
    assert equal(complete(taus), taus)


def test_same_seed_same_content():
    assert equal(mock_tuples(20, seed=2), mock_tuples(20, seed=2))
    assert not equal(mock_tuples(20, seed=2), mock_tuples(20, seed=3))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_small_tables(n):
    assert len(mock_tuples(n)) == n


def test_key_is_unique_also_between_seeds(taus):
    tables = [taus, mock_tuples(1000, seed=6)]
    key = [np.concatenate([t[n] for t in tables]) for n in ("run", "lumi", "evt", "jet_index", "tau_index")]
    assert len(set(zip(*(column.tolist() for column in key), strict=True))) == 2000


def test_all_truth_types_and_entries_without(taus):
    values, counts = np.unique(truth_type(taus), return_counts=True)
    assert values.tolist() == [-1, 0, 1, 2, 3]
    assert counts.min() > 50


def test_entries_without_reconstructed_tau_have_missing_values(taus):
    lost = taus["tau_index"] < 0
    assert 0.01 < lost.mean() < 0.1
    assert np.array_equal(np.isnan(taus["tau_pt"]), lost)
    assert np.all(taus["tau_decayMode"][lost] == INT_MISSING)
    assert np.all(taus["tau_byDeepTau2018v2p5VSjet"][lost] == 0)


def test_plausible_ranges(taus):
    pt = taus["tau_pt"][taus["tau_index"] >= 0]
    assert pt.min() >= 20
    assert pt.max() < 1000
    assert np.nanmax(np.abs(taus["tau_eta"])) < 2.3
    assert set(np.unique(taus["pfCand_particleType"])) <= set(range(1, 8))
    assert taus["pfCand_pt"].min() > 0
    assert np.abs(taus["pfCand_phi"]).max() <= np.float32(np.pi)


def test_objects_lie_around_the_tau(taus):
    pf = taus.collections["pfCand"]
    distance = np.abs(pf.columns["eta"] - taus["jet_eta"][pf.owner])
    assert np.nanmedian(distance) < 0.3


def test_shared_counts_and_indices(taus):
    shape = taus.collections["photon_shape"].offsets
    assert np.array_equal(shape, taus.collections["photon"].offsets)
    assert np.array_equal(taus["nsv"], taus.collections["sv"].counts)
    pf = taus.collections["pfCand"]
    first = pf.offsets[:-1][pf.counts > 0]
    assert np.all(pf.columns["index"][first] == 0)
    assert pf.columns["index"].max() == pf.counts.max() - 1


def test_candidates_without_track_details_lack_errors(taus):
    missing = taus["pfCand_hasTrackDetails"] == 0
    assert np.array_equal(np.isnan(taus["pfCand_dz_error"]), missing)
    assert not np.isnan(taus["pfCand_dz"]).any()
