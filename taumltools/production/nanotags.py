"""Tags of ``MuTau`` and ``TagAndProbe`` from NanoAOD: which branches they need, and what stands for MiniAOD's quantities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.production import tagging
from taumltools.production.entries import pairs
from taumltools.production.genrecord import GenLeptons
from taumltools.production.geometry import delta_r
from taumltools.production.nanocolumns import MUON_ID
from taumltools.production.nanoread import names
from taumltools.production.tagging import Leptons, Tags
from taumltools.tuples.data import Collection, Tuples

TAGGING = ("MuTau", "TagAndProbe")
"""Selectors that need tags."""

ELECTRON_ID = ("mvaFall17V2noIso_WP90", "mvaNoIso_WP90")
"""Multivariate identification of electrons without isolation at 90%: name up to version 9, and from version 10 on."""

MET = ("MET", "PFMET")
"""Missing momentum of all particle-flow candidates: name up to version 14, and in later ones."""

KINEMATICS = ("pt", "eta", "phi", "mass", "charge", "dxy", "dz")
"""Fields of leptons that both kinds have."""

LEPTONS: dict[str, tuple[str, ...]] = {
    "": tuple(f"{met}_{field}" for met in MET for field in ("pt", "phi")),
    "Muon": (*KINEMATICS, "pfRelIso04_all", "looseId", "mediumId", "tightId"),
    "Electron": (*KINEMATICS, "pfRelIso03_all", *ELECTRON_ID, "cutBased"),
}
"""What tags are made of."""

WANTED: dict[str, dict[str, tuple[str, ...]]] = {
    "MuTau": LEPTONS | {
        "": (*LEPTONS[""], "HLT_IsoMu24"),
        "TrigObj": ("id", "pt", "eta", "phi", "filterBits"),
        "Tau": ("idDeepTau2017v2p1VSjet", "rawDeepTau2017v2p1VSjet"),
    },
    "TagAndProbe": LEPTONS | {"Jet": ("pt", "eta", "phi")},
}  # fmt: skip
"""Branches of each selector; of those with several names a file has one."""

WANTED_TRUTH: dict[str, tuple[str, ...]] = {"GenPart": ("statusFlags", "genPartIdxMother")}
"""What simulation needs besides."""

TRIGGER_MUON, TRIGGER_PT, TRIGGER_CONE = 13, 24.0, 0.3
"""Kind, least pt (GeV) and largest distance of the trigger object of the muon."""

FILTERS = ("1mu", "Iso")
"""What the title of ``TrigObj_filterBits`` calls the filter of isolated muons, the better one first."""


@dataclass(frozen=True)
class Needs:
    """What a selector needs of a file.

    Attributes:
        selector: its name; selectors that need no tags need nothing.
        truth: whether the file is simulation.
        own_jets: whether jets are clustered anew, so that those of the file are not needed.
    """

    selector: str
    truth: bool
    own_jets: bool = False

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Branches that are read, by collection; of those with several names all."""
        if self.selector not in TAGGING:
            return {}
        found = WANTED[self.selector] | (WANTED_TRUTH if self.truth else {})
        return {name: fields for name, fields in found.items() if name != "Jet" or not self.own_jets}

    def check(self, path: Path, titles: Mapping[str, str]) -> None:
        """Refuse a file that lacks something.

        Args:
            path: the file.
            titles: titles of the branches that it has.

        Raises:
            InputError: the message names the branches.
        """
        wanted = names(self.fields)
        if missing := [" or ".join(group) for group in _groups(wanted) if not any(name in titles for name in group)]:
            raise InputError(f"{path}: lacks the branches {', '.join(missing)}, which selector '{self.selector}' needs")
        if "TrigObj_filterBits" in wanted and not filter_mask(titles["TrigObj_filterBits"]):
            raise InputError(
                f"{path}: the title of TrigObj_filterBits names no bit '1mu' or 'Iso' for muons, without which selector "
                f"'{self.selector}' cannot tell which muons passed the trigger"
            )


def _groups(branches: Sequence[str]) -> list[tuple[str, ...]]:
    """Branches, those with several names together."""
    same = [tuple(f"Electron_{name}" for name in ELECTRON_ID)]
    same += [tuple(f"{met}_{field}" for met in MET) for field in ("pt", "phi")]
    group_of = {name: group for group in same for name in group}
    return list(dict.fromkeys(group_of.get(name, (name,)) for name in branches))


