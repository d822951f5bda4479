"""Tau candidates in memory: plain numpy columns, collections as flat columns plus offsets.

Flat columns make selecting, permuting and concatenating a single numpy gather per
column (2 to 4 times faster than the same on nested arrays, see docs/results.md).
Missing floats are NaN in memory; missing integers keep the value of the schema table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from taumltools.errors import InputError


@dataclass(frozen=True)
class Collection:
    """A per-candidate collection, e.g. all ``pfCand_*`` branches.

    Attributes:
        offsets: int64, shape (n + 1,): objects of entry i are rows offsets[i] to offsets[i+1].
        columns: field name without prefix to array of shape (offsets[-1],).
    """

    offsets: np.ndarray
    columns: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        total = int(self.offsets[-1])
        for name, column in self.columns.items():
            if len(column) != total:
                raise InputError(f"collection column '{name}' has {len(column)} rows, its offsets say {total}")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> np.ndarray:
        """Objects per entry, int64, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> np.ndarray:
        """Entry index of each object, int64, shape (offsets[-1],)."""
        return np.repeat(np.arange(len(self)), self.counts)

    def take(self, index: np.ndarray) -> Collection:
        """The collection of the entries ``index`` (int array, repeats allowed), in that order."""
        counts = self.counts[index]
        offsets = np.zeros(len(index) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][index] - offsets[:-1], counts)
        return Collection(offsets, {name: column[rows] for name, column in self.columns.items()})

    def slice(self, start: int, stop: int) -> Collection:
        """Entries start to stop (exclusive), without copying the columns."""
        offsets = self.offsets[start : stop + 1]
        rows = slice(int(offsets[0]), int(offsets[-1]))
        return Collection(offsets - offsets[0], {name: column[rows] for name, column in self.columns.items()})

    @staticmethod
    def concatenate(parts: Sequence[Collection]) -> Collection:
        """Join collections of consecutive entries; all parts must have the same fields."""
        starts = np.cumsum([0] + [int(p.offsets[-1]) for p in parts])
        offsets = np.concatenate(
            [parts[0].offsets[:1] * 0] + [p.offsets[1:] + s for p, s in zip(parts, starts, strict=False)]
        )
        return Collection(offsets, {n: np.concatenate([p.columns[n] for p in parts]) for n in parts[0].columns})


@dataclass(frozen=True)
class Tuples:
    """Tau candidates: scalar columns and collections.

    Attributes:
        scalars: branch name to array of shape (n,).
        collections: collection prefix to :class:`Collection` of n entries.

    Examples:
        >>> import numpy as np
        >>> pf = Collection(np.array([0, 2, 3]), {"pt": np.array([5.0, 1.0, 7.0], "f4")})
        >>> taus = Tuples({"tau_pt": np.array([30.0, 40.0], "f4")}, {"pfCand": pf})
        >>> taus.take(np.array([1, 0]))["pfCand_pt"]
        array([7., 5., 1.], dtype=float32)
    """

    scalars: dict[str, np.ndarray]
    collections: dict[str, Collection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.scalars.items()}
        lengths |= {name: len(c) for name, c in self.collections.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"columns of one table differ in length: {lengths}")

    def __len__(self) -> int:
        columns: Mapping[str, np.ndarray | Collection] = self.scalars or self.collections
        return len(next(iter(columns.values()))) if columns else 0

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __getitem__(self, name: str) -> np.ndarray:
        """The flat array of a branch, by its full name."""
        prefix, field_name = self.locate(name)
        return self.collections[prefix].columns[field_name] if prefix else self.scalars[name]

    def locate(self, name: str) -> tuple[str, str]:
        """Where a branch is: (collection prefix, field name), or ("", name) for a scalar.

        Raises:
            InputError: no such branch.
        """
        found = self._find(name)
        if found is None:
            raise InputError(f"branch '{name}' is not among the columns read ({len(self.branches)} branches)")
        return found

    def _find(self, name: str) -> tuple[str, str] | None:
        if name in self.scalars:
            return "", name
        for prefix, collection in self.collections.items():
            if name.startswith(prefix + "_") and name[len(prefix) + 1 :] in collection.columns:
                return prefix, name[len(prefix) + 1 :]
        return None

    @property
    def nbytes(self) -> int:
        """Size of all columns and offsets in bytes."""
        collections = self.collections.values()
        jagged = sum(c.offsets.nbytes + sum(x.nbytes for x in c.columns.values()) for c in collections)
        return jagged + sum(column.nbytes for column in self.scalars.values())

    @property
    def branches(self) -> list[str]:
        """Full names of all columns."""
        jagged = [f"{prefix}_{name}" for prefix, c in self.collections.items() for name in c.columns]
        return [*self.scalars, *jagged]

    def take(self, index: np.ndarray) -> Tuples:
        """Entries ``index`` (int array of any order, repeats allowed)."""
        return Tuples(
            {name: column[index] for name, column in self.scalars.items()},
            {name: c.take(index) for name, c in self.collections.items()},
        )

    def slice(self, start: int, stop: int) -> Tuples:
        """Entries start to stop (exclusive), as views."""
        return Tuples(
            {name: column[start:stop] for name, column in self.scalars.items()},
            {name: c.slice(start, stop) for name, c in self.collections.items()},
        )

    def with_scalars(self, scalars: Mapping[str, np.ndarray]) -> Tuples:
        """The same entries with scalar columns added or replaced (branch name to array of shape (n,))."""
        return Tuples({**self.scalars, **scalars}, self.collections)

    @staticmethod
    def concatenate(parts: Sequence[Tuples]) -> Tuples:
        """Join tables with identical columns; the order of entries is kept."""
        if not parts:
            raise InputError("nothing to concatenate: no input had any entry")
        first = parts[0]
        for part in parts[1:]:
            if set(part.branches) != set(first.branches):
                odd = sorted(set(part.branches) ^ set(first.branches))
                raise InputError(f"tables with different branches cannot be joined; they differ in {odd[:10]}")
        return Tuples(
            {n: np.concatenate([p.scalars[n] for p in parts]) for n in first.scalars},
            {n: Collection.concatenate([p.collections[n] for p in parts]) for n in first.collections},
        )
