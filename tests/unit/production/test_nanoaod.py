"""NanoAOD to TauTuple, on real events of CMS (tests/data/nano/nano_dy.root, from coffea's test samples, BSD-3)."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from taumltools.config.datasets import DatasetConfig
from taumltools.errors import InputError
from taumltools.production.nanoaod import convert
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import NO_TYPE, TauType, truth_type

NANO = Path(__file__).parents[2] / "data/nano/nano_dy.root"
ALL = DatasetConfig(title="x", source="nanoaod", files=(str(NANO),), require_gen_match=False)


def run(dataset=ALL, files=(NANO,), **options):
    return Tuples.concatenate(list(convert(list(files), dataset, **options)))


@pytest.fixture(scope="module")
def taus():
    return run()


@pytest.fixture(scope="module")
def nano():
    with uproot.open(NANO) as file:
        return file["Events"].arrays(
            filter_name=["Tau_*", "GenVisTau_*", "GenPart_*", "Electron_*", "Jet_*", "run", "event"]
        )


def flat(nano, name):
    return np.concatenate([np.asarray(event) for event in nano[name]])


@pytest.mark.parametrize("name", ["pt", "eta", "phi", "mass", "charge", "decayMode", "dxy", "dz"])
def test_taus_are_those_of_the_file_entry_by_entry(taus, nano, name):
    found = taus[f"tau_{name}"][taus["tau_index"] >= 0]
    assert found.tolist() == flat(nano, f"Tau_{name}").tolist()


def test_truth_is_that_of_the_file_entry_by_entry(taus, nano):
    """``genPartFlav`` 1 to 5 are e, mu, e, mu, tau; 0 is a jet where a generated jet is near, and else nothing."""
    types = truth_type(taus)[taus["tau_index"] >= 0]
    flavour = flat(nano, "Tau_genPartFlav")
    expected = np.array([NO_TYPE, TauType.e, TauType.mu, TauType.e, TauType.mu, TauType.tau])[flavour]
    known = flavour > 0
    assert types[known].tolist() == expected[known].tolist()
    assert set(types[~known].tolist()) <= {NO_TYPE, TauType.jet}
    assert np.bincount(flavour).tolist() == [1, 11, 9, 1, 2, 5]


def test_taus_without_generated_lepton_are_jets_where_a_generated_jet_is_near(taus):
    """``genPartFlav`` 0, by a slow loop over the generated jets of the file."""
    with uproot.open(NANO) as file:
        events = file["Events"].arrays(["Tau_eta", "Tau_phi", "Tau_genPartFlav", "GenJet_eta", "GenJet_phi"])
    expected = []
    for event in events:
        for eta, phi, flavour in zip(*(event[f"Tau_{n}"] for n in ("eta", "phi", "genPartFlav")), strict=True):
            dphi = (np.asarray(event["GenJet_phi"]) - phi + np.pi) % (2 * np.pi) - np.pi
            near = np.hypot(np.asarray(event["GenJet_eta"]) - eta, dphi) < 0.4
            if flavour == 0:
                expected.append(TauType.jet if near.any() else NO_TYPE)
    unmatched = (taus["tau_index"] >= 0) & (taus["genLepton_index"] < 0)
    assert truth_type(taus)[unmatched].tolist() == expected
    assert len(expected) == 1


def test_generated_lepton_is_the_one_that_the_file_names(taus, nano):
    rows = iter(np.flatnonzero(taus["tau_index"] >= 0))
    for event in nano:
        for flavour, index in zip(event["Tau_genPartFlav"], event["Tau_genPartIdx"], strict=True):
            row = next(rows)
            if flavour == 0:
                assert taus["genLepton_index"][row] == -1
                assert np.isnan(taus["genLepton_vis_pt"][row])
                continue
            table = "GenVisTau" if flavour == 5 else "GenPart"
            assert taus["genLepton_kind"][row] == flavour
            assert taus["genLepton_vis_pt"][row] == event[f"{table}_pt"][index]


def test_candidates_are_unique_and_numbered(taus):
    keys = list(zip(*(taus[n].tolist() for n in ("run", "lumi", "evt", "jet_index", "tau_index")), strict=True))
    assert len(set(keys)) == len(keys)
    for event in set(taus["evt"].tolist()):
        mine = taus["evt"] == event
        assert taus["entry_index"][mine].tolist() == list(range(mine.sum()))
        assert set(taus["total_entries"][mine].tolist()) == {mine.sum()}


def test_taus_that_were_not_reconstructed_are_there_for_efficiencies(taus, nano):
    lost = taus["tau_index"] < 0
    assert lost.sum() == 6
    assert (taus["genLepton_kind"][lost] == 5).all()
    assert (taus["genLepton_vis_pt"][lost] > 15).all()
    assert np.isnan(taus["tau_pt"][lost]).all()
    hard = sum(int(np.sum((e["GenVisTau_pt"] > 15) & (abs(e["GenVisTau_eta"]) < 2.5))) for e in nano)
    assert lost.sum() + np.sum(taus["genLepton_kind"][~lost] == 5) <= hard
    without = run(DatasetConfig(title="x", source="nanoaod", files=("x",), unreconstructed=False))
    assert (without["tau_index"] >= 0).all()


def test_cms_discriminators_are_kept(taus, nano):
    some = taus["tau_index"] >= 0
    assert taus["tau_byDeepTau2017v2p1VSjetraw"][some].tolist() == flat(nano, "Tau_rawDeepTau2017v2p1VSjet").tolist()
    assert taus["tau_byDeepTau2017v2p1VSjet"][some].tolist() == flat(nano, "Tau_idDeepTau2017v2p1VSjet").tolist()
    # bit 2 of TauTuple is VLoose, the loosest point against muons
    assert (
        taus["tau_byDeepTau2017v2p1VSmu"][some].tolist()
        == (4 * flat(nano, "Tau_idDeepTau2017v2p1VSmu").astype(int)).tolist()
    )
    raw, passed = taus["tau_byDeepTau2017v2p1VSjetraw"][some], taus["tau_byDeepTau2017v2p1VSjet"][some] & (1 << 5) > 0
    assert raw[passed].min() > raw[~passed].max()


def test_electron_taus_have_their_electron(taus):
    electrons, kind = taus.collections["ele"], taus["genLepton_kind"]
    from_electron = (kind == 1) & (taus["tau_index"] >= 0)
    assert (electrons.counts[from_electron] > 0).mean() > 0.5
    owner = electrons.owner
    deta = electrons.columns["eta"] - taus["tau_eta"][owner]
    assert np.nanmax(np.abs(deta)) < 0.5


def test_identification_of_muons_has_the_bits_of_cms(taus):
    """Loose 1, medium 2, tight 4; a bit of medium-prompt in between had moved the tight one to 8."""
    with uproot.open(NANO) as file:
        events = file["Events"].arrays(filter_name=["event", "Muon_pt", "Muon_*Id"])
    expected = {
        (event["event"], pt): 1 * loose + 2 * medium + 4 * tight
        for event in events
        for pt, loose, medium, tight in zip(
            *(event[f"Muon_{n}"] for n in ("pt", "looseId", "mediumId", "tightId")), strict=True
        )
    }
    muons = taus.collections["muon"]
    found = {
        (event, pt): number
        for event, pt, number in zip(taus["evt"][muons.owner], muons.columns["pt"], muons.columns["id"], strict=True)
    }
    assert found == {key: expected[key] for key in found}
    assert set(found.values()) == {1, 7}


def test_errors_of_another_energy_are_not_taken_for_that_of_the_calorimeter(taus):
    """NanoAOD has the error of the combination with the track alone."""
    assert "ecalEnergy_error" not in taus.collections["ele"].columns


def test_all_columns_are_of_the_schema_and_survive_a_file(taus, tmp_path):
    schema = tautuple_schema()
    assert set(taus.branches) <= set(schema.branches)
    assert len(taus.branches) > 120
    for suffix in ("root", "arrow"):
        write_tuples(tmp_path / f"t.{suffix}", taus)
        with open_tuples(tmp_path / f"t.{suffix}") as file:
            again = file.read(taus.branches)
        for name in taus.branches:
            np.testing.assert_array_equal(again[name], taus[name], err_msg=name)


def test_gen_match_is_required_by_default():
    account = {}
    taus = run(DatasetConfig(title="x", source="nanoaod", files=("x",)), account=account)
    assert ((taus["genLepton_index"] >= 0) | (taus["genJet_index"] >= 0)).all()
    assert account == {"events": 40, "taus": 29, "unmatched": 35 - len(taus), "unreconstructed": 6}


@pytest.mark.parametrize("events", [1, 7, 40, 1000])
def test_number_of_events_is_limited(events):
    account = {}
    taus = run(files=(NANO, NANO), events=events, account=account)
    assert account["events"] == min(events, 80)
    assert len(set(zip(taus["run"].tolist(), taus["evt"].tolist(), strict=True))) <= events


def copy_of(tmp_path, leave_out=(), rename=None, more=()):
    """The file as another version of NanoAOD would have it."""
    path = tmp_path / "other.root"
    with uproot.open(NANO) as file, uproot.recreate(path) as out:
        arrays = file["Events"].arrays(
            filter_name=[
                "run",
                "luminosityBlock",
                "event",
                "Tau_*",
                "Jet_pt",
                "Jet_eta",
                "Jet_phi",
                "Jet_mass",
                "gen*",
                "Gen*",
                *more,
            ],
            how=dict,
        )
        tables = {}
        for name, array in arrays.items():
            if name in leave_out or any(name.startswith(x) for x in leave_out):
                continue
            name = (rename or {}).get(name, name)
            prefix, _, field = name.partition("_")
            if array.ndim == 1:
                tables[name] = array
            else:
                tables.setdefault(prefix, {})[field] = array
        columns = {n: ak.zip(t, depth_limit=2) if isinstance(t, dict) else t for n, t in tables.items()}
        out.mktree("Events", {name: column.type for name, column in columns.items()}).extend(columns)
    return path


def test_data_have_no_truth(tmp_path):
    path = copy_of(tmp_path, leave_out=("gen", "Gen", "Tau_gen"))
    data = DatasetConfig(title="x", source="nanoaod", files=("x",), sample_type="Data", require_gen_match=False)
    taus = run(data, files=(path,))
    assert len(taus) == 29
    assert set(truth_type(taus).tolist()) == {TauType.data}
    with pytest.raises(InputError, match=r"lacks the branches genWeight, Tau_genPartFlav, .*GenVisTau_charge"):
        run(files=(path,))


def test_what_a_file_does_not_have_is_absent_and_what_is_needed_is_named(tmp_path):
    taus = run(files=(copy_of(tmp_path, leave_out=("Tau_idDecayMode", "Tau_rawDeepTau")),))
    assert "tau_byDeepTau2017v2p1VSjetraw" not in taus
    assert "pv_x" not in taus
    assert taus["tau_decayModeFindingNewDMs"][taus["tau_index"] >= 0].tolist() == [1] * 29
    with pytest.raises(InputError, match=r"other.root: lacks the branches Tau_pt, without which"):
        run(files=(copy_of(tmp_path, leave_out=("Tau_pt",)),))


def test_branches_of_later_versions_are_found_under_their_new_names(tmp_path, taus):
    """Version 10 and later: another name of rho, ``MET`` is ``PFMET`` from 15 on, no flags of decay modes."""
    later = {"fixedGridRhoFastjetAll": "Rho_fixedGridRhoFastjetAll", "MET_pt": "PFMET_pt", "MET_phi": "PFMET_phi"}
    path = copy_of(tmp_path, leave_out=("Tau_idDecayMode",), rename=later, more=tuple(later))
    again = run(files=(path,))
    for name in ("rho", "met_pt", "met_phi", "tau_pt", "genLepton_kind"):
        np.testing.assert_array_equal(again[name], taus[name], err_msg=name)


def test_files_of_another_kind_are_refused(tmp_path):
    (tmp_path / "x.root").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"x.root: not a ROOT file"):
        run(files=(tmp_path / "x.root",))
    tuples = Path(__file__).parents[2] / "data/cms_tools/v1/input/DY/eventTuple_1.root"
    with pytest.raises(InputError, match="there is no tree 'Events' in it; it holds taus"):
        run(files=(tuples,))
