"""Entries that the selectors ``MuTau`` and ``TagAndProbe`` choose, once the tags of the events are known.

They work on the finished columns, so that every source that knows tags has them alike.
"""

from __future__ import annotations

import numpy as np

from taumltools.production.genrecord import TAU_TO_ELECTRON, TAU_TO_HADRONS, TAU_TO_MUON
from taumltools.production.geometry import delta_r
from taumltools.production.tagging import ELECTRON, MUON, NO_TAG, Tags, best_of_event
from taumltools.tuples.data import Tuples

LEFT_OUT = -2
"""Stands for entries that are not chosen; ``selectionType`` is -1 where a selector has no types."""

MUON_TAG, ELECTRON_TAG, HIGH_MET, PT_ORDERED, GEN_BASED = 1, 2, 3, 4, 5
"""``selectionType``."""

MIN_MET = 180.0
"""Events without tag have a probe above that missing transverse momentum, GeV."""

MAX_ETA = 2.8
"""Probes and generated leptons are inside this |η|."""

PROBE_DISTANCE = 0.4
"""Probes are further than that from the tag."""

TAUS = (TAU_TO_ELECTRON, TAU_TO_MUON, TAU_TO_HADRONS)
"""Kinds of generated leptons that come from a tau."""

TAU = {"pt": 20.0, "eta": 2.3, "distance": 0.5, "dz": 0.2}
"""The tau of ``MuTau``: above this pt (GeV) and distance to the muon, below this |η| and |dz| (cm)."""

DECAY_MODES = (0, 1, 10, 11)
"""Decay modes of that tau."""

MEDIUM = np.uint16(1 << 4)
"""Bit of the working point Medium."""


def mu_tau(table: Tuples, event: np.ndarray, tags: Tags) -> np.ndarray:
    """``MuTau``: the tau with the best score against jets, if its charge is opposite to that of the muon.

    Args:
        table: entries, with CMS's identification of taus.
        event: event of each, int64, ascending.
        tags: muons that pass the cuts, the trigger and the cut on the transverse mass.

    Returns:
        ``selectionType`` of each entry, which is -1 for those that are chosen; ``LEFT_OUT`` for the others.
    """
    away = delta_r(table["tau_eta"], table["tau_phi"], tags.eta[event], tags.phi[event])
    good = (table["tau_index"] >= 0) & (tags.kind[event] == MUON) & (away > TAU["distance"])
    good &= (table["tau_pt"] > TAU["pt"]) & (np.abs(table["tau_eta"]) < TAU["eta"])
    good &= (np.abs(table["tau_dz"]) < TAU["dz"]) & np.isin(table["tau_decayMode"], DECAY_MODES)
    good &= (table["tau_decayModeFindingNewDMs"] == 1) & ((table["tau_byDeepTau2017v2p1VSjet"] & MEDIUM) != 0)
    rows = np.flatnonzero(good)
    score, pt = table["tau_byDeepTau2017v2p1VSjetraw"][rows], table["tau_pt"][rows]
    best = best_of_event(event[rows], len(tags.kind), -score, -pt)
    chosen = rows[best[best >= 0]]
    chosen = chosen[table["tau_charge"][chosen] + tags.columns["tagObj_charge"][event[chosen]] == 0]
    why = np.full(len(table), LEFT_OUT, np.int32)
    why[chosen] = -1
    return why


def tag_and_probe(table: Tuples, event: np.ndarray, tags: Tags) -> np.ndarray:
    """``TagAndProbe``: the hardest jet away from the tag, or generated leptons where there is none; and generated taus.

    Args:
        table: entries, with those of jets without tau.
        event: event of each, int64, ascending.
        tags: muons or else electrons that pass the cuts.

    Returns:
        ``selectionType`` of each entry, ``LEFT_OUT`` for those that are not chosen.
    """
    why = np.full(len(table), LEFT_OUT, np.int32)
    lepton = (table["genLepton_index"] >= 0) & (np.abs(table["genLepton_vis_eta"]) < MAX_ETA)
    why[lepton & np.isin(table["genLepton_kind"], TAUS)] = GEN_BASED
    probed = probe_events(tags)
    away = delta_r(table["jet_eta"], table["jet_phi"], tags.eta[event], tags.phi[event])
    free = (tags.kind[event] == NO_TAG) | (away > PROBE_DISTANCE)
    rows = np.flatnonzero(probed[event] & free & (table["jet_index"] >= 0) & (np.abs(table["jet_eta"]) < MAX_ETA))
    best = best_of_event(event[rows], len(tags.kind), -table["jet_pt"][rows])
    probe = rows[best[best >= 0]]
    kind = tags.kind[event[probe]]
    why[probe] = np.select([kind == MUON, kind == ELECTRON], [MUON_TAG, ELECTRON_TAG], HIGH_MET)
    if "genJet_eta" in table:
        inside = lepton & (table["genJet_index"] >= 0) & (np.abs(table["genJet_eta"]) < MAX_ETA)
        why[_two_hardest(table, event, inside & ~probed[event])] = PT_ORDERED
    return why


def probe_events(tags: Tags) -> np.ndarray:
    """Mask of the events in which ``TagAndProbe`` looks for a jet: those with a tag or with high missing momentum."""
    return (tags.kind != NO_TAG) | (tags.met > MIN_MET)


def _two_hardest(table: Tuples, event: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(mask)
    rows = rows[np.lexsort((-table["genLepton_vis_pt"][rows], event[rows]))]
    place = np.arange(len(rows)) - np.searchsorted(event[rows], event[rows])
    return rows[place < 2]
