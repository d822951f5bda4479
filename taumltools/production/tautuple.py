"""Fill TauTuple columns from a batch, group by group.  Branches that nothing fills are absent."""

from __future__ import annotations

import numpy as np

from taumltools.config.production import ProductionConfig
from taumltools.production import taucolumns
from taumltools.production.constituents import electrons, muons, pf_candidates
from taumltools.production.entries import entry_numbers
from taumltools.production.eventlevel import energy_density, generated_missing_momentum, missing_momentum
from taumltools.production.genchain import gen_particles, particle_charge
from taumltools.production.jets import gen_jet_content, jet_content
from taumltools.production.reconstruction import Batch
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.schema import INT_MISSING, tautuple_schema

SIMULATION = 1
"""``sampleType`` of simulated events."""


def pick(columns: dict[str, np.ndarray], index: np.ndarray, prefix: str) -> dict[str, np.ndarray]:
    """Gather object columns for entries.

    Args:
        columns: columns of the objects.
        index: object of each entry, -1 for none.
        prefix: goes in front of the names.

    Returns:
        Columns of shape (n,): NaN or the missing integer where there is no object.

    Examples:
        >>> pick({"pt": np.array([5.0, 7.0], "f4")}, np.array([1, -1]), "jet_")
        {'jet_pt': array([ 7., nan], dtype=float32)}
    """
    some = index >= 0
    out = {}
    for name, column in columns.items():
        floating = column.dtype.kind == "f"
        values = np.full(len(index), np.nan if floating else INT_MISSING, np.float32 if floating else np.int32)
        values[some] = column[index[some]]
        out[prefix + name] = values
    return out


def ordinal(index: np.ndarray, offsets: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Position of an object inside its event, -1 for none (int32).

    Args:
        index: its row among the objects of all events, -1 for none; shape (n,).
        offsets: first row of each event, and the number of rows.
        event: number of the event, shape (n,).
    """
    return np.where(index >= 0, index - offsets[event], -1).astype(np.int32)


def event_columns(batch: Batch, *, run: int, lumi: int, first_event: int) -> dict[str, np.ndarray]:
    """Branches of the event, one value per entry.

    Args:
        batch: the batch.
        run: run number of all.
        lumi: luminosity section of all.
        first_event: event number of the first event.
    """
    event, collisions = batch.entries.event, batch.collisions
    per_event = {
        "npv": collisions.vertices,
        "npu": collisions.mean,
        "rho": energy_density(batch.candidates),
        "genEventWeight": batch.weight.astype(np.float32),
        **{f"pv_{axis}": collisions.pv[:, k] for k, axis in enumerate("xyz")},
    }
    met = {
        "met": missing_momentum(batch.candidates, np.ones(len(batch.candidates))),
        "puppimet": missing_momentum(batch.candidates, batch.puppi),
        "genmet": generated_missing_momentum(batch.particles),
    }
    for name, (pt, phi) in met.items():
        per_event |= {f"{name}_pt": pt, f"{name}_phi": phi}
    return {
        "run": np.full(len(event), run, np.uint32),
        "lumi": np.full(len(event), lumi, np.uint32),
        "evt": (np.uint64(first_event) + event.astype(np.uint64)).astype(np.uint64),
        "sampleType": np.full(len(event), SIMULATION, np.int32),
        "tauType": np.zeros(len(event), np.int32),
        **entry_numbers(event),
        **{name: column[event] for name, column in per_event.items()},
    }


def vertex_errors(config: ProductionConfig, n: int) -> dict[str, np.ndarray]:
    """Uncertainties of the signal vertex in cm."""
    xy, z = config.pileup.pv_resolution_xy, config.pileup.pv_resolution_z
    return {f"pv_{axis}E": np.full(n, value, np.float32) for axis, value in (("x", xy), ("y", xy), ("z", z))}


def gen_columns(batch: Batch) -> dict[str, np.ndarray]:
    """Generated lepton and generated jet of each entry."""
    e, leptons, jets = batch.entries, batch.leptons, batch.gen_jets
    index = ordinal(e.lepton, leptons.offsets, e.event)
    kinds = {"kind": leptons.kind, "charge": leptons.charge}
    visible = {f"vis_{name}": getattr(leptons, name) for name in ("pt", "eta", "phi", "mass")}
    has_mother = (batch.particles.mother[leptons.first] > 0).astype(np.int32)
    columns = pick({**kinds, **visible, "lastMotherIndex": has_mother - 1}, e.lepton, "genLepton_")
    charge = particle_charge(batch.particles.pdg_id)
    content = {name: getattr(jets, name) for name in ("pt", "eta", "phi", "mass")}
    content |= gen_jet_content(jets, batch.particles, charge)
    return {
        "genLepton_index": index,
        **columns,
        "genJet_index": ordinal(e.gen_jet, jets.offsets, e.event),
        **pick(content, e.gen_jet, "genJet_"),
    }


def jet_columns(batch: Batch) -> dict[str, np.ndarray]:
    """Reconstructed jet of each entry."""
    e, jets = batch.entries, batch.jets
    content = {name: getattr(jets, name) for name in ("pt", "eta", "phi", "mass")}
    columns = pick(content | jet_content(jets, batch.candidates), e.jet, "jet_")
    return {"jet_index": ordinal(e.jet, jets.offsets, e.event), **columns}


def gen_particle_collection(batch: Batch) -> Collection:
    """Decay chain of each entry's generated lepton."""
    chain = gen_particles(batch.particles, batch.leptons, batch.entries.lepton)
    return Collection(chain.offsets, {**chain.columns, "mother": chain.columns["mother"].astype(np.int64)})


def cone_axis(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Axis of the constituents' cone: the tau candidate, else the generated lepton, else the jet (float64)."""
    e = batch.entries
    of_lepton = (e.tau < 0) & (e.lepton >= 0)
    of_jet = (e.tau < 0) & (e.lepton < 0)
    axes = []
    for name in ("eta", "phi"):
        axis = np.zeros(len(e))
        for table, index, mine in (
            (batch.taus, e.tau, e.tau >= 0), (batch.leptons, e.lepton, of_lepton), (batch.jets, e.jet, of_jet),
        ):  # fmt: skip
            axis[mine] = getattr(table, name)[index[mine]]
        axes.append(axis)
    return axes[0], axes[1]


def fill(batch: Batch, config: ProductionConfig, *, run: int, lumi: int, first_event: int) -> Tuples:
    """All columns that the simulation fills.

    Args:
        batch: a reconstructed batch.
        config: all settings of the simulation.
        run: number of the run.
        lumi: number of the luminosity section.
        first_event: number of the batch's first event.

    Returns:
        One row per entry of the batch, columns in the order and with the types of the schema.
    """
    e = batch.entries
    objects = taucolumns.tau_columns(batch, config)
    scalars = {
        **event_columns(batch, run=run, lumi=lumi, first_event=first_event),
        **vertex_errors(config, len(e)),
        **gen_columns(batch),
        **jet_columns(batch),
        "tau_index": ordinal(e.tau, batch.taus.offsets, e.event),
        **pick(objects, e.tau, "tau_"),
    }
    axis = cone_axis(batch)
    collections = {
        "genParticle": gen_particle_collection(batch),
        "pfCand": pf_candidates(batch, axis, config),
        "ele": electrons(batch, axis, config),
        "muon": muons(batch, axis, config),
    }
    schema = tautuple_schema()
    return Tuples({n: scalars[n].astype(schema[n].dtype) for n in schema.scalars if n in scalars}, collections)
