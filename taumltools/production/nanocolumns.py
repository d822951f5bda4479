"""TauTuple columns from NanoAOD: which branch comes from which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from taumltools.production.entries import entry_numbers
from taumltools.production.nanotruth import GenObjects, in_cone
from taumltools.production.tautuple import ordinal, pick
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import SAMPLE_TYPES

if TYPE_CHECKING:
    from taumltools.production.nanoaod import NanoEntries

CONE = 0.5
"""Leptons, tracks and vertices nearer than this to the tau are stored (``tau_cone`` of the CMS producer)."""

NEEDED: dict[str, tuple[str, ...]] = {
    "": ("run", "luminosityBlock", "event"),
    "Tau": ("pt", "eta", "phi", "mass", "charge", "decayMode", "dz"),
}
"""Without these there are no tau candidates."""

NEEDED_TRUTH: dict[str, tuple[str, ...]] = {
    "": (*NEEDED[""], "genWeight"),
    "Tau": (*NEEDED["Tau"], "genPartFlav", "genPartIdx"),
    "GenPart": ("pt", "eta", "phi", "pdgId"),
    "GenVisTau": ("pt", "eta", "phi", "mass", "charge"),
}
"""What simulation needs."""

EVENT: dict[str, tuple[str, ...]] = {
    "npv": ("PV_npvs",),
    "rho": ("fixedGridRhoFastjetAll", "Rho_fixedGridRhoFastjetAll"),
    "genEventWeight": ("genWeight",),
    "npu": ("Pileup_nTrueInt",),
    "pv_x": ("PV_x",),
    "pv_y": ("PV_y",),
    "pv_z": ("PV_z",),
    "pv_ndof": ("PV_ndof",),
    "met_pt": ("MET_pt", "PFMET_pt"),
    "met_phi": ("MET_phi", "PFMET_phi"),
    "metcov_00": ("MET_covXX", "PFMET_covXX"),
    "metcov_01": ("MET_covXY", "PFMET_covXY"),
    "metcov_11": ("MET_covYY", "PFMET_covYY"),
    "puppimet_pt": ("PuppiMET_pt",),
    "puppimet_phi": ("PuppiMET_phi",),
    "deepmet_pt": ("DeepMETResolutionTune_pt",),
    "deepmet_phi": ("DeepMETResolutionTune_phi",),
    "genmet_pt": ("GenMET_pt",),
    "genmet_phi": ("GenMET_phi",),
}
"""Branches with one number per event, and their names in NanoAOD: the first that the file has."""

TAU: dict[str, str] = {
    "chargedIsoPtSum": "chargedIso", "neutralIsoPtSum": "neutralIso", "puCorrPtSum": "puCorr",
    "photonPtSumOutsideSignalCone": "photonsOutsideSignalCone", "dxy": "dxy", "dz": "dz",
    "byCombinedIsolationDeltaBetaCorr3Hitsraw": "rawIso",
    "byDeepTau2017v2p1VSeraw": "rawDeepTau2017v2p1VSe", "byDeepTau2017v2p1VSmuraw": "rawDeepTau2017v2p1VSmu",
    "byDeepTau2017v2p1VSjetraw": "rawDeepTau2017v2p1VSjet", "byDeepTau2018v2p5VSeraw": "rawDeepTau2018v2p5VSe",
    "byDeepTau2018v2p5VSmuraw": "rawDeepTau2018v2p5VSmu", "byDeepTau2018v2p5VSjetraw": "rawDeepTau2018v2p5VSjet",
    "byIsolationMVArun2017v2DBoldDMwLT2017raw": "rawMVAoldDM2017v2",
    "byIsolationMVArun2017v2DBnewDMwLT2017raw": "rawMVAnewDM2017v2",
    "byIsolationMVArun2017v2DBoldDMdR0p3wLT2017raw": "rawMVAoldDMdR032017v2",
}  # fmt: skip
"""Floats of the tau, as they are."""

WORKING_POINTS: dict[str, tuple[str, int]] = {
    "byDeepTau2017v2p1VSe": ("idDeepTau2017v2p1VSe", 0),
    "byDeepTau2017v2p1VSmu": ("idDeepTau2017v2p1VSmu", 2),
    "byDeepTau2017v2p1VSjet": ("idDeepTau2017v2p1VSjet", 0),
    "byDeepTau2018v2p5VSe": ("idDeepTau2018v2p5VSe", 0),
    "byDeepTau2018v2p5VSmu": ("idDeepTau2018v2p5VSmu", 2),
    "byDeepTau2018v2p5VSjet": ("idDeepTau2018v2p5VSjet", 0),
    "byIsolationMVArun2017v2DBoldDMwLT2017": ("idMVAoldDM2017v2", 1),
    "byIsolationMVArun2017v2DBnewDMwLT2017": ("idMVAnewDM2017v2", 1),
    "byIsolationMVArun2017v2DBoldDMdR0p3wLT2017": ("idMVAoldDMdR032017v2", 1),
}
"""Masks of working points: name in NanoAOD, and the bit of TauTuple that its lowest one has (0 is VVVLoose, 2 VLoose)."""

JET: dict[str, str] = {
    "pt": "pt", "eta": "eta", "phi": "phi", "mass": "mass", "neutralHadronEnergyFraction": "neHEF",
    "neutralEmEnergyFraction": "neEmEF", "nConstituents": "nConstituents", "partonFlavour": "partonFlavour",
    "hadronFlavour": "hadronFlavour",
}  # fmt: skip
"""Fields of the jet."""

GEN_JET = ("pt", "eta", "phi", "mass", "partonFlavour", "hadronFlavour")
"""Fields of the generated jet, named as in TauTuple."""

NEAR: dict[str, tuple[str, dict[str, str]]] = {
    "ele": ("Electron", {
        "pt": "pt", "eta": "eta", "phi": "phi", "mass": "mass", "dxy": "dxy", "dxy_error": "dxyErr", "ip3d": "ip3d",
        "full5x5_r9": "r9", "full5x5_sigmaIetaIeta": "sieie",
    }),
    "muon": ("Muon", {
        "pt": "pt", "eta": "eta", "phi": "phi", "mass": "mass", "dxy": "dxy", "dxy_error": "dxyErr",
        "segmentCompatibility": "segmentComp", "pfRelIso04": "pfRelIso04_all",
    }),
    "photon": ("Photon", {
        "pt": "pt", "eta": "eta", "phi": "phi", "passElectronVeto": "electronVeto", "hasPixelSeed": "pixelSeed",
    }),
    "isoTrack": ("IsoTrack", {
        "pt": "pt", "eta": "eta", "phi": "phi", "dxy": "dxy", "dz": "dz", "fromPV": "fromPV",
        "isHighPurityTrack": "isHighPurityTrack",
    }),
    "sv": ("SV", {"x": "x", "y": "y", "z": "z", "pt": "pt", "eta": "eta", "phi": "phi", "mass": "mass", "ndof": "ndof"}),
}  # fmt: skip
"""Collections near the tau: name in NanoAOD, and its fields by their name in TauTuple."""

MUON_TYPE = {"isGlobal": 1 << 1, "isTracker": 1 << 2, "isPFcand": 1 << 5}
"""Bits of ``muon_type``, those of CMS's ``reco::Muon``, by flag of NanoAOD."""

