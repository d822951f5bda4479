"""NanoAOD with particle-flow candidates (PFNano) to TauTuple: jets and taus are reconstructed anew.

The candidates are those of CMS, so that the networks' cells are filled with real data.  On them run the jets,
the hadrons-plus-strips algorithm and the columns of the simulation.  What PFNano does not store
(calorimeter shares, hits, covariances) stays missing; docs/sources.md says what that means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.production import nanocolumns, taucolumns
from taumltools.production.candidates import (
    ELECTRON,
    FORWARD_EGAMMA,
    FORWARD_HADRON,
    HADRON,
    MUON,
    NEUTRAL,
    PHOTON,
    Candidates,
)  # fmt: skip
from taumltools.production.clustering import Jets
from taumltools.production.constituents import pf_candidates
from taumltools.production.entries import Entries, build_entries, distinct, match_entries
from taumltools.production.genrecord import GenLeptons
from taumltools.production.geometry import cartesian
from taumltools.production.hps import find_taus
from taumltools.production.jets import reconstructed_jets
from taumltools.production.nanoread import read_events
from taumltools.production.nanotags import TAGGING, Needs, make_tags
from taumltools.production.pfnanotruth import gen_jet_table, gen_leptons
from taumltools.production.pileup import Collisions
from taumltools.production.probes import MAX_ETA
from taumltools.production.pythia import Particles
from taumltools.production.reconstruction import Batch
from taumltools.production.selection import GenTaus, select
from taumltools.production.table import falling_order
from taumltools.production.tautuple import cone_axis, jet_columns, ordinal, pick
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.schema import INT_MISSING, tautuple_schema

STEP = 250
"""Events at a time: some 500,000 candidates."""

KINDS = {211: HADRON, 11: ELECTRON, 13: MUON, 22: PHOTON, 130: NEUTRAL, 1: FORWARD_HADRON, 2: FORWARD_EGAMMA}
"""Kind by abs(PDG code) of a candidate."""

NEEDED: dict[str, tuple[str, ...]] = {
    "": ("run", "luminosityBlock", "event", "PV_x", "PV_y", "PV_z", "PV_npvs"),
    "PFCands": (
        "pt", "eta", "phi", "mass", "charge", "pdgId", "d0", "d0Err", "dz", "dzErr", "puppiWeight", "trkChi2",
        "lostInnerHits", "pvAssocQuality",
    ),
}  # fmt: skip
"""Without these no taus can be reconstructed."""

NEEDED_TRUTH: dict[str, tuple[str, ...]] = NEEDED | {
    "": (*NEEDED[""], "genWeight"),
    "GenPart": ("pt", "eta", "phi", "pdgId", "statusFlags"),
    "GenVisTau": ("pt", "eta", "phi", "mass", "charge"),
    "GenJet": ("pt", "eta", "phi", "mass"),
}
"""What simulation needs."""

USED_IN_FIT = 6
"""``pvAssocQuality`` of tracks that a vertex was fitted with (6 loosely, 7 tightly)."""

ELSEWHERE = 1.0
"""dz in cm of a pile-up track whose impact parameter is not stored; only that it is not small matters."""


def wanted(dataset: DatasetConfig) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Branches that are needed, and those that are read if they are there."""
    truth = dataset.sample_type != "Data"
    needed = NEEDED_TRUTH if truth else NEEDED
    optional = {name: fields for name, fields in nanocolumns.OPTIONAL.items() if name not in ("Tau", "Jet")}
    optional |= {"GenJet": ("partonFlavour", "hadronFlavour")} if truth else {}
    optional |= {"PFCands": ("puppiWeightNoLep",)}
    tagging = needs(dataset).fields
    optional = {name: (*optional.get(name, ()), *tagging.get(name, ())) for name in optional | tagging}
    return needed, {n: tuple(f for f in fields if f not in needed.get(n, ())) for n, fields in optional.items()}


def needs(dataset: DatasetConfig) -> Needs:
    """What the selector of a dataset needs of a file."""
    return Needs(dataset.selector, truth=dataset.sample_type != "Data", own_jets=True)


