"""Portions of many tuple files, of about a wanted size, and where each of them comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples


@dataclass(frozen=True)
class Portion:
    """Consecutive entries of a file.

    Attributes:
        path: the file.
        start: first entry.
        stop: one past the last.
    """

    path: str
    start: int
    stop: int


def joined(portions: Sequence[Portion]) -> list[Portion]:
    """Portions that follow each other in a file as one.

    Examples:
        >>> joined([Portion("a", 0, 2), Portion("a", 2, 5), Portion("b", 0, 1)])
        [Portion(path='a', start=0, stop=5), Portion(path='b', start=0, stop=1)]
    """
    out: list[Portion] = []
    for portion in portions:
        if out and (out[-1].path, out[-1].stop) == (portion.path, portion.start):
            out[-1] = Portion(portion.path, out[-1].start, portion.stop)
        else:
            out.append(portion)
    return out


class Portions:
    """Goes through files once, in order, and hands out their entries.

    Attributes:
        empty: whether all entries have been handed out.
    """

    def __init__(self, paths: Sequence[Path], branches: Sequence[str]) -> None:
        """Begin with the first file.

        Args:
            paths: the files.
            branches: what is read of them.
        """
        self._tables = _tables(paths, branches)
        self._advance()

    def _advance(self) -> None:
        path, first, table = next(self._tables, ("", 0, Tuples({})))
        self._path, self._first, self._table = path, first, table
        self.empty = not path

    def take(self, size: float, least: int, most: int) -> list[tuple[Portion, Tuples]]:
        """The next entries, of about a wanted size in memory.

        Args:
            size: in bytes; entries of a table count with their mean.
            least: that many entries are taken in any case, if they are there.
            most: at most that many.

        Returns:
            Where entries come from, and the entries.
        """
        out: list[tuple[Portion, Tuples]] = []
        taken = 0
        while not self.empty:
            table = self._table
            per_entry = table.nbytes / len(table)
            n = min(max(round(size / per_entry), least - taken), most - taken, len(table))
            if n <= 0:
                break
            out.append((Portion(self._path, self._first, self._first + n), table.slice(0, n)))
            taken, size = taken + n, size - n * per_entry
            if n < len(table):
                self._first, self._table = self._first + n, table.slice(n, len(table))
            else:
                self._advance()
        return out


def _tables(paths: Sequence[Path], branches: Sequence[str]) -> Iterator[tuple[str, int, Tuples]]:
    for path in paths:
        with open_tuples(path) as file:
            first = 0
            for table in file.iterate(branches, file.block):
                if len(table):
                    yield str(path), first, table
                    first += len(table)
