"""What every tuple reader can do, whatever the file format."""

from __future__ import annotations

import abc
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from taumltools.errors import InputError, nearest_names
from taumltools.tuples.data import Tuples
from taumltools.tuples.generations import generation, old_branches
from taumltools.tuples.schema import tautuple_schema

DEFAULT_STEP = 5_000
"""Entries per chunk: about 50 MB with all 711 branches and the usual collection sizes."""


def check_is_file(path: Path) -> None:
    """Refuse what cannot be a tuple file before a library fails with less to say.

    Args:
        path: the file.

    Raises:
        InputError: there is no such path, or it is a directory, or it is empty.
    """
    if not path.exists():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*")] or [""], n=3)
        hint = f"; near names in that directory: {', '.join(near)}" if near else ""
        raise InputError(f"{path}: no such file{hint}")
    if path.is_dir():
        raise InputError(f"{path}: is a directory, expected one file with tuples; name the files in it")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes), probably a write that failed; produce it again")


class TupleReader(abc.ABC):
    """An open file of tau candidates, as a context manager.

    Attributes:
        path: the file.
        entries: number of tau candidates in it.
        branches: branches of the file that the schema knows, in schema order.
        other_branches: the rest, also those that only the files of 2020 have; they are only
            read when asked for by name.
        block: entries this project's files of the format store together; multiples of it are
            the cheapest chunks.
    """

    path: Path
    entries: int
    branches: list[str]
    other_branches: list[str]
    block: int

    @property
    def generation(self) -> str:
        """Year of the CMS schema that the file follows, see :func:`taumltools.tuples.generations.generation`."""
        return generation([*self.branches, *self.other_branches])

    @abc.abstractmethod
    def close(self) -> None:
        """Close the file."""

    @abc.abstractmethod
    def _load(self, branches: Sequence[str], start: int, stop: int) -> Tuples:
        """Read existing branches, in memory form."""

    def _take(self, branches: Sequence[str], rows: np.ndarray) -> Tuples:
        """Read ascending rows of existing branches: here by stored blocks, skipping those without any."""
        edges = self._edges()
        cuts = np.searchsorted(rows, edges)
        parts = []
        for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            if begin < end:
                first, last = int(rows[begin]), int(rows[end - 1])
                parts.append(self._load(branches, first, last + 1).take(rows[begin:end] - first))
        return Tuples.concatenate(parts) if parts else self._load(branches, 0, 0)

    def _edges(self) -> np.ndarray:
        """Entries at which the stored blocks begin, and the number of entries."""
        return np.append(np.arange(0, self.entries, self.block), self.entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def read(self, branches: Sequence[str] | None = None, start: int = 0, stop: int | None = None) -> Tuples:
        """Read entries start to stop (exclusive) into memory.

        Args:
            branches: full branch names; None means all that the schema knows.
            start: first entry.
            stop: one past the last entry; None means the end of the file.

        Returns:
            The entries; missing floats are NaN, integers are as stored.

        Raises:
            InputError: a branch is not in the file, the range is outside of it, or the file
                is damaged.
        """
        stop = self.entries if stop is None else stop
        if not 0 <= start <= stop <= self.entries:
            raise InputError(f"{self.path}: entries {start} to {stop} were asked for, the file has {self.entries}")
        return self._load(self._wanted(branches), start, stop)

    def take(self, branches: Sequence[str] | None, rows: np.ndarray) -> Tuples:
        """Read single entries into memory, without decoding what lies between them where possible.

        Args:
            branches: as for :meth:`read`.
            rows: int, shape (n,): entry numbers, strictly ascending.

        Returns:
            These entries, in this order.

        Raises:
            InputError: as for :meth:`read`, or ``rows`` is not ascending.
        """
        rows = np.asarray(rows)
        if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in "iu"):
            raise InputError(
                f"{self.path}: rows must be a list of entry numbers, not {rows.dtype} of shape {rows.shape}"
            )
        rows = rows.astype(np.int64)
        if np.any(np.diff(rows) <= 0):
            at = int(np.argmax(np.diff(rows) <= 0))
            raise InputError(f"{self.path}: row {rows[at + 1]} follows row {rows[at]}; sort the rows, without repeats")
        if len(rows) and not 0 <= rows[0] <= rows[-1] < self.entries:
            raise InputError(
                f"{self.path}: entries {rows[0]} to {rows[-1]} were asked for, the file has {self.entries}"
            )
        return self._take(self._wanted(branches), rows)

    def iterate(self, branches: Sequence[str] | None = None, step: int = DEFAULT_STEP) -> Iterator[Tuples]:
        """Read the whole file in chunks, so that only ``step`` entries are in memory at a time.

        Args:
            branches: as for :meth:`read`.
            step: entries per chunk; all 711 branches need about 10 kB an entry.

        Yields:
            Consecutive chunks; none for a file without entries.

        Raises:
            InputError: as for :meth:`read`, or ``step`` is not positive.
        """
        if step < 1:
            raise InputError(f"{self.path}: chunks of {step} entries were asked for; use 1 or more")
        for start in range(0, self.entries, step):
            yield self.read(branches, start, min(start + step, self.entries))

    def _wanted(self, branches: Sequence[str] | None) -> list[str]:
        if branches is None:
            return self.branches
        known = {*self.branches, *self.other_branches}
        for name in branches:
            if name not in known:
                raise InputError(
                    f"{self.path}: there is no branch '{name}' among its {len(known)} branches"
                    f"{nearest_names(name, sorted(known))}"
                )
        return list(dict.fromkeys(branches))

    def _set_branches(self, in_file: Sequence[str]) -> None:
        schema = tautuple_schema()
        present = set(in_file)
        self.branches = [name for name in schema.branches if name in present]
        self.other_branches = [name for name in in_file if name not in schema]


def place(name: str) -> tuple[str, str]:
    """Collection and field of a branch with several values per entry.

    Args:
        name: full branch name; one that no generation of the schema has belongs to the
            collection of the schema with the longest matching prefix, else to one of its own.

    Returns:
        Prefix and field.

    Raises:
        InputError: the name has no prefix.

    Examples:
        >>> place("pfCand_pt"), place("track_dxy_error"), place("pfCand_mine")
        (('pfCand', 'pt'), ('track', 'dxy_error'), ('pfCand', 'mine'))
    """
    schema = tautuple_schema()
    known = schema.branches.get(name) or old_branches().get(name)
    if known is not None and known.collection:
        return known.collection, known.field
    prefixes = [prefix for prefix in schema.collections if name.startswith(prefix + "_")]
    prefix = max(prefixes, key=len) if prefixes else name.rpartition("_")[0]
    if not prefix:
        raise InputError(f"branch '{name}' holds several values per entry, but its name has no 'collection_' in front")
    return prefix, name[len(prefix) + 1 :]
