"""TauTuple branches under their names of 2020, with the missing constants of files.

Files of 2020 have them.  From newer files they are taken from what has replaced them; branches
without replacement (the generated quark, how tau and jet were matched, the momentum of the generated
lepton before its decay) are missing there.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

import numpy as np

from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.generations import old_branches
from taumltools.tuples.schema import FLOAT_MISSING, tautuple_schema
from taumltools.tuples.truth import GenMatch, truth_branches

INT_MISSING = np.iinfo(np.int32).min
"""A missing integer in files."""

PDG_IDS = np.array([0, 211, 11, 13, 22, 130, 1, 2], np.int32)
"""|pdgId| of a PF candidate by ``pfCand_particleType``."""

SPECIAL = {
    "jet_has_gen_match": ("genJet_index",),
    "pfCand_pdgId": ("pfCand_particleType",),
    "lepton_gen_match": ("genLepton_index", "genLepton_kind", "genJet_index"),
    "lepton_gen_charge": ("genLepton_charge",),
    "lepton_gen_vis_pt": ("genLepton_vis_pt",),
    "lepton_gen_vis_eta": ("genLepton_vis_eta",),
    "lepton_gen_vis_phi": ("genLepton_vis_phi",),
    "lepton_gen_vis_mass": ("genLepton_vis_mass",),
}
"""What replaces a branch of 2020 where it is not one branch of the same meaning."""


def replacement(name: str) -> tuple[str, ...]:
    """Today's branches for a branch of 2020; empty if there are none.

    Args:
        name: of the branch of 2020.

    Returns:
        Names of branches.

    Examples:
        >>> replacement("pfCand_numberOfPixelHits"), replacement("qcd_gen_pt"), replacement("tau_pt")
        (('pfCand_nPixelHits',), (), ('tau_pt',))
    """
    if name in SPECIAL:
        return SPECIAL[name]
    if name in tautuple_schema():
        return (name,)
    new = old_branches()[name].replacement
    return (new,) if new in tautuple_schema() else ()


def branches_for(names: Container[str], available: Container[str]) -> list[str]:
    """Branches to read.

    Args:
        names: branches by their names of 2020.
        available: branches of the file.

    Returns:
        Each itself if the file has it, else what replaces it, and what the truth type needs.
    """
    wanted: list[str] = []
    for name in [*tautuple_schema().branches, *old_branches()]:
        if name in names:
            wanted += [name] if name in available else replacement(name)
    return list(dict.fromkeys([*wanted, *truth_branches(available)]))


class Source(Mapping[str, np.ndarray]):
    """Tau-level branches of some entries by their names of 2020, as they are in files.

    Args:
        tuples: the entries.
    """

    def __init__(self, tuples: Tuples) -> None:
        self._tuples = tuples
        self._cache: dict[str, np.ndarray] = {}
        self._collections: dict[str, Collection] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._cache:
            self._cache[name] = self._find(name)
        return self._cache[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cache)

    def __len__(self) -> int:
        return len(self._tuples)

    def _find(self, name: str) -> np.ndarray:
        if name in self._tuples:
            return stored(self._tuples[name])
        if name == "jet_has_gen_match":
            return (self._tuples["genJet_index"] >= 0).astype(np.int32)
        if name == "lepton_gen_match":
            return self._gen_match()
        for new in replacement(name):
            return stored(self._tuples[new])
        old = old_branches()[name]
        return np.full(len(self), FLOAT_MISSING if old.dtype.kind == "f" else INT_MISSING, old.dtype)

    def _gen_match(self) -> np.ndarray:
        """As the generated lepton says; how near it is to the tau is the matter of the truth type."""
        lepton = self._tuples["genLepton_index"] >= 0
        return np.where(lepton, self._tuples["genLepton_kind"], GenMatch.NO_MATCH).astype(np.int32)

    def collection(self, prefix: str) -> Collection:
        """A collection with the names of 2020 of the fields that have been renamed.

        Args:
            prefix: ``pfCand``, ``ele`` or ``muon``.
        """
        if prefix not in self._collections:
            self._collections[prefix] = self._renamed(prefix)
        return self._collections[prefix]

    def _renamed(self, prefix: str) -> Collection:
        found = self._tuples.collections[prefix]
        columns = {name: stored(column) for name, column in found.columns.items()}
        if "particleType" in columns and "pdgId" not in columns:
            kind = columns["particleType"]
            columns["pdgId"] = PDG_IDS[np.where((kind >= 0) & (kind < len(PDG_IDS)), kind, 0)]
        for old in old_branches().values():
            new = old.replacement.removeprefix(f"{prefix}_")
            if old.collection == prefix and old.field not in columns and new in columns:
                columns[old.field] = columns[new]
        return Collection(found.offsets, columns)


def stored(column: np.ndarray) -> np.ndarray:
    """A column with the constant of files for missing floats.

    Args:
        column: of any type.

    Returns:
        The column, of the same type.
    """
    return np.where(np.isnan(column), FLOAT_MISSING, column) if column.dtype.kind == "f" else column