def reconstruct(
    files: Sequence[str | Path],
    dataset: DatasetConfig,
    config: ProductionConfig,
    events: int | None = None,
    account: dict[str, Any] | None = None,
) -> Iterator[Tuples]:
    """Reconstruct taus in PFNano files.

    Args:
        files: paths or URLs; a remote file is copied while it is read.
        dataset: type of sample, and what is written.
        config: jets, taus, cones and matching.
        events: largest number of events that are read; None for all.
        account: is filled with what was read; complete when the iteration is.

    Yields:
        Tables with the same columns, one per chunk of events; they may be empty.

    Raises:
        InputError: a file cannot be read or lacks branches.
        StoreError: a server does not answer.
    """
    account = {} if account is None else account
    account |= {"events": 0, "taus": 0, "unmatched": 0}
    for table, titles in read_events(
        files, *wanted(dataset), events=events, step=STEP, label="reconstructing", check=needs(dataset).check
    ):
        batch, rows = make_batch(table, dataset, config)
        account["events"] += len(table)
        account["taus"] += len(batch.taus)
        account["unmatched"] += len(batch.taus) - int(np.count_nonzero(batch.entries.tau >= 0))
        leptons = batch.leptons
        gen = GenTaus(leptons.event, leptons.kind, leptons.pt, leptons.eta)
        tags = make_tags(table, titles, dataset.selector, leptons) if dataset.selector in TAGGING else None
        yield select(fill(table, batch, rows, dataset, config), batch.entries.event, gen, dataset, account, tags)


def candidates_of(events: Tuples) -> tuple[Candidates, np.ndarray]:
    """Particle-flow candidates in the order and form that the reconstruction expects.

    Args:
        events: a batch with ``PFCands``.

    Returns:
        Candidates, falling in pt inside each event, and the row of each in ``PFCands``.  Where no impact parameter is
        stored (soft tracks), it counts as 0 for those that are not from pile-up.
    """
    table = events.collections["PFCands"]
    order = falling_order(table.owner, table.columns["pt"].astype(np.float32))
    c = {name: column[order] for name, column in table.columns.items()}
    n = len(order)
    code = np.abs(c["pdgId"])
    kind = np.select([code == pdg for pdg in KINDS], list(KINDS.values()), 0).astype(np.int8)
    details = track_details(c)
    pileup = from_pileup(c)
    dz = np.where(details, c["dz"], np.where(pileup, ELSEWHERE, 0.0)).astype(np.float32)
    zeros, unknown = np.zeros(n, np.int8), np.full(n, np.nan, np.float32)

    def only(values: np.ndarray) -> np.ndarray:
        return np.where(details, values, 0.0).astype(np.float32)

    energy = cartesian(c["pt"], c["eta"], c["phi"], np.maximum(c["mass"], 0))[3]
    return Candidates(
        offsets=table.offsets, kind=kind, charge=c["charge"].astype(np.int8),
        pt=c["pt"].astype(np.float32), eta=c["eta"].astype(np.float32), phi=c["phi"].astype(np.float32),
        energy=energy.astype(np.float32), dxy=only(c["d0"]), dz=dz, dxy_error=only(c["d0Err"]), dz_error=only(c["dzErr"]),
        calo_fraction=unknown, hcal_fraction=unknown, chi2=only(c["trkChi2"]), n_pixel=zeros, n_strip=zeros,
        lost_inner=c["lostInnerHits"].astype(np.int8), lepton=zeros, vertex_z=np.where(pileup, dz, 0.0).astype(np.float32),
        pileup=pileup.astype(np.int8),
    ), order  # fmt: skip