MUON_ID = {"looseId": 1, "mediumId": 2, "tightId": 4}
"""Bits of ``muon_id`` and of the identification of a tag, as the CMS tuple producer writes them."""

OPTIONAL: dict[str, tuple[str, ...]] = {
    "": (*(name for found in EVENT.values() for name in found if name != "genWeight"), "PV_chi2"),
    "Tau": (
        *(n for n in TAU.values() if n != "dz"), *(name for name, _ in WORKING_POINTS.values()), "jetIdx",
        "idDecayMode", "idDecayModeOldDMs", "idDecayModeNewDMs",
    ),
    "Jet": tuple(JET.values()),
    **{nano: tuple(dict.fromkeys(fields.values())) for nano, fields in NEAR.values()},
}  # fmt: skip
"""What is read if a file has it."""
OPTIONAL["Muon"] += (*MUON_TYPE, *MUON_ID)
OPTIONAL["IsoTrack"] += ("pdgId",)
OPTIONAL["SV"] += ("chi2",)

OPTIONAL_TRUTH: dict[str, tuple[str, ...]] = OPTIONAL | {"GenJet": GEN_JET}
"""The same for simulation."""


def scalars(
    events: Tuples, titles: Mapping[str, str], entries: NanoEntries, gen: GenObjects, sample_type: str
) -> dict[str, np.ndarray]:
    """Branches with one value per entry.

    Args:
        events: the batch.
        titles: titles of the branches that were read.
        entries: the entries.
        gen: generated leptons.
        sample_type: ``MC``, ``Embedded`` or ``Data``.

    Returns:
        Columns by branch; what the file does not have is absent.
    """
    event = entries.event
    taus = events.collections["Tau"]
    out = event_columns(events, event, sample_type) | {"tau_index": ordinal(entries.tau, taus.offsets, event)}
    out |= tau_columns(taus, titles, entries.tau) | _gen_columns(events, entries, gen) | _jet_columns(events, entries)
    if "SV" in events.collections:
        offsets, _ = in_cone(event, entries.eta, entries.phi, events.collections["SV"], CONE)
        out["nsv"] = np.diff(offsets).astype(np.int32)
    return out


