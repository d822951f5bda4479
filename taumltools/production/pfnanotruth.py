"""Generated leptons and jets of NanoAOD, as the reconstruction of taus from candidates matches them."""

from __future__ import annotations

import numpy as np

from taumltools.production.clustering import Jets
from taumltools.production.genrecord import TAU_TO_HADRONS, GenLeptons
from taumltools.production.geometry import cartesian
from taumltools.production.nanotruth import LEPTON_MASS, light_leptons
from taumltools.production.table import falling_order, offsets_from_counts
from taumltools.tuples.data import Tuples


def gen_leptons(events: Tuples) -> GenLeptons:
    """Prompt e and mu, those of prompt tau decays, and hadronic taus.

    Args:
        events: a table with ``GenPart`` (with ``statusFlags``) and ``GenVisTau``; without them, as in data, there are
            none.

    Returns:
        The leptons by event; ``first``, ``last`` and the numbers of decay products are not known (-1).
    """
    if "GenPart" not in events.collections:
        return _table(np.zeros(len(events), np.int64), {n: np.zeros(0) for n in ("kind", "charge", *P4)})
    particles, visible = events.collections["GenPart"], events.collections["GenVisTau"]
    pdg, kind = particles.columns["pdgId"], light_leptons(particles)
    rows = np.flatnonzero(kind)
    mass = np.where(np.abs(pdg[rows]) == 11, LEPTON_MASS[11], LEPTON_MASS[13])
    columns = {
        "kind": np.concatenate([kind[rows], np.full(len(visible.owner), TAU_TO_HADRONS)]),
        "charge": np.concatenate([-np.sign(pdg[rows]), visible.columns["charge"]]),
        "mass": np.concatenate([mass, visible.columns["mass"]]),
    }
    columns |= {n: np.concatenate([particles.columns[n][rows], visible.columns[n]]) for n in ("pt", "eta", "phi")}
    event = np.concatenate([particles.owner[rows], visible.owner])
    order = np.argsort(event, kind="stable")
    counts = np.bincount(event, minlength=len(events))
    return _table(counts, {name: column[order] for name, column in columns.items()})


P4 = ("pt", "eta", "phi", "mass")


def _table(counts: np.ndarray, columns: dict[str, np.ndarray]) -> GenLeptons:
    n = int(counts.sum())
    unknown = {name: np.full(n, -1, np.int64) for name in ("first", "last")}
    unknown |= {name: np.full(n, -1, np.int32) for name in ("n_charged", "n_pi0")}
    integers = {name: columns[name].astype(np.int32) for name in ("kind", "charge")}
    floats = {name: columns[name].astype(np.float64) for name in P4}
    return GenLeptons(offsets_from_counts(counts), **integers, **floats, **unknown)


def gen_jet_table(events: Tuples) -> tuple[Jets, np.ndarray]:
    """Generated jets without constituents.

    Args:
        events: a table with ``GenJet``; without it there are none.

    Returns:
        Jets, falling in pt inside each event, and the row of each in ``GenJet``.
    """
    nothing = np.zeros(0, np.int64)
    table = events.collections.get("GenJet")
    if table is None:
        none = np.zeros(0)
        return Jets(
            np.zeros(len(events) + 1, np.int64), none, none, none, none, none, nothing, nothing, nothing
        ), nothing
    event = table.owner
    order = falling_order(event, table.columns["pt"].astype(np.float32))
    pt, eta, phi, mass = (table.columns[name][order].astype(np.float64) for name in P4)
    energy = cartesian(pt, eta, phi, mass)[3]
    zeros = np.zeros(len(order), np.int64)
    offsets = offsets_from_counts(np.bincount(event, minlength=len(events)))
    return Jets(offsets, pt, eta, phi, mass, energy, zeros, zeros, nothing), order