def from_pileup(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Mask of tracks of other collisions (``fromPV`` 0 in CMS): used in the fit of a vertex, but not of the signal's.

    PFNano does not store ``fromPV``; PUPPI, which gives tracks of the signal vertex 1 and those of other vertices 0, tells.
    """
    return (columns["charge"] != 0) & (columns["pvAssocQuality"] >= USED_IN_FIT) & (columns["puppiWeight"] < 0.5)


def track_details(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Mask of candidates with a stored track fit: the others have -1 as uncertainties."""
    fine = np.isfinite(columns["d0"]) & np.isfinite(columns["dz"])
    return (columns["charge"] != 0) & fine & (columns["d0Err"] > 0) & (columns["dzErr"] > 0)


def make_batch(events: Tuples, dataset: DatasetConfig, config: ProductionConfig) -> tuple[Batch, np.ndarray]:
    """Jets, taus and entries of a batch of events.

    Args:
        events: a batch, as :class:`taumltools.production.nanoread.NanoFile` gives it.
        dataset: what is written.
        config: all settings of the reconstruction.

    Returns:
        The batch (without event record), and the row of each candidate in ``PFCands``.
    """
    candidates, rows = candidates_of(events)
    # CMS subtracts tracks of other vertices only, however far the rest is from the signal's
    jets = reconstructed_jets(candidates, config.jet, window=np.inf)
    taus = find_taus(candidates, jets, config.hps)
    leptons, (generated, _) = gen_leptons(events), gen_jet_table(events)
    matching = replace(config.matching, keep_unreconstructed=dataset.unreconstructed)
    probing = dataset.selector == "TagAndProbe"
    rule = match_entries if probing else build_entries
    entries = rule(leptons, generated, taus, jets, matching, max_jet_eta=config.jet.max_eta)
    if not dataset.require_gen_match:
        entries = with_unmatched(entries, taus)
    if probing:
        entries = with_jets(entries, leptons, jets, dataset)
    n = len(events)
    columns = Particles.column_names()
    nothing = Particles(np.zeros(n + 1, np.int64), **{name: np.zeros(0, np.int32) for name in columns})
    mean = events["Pileup_nTrueInt"] if "Pileup_nTrueInt" in events.scalars else np.full(n, np.nan)
    vertex = np.stack([events[f"PV_{axis}"] for axis in "xyz"], axis=1).astype(np.float32)
    return Batch(
        particles=nothing,
        weight=events["genWeight"].astype(np.float64) if "genWeight" in events.scalars else np.ones(n),
        leptons=leptons,
        gen_jets=generated,
        candidates=candidates,
        collisions=Collisions(mean.astype(np.float32), events["PV_npvs"].astype(np.int32), vertex),
        primary=candidates.from_primary(config.pileup.track_window),
        puppi=events["PFCands_puppiWeight"][rows].astype(np.float32),
        jets=jets,
        taus=taus,
        entries=entries,
    ), rows


def with_unmatched(entries: Entries, taus: Any) -> Entries:
    """The entries, and one for each tau that matches nothing generated, with the jet that it was found in."""
    free = np.setdiff1d(np.arange(len(taus)), entries.tau)
    none = np.full(len(free), -1, np.int64)
    event = np.concatenate([entries.event, taus.event[free]])
    joined = Entries(
        event,
        np.concatenate([entries.lepton, none]),
        np.concatenate([entries.gen_jet, none]),
        np.concatenate([entries.tau, free]),
        np.concatenate([entries.jet, taus.jet[free]]),
    )
    return joined.take(np.argsort(event, kind="stable"))


def with_jets(entries: Entries, leptons: GenLeptons, jets: Jets, dataset: DatasetConfig) -> Entries:
    """Entries that ``TagAndProbe`` may choose: those with a jet or a generated lepton, whether there is a tau or not.

    Args:
        entries: all matched entries, and taus that match nothing.
        leptons: generated leptons.
        jets: reconstructed jets; those that match nothing become entries unless a match is required.
        dataset: the settings.
    """
    if not dataset.require_gen_match:
        free = np.setdiff1d(np.flatnonzero(np.abs(jets.eta) < MAX_ETA), entries.jet)
        none = np.full(len(free), -1, np.int64)
        event = np.concatenate([entries.event, jets.event[free]])
        more = {"lepton": none, "gen_jet": none, "tau": none, "jet": free}
        entries = Entries(event, **{name: np.concatenate([getattr(entries, name), more[name]]) for name in more})
        entries = entries.take(np.argsort(event, kind="stable"))
    lepton = entries.lepton >= 0
    lepton[lepton] = np.abs(leptons.eta[entries.lepton[lepton]]) < MAX_ETA
    keep = (entries.tau >= 0) | (entries.jet >= 0) | lepton
    if not dataset.unreconstructed:
        keep &= (entries.tau >= 0) | (entries.lepton < 0)
    kept = entries.take(keep)
    # of those with neither tau nor jet only the first can stay: taus before other leptons, hardest first
    gen = np.maximum(kept.lepton, 0)
    kind, pt = (np.where(kept.lepton >= 0, column[gen], 0) if len(leptons) else np.zeros(len(kept))
                for column in (leptons.kind, leptons.pt))  # fmt: skip
    return distinct(kept.take(np.lexsort((-pt, -kind, kept.event))))


def fill(events: Tuples, batch: Batch, rows: np.ndarray, dataset: DatasetConfig, config: ProductionConfig) -> Tuples:
    """All columns that PFNano can fill.

    Args:
        events: the batch as it was read.
        batch: what was reconstructed.
        rows: row of each candidate in ``PFCands``.
        dataset: type of sample.
        config: all settings of the reconstruction.

    Returns:
        One row per entry, columns in the order and with the types of the schema.
    """
    e = batch.entries
    scalars = {
        **nanocolumns.event_columns(events, e.event, dataset.sample_type),
        **_gen_columns(events, batch),
        **jet_columns(batch),
        "tau_index": ordinal(e.tau, batch.taus.offsets, e.event),
        **pick(taucolumns.tau_columns(batch, config), e.tau, "tau_"),
    }
    axis = cone_axis(batch)
    schema = tautuple_schema()
    columns = {name: scalars[name].astype(schema[name].dtype) for name in schema.scalars if name in scalars}
    near = nanocolumns.collections(events, e.event, *axis, config.cone.constituents)
    return Tuples(columns, {"pfCand": _pf_candidates(events, batch, rows, axis, config)} | near)


def _gen_columns(events: Tuples, batch: Batch) -> dict[str, np.ndarray]:
    e, leptons = batch.entries, batch.leptons
    visible = {f"vis_{name}": getattr(leptons, name) for name in ("pt", "eta", "phi", "mass")}
    out = {"genLepton_index": ordinal(e.lepton, leptons.offsets, e.event)}
    out |= pick({"kind": leptons.kind, "charge": leptons.charge, **visible}, e.lepton, "genLepton_")
    table = events.collections.get("GenJet")
    if table is None:
        return out | {"genJet_index": np.full(len(e), -1, np.int32)}
    _, order = gen_jet_table(events)
    found = np.full(len(e), -1, np.int64)
    found[e.gen_jet >= 0] = order[e.gen_jet[e.gen_jet >= 0]]
    columns = nanocolumns.typed(table, {name: name for name in nanocolumns.GEN_JET}, "genJet")
    return out | {"genJet_index": ordinal(found, table.offsets, e.event)} | pick(columns, found, "genJet_")


def _pf_candidates(
    events: Tuples, batch: Batch, rows: np.ndarray, axis: tuple[np.ndarray, np.ndarray], config: ProductionConfig
) -> Collection:
    """The ``pfCand_*`` collection, with what PFNano stores in place of what the simulation makes up."""
    made = pf_candidates(batch, axis, config)
    table = events.collections["PFCands"]
    event = batch.entries.event[made.owner]
    stored = rows[made.columns["index"] + batch.candidates.offsets[event]]
    c = {name: column[stored] for name, column in table.columns.items()}
    details = track_details(c)

    def only(values: np.ndarray) -> np.ndarray:
        return np.where(details, values, np.nan).astype(np.float32)

    missing = np.full(len(stored), INT_MISSING, np.int32)
    z = np.where((c["charge"] != 0) & ~batch.primary[made.columns["index"] + batch.candidates.offsets[event]],
                 np.where(details, batch.collisions.pv[event, 2] + c["dz"], np.nan), batch.collisions.pv[event, 2])  # fmt: skip
    columns = made.columns | {
        "index": (stored - table.offsets[event]).astype(np.int32),
        "mass": c["mass"].astype(np.float32),
        "pvAssociationQuality": c["pvAssocQuality"].astype(np.int32),
        "vertex_z": z.astype(np.float32),
        "hasTrackDetails": details.astype(np.int32),
        "dxy": only(c["d0"]), "dxy_error": only(c["d0Err"]), "dz": only(c["dz"]), "dz_error": only(c["dzErr"]),
        "track_chi2": only(c["trkChi2"]), "track_ndof": only(np.ones(len(stored))),
        **dict.fromkeys(("nHits", "nPixelHits", "nPixelLayers", "nStripLayers"), missing),
    }  # fmt: skip
    if "puppiWeightNoLep" in c:
        columns["puppiWeightNoLep"] = c["puppiWeightNoLep"].astype(np.float32)
    return Collection(made.offsets, columns)
