from __future__ import annotations

import numpy as np
import pytest

from taumltools.production.constituents import electrons, muons, pf_candidates
from taumltools.production.geometry import delta_r
from taumltools.production.tautuple import cone_axis


@pytest.fixture(scope="module")
def axis(batch):
    return cone_axis(batch)


@pytest.fixture(scope="module")
def collection(batch, axis, config):
    return pf_candidates(batch, axis, config)


@pytest.fixture(scope="module")
def rows(batch, collection):
    """Candidate row of each stored constituent."""
    event = batch.entries.event[collection.owner]
    return batch.candidates.offsets[event] + collection.columns["index"]


def test_axis_is_the_tau_or_else_the_generated_lepton(batch, axis):
    e = batch.entries
    for k in range(len(e)):
        source, row = (batch.taus, e.tau[k]) if e.tau[k] >= 0 else (batch.leptons, e.lepton[k])
        assert (axis[0][k], axis[1][k]) == (source.eta[row], source.phi[row])


def test_index_points_to_the_candidate(batch, collection, rows):
    assert np.array_equal(collection.columns["pt"], batch.candidates.pt[rows])
    assert np.array_equal(collection.columns["particleType"], batch.candidates.kind[rows])


def test_every_candidate_in_the_cone_is_stored(batch, collection, axis):
    c = batch.candidates
    for k in range(0, len(batch.entries), 15):
        event = batch.entries.event[k]
        here = slice(c.offsets[event], c.offsets[event + 1])
        distance = delta_r(c.eta[here].astype(float), c.phi[here].astype(float), axis[0][k], axis[1][k])
        assert collection.counts[k] == (distance < 0.5).sum()


def test_signal_flags_are_the_taus_constituents(batch, collection, rows):
    signal = collection.columns["tauSignal"] == 1
    for k in np.flatnonzero(batch.entries.tau >= 0)[::10]:
        expected = batch.taus.signal[batch.entries.tau[k]]
        found = rows[signal & (collection.owner == k)]
        assert sorted(found) == sorted(expected[expected >= 0])


def test_jet_daughters_are_the_jets_members(batch, collection, rows):
    daughter = collection.columns["jetDaughter"] == 1
    for k in np.flatnonzero(batch.entries.jet >= 0)[::10]:
        jet = batch.entries.jet[k]
        members = batch.jets.members[batch.jets.first[jet] : batch.jets.last[jet]]
        inside = rows[collection.owner == k]
        assert sorted(rows[daughter & (collection.owner == k)]) == sorted(set(members) & set(inside))


def test_association_codes(batch, collection, rows):
    c = collection.columns
    primary = batch.primary[rows]
    assert np.all(c["fromPV"][primary] == 3)
    assert np.all(c["pvAssociationQuality"][primary] == 7)
    assert np.all(c["fromPV"][c["charge"] == 0] == 1)
    other = c["fromPV"] == 0
    assert other.any()
    assert np.all(batch.candidates.pileup[rows][other] == 1)


def test_vertex_of_pileup_tracks_is_elsewhere(batch, collection):
    c = collection.columns
    pv_z = batch.collisions.pv[batch.entries.event[collection.owner], 2]
    other = c["fromPV"] == 0
    assert np.all(c["vertex_z"][~other] == pv_z[~other])
    assert np.abs(c["vertex_z"] - pv_z)[other].min() > 0.02


def test_calorimeter_shares_are_shares(collection):
    c = collection.columns
    assert np.all((c["hcalFraction"] >= 0) & (c["hcalFraction"] <= 1))
    assert np.all(c["hcalFraction"][c["particleType"] == 4] == 0)
    assert np.array_equal(c["caloFraction"], c["rawCaloFraction"])


def test_hits_add_up(collection):
    c = collection.columns
    assert np.array_equal(c["nHits"], c["nPixelHits"] + c["nStripLayers"])
    assert np.all(c["nHits"][c["charge"] == 0] == 0)


@pytest.mark.parametrize(("make", "code"), [(electrons, 1), (muons, 2)])
def test_lepton_collections_hold_all_leptons_of_the_cone(batch, axis, config, make, code):
    found = make(batch, axis, config)
    c = batch.candidates
    for k in range(len(batch.entries)):
        event = batch.entries.event[k]
        here = np.arange(c.offsets[event], c.offsets[event + 1])
        leptons = here[c.lepton[here] == code]
        inside = delta_r(c.eta[leptons].astype(float), c.phi[leptons].astype(float), axis[0][k], axis[1][k]) < 0.5
        part = found.slice(k, k + 1).columns
        assert part["pt"].tolist() == c.pt[leptons[inside]].tolist()
        assert part["index"].tolist() == np.flatnonzero(inside).tolist()


def test_energy_over_momentum_of_electrons(batch, axis, config):
    c = electrons(batch, axis, config).columns
    momentum = c["pt"] * np.cosh(c["eta"])
    assert c["trackMomentumAtVtx"] == pytest.approx(momentum, rel=1e-5)
    assert c["eSuperClusterOverP"] == pytest.approx(c["ecalEnergy"] / momentum, rel=1e-4)
    assert np.all(c["mvaInput_hadEnergy"] >= 0)
    assert np.all(c["ip3d"] >= np.abs(c["dxy"]) * 0.999)


def test_muons_of_tau_decays_are_stored_once_per_entry(batch, axis, config):
    found = muons(batch, axis, config)
    pairs = list(zip(found.owner, found.columns["index"], strict=True))
    assert len(set(pairs)) == len(pairs)
    assert np.all(found.columns["pfRelIso04"] >= 0)
    assert found.columns["mass"] == pytest.approx(np.full(len(pairs), 0.10566), rel=1e-4)
