"""``MuTau`` and ``TagAndProbe`` on real NanoAOD, against a slow loop over events that shares no code with the package."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.config.datasets import DatasetConfig
from taumltools.errors import InputError
from taumltools.production.nanoaod import convert, make_entries, wanted
from taumltools.production.nanoread import NanoFile
from taumltools.production.nanotags import Needs, electrons_of, filter_mask, make_tags, muons_of
from taumltools.production.nanotruth import first_copies, light_leptons
from taumltools.production.pfnanotruth import gen_leptons
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.schema import INT_MISSING, tautuple_schema

NANO = Path(__file__).parents[2] / "data/nano/nano_dy.root"
MISSING = -(2**31)


def dataset(selector, **options):
    return DatasetConfig(title="x", source="nanoaod", files=("x",), selector=selector, **options)


def run(selector, account=None, **options):
    return Tuples.concatenate(list(convert([NANO], dataset(selector, **options), account=account)))


@pytest.fixture(scope="module")
def nano():
    with uproot.open(NANO) as file:
        names = ["Tau_*", "Muon_*", "Electron_*", "Jet_*", "Gen*", "TrigObj_*", "MET_*", "HLT_IsoMu24", "event"]
        return file["Events"].arrays(filter_name=names).to_list()


def objects(event, prefix, *fields):
    """Objects of an event as dictionaries with their place."""
    columns = [event[f"{prefix}_{name}"] for name in fields]
    return [dict(zip(fields, row, strict=True)) | {"row": k} for k, row in enumerate(zip(*columns, strict=True))]


def distance(a, b):
    dphi = (a["phi"] - b["phi"] + math.pi) % (2 * math.pi) - math.pi
    return math.sqrt((a["eta"] - b["eta"]) ** 2 + dphi**2)


def muons(event):
    found = objects(event, "Muon", "pt", "eta", "phi", "mass", "charge", "dxy", "dz", "pfRelIso04_all", "looseId",
                    "mediumId", "tightId")  # fmt: skip
    for x in found:
        x |= {"kind": 1, "iso": x["pfRelIso04_all"], "good": x["mediumId"], "loose": x["looseId"]}
        x["id"] = x["looseId"] + 2 * x["mediumId"] + 4 * x["tightId"]
    return found


def electrons(event):
    found = objects(event, "Electron", "pt", "eta", "phi", "mass", "charge", "dxy", "dz", "pfRelIso03_all",
                    "mvaFall17V2noIso_WP90", "cutBased")  # fmt: skip
    for x in found:
        x |= {"kind": 2, "iso": x["pfRelIso03_all"], "good": x["mvaFall17V2noIso_WP90"], "loose": x["cutBased"] >= 1}
        x["id"] = int(x["good"])
    return found


def tight(x, pt, eta, iso, vertex=True):
    near = abs(x["dz"]) < 0.2 and abs(x["dxy"]) < 0.045
    return x["pt"] > pt and abs(x["eta"]) < eta and x["iso"] < iso and (near or not vertex)


def best(found):
    return min(found, key=lambda x: (x["iso"], -x["pt"]), default=None)


def vetoes(event, tag):
    """The four flags, in the order extra muon, extra electron, dimuon, dielectron."""
    if tag is None:
        return [MISSING] * 4
    out = []
    for found, eta, vertex in ((muons(event), 2.4, True), (electrons(event), 2.5, False)):
        extra = [x for x in found if x["good"] and tight(x, 10, eta, 0.3, vertex)]
        out.append(int(any((x["kind"], x["row"]) != (tag["kind"], tag["row"]) for x in extra)))
    for found, eta, vertex in ((muons(event), 2.4, True), (electrons(event), 2.5, False)):
        loose = [x for x in found if x["loose"] and tight(x, 15, eta, 0.3, vertex)]
        out.append(int(any(distance(a, b) > 0.15 and a["charge"] + b["charge"] == 0 for a in loose for b in loose)))
    return out


def tag_and_probe_tag(event):
    muon = best([x for x in muons(event) if x["good"] and tight(x, 28, 2.1, 0.15)])
    return muon or best([x for x in electrons(event) if x["good"] and tight(x, 34, 2.3, 0.15)])


def mu_tau_choice(event):
    """The tag and the row of the tau, or nothing."""
    muon = best([x for x in muons(event) if x["good"] and tight(x, 25, 2.1, 0.15)])
    if muon is None or not event["HLT_IsoMu24"]:
        return None
    if math.sqrt(2 * muon["pt"] * event["MET_pt"] * (1 - math.cos(muon["phi"] - event["MET_phi"]))) >= 30:
        return None
    trigger = objects(event, "TrigObj", "id", "pt", "eta", "phi", "filterBits")
    if not any(x["id"] == 13 and x["pt"] > 24 and x["filterBits"] & 8 and distance(x, muon) < 0.3 for x in trigger):
        return None
    taus = objects(event, "Tau", "pt", "eta", "phi", "charge", "dz", "decayMode", "idDecayModeNewDMs",
                   "idDeepTau2017v2p1VSjet", "rawDeepTau2017v2p1VSjet")  # fmt: skip
    good = [
        x for x in taus
        if x["pt"] > 20 and abs(x["eta"]) < 2.3 and abs(x["dz"]) < 0.2 and x["decayMode"] in (0, 1, 10, 11)
        and x["idDecayModeNewDMs"] and x["idDeepTau2017v2p1VSjet"] & 16 and distance(x, muon) > 0.5
    ]  # fmt: skip
    tau = max(good, key=lambda x: (x["rawDeepTau2017v2p1VSjet"], x["pt"]), default=None)
    return (muon, tau["row"]) if tau and tau["charge"] + muon["charge"] == 0 else None


def origin(event, row):
    """First copy of a generated particle."""
    while (up := event["GenPart_genPartIdxMother"][row]) >= 0 and event["GenPart_pdgId"][up] == event["GenPart_pdgId"][
        row
    ]:
        row = up
    return row


def gen_light(event):
    """Prompt light leptons and those of prompt tau decays, last copies."""
    found = []
    for x in objects(event, "GenPart", "pt", "eta", "phi", "pdgId", "statusFlags"):
        code, flags = abs(x["pdgId"]), x["statusFlags"]
        if code in (11, 13) and flags >> 13 & 1 and (flags & 1 or flags >> 5 & 1):
            found.append(x | {"kind": (1 if code == 11 else 2) if flags & 1 else (3 if code == 11 else 4)})
    return found


def near(x, found, cone):
    close = [y for y in found if distance(x, y) < cone]
    return min(close, key=lambda y: distance(x, y))["row"] if close else -1


def all_entries(event, probing, match):
    """Entries of an event as (tau, jet, generated lepton, row of generated jet): taus, generated leptons, jets."""
    jets, gen_jets = objects(event, "Jet", "pt", "eta", "phi"), objects(event, "GenJet", "pt", "eta", "phi")
    hadronic = [x | {"kind": 5} for x in objects(event, "GenVisTau", "pt", "eta", "phi")]
    light = gen_light(event)
    entries, seen_hadronic, seen_light = [], set(), set()
    for tau in objects(event, "Tau", "eta", "phi", "genPartFlav", "genPartIdx", "jetIdx"):
        gen, flavour, index = None, tau["genPartFlav"], tau["genPartIdx"]
        if flavour == 5 and index >= 0:
            gen = hadronic[index]
            seen_hadronic.add(index)
        elif flavour and index >= 0:
            gen = {name: event[f"GenPart_{name}"][index] for name in ("pt", "eta", "phi")} | {"kind": flavour}
            seen_light.add(origin(event, index))
        entries.append([tau["row"], tau["jetIdx"], gen, near(tau, gen_jets, 0.4)])
    lost = [x for x in hadronic if x["row"] not in seen_hadronic]
    lost += [x for x in light if origin(event, x["row"]) not in seen_light]
    for gen in sorted((x for x in lost if abs(x["eta"]) < 2.8), key=lambda x: (-x["kind"], -x["pt"])):
        jet = near(gen, jets, 0.4)
        if not any(e[0] < 0 and e[1] == jet for e in entries):  # the tuple's key would be the same
            entries.append([-1, jet, gen, near(gen, gen_jets, 0.4)])
    taken = {e[1] for e in entries}
    if probing:
        free = [x for x in jets if abs(x["eta"]) < 2.8 and x["row"] not in taken]
        entries += [[-1, x["row"], None, near(x, gen_jets, 0.4)] for x in free]
    return [e for e in entries if not match or e[2] is not None or e[3] >= 0]


def tag_and_probe_choice(event, match):
    """Tag, and (selectionType, tau, jet) of each chosen entry."""
    tag = tag_and_probe_tag(event)
    probing = tag is not None or event["MET_pt"] > 180
    entries = all_entries(event, probing, match)
    jets, gen_jets = objects(event, "Jet", "pt", "eta", "phi"), objects(event, "GenJet", "eta")
    why = [5 if gen and gen["kind"] >= 3 and abs(gen["eta"]) < 2.8 else None for _, _, gen, _ in entries]
    if probing:
        good = [
            k for k, e in enumerate(entries)
            if e[1] >= 0 and abs(jets[e[1]]["eta"]) < 2.8 and (tag is None or distance(jets[e[1]], tag) > 0.4)
        ]  # fmt: skip
        if good:
            why[max(good, key=lambda k: jets[entries[k][1]]["pt"])] = tag["kind"] if tag else 3
    else:
        good = [
            k for k, (_, _, gen, gen_jet) in enumerate(entries)
            if gen and abs(gen["eta"]) < 2.8 and gen_jet >= 0 and abs(gen_jets[gen_jet]["eta"]) < 2.8
        ]  # fmt: skip
        for k in sorted(good, key=lambda k: -entries[k][2]["pt"])[:2]:
            why[k] = 4
    return tag, [(w, e[0], e[1]) for w, e in zip(why, entries, strict=True) if w]


def check_tag(taus, row, event, tag):
    """All branches of the tag in one entry."""
    found = [taus[name][row] for name in ("has_extramuon", "has_extraelectron", "has_dimuon", "has_dielectron")]
    assert found == vetoes(event, tag)
    if tag is None:
        assert [taus[f"tagObj_{name}"][row] for name in ("valid", "id", "kind", "charge")] == [0, 0, MISSING, MISSING]
        assert np.isnan([taus[f"tagObj_{name}"][row] for name in ("pt", "eta", "phi", "mass", "iso", "genpt")]).all()
        return
    assert taus["tagObj_valid"][row] == 1
    for name in ("kind", "charge", "id", "pt", "eta", "phi", "mass", "iso"):
        assert taus[f"tagObj_{name}"][row] == tag[name], name
    generated = gen_light(event) + [x | {"kind": 5} for x in objects(event, "GenVisTau", "pt", "eta", "phi")]
    close = min(generated, key=lambda x: distance(x, tag), default=None)
    matched = close is not None and distance(close, tag) < 0.1
    assert taus["tagObj_genkind"][row] == (close["kind"] if matched else MISSING)
    assert not matched or taus["tagObj_genpt"][row] == close["pt"]


def rows_of(taus, event):
    return np.flatnonzero(taus["evt"] == event["event"])


def test_mu_tau_entry_by_entry(nano):
    account = {}
    taus = run("MuTau", account, require_gen_match=False)
    chosen = 0
    for event in nano:
        choice, rows = mu_tau_choice(event), rows_of(taus, event)
        assert len(rows) == (choice is not None)
        for row in rows:
            assert taus["tau_index"][row] == choice[1]
            assert (taus["selectionType"][row], taus["entry_index"][row], taus["total_entries"][row]) == (-1, 0, 1)
            check_tag(taus, row, event, choice[0])
            chosen += 1
    assert chosen == len(taus) == 1
    assert account["no_mu_tau"] == 34


@pytest.mark.parametrize("match", [False, True])
def test_tag_and_probe_entry_by_entry(nano, match):
    account = {}
    taus = run("TagAndProbe", account, require_gen_match=match)
    total = 0
    for event in nano:
        tag, choices = tag_and_probe_choice(event, match)
        rows = rows_of(taus, event)
        found = [tuple(int(taus[n][row]) for n in ("selectionType", "tau_index", "jet_index")) for row in rows]
        assert sorted(found) == sorted(choices), event["event"]
        total += len(found)
        for row in rows:
            check_tag(taus, row, event, tag)
    assert total == len(taus)
    assert np.bincount(taus["selectionType"]).tolist() == [0, 6, 5, 0, 28, 3]


def test_probes_are_jets_without_bias_to_taus(nano):
    """Most of the hardest jets have no reconstructed tau; their jet is filled, their tau missing."""
    taus = run("TagAndProbe", require_gen_match=False)
    probe = np.isin(taus["selectionType"], (1, 2))
    bare = probe & (taus["tau_index"] < 0)
    assert bare.sum() == 7
    assert np.isnan(taus["tau_pt"][bare]).all()
    by_event = {event["event"]: event for event in nano}
    for row in np.flatnonzero(probe):
        event, jet = by_event[int(taus["evt"][row])], int(taus["jet_index"][row])
        for name in ("pt", "eta", "phi", "mass"):
            assert taus[f"jet_{name}"][row] == event[f"Jet_{name}"][jet]
    keys = set(zip(*(taus[n].tolist() for n in ("run", "lumi", "evt", "jet_index", "tau_index")), strict=True))
    assert len(keys) == len(taus)
    for row in np.flatnonzero(bare):  # what is near the jet, not near the origin
        low, high = taus.collections["isoTrack"].offsets[row : row + 2]
        eta = taus.collections["isoTrack"].columns["eta"][low:high]
        assert (np.abs(eta - taus["jet_eta"][row]) < 0.5).all()


def test_data_have_tags_and_probes_and_no_truth(nano):
    data = {"sample_type": "Data", "require_gen_match": False}
    simulated = run("TagAndProbe", require_gen_match=False)
    taus = run("TagAndProbe", **data)
    assert np.bincount(taus["selectionType"]).tolist() == [0, 6, 5]
    probes = np.isin(simulated["selectionType"], (1, 2))
    for name in ("evt", "tau_index", "jet_index", "tagObj_pt", "has_dimuon"):
        assert taus[name].tolist() == simulated[name][probes].tolist(), name
    assert set(taus["tagObj_genkind"].tolist()) == {INT_MISSING}
    assert run("MuTau", **data)["evt"].tolist() == run("MuTau", require_gen_match=False)["evt"].tolist()


def test_unreconstructed_leptons_can_be_left_out():
    taus = run("TagAndProbe", require_gen_match=False, unreconstructed=False)
    assert ((taus["tau_index"] >= 0) | (taus["genLepton_index"] < 0)).all()
    assert (taus["tau_index"][np.isin(taus["selectionType"], (1, 2))] < 0).any()


def test_other_options_come_before_the_selector():
    """As in the CMS producer: probes are chosen among the entries that the other options left."""
    taus = run("TagAndProbe", require_gen_match=False, require_gen_or_reco_tau=True)
    assert ((taus["tau_index"] >= 0) | (taus["genLepton_kind"] == 5)).all()
    probes = np.isin(taus["selectionType"], (1, 2))
    assert 0 < probes.sum() < 11


def test_branches_are_of_the_schema_and_survive_a_file(tmp_path):
    taus = run("TagAndProbe", require_gen_match=False)
    schema = tautuple_schema()
    new = [name for name in schema.scalars if name.startswith(("tagObj_", "has_")) or name == "selectionType"]
    assert len(new) == 19
    assert set(new) <= set(taus.branches)
    assert list(taus.scalars) == [name for name in schema.scalars if name in taus.scalars]
    for suffix in ("root", "arrow"):
        write_tuples(tmp_path / f"t.{suffix}", taus)
        with open_tuples(tmp_path / f"t.{suffix}") as file:
            again = file.read(new)
        for name in new:
            np.testing.assert_array_equal(again[name], taus[name], err_msg=name)
            assert again[name].dtype == schema[name].dtype


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("extra bits: 2 = 1e (WPTight) for Electron (PixelMatched e/gamma); 1 = TrkIsoVVL, 2 = Iso, 8 = 1mu, 16 = 2mu, "
         "32 = 1mu-1e, 1024 = 1mu (Mu50) for Muon; 1 = LooseChargedIso for Tau; ", 8),
        ("0 => X, 1 => 1e for Electron; 0 => TrkIsoVVL, 1 => Iso, 2 => OverlapFilter PFTau, 3 => 1mu, 4 => 2mu, "
         "5 => 1mu-1e, 10 => 1mu (Mu50), 12 => 1mu-1photon for Muon; 0 => Loose, 3 => 1mu for Tau", 8),
        ("1 = TrkIsoVVL, 2 = Iso, 4 = OverlapFilter PFTau, 8 = IsoTkMu, 1024 = 1mu (Mu50) for Muon", 2),
        ("0 => TrkIsoVVL, 1 => Iso for Muon", 2),
        ("2 = Iso, 8 = 1mu for Electron; 1 = TrkIsoVVL for Muon", 0),
        ("", 0),
    ],
)  # fmt: skip
def test_bit_of_the_muon_filter_by_version(title, expected):
    assert filter_mask(title) == expected


def titles_of(selector):
    with NanoFile(NANO, *wanted(dataset(selector))) as file:
        return file.titles


@pytest.mark.parametrize(
    ("selector", "without", "named"),
    [
        ("MuTau", ["TrigObj_filterBits", "HLT_IsoMu24"], "HLT_IsoMu24, TrigObj_filterBits"),
        ("MuTau", ["Tau_rawDeepTau2017v2p1VSjet"], "Tau_rawDeepTau2017v2p1VSjet"),
        ("MuTau", ["Electron_mvaFall17V2noIso_WP90"], "Electron_mvaFall17V2noIso_WP90 or Electron_mvaNoIso_WP90"),
        ("TagAndProbe", ["MET_pt", "MET_phi"], "MET_pt or PFMET_pt, MET_phi or PFMET_phi"),
        ("TagAndProbe", ["Jet_pt", "Muon_mediumId"], "Muon_mediumId, Jet_pt"),
        ("TagAndProbe", ["GenPart_statusFlags"], "GenPart_statusFlags"),
    ],
)
def test_file_that_lacks_what_a_selector_needs_is_refused_by_name(selector, without, named):
    titles = {name: title for name, title in titles_of(selector).items() if name not in without}
    message = f"x.root: lacks the branches {named}, which selector '{selector}' needs"
    with pytest.raises(InputError, match=message):
        Needs(selector, truth=True).check(Path("x.root"), titles)
    Needs("", truth=True).check(Path("x.root"), titles)
    if "GenPart_statusFlags" in without:
        Needs(selector, truth=False).check(Path("x.root"), titles)
    if without == ["Jet_pt"]:
        Needs(selector, truth=True, own_jets=True).check(Path("x.root"), titles)


def test_trigger_bits_that_the_file_does_not_explain_are_refused():
    titles = titles_of("MuTau") | {"TrigObj_filterBits": "bits"}
    with pytest.raises(InputError, match=r"x.root: the title of TrigObj_filterBits names no bit '1mu' or 'Iso'"):
        Needs("MuTau", truth=True).check(Path("x.root"), titles)


def test_branches_of_later_versions_count_as_well():
    titles = titles_of("TagAndProbe")
    for old, new in (("Electron_mvaFall17V2noIso_WP90", "Electron_mvaNoIso_WP90"), ("MET_pt", "PFMET_pt")):
        titles[new] = titles.pop(old)
    Needs("TagAndProbe", truth=True).check(Path("x.root"), titles)


@pytest.fixture
def batch():
    with NanoFile(NANO, *wanted(dataset("MuTau", require_gen_match=False))) as file:
        return next(file.iterate()), file.titles


def changed(events, **columns):
    """The events with other columns, by full name."""
    scalars, tables = dict(events.scalars), dict(events.collections)
    for name, values in columns.items():
        prefix, _, field = name.partition("_")
        if name in scalars:
            scalars[name] = values
        else:
            tables[prefix] = Collection(tables[prefix].offsets, {**tables[prefix].columns, field: values})
    return Tuples(scalars, tables)


def test_later_version_of_the_same_events_gives_the_same(batch):
    """Other names of branches, filters as bits, and working points as numbers in place of masks."""
    events, titles = batch
    chosen = dataset("MuTau", require_gen_match=False)
    account = dict.fromkeys(("taus", "unmatched", "unreconstructed"), 0)
    before = make_entries(events, titles, chosen, dict(account))
    later = changed(events, Electron_mvaNoIso_WP90=events["Electron_mvaFall17V2noIso_WP90"])
    later.collections["Electron"].columns.pop("mvaFall17V2noIso_WP90")
    for name in ("pt", "phi"):
        later.scalars[f"PFMET_{name}"] = later.scalars.pop(f"MET_{name}")
    mask = later["Tau_idDeepTau2017v2p1VSjet"].astype(int)
    later.collections["Tau"].columns["idDeepTau2017v2p1VSjet"] = np.array([x.bit_length() for x in mask.tolist()])
    new = titles | {
        "TrigObj_filterBits": "0 => TrkIsoVVL, 1 => Iso, 3 => 1mu, 4 => 2mu for Muon",
        "Tau_idDeepTau2017v2p1VSjet": "byDeepTau2017v2p1VSjet: 1 = VVVLoose, 2 = VVLoose, 5 = Medium",
    }
    after = make_entries(later, new, chosen, dict(account))
    assert len(before) == 1
    for name in ("evt", "tau_index", "tagObj_pt", "met_pt", "tau_byDeepTau2017v2p1VSjet", "has_extraelectron"):
        assert after[name].tolist() == before[name].tolist(), name


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({}, True),
        ({"HLT_IsoMu24": False}, False),
        ({"TrigObj_id": 11}, False),
        ({"TrigObj_pt": 24.0}, False),
        ({"TrigObj_filterBits": 2}, False),
        ({"TrigObj_filterBits": 8}, True),
        ({"TrigObj_eta": 5.0}, False),
    ],
)
def test_trigger_of_the_muon_cut_by_cut(batch, change, left):
    events, titles = batch
    full = {name: np.full_like(events[name], value) for name, value in change.items()}
    tags = make_tags(changed(events, **full), titles, "MuTau", gen_leptons(events))
    assert (tags.kind == 1).any() == left


@pytest.mark.parametrize(("met", "left"), [(0.0, True), (1e4, False)])
def test_transverse_mass_is_cut_on(batch, met, left):
    events, titles = batch
    tags = make_tags(changed(events, MET_pt=np.full_like(events["MET_pt"], met)), titles, "MuTau", gen_leptons(events))
    assert (tags.kind == 1).any() == left


def test_bits_and_identification_of_leptons(batch):
    events, _ = batch
    found = muons_of(events)
    assert (found.id & 1).tolist() == events["Muon_looseId"].astype(int).tolist()
    assert (found.id & 4 > 0).tolist() == events["Muon_tightId"].astype(bool).tolist()
    assert electrons_of(events).loose.tolist() == (events["Electron_cutBased"] >= 1).tolist()


def test_taus_matched_to_a_copy_do_not_make_the_lepton_appear_twice(batch, nano):
    """Regression: ``Tau_genPartIdx`` names copies before the last, whose last copy then counted as another lepton."""
    with NanoFile(NANO, *wanted(dataset("TagAndProbe"))) as file:
        particles = next(file.iterate()).collections["GenPart"]
    first = first_copies(particles) - particles.offsets[particles.owner]
    expected = [origin(event, row) for event in nano for row in range(len(event["GenPart_pdgId"]))]
    assert first.tolist() == expected
    assert np.count_nonzero(light_leptons(particles)) == sum(len(gen_light(event)) for event in nano)
    taus = run("TagAndProbe", require_gen_match=False)
    for event in nano:
        leptons = [x for x in rows_of(taus, event) if 0 < taus["genLepton_kind"][x] < 3]
        assert len(leptons) <= len(gen_light(event))
