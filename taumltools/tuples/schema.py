"""The TauTuple schema, read from the one table ``tautuple.csv``.

Reader, writer, default values, mock data and documentation are all made from it; no
branch name is written by hand anywhere else.  Facts: the CMS TauTuple of 2025 (711
branches); the column ``generations`` says which earlier generations have a branch.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np

TREE = "taus"
"""Name of the TTree in a TauTuple file."""

FLOAT_MISSING = np.float32(np.finfo(np.float32).min)
"""What the CMS tools store for a float that does not exist (the lowest float32)."""

INT_MISSING = np.int32(np.iinfo(np.int32).min)
"""What the CMS tools store for an int that does not exist."""


@dataclass(frozen=True)
class Branch:
    """One branch of TauTuple.

    Attributes:
        name: full branch name, e.g. ``"pfCand_pt"``.
        collection: prefix of the per-candidate collection (``"pfCand"``), empty for scalars.
        dtype: element type.
        group: what it belongs to, e.g. ``"tau"``.
        unit: physical unit, empty if dimensionless.
        missing: value that stands for "does not exist" in ROOT files.
        generations: years of the schema generations that have it.
        simulated: True if the built-in simulation fills it.
        description: what it means.
    """

    name: str
    collection: str
    dtype: np.dtype
    group: str
    unit: str
    missing: float | int | bool
    generations: frozenset[str]
    simulated: bool
    description: str

    @property
    def field(self) -> str:
        """Name inside the collection: ``"pt"`` for ``"pfCand_pt"``; the full name for scalars."""
        return self.name[len(self.collection) + 1 :] if self.collection else self.name

    @property
    def is_float(self) -> bool:
        """True for floating-point branches, whose in-memory missing value is NaN."""
        return self.dtype.kind == "f"


@dataclass(frozen=True)
class Schema:
    """All branches of a TauTuple, in file order."""

    branches: dict[str, Branch]

    @functools.cached_property
    def scalars(self) -> dict[str, Branch]:
        """Branches with one value per entry."""
        return {name: b for name, b in self.branches.items() if not b.collection}

    @functools.cached_property
    def collections(self) -> dict[str, dict[str, Branch]]:
        """Branches by collection: ``{"pfCand": {"pt": Branch, ...}, ...}``."""
        out: dict[str, dict[str, Branch]] = {}
        for b in self.branches.values():
            if b.collection:
                out.setdefault(b.collection, {})[b.field] = b
        return out

    def __getitem__(self, name: str) -> Branch:
        return self.branches[name]

    def __contains__(self, name: object) -> bool:
        return name in self.branches


def _number(text: str, dtype: np.dtype) -> float | int | bool:
    if dtype.kind == "b":
        return bool(int(text))
    if dtype.kind != "f":
        return int(text)
    value = float(text)
    return float(FLOAT_MISSING) if value < -3e38 else value


@functools.cache
def tautuple_schema() -> Schema:
    """The current TauTuple schema.

    Returns:
        The schema, with its 711 branches.

    Examples:
        >>> schema = tautuple_schema()
        >>> schema["pfCand_pt"].unit, schema["pfCand_pt"].collection, schema["pfCand_pt"].field
        ('GeV', 'pfCand', 'pt')
        >>> len(schema.branches)
        711
    """
    text = resources.files(__package__).joinpath("tautuple.csv").read_text(encoding="utf-8")
    branches = {}
    for row in csv.DictReader(text.splitlines()):
        dtype = np.dtype(row["dtype"])
        branches[row["branch"]] = Branch(
            name=row["branch"],
            collection=row["collection"],
            dtype=dtype,
            group=row["group"],
            unit=row["unit"],
            missing=_number(row["missing"], dtype),
            generations=frozenset(row["generations"].split()),
            simulated=row["simulated"] == "yes",
            description=row["description"],
        )
    return Schema(branches)
