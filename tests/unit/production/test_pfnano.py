"""PFNano to TauTuple, on real dijet events of CMS (tests/data/nano/pfnano.root, from coffea's test samples, BSD-3)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.errors import InputError
from taumltools.production.entries import Entries
from taumltools.production.geometry import delta_r
from taumltools.production.nanoread import NanoFile
from taumltools.production.pfnano import (
    candidates_of,
    from_pileup,
    make_batch,
    reconstruct,
    track_details,
    wanted,
    with_jets,
)
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.schema import INT_MISSING, tautuple_schema
from taumltools.tuples.truth import TauType, truth_type

PFNANO = Path(__file__).parents[2] / "data/nano/pfnano.root"
ALL = DatasetConfig(title="x", source="pfnano", files=("x",), require_gen_match=False)


def run(dataset=ALL, config=None, **options):
    return Tuples.concatenate(list(reconstruct([PFNANO], dataset, config or ProductionConfig(), **options)))


@pytest.fixture(scope="module")
def events():
    with NanoFile(PFNANO, *wanted(ALL)) as file:
        return next(file.iterate())


@pytest.fixture(scope="module")
def batch(events):
    return make_batch(events, ALL, ProductionConfig())[0]


@pytest.fixture(scope="module")
def taus():
    return run()


def test_the_cone_holds_for_everything_around_a_candidate(taus):
    """Leptons, tracks and vertices had stayed within 0.5 whatever was asked for."""
    wide = run(config=replace(ProductionConfig(), cone=replace(ProductionConfig().cone, constituents=0.9)))
    for name in ("pfCand", "ele", "muon", "photon", "sv"):
        assert len(wide.collections[name].columns["eta"]) > len(taus.collections[name].columns["eta"]) > 0, name


def test_jets_agree_with_those_of_cms(batch):
    """Clustered from the candidates: direction, and pt before CMS's energy corrections."""
    with uproot.open(PFNANO) as file:
        cms = file["Events"].arrays(["Jet_pt", "Jet_eta", "Jet_phi", "Jet_rawFactor"])
    ratio, distance = [], []
    for number, event in enumerate(cms):
        low, high = batch.jets.offsets[number : number + 2]
        for pt, eta, phi, factor in zip(*(event[f"Jet_{n}"] for n in ("pt", "eta", "phi", "rawFactor")), strict=True):
            away = delta_r(batch.jets.eta[low:high], batch.jets.phi[low:high], eta, phi)
            ratio.append(batch.jets.pt[low + np.argmin(away)] / (pt * (1 - factor)))
            distance.append(away.min())
    ratio = np.array(ratio)
    assert len(ratio) == 64
    assert np.mean(np.abs(ratio - 1) < 0.002) > 0.75
    assert np.mean(np.abs(ratio - 1) < 0.03) > 0.9
    assert np.mean(np.array(distance) < 0.01) > 0.85
    assert np.median(ratio) == pytest.approx(1, abs=1e-3)


def test_candidates_are_those_of_the_file(events):
    candidates, rows = candidates_of(events)
    table = events.collections["PFCands"]
    assert sorted(rows.tolist()) == list(range(len(rows)))
    assert (candidates.offsets == table.offsets).all()
    assert candidates.pt.tolist() == table.columns["pt"][rows].tolist()
    assert (np.diff(candidates.pt)[np.diff(candidates.event) == 0] <= 0).all()
    assert (candidates.kind > 0).all()
    assert set(candidates.kind[candidates.charge != 0].tolist()) <= {1, 2, 3}
    assert np.isfinite(candidates.energy).all()


def test_tracks_without_a_fit_have_no_impact_parameters(events, taus):
    table = events.collections["PFCands"]
    details = track_details(table.columns)
    assert 0.15 < details.mean() < 0.35
    assert (table.columns["dzErr"][details] > 0).all()
    assert table.columns["pt"][(table.columns["charge"] != 0) & ~details].max() < 1.0
    pf = taus.collections["pfCand"].columns
    without = pf["hasTrackDetails"] == 0
    for name in ("dxy", "dz", "dxy_error", "dz_error", "track_chi2"):
        assert np.isnan(pf[name][without]).all()
        assert np.isfinite(pf[name][~without]).all()
    assert (pf["nPixelHits"] == INT_MISSING).all()


def test_pileup_is_what_puppi_says_of_tracks_that_vertices_were_fitted_with(events):
    table = events.collections["PFCands"]
    elsewhere = from_pileup(table.columns)
    details = track_details(table.columns)
    dz = np.abs(table.columns["dz"])
    assert np.median(dz[elsewhere & details]) > 1  # cm
    own = (table.columns["charge"] != 0) & ~elsewhere & (table.columns["pvAssocQuality"] >= 6) & details
    assert np.median(dz[own]) < 0.01