def event_columns(events: Tuples, event: np.ndarray, sample_type: str) -> dict[str, np.ndarray]:
    """Branches of the event.

    Args:
        events: the batch.
        event: event of each entry, ascending.
        sample_type: ``MC``, ``Embedded`` or ``Data``.

    Returns:
        Columns by branch; what the file does not have is absent.
    """
    out: dict[str, np.ndarray] = {
        "run": events["run"][event], "lumi": events["luminosityBlock"][event], "evt": events["event"][event],
        "sampleType": np.full(len(event), SAMPLE_TYPES.index(sample_type), np.int32),
        "tauType": np.zeros(len(event), np.int32),
        **entry_numbers(event),
    }  # fmt: skip
    for branch, choices in EVENT.items():
        name = next((name for name in choices if name in events.scalars), None)
        if name is not None:
            out[branch] = events[name][event]
    if "PV_chi2" in events.scalars and "PV_ndof" in events.scalars:
        out["pv_chi2"] = (events["PV_chi2"] * events["PV_ndof"])[event]  # NanoAOD has the reduced one
    return out


def tau_columns(taus: Collection, titles: Mapping[str, str], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of the tau candidates of entries.

    Args:
        taus: the collection ``Tau``.
        titles: titles of the branches, which say how working points are coded.
        rows: tau of each entry, -1 for none.

    Returns:
        Columns by branch.
    """
    c = taus.columns
    content: dict[str, np.ndarray] = {name: c[name] for name in ("pt", "eta", "phi", "mass")}
    content |= {"charge": c["charge"].astype(np.int32), "decayMode": c["decayMode"].astype(np.int32)}
    old = next((name for name in ("idDecayMode", "idDecayModeOldDMs") if name in c), None)
    if old:
        content["decayModeFinding"] = c[old].astype(np.int32)
    # later versions keep only taus that pass it
    new = c.get("idDecayModeNewDMs", np.ones(len(c["pt"]), bool))
    content["decayModeFindingNewDMs"] = new.astype(np.int32)
    content["inside_ecal_crack"] = ((np.abs(c["eta"]) > 1.46) & (np.abs(c["eta"]) < 1.558)).astype(np.int32)
    content |= {name: c[nano].astype(np.float32) for name, nano in TAU.items() if nano in c}
    masks = {
        f"tau_{name}": _gather(working_points(c[nano], titles.get(f"Tau_{nano}", ""), first), rows)
        for name, (nano, first) in WORKING_POINTS.items()
        if nano in c
    }
    return pick(content, rows, "tau_") | masks


def working_points(values: np.ndarray, title: str, first: int) -> np.ndarray:
    """Masks of passed working points, coded as in TauTuple.

    Args:
        values: as NanoAOD stores them.
        title: title of the branch: earlier versions store a bitmask, later ones the number of the tightest point.
        first: bit of the loosest point in TauTuple.

    Returns:
        uint16 masks.

    Examples:
        >>> working_points(np.array([0, 3]), "bitmask 1 = VLoose, 2 = Loose", 2).tolist()
        [0, 12]
        >>> working_points(np.array([0, 2]), "1 = VLoose, 2 = Loose", 2).tolist()
        [0, 12]
    """
    numbers = values.astype(np.int64)
    bits = numbers if "bitmask" in title else (1 << numbers) - 1
    return (bits << first).astype(np.uint16)


def _gather(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Masks of entries, 0 where there is no object."""
    out = np.zeros(len(rows), values.dtype)
    out[rows >= 0] = values[rows[rows >= 0]]
    return out


def _gen_columns(events: Tuples, entries: NanoEntries, gen: GenObjects) -> dict[str, np.ndarray]:
    first = np.searchsorted(gen.event, entries.event)
    visible = {f"vis_{name}": getattr(gen, name) for name in ("pt", "eta", "phi", "mass")}
    out = {"genLepton_index": np.where(entries.gen >= 0, entries.gen - first, -1).astype(np.int32)}
    out |= pick({"kind": gen.kind, "charge": gen.charge, **visible}, entries.gen, "genLepton_")
    jets = events.collections.get("GenJet")
    out["genJet_index"] = np.full(len(entries), -1, np.int32)
    if jets is not None:
        out["genJet_index"] = ordinal(entries.gen_jet, jets.offsets, entries.event)
        out |= pick(typed(jets, {name: name for name in GEN_JET}, "genJet"), entries.gen_jet, "genJet_")
    return out


def _jet_columns(events: Tuples, entries: NanoEntries) -> dict[str, np.ndarray]:
    jets = events.collections.get("Jet")
    if jets is None:
        return {"jet_index": np.full(len(entries), -1, np.int32)}
    columns = pick(typed(jets, JET, "jet"), entries.jet, "jet_")
    return {"jet_index": ordinal(entries.jet, jets.offsets, entries.event), **columns}


def typed(table: Collection, fields: Mapping[str, str], prefix: str) -> dict[str, np.ndarray]:
    """Fields that the file has, in the types of TauTuple.

    Args:
        table: a collection of NanoAOD.
        fields: name in NanoAOD by name in TauTuple, without prefixes.
        prefix: of the branches of TauTuple, e.g. ``"jet"``.

    Returns:
        Columns by name in TauTuple, without the prefix.
    """
    schema = tautuple_schema()
    return {
        name: table.columns[nano].astype(schema[f"{prefix}_{name}"].dtype)
        for name, nano in fields.items()
        if nano in table.columns
    }


def collections(
    events: Tuples, event: np.ndarray, eta: np.ndarray, phi: np.ndarray, cone: float = CONE
) -> dict[str, Collection]:
    """Leptons, photons, tracks and vertices near each entry.

    Args:
        events: the batch.
        event: event of each entry, ascending.
        eta: direction of each entry.
        phi: rad.
        cone: what is nearer is kept.

    Returns:
        Collections by prefix; those that the file does not have are absent.
    """
    out = {}
    for prefix, (nano, fields) in NEAR.items():
        table = events.collections.get(nano)
        if table is None or not {"eta", "phi"} <= set(table.columns):
            continue
        offsets, rows = in_cone(event, eta, phi, table, cone)
        content = typed(table, fields, prefix) | _made(prefix, table)
        columns = {name: column[rows] for name, column in content.items()}
        if f"{prefix}_index" in tautuple_schema():
            columns["index"] = (rows - table.offsets[table.owner[rows]]).astype(np.int32)
        out[prefix] = Collection(offsets, columns)
    return out


def _made(prefix: str, table: Collection) -> dict[str, Any]:
    """Fields that are computed from others."""
    c = table.columns
    if prefix == "muon":
        masks = {"type": MUON_TYPE, "id": MUON_ID}
        return {
            name: np.sum([np.where(c[flag], bit, 0) for flag, bit in bits.items()], axis=0).astype(np.uint32)
            for name, bits in masks.items()
            if set(bits) <= set(c)
        }
    if prefix == "photon":
        return {"energy": (c["pt"] * np.cosh(c["eta"])).astype(np.float32)}
    if prefix == "isoTrack" and "pdgId" in c:
        light = np.isin(np.abs(c["pdgId"]), (11, 13))
        return {"charge": (np.where(light, -1, 1) * np.sign(c["pdgId"])).astype(np.int32)}
    if prefix == "sv" and {"chi2", "ndof"} <= set(c):
        return {"chi2": (c["chi2"] * c["ndof"]).astype(np.float32)}
    return {}
