"""Several tuple files read as one: a JSON file names them, with the entries that were found in each.

Tuples that exist already are taken in place that way: the chain is small, its files stay where they are.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.data import Tuples
from taumltools.tuples.generations import GENERATIONS, old_branches
from taumltools.tuples.listing import ListedFile, write_listing
from taumltools.tuples.reader import TupleReader

log = logging.getLogger(__name__)

SUFFIX = ".json"
"""Suffix of chains."""


def read_chain(path: Path) -> tuple[tuple[ListedFile, ...], list[str]]:
    """Read what :func:`make_chain` wrote.

    Args:
        path: a ``.json`` file.

    Returns:
        Its files with their entries, and the branches that all of them have.

    Raises:
        InputError: the file is missing or is no chain.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(ListedFile(**row) for row in content["files"])
        return files, [str(name) for name in content["branches"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no usable chain of tuple files ({type(error).__name__}: {error})") from error


def common_branches(branches: Sequence[Sequence[str]]) -> list[str]:
    """Branches that all files have, in the order of the first one.

    Examples:
        >>> common_branches([["evt", "tau_pt", "tau_eta"], ["tau_pt", "evt"]])
        ['evt', 'tau_pt']
    """
    shared = set(branches[0]).intersection(*branches[1:]) if branches else set()
    return [name for name in branches[0] if name in shared] if branches else []


class ChainReader(TupleReader):
    """Reads the files of a chain as one; at most one of them is open at a time."""

    def __init__(self, path: Path, open_file: Callable[[str], TupleReader]) -> None:
        """Read the list; no file is opened yet.

        Args:
            path: a ``.json`` file.
            open_file: opens one of its files.

        Raises:
            InputError: the file is missing or is no chain.
        """
        self.path = path
        self._files, branches = read_chain(path)
        self._ends = np.cumsum([0, *(file.entries or 0 for file in self._files)])
        self.entries = int(self._ends[-1])
        self._set_branches(branches)
        self._open_file = open_file
        self._number = -1
        self._file: TupleReader | None = None
        self.block = 15_000

    def close(self) -> None:
        """Close the open file, if any."""
        if self._file is not None:
            self._file.close()
        self._number, self._file = -1, None

    def _reader(self, number: int) -> TupleReader:
        if self._number != number or self._file is None:
            self.close()
            listed = self._files[number]
            listed.check_unchanged()
            file = self._open_file(listed.path)
            if file.entries != listed.entries:
                file.close()
                raise InputError(
                    f"{listed.path}: has {file.entries} entries, but {listed.entries} when it was listed in {self.path}; "
                    "files that are taken in place must not change: use another --version to list them again"
                )
            self._number, self._file = number, file
        return self._file

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Number of a file, first entry and one past the last in it, for a range of entries of the chain."""
        for number, (first, end) in enumerate(pairwise(self._ends.tolist())):
            low, high = max(start, first), min(stop, end)
            if low < high:
                yield number, low - first, high - first

    def _load(self, branches: Sequence[str], start: int, stop: int) -> Tuples:
        parts = [self._reader(n).read(branches, low, high) for n, low, high in self._pieces(start, stop)]
        if parts:
            return _joined(parts)
        return self._reader(0).read(branches, 0, 0) if self._files else Tuples({})

    def _take(self, branches: Sequence[str], rows: np.ndarray) -> Tuples:
        parts = []
        for number, (first, end) in enumerate(pairwise(self._ends.tolist())):
            mine = rows[np.searchsorted(rows, first) : np.searchsorted(rows, end)]
            if len(mine):
                parts.append(self._reader(number).take(branches, mine - first))
        return _joined(parts) if parts else self._load(branches, 0, 0)


def _joined(parts: Sequence[Tuples]) -> Tuples:
    """Tables as one; most chunks lie inside of one file and are not copied again."""
    return parts[0] if len(parts) == 1 else Tuples.concatenate(parts)


def make_chain(path: Path, files: Sequence[ListedFile], open_file: Callable[[str], TupleReader]) -> dict[str, object]:
    """Look into files and write the chain of them.

    Args:
        path: a ``.json`` file.
        files: the files, as they were listed.
        open_file: opens one of them.

    Returns:
        Number of files and entries, schema generations, and branches that not all files have, of which a warning
        tells.

    Raises:
        InputError: a file cannot be read, the files have no branch in common, or some are of 2020 and others of later
            years: what they have in common holds no truth.
    """
    counted, branches, generations = [], [], []
    for listed in files:
        with open_file(listed.path) as file:
            counted.append(listed.counted(file.entries))
            branches.append([*file.branches, *file.other_branches])
            generations.append(file.generation)
    _refuse_mixture(files, branches, generations)
    shared = common_branches(branches)
    if not shared:
        raise InputError(f"the files {files[0].path} ... have no branch in common: they are of different kinds")
    write_listing(path, counted, shared)
    left_out = sorted(set().union(*branches) - set(shared))
    if left_out:
        log.warning(
            "%s ... (%d files): %d branches that not all of them have are left out, e.g. %s",
            files[0].path, len(files), len(left_out), ", ".join(left_out[:5]),
        )  # fmt: skip
    entries = sum(file.entries or 0 for file in counted)
    return {"files": len(counted), "entries": entries, "generations": sorted(set(generations)), "left_out": left_out}


def _refuse_mixture(files: Sequence[ListedFile], branches: Sequence[Sequence[str]], generations: Sequence[str]) -> None:
    """Files of 2020 keep the truth in other branches than later ones; what both have in common is of no use."""
    old = [file.path for file, names in zip(files, branches, strict=True) if old_branches().keys() & set(names)]
    new = [(file.path, year) for file, year in zip(files, generations, strict=True) if year != GENERATIONS[0]]
    if old and new:
        path, year = new[0]
        raise InputError(
            f"{old[0]} is of the generation of {GENERATIONS[0]}, {path} of that of {year}: the truth is in different "
            "branches, so that they cannot be read as one; make two datasets, one for the files of each generation"
        )
