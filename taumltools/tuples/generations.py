"""Generations of the TauTuple schema: which one a file follows, and the branches of the oldest.

CMS changed the schema in April 2021 (386 branches became 552: 121 vanished, 287 came), July
2022 (567) and May 2025 (711).  The current schema (:mod:`taumltools.tuples.schema`) holds
every branch from 2021 on; the 121 that only the files of 2020 have are in the table
``tautuple_2020.csv``.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.schema import tautuple_schema

GENERATIONS = ("2020", "2021", "2022", "2025")
"""Years in which the schema changed, oldest first."""

CONVERTED = frozenset({("dataset_id", "int32"), ("dataset_group_id", "int32")})
"""Branch and type of early files that readers convert to today's type, keeping -1 as the largest number.

Files of September 2020 have these hashes cut to 32 bits: they still tell datasets apart, but
are not the hashes of later files.
"""


@dataclass(frozen=True)
class OldBranch:
    """A branch that only the files of 2020 have.

    Attributes:
        name: full branch name, e.g. ``"track_pt"``.
        collection: prefix of the per-candidate collection (``"track"``), empty for scalars.
        dtype: element type; a missing float is the lowest float32 in the file, as today.
        replacement: what has taken its place, ``"removed"`` if nothing has.
    """

    name: str
    collection: str
    dtype: np.dtype
    replacement: str

    @property
    def field(self) -> str:
        """Name inside the collection; the full name for scalars."""
        return self.name[len(self.collection) + 1 :] if self.collection else self.name


@functools.cache
def old_branches() -> Mapping[str, OldBranch]:
    """The 121 branches that were dropped after 2020, by name.

    Examples:
        >>> old = old_branches()["track_dxy_error"]
        >>> old.collection, old.field, old.dtype.name, old.replacement
        ('track', 'dxy_error', 'float32', 'isoTrack_dxy_error')
    """
    text = resources.files(__package__).joinpath("tautuple_2020.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    branches = (OldBranch(r["branch"], r["collection"], np.dtype(r["dtype"]), r["replacement"]) for r in rows)
    return MappingProxyType({branch.name: branch for branch in branches})


def expected_type(name: str) -> tuple[np.dtype, bool] | None:
    """Type of a branch in any generation.

    Args:
        name: full branch name.

    Returns:
        Element type, and whether it has several values per entry; None for a branch that no
        generation has.

    Examples:
        >>> expected_type("lepton_gen_match"), expected_type("mine")
        ((dtype('int32'), False), None)
    """
    branch = tautuple_schema().branches.get(name) or old_branches().get(name)
    return None if branch is None else (branch.dtype, bool(branch.collection))


def generation(names: Iterable[str]) -> str:
    """The generation that a file with these branches follows.

    Branches may be missing (the CMS tools can switch them off), so that the newest branch
    decides.  Branches that no generation has do not matter.

    Args:
        names: branches of the file.

    Returns:
        One of :data:`GENERATIONS`: the first that has all of them.

    Raises:
        InputError: there are branches that were dropped after 2020 and newer ones together,
            or no branch of any generation.

    Examples:
        >>> generation(["tau_pt", "lepton_gen_match"]), generation(["tau_pt", "sv_pt"])
        ('2020', '2025')
    """
    schema = tautuple_schema()
    first = {name: min(schema[name].generations) for name in names if name in schema}
    old = [name for name in names if name in old_branches()]
    if not first and not old:
        raise InputError("no branch of any TauTuple generation is among these; is it a file of tau candidates?")
    year = max(first.values(), default=GENERATIONS[0])
    if old and year != GENERATIONS[0]:
        newer = [name for name, since in first.items() if since != GENERATIONS[0]]
        raise InputError(
            f"branches of 2020 ({', '.join(old[:3])}) and newer ones ({', '.join(newer[:3])}) are in one file; "
            "no generation has both, so say which branches to read"
        )
    return year