def filter_mask(title: str) -> int:
    """The bit of ``TrigObj_filterBits`` of muons that passed the filter of an isolated single muon.

    Args:
        title: title of the branch, which says what the bits mean: ``8 = 1mu`` in earlier versions, where numbers are
            masks, ``3 => 1mu`` in later ones, where they are bits.

    Returns:
        The mask; 0 if the title does not tell.

    Examples:
        >>> filter_mask("2 = 1e (WPTight) for Electron; 2 = Iso, 8 = 1mu, 16 = 2mu, 1024 = 1mu (Mu50) for Muon")
        8
        >>> filter_mask("1 => Iso, 3 => 1mu, 6 => 1mu-1tau for Muon; 0 => Loose for Tau")
        8
        >>> filter_mask("1 = TrkIsoVVL, 2 = Iso, 8 = IsoTkMu for Muon")
        2
    """
    part = next((part for part in title.split(";") if re.search(r"\bfor Muon\b", part)), "")
    of_muon = re.sub(r"\s*\bfor Muon\b.*", "", part)
    meanings = {}
    for number, arrow, text in re.findall(r"(\d+)\s*(=>?)\s*([^,]+)", of_muon):
        meanings[text.strip()] = 1 << int(number) if arrow == "=>" else int(number)
    return next((meanings[name] for name in FILTERS if name in meanings), 0)


def muons_of(events: Tuples) -> Leptons:
    """The collection ``Muon``, with the isolation in a cone of 0.4 and the correction of half the pile-up tracks.

    Args:
        events: a batch of a file that passed :meth:`Needs.check`.
    """
    table = events.collections["Muon"]
    c = table.columns
    bits = np.sum([c[flag] * bit for flag, bit in MUON_ID.items()], axis=0)
    return _leptons(table, isolation=c["pfRelIso04_all"], good=c["mediumId"], loose=c["looseId"], id=bits)


def electrons_of(events: Tuples) -> Leptons:
    """The collection ``Electron``, with the isolation in a cone of 0.3 and the correction by areas.

    Args:
        events: a batch of a file that passed :meth:`Needs.check`.
    """
    table = events.collections["Electron"]
    c = table.columns
    good = c[next(name for name in ELECTRON_ID if name in c)]
    return _leptons(table, isolation=c["pfRelIso03_all"], good=good, loose=c["cutBased"] >= 1, id=good)


def _leptons(table: Collection, **columns: np.ndarray) -> Leptons:
    types = {"good": np.bool_, "loose": np.bool_, "id": np.uint32, "isolation": np.float32}
    same = {name: table.columns[name].astype(np.int32 if name == "charge" else np.float32) for name in KINEMATICS}
    return Leptons(table.offsets, **same, **{name: column.astype(types[name]) for name, column in columns.items()})


def make_tags(events: Tuples, titles: Mapping[str, str], selector: str, gen: GenLeptons) -> Tags:
    """The tag of each event of a batch.

    Args:
        events: the batch.
        titles: titles of its branches.
        selector: ``MuTau`` or ``TagAndProbe``.
        gen: all generated leptons.

    Returns:
        The tags.  For ``MuTau`` only muons that pass the trigger and the cut on the transverse mass.
    """
    muons, electrons = muons_of(events), electrons_of(events)
    met = next(name for name in MET if f"{name}_pt" in events.scalars and f"{name}_phi" in events.scalars)
    met_pt, met_phi = events[f"{met}_pt"], events[f"{met}_phi"]
    if selector == "MuTau":
        muon = tagging.best_lepton(muons, tagging.passing(muons, tagging.MU_TAU_MUON) & muons.good)
        muon = _triggered(events, filter_mask(titles["TrigObj_filterBits"]), muons, muon)
        mass = tagging.transverse_mass(muons.pt[muon], muons.phi[muon], met_pt, met_phi) if len(muons) else met_pt
        muon = np.where(mass < tagging.MAX_TRANSVERSE_MASS, muon, -1)
        electron = np.full(len(events), -1, np.int64)
    else:
        muon = tagging.best_lepton(muons, tagging.passing(muons, tagging.MUON_TAG) & muons.good)
        electron = tagging.best_lepton(electrons, tagging.passing(electrons, tagging.ELECTRON_TAG) & electrons.good)
    return tagging.make_tags(muons, electrons, muon, electron, met_pt, gen)


def _triggered(events: Tuples, mask: int, muons: Leptons, muon: np.ndarray) -> np.ndarray:
    """The tags of events that ``HLT_IsoMu24`` accepted, if they have a trigger object near; -1 for the others."""
    table = events.collections["TrigObj"]
    c = table.columns
    event = np.flatnonzero(muon >= 0)
    left, right = pairs(event, table.offsets)
    of_tag = muon[event[left]]
    near = delta_r(c["eta"][right], c["phi"][right], muons.eta[of_tag], muons.phi[of_tag]) < TRIGGER_CONE
    good = near & (c["id"][right] == TRIGGER_MUON) & (c["pt"][right] > TRIGGER_PT)
    good &= (c["filterBits"][right].astype(np.int64) & mask) != 0
    passed = np.zeros(len(events), bool)
    passed[event[left[good]]] = True
    return np.where(passed & events["HLT_IsoMu24"].astype(bool), muon, -1)