def test_decay_modes_and_isolation_are_sane(taus):
    modes = taus["tau_decayMode"]
    assert set(modes.tolist()) <= {0, 1, 2, 5, 6, 10, 11}
    prongs = np.where(modes < 5, 1, np.where(modes < 10, 2, 3))
    assert (np.abs(taus["tau_charge"]) <= prongs).all()
    assert (taus["tau_pt"] > 18).all()
    assert (np.abs(taus["tau_eta"]) < 2.5).all()
    # dijet events: candidates are not isolated
    assert np.median(taus["tau_chargedIsoPtSum"]) > 20
    assert (taus["tau_chargedIsoPtSum"] >= 0).all()
    pf = taus.collections["pfCand"]
    lead = pf.columns["tauLeadChargedHadrCand"] == 1
    assert np.bincount(pf.owner[lead], minlength=len(taus)).tolist() == [1] * len(taus)
    assert (pf.columns["charge"][lead] != 0).all()
    signal = pf.columns["tauSignal"] == 1
    sums = np.bincount(pf.owner[signal], weights=pf.columns["pt"][signal], minlength=len(taus))
    assert np.abs(sums / taus["tau_pt"] - 1).max() < 0.05


def test_candidates_of_jets_are_jets(taus):
    assert set(truth_type(taus).tolist()) == {TauType.jet}
    assert (taus["genJet_index"] >= 0).all()
    assert (taus["genLepton_index"] == -1).all()


def test_index_of_a_candidate_is_its_place_in_the_file(taus, events):
    pf = taus.collections["pfCand"]
    table = events.collections["PFCands"]
    number = {int(event): n for n, event in enumerate(events["event"])}
    event = np.array([number[int(x)] for x in taus["evt"]])[pf.owner]
    row = table.offsets[event] + pf.columns["index"]
    assert pf.columns["pt"].tolist() == table.columns["pt"][row].tolist()
    away = delta_r(pf.columns["eta"], pf.columns["phi"], taus["tau_eta"][pf.owner], taus["tau_phi"][pf.owner])
    assert away.max() <= 0.5


def test_all_columns_are_of_the_schema_and_survive_a_file(taus, tmp_path):
    schema = tautuple_schema()
    assert set(taus.branches) <= set(schema.branches)
    assert len(taus.branches) > 170
    write_tuples(tmp_path / "t.root", taus)
    with open_tuples(tmp_path / "t.root") as file:
        again = file.read(taus.branches)
    for name in taus.branches:
        np.testing.assert_array_equal(again[name], taus[name], err_msg=name)


def test_unmatched_taus_are_left_out_by_default():
    account = {}
    matched = run(DatasetConfig(title="x", source="pfnano", files=("x",)), account=account, events=4)
    assert account["events"] == 4
    assert len(matched) <= account["taus"]
    data = DatasetConfig(title="x", source="pfnano", files=("x",), sample_type="Data", require_gen_match=False)
    taus = run(data, events=4)
    assert len(taus) == account["taus"]
    assert set(truth_type(taus).tolist()) == {TauType.data}


PROBES = DatasetConfig(title="x", source="pfnano", files=("x",), require_gen_match=False, selector="TagAndProbe")


def edited(monkeypatch, **columns):
    """Let the reader give other numbers of the event or of the muons, by the name of the branch."""
    original = NanoFile.iterate

    def iterate(self, *args, **options):
        for table in original(self, *args, **options):
            muons = table.collections["Muon"].columns
            for name, value in columns.items():
                target = muons if name.startswith("Muon_") else table.scalars
                key = name.removeprefix("Muon_")
                target[key] = np.full_like(target[key], value)
            yield table

    monkeypatch.setattr(NanoFile, "iterate", iterate)


@pytest.mark.parametrize(("met", "expected"), [(None, 1), (181.0, 10)])
def test_probe_of_an_event_with_high_missing_momentum_is_its_hardest_jet(monkeypatch, batch, events, met, expected):
    if met:
        edited(monkeypatch, MET_pt=met)
    chosen = run(PROBES)
    assert chosen["selectionType"].tolist() == [3] * expected
    assert set(chosen["tagObj_valid"].tolist()) == {0}
    for row in range(len(chosen)):
        number = events["event"].tolist().index(int(chosen["evt"][row]))
        jets = slice(*batch.jets.offsets[number : number + 2])
        pt = np.where(np.abs(batch.jets.eta[jets]) < 2.8, batch.jets.pt[jets], 0)
        assert chosen["jet_pt"][row] == pytest.approx(pt.max(), rel=1e-6)
    assert (chosen["tau_index"] >= 0).all()  # such hard jets all have one


