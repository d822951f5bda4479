"""Several tuple files read as one: a JSON file names them, with the entries that were found in each.

Tuples that exist already are taken in place that way: the chain is small, its files stay where they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.store.remote import is_remote
from taumltools.tuples.data import Tuples
from taumltools.tuples.reader import TupleReader

SUFFIX = ".json"
"""Suffix of chains."""


@dataclass(frozen=True)
class Link:
    """A file of a chain.

    Attributes:
        path: absolute path or URL.
        entries: number of entries found when the chain was made.
        bytes: size found then; -1 for files on servers.
        mtime_ns: time of its last change found then, in ns since 1970; -1 for files on servers.
    """

    path: str
    entries: int
    bytes: int
    mtime_ns: int

    def check_unchanged(self, chain: Path) -> None:
        """Refuse a local file that is not the one that was listed.

        Args:
            chain: where it was listed, for the message.

        Raises:
            InputError: its size or its time of change is another one; a file that is gone is for the reader to tell.
        """
        if self.bytes < 0 or not Path(self.path).exists():
            return
        now = Path(self.path).stat()
        for what, found, listed in (
            ("size in bytes", now.st_size, self.bytes),
            ("time of change in ns", now.st_mtime_ns, self.mtime_ns),
        ):
            if found != listed:
                raise InputError(
                    f"{self.path}: has changed since it was listed in {chain} ({what}: {found} now, {listed} then); "
                    "files that are taken in place must not change: use another --version to list them again"
                )


def link_of(path: str, entries: int) -> Link:
    """A file as it is now.

    Args:
        path: absolute path or URL.
        entries: number of its entries.
    """
    if is_remote(path):
        return Link(path, entries, -1, -1)
    now = Path(path).stat()
    return Link(path, entries, now.st_size, now.st_mtime_ns)


def write_chain(path: Path, links: Sequence[Link], branches: Sequence[str]) -> None:
    """Write a chain.

    Args:
        path: a ``.json`` file.
        links: its files, in order.
        branches: branches that all of them have.
    """
    rows = ",\n".join(json.dumps(vars(link), ensure_ascii=False) for link in links)
    path.write_text(f'{{"branches": {json.dumps(list(branches))},\n"files": [\n{rows}\n]}}\n', encoding="utf-8")


def read_chain(path: Path) -> tuple[list[Link], list[str]]:
    """Read what :func:`write_chain` wrote.

    Args:
        path: a ``.json`` file.

    Returns:
        Its files, and the branches that all of them have.

    Raises:
        InputError: the file is missing or is no chain.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        links = [
            Link(str(row["path"]), *(int(row[name]) for name in ("entries", "bytes", "mtime_ns")))
            for row in content["files"]
        ]
        return links, [str(name) for name in content["branches"]]
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
        self._links, branches = read_chain(path)
        self._ends = np.cumsum([link.entries for link in self._links])
        self.entries = int(self._ends[-1]) if self._links else 0
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
            link = self._links[number]
            link.check_unchanged(self.path)
            file = self._open_file(link.path)
            if file.entries != link.entries:
                file.close()
                raise InputError(
                    f"{link.path}: has {file.entries} entries, but {link.entries} when it was listed in {self.path}; "
                    "files that are taken in place must not change: use another --version to list them again"
                )
            self._number, self._file = number, file
        return self._file

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Number of a file, first entry and one past the last in it, for a range of entries of the chain."""
        for number, end in enumerate(self._ends.tolist()):
            first = end - self._links[number].entries
            low, high = max(start, first), min(stop, end)
            if low < high:
                yield number, low - first, high - first

    def _load(self, branches: Sequence[str], start: int, stop: int) -> Tuples:
        parts = [self._reader(n).read(branches, low, high) for n, low, high in self._pieces(start, stop)]
        if parts:
            return Tuples.concatenate(parts)
        return self._reader(0).read(branches, 0, 0) if self._links else Tuples({})

    def _take(self, branches: Sequence[str], rows: np.ndarray) -> Tuples:
        parts = []
        for number, end in enumerate(self._ends.tolist()):
            first = end - self._links[number].entries
            mine = rows[np.searchsorted(rows, first) : np.searchsorted(rows, end)]
            if len(mine):
                parts.append(self._reader(number).take(branches, mine - first))
        return Tuples.concatenate(parts) if parts else self._load(branches, 0, 0)


def make_chain(path: Path, files: Sequence[str], open_file: Callable[[str], TupleReader]) -> dict[str, object]:
    """Look into files and write the chain of them.

    Args:
        path: a ``.json`` file.
        files: absolute paths or URLs.
        open_file: opens one of them.

    Returns:
        Number of files and entries, schema generations, and branches that not all files have.

    Raises:
        InputError: a file cannot be read, or the files have no branch in common.
    """
    links, branches, generations = [], [], set()
    for name in files:
        with open_file(name) as file:
            links.append(link_of(name, file.entries))
            branches.append([*file.branches, *file.other_branches])
            generations.add(file.generation)
    shared = common_branches(branches)
    if not shared:
        raise InputError(f"the files {files[0]} ... have no branch in common: they are of different kinds")
    write_chain(path, links, shared)
    left_out = sorted(set().union(*branches) - set(shared))
    return {
        "files": len(links), "entries": sum(link.entries for link in links), "generations": sorted(generations),
        "left_out": left_out,
    }  # fmt: skip