def test_probe_is_away_from_the_muon_and_may_have_no_tau(monkeypatch, batch, events):
    """Muons of the file made into tags: the probe is the hardest own jet further than 0.4 from the tag."""
    good = {"pt": 30.0, "eta": 0.3, "mediumId": True, "pfRelIso04_all": 0.0, "dxy": 0.0, "dz": 0.0}
    edited(monkeypatch, MET_pt=0.0, **{f"Muon_{name}": value for name, value in good.items()})
    chosen = run(PROBES, ProductionConfig(hps={"min_pt": 700.0}))  # so that most jets have no tau
    table = events.collections["Muon"]
    assert len(chosen) == np.count_nonzero(table.counts) > 5
    assert set(chosen["selectionType"].tolist()) == {1}
    assert set(chosen["tagObj_kind"].tolist()) == {1}
    for row in range(len(chosen)):
        number = events["event"].tolist().index(int(chosen["evt"][row]))
        phi = table.columns["phi"][table.offsets[number]]
        assert chosen["tagObj_phi"][row] == phi
        jets = slice(*batch.jets.offsets[number : number + 2])
        eta = batch.jets.eta[jets]
        free = (np.abs(eta) < 2.8) & (delta_r(eta, batch.jets.phi[jets], 0.3, phi) > 0.4)
        assert chosen["jet_pt"][row] == pytest.approx(batch.jets.pt[jets][free].max(), rel=1e-6)
        assert chosen["has_extramuon"][row] == (table.counts[number] > 1)
    bare = chosen["tau_index"] < 0
    assert bare.any()
    assert not bare.all()
    assert np.isnan(chosen["tau_pt"][bare]).all()
    pf = chosen.collections["pfCand"]
    away = delta_r(pf.columns["eta"], pf.columns["phi"], chosen["jet_eta"][pf.owner], chosen["jet_phi"][pf.owner])
    assert away[bare[pf.owner]].max() < 0.5
    assert (pf.counts > 0).all()


def test_tag_and_probe_with_and_without_match_and_truth():
    account = {}
    matched = run(DatasetConfig(title="x", source="pfnano", files=("x",), selector="TagAndProbe"), account=account)
    assert (matched["genJet_index"] >= 0).all()
    assert account["not_tag_and_probe"] > 20
    data = DatasetConfig(title="x", source="pfnano", files=("x",), selector="TagAndProbe", sample_type="Data",
                         require_gen_match=False)  # fmt: skip
    assert run(data)["evt"].tolist() == run(PROBES)["evt"].tolist()
    assert "Jet_pt" not in NanoFile(PFNANO, *wanted(PROBES)).titles  # jets are its own


def test_jets_that_match_nothing_become_entries_once_unless_a_match_is_required(batch):
    nothing = Entries(*(np.zeros(0, np.int64) for _ in range(5)))
    central = np.flatnonzero(np.abs(batch.jets.eta) < 2.8)
    bare = with_jets(nothing, batch.leptons, batch.jets, PROBES)
    assert bare.jet.tolist() == central.tolist()
    assert bare.event.tolist() == batch.jets.event[central].tolist()
    assert (bare.tau == -1).all()
    first = Entries(*(np.array([x]) for x in (bare.event[0], -1, -1, -1, central[0])))
    assert sorted(with_jets(first, batch.leptons, batch.jets, PROBES).jet.tolist()) == central.tolist()
    matched = DatasetConfig(title="x", source="pfnano", files=("x",), selector="TagAndProbe")
    assert len(with_jets(nothing, batch.leptons, batch.jets, matched)) == 0


def test_jets_agree_with_cms_in_direction_above_30_gev(batch):
    """Every hard jet of CMS inside the tracker has one of ours within 0.1, and seven of eight their pt within 1%."""
    with uproot.open(PFNANO) as file:
        cms = file["Events"].arrays(["Jet_pt", "Jet_eta", "Jet_phi", "Jet_rawFactor"])
    found = []
    for number, event in enumerate(cms):
        jets = slice(*batch.jets.offsets[number : number + 2])
        for pt, eta, phi, factor in zip(*(event[f"Jet_{n}"] for n in ("pt", "eta", "phi", "rawFactor")), strict=True):
            if pt > 30 and abs(eta) < 2.4:
                away = delta_r(batch.jets.eta[jets], batch.jets.phi[jets], eta, phi)
                found.append((away.min(), batch.jets.pt[jets][np.argmin(away)] / (pt * (1 - factor))))
    away, ratio = np.array(found).T
    assert len(away) > 30
    assert away.max() < 0.1
    assert np.mean(np.abs(ratio - 1) < 0.01) > 0.85
    assert np.abs(ratio - 1).max() < 0.1


def test_file_without_candidates_says_what_it_lacks():
    nano = PFNANO.with_name("nano_dy.root")
    with pytest.raises(InputError, match=r"nano_dy\.root: lacks the branches PFCands_pt, PFCands_eta"):
        list(reconstruct([nano], ALL, ProductionConfig()))
