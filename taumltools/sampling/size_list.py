"""``size_list.txt``: how many entries each binned file has."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from taumltools.errors import InputError
from taumltools.progress import progress
from taumltools.tuples.count import count_entries
from taumltools.tuples.io import COMPRESSIONS
from taumltools.tuples.summary import is_summary

log = logging.getLogger(__name__)

_STAMP = "#="
"""Begins a line with what the next file was when it was counted; a comment for the CMS tools."""


@dataclass(frozen=True)
class SizedFile:
    """A file when it was counted.

    Attributes:
        entries: entries in it.
        bytes: its size; None if not known.
        changed: time of change in ns since 1970; None if not known.
    """

    entries: int
    bytes: int | None = None
    changed: int | None = None


@dataclass(frozen=True)
class SizeList:
    """Entries of files.

    Attributes:
        files: by path relative to the common folder (``<dataset>/<file>``), sorted.
    """

    files: dict[str, SizedFile]

    @property
    def entries(self) -> dict[str, int]:
        """Entries by relative path."""
        return {name: file.entries for name, file in self.files.items()}

    def save(self, path: Path, *, stamps: bool = True) -> None:
        """Write ``<relative path> <entries>`` per file.

        Args:
            path: the text file.
            stamps: write size and time of change of each file as a comment, so that a file that
                changed is noticed; without, the list is exactly that of the CMS tool.
        """
        lines = []
        for name, file in self.files.items():
            if stamps and file.bytes is not None:
                lines.append(f"{_STAMP} {file.bytes} {file.changed}\n")
            lines.append(f"{name} {file.entries}\n")
        path.write_text("".join(lines), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> SizeList:
        """Read a list, of this project or of the CMS tool.

        Args:
            path: the text file; empty lines and lines that start with ``#`` are comments.

        Returns:
            The list.

        Raises:
            InputError: the file cannot be read, a line is not understood, or a file is listed twice.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: no readable size list ({type(error).__name__}: {error}); make it again"
            ) from error
        files: dict[str, SizedFile] = {}
        stamp: tuple[int, ...] = ()
        for number, line in enumerate(lines, 1):
            words = line.split()
            if line.startswith(_STAMP):
                stamp = _integers(words[1:], 2, f"{path}:{number}", line)
            elif words and not line.startswith("#"):
                if len(words) != 2:
                    raise InputError(f"{path}:{number}: found '{line}', expected '<relative path> <entries>'")
                if words[0] in files:
                    raise InputError(f"{path}:{number}: {words[0]} is listed already; list each file once")
                files[words[0]] = SizedFile(*_integers(words[1:], 1, f"{path}:{number}", line), *stamp)
                stamp = ()
        return SizeList(dict(sorted(files.items())))


def _integers(words: list[str], count: int, where: str, line: str) -> tuple[int, ...]:
    if len(words) != count or not all(word.isdecimal() for word in words):
        raise InputError(f"{where}: found '{line}', expected {count} whole number{'s' * (count > 1)}")
    return tuple(map(int, words))


def make_size_list(
    folders: Path | Mapping[str, Path],
    previous: SizeList | None = None,
    *,
    trust_unstamped: bool = False,
) -> SizeList:
    """Count the entries of all tuple files of some folders.

    Args:
        folders: a folder, searched with all folders in it; or the folders of datasets by name,
            which are listed as ``<dataset>/<file>``.
        previous: an earlier list; files that are as they were then are not opened again.
        trust_unstamped: reuse counts of lists without size and time of change too, as the CMS
            tool does (``--prev-output``); a file that changed since is not noticed.

    Returns:
        The list: files that exist, sorted by path.  Summary files, which hold no candidates,
        and hidden files are left out.

    Raises:
        InputError: a folder or all files are missing, a name has a blank (which the format
            cannot hold), or a file cannot be read.
    """
    known = previous.files if previous else {}
    files, reused = {}, 0
    for name, path in progress(sorted(_tuple_files(folders)), label="counting entries", unit="file"):
        found = path.stat()
        before = known.get(name)
        same = before is not None and (before.bytes, before.changed) == (found.st_size, found.st_mtime_ns)
        if before is not None and (same or (trust_unstamped and before.bytes is None)):
            entries, reused = before.entries, reused + 1
        else:
            counted = _count(path)
            if counted is None:
                continue
            entries = counted
        files[name] = SizedFile(entries, found.st_size, found.st_mtime_ns)
    if not files:
        raise InputError(f"there are no tuple files ({', '.join(COMPRESSIONS)}) in {_names(folders)}")
    log.info("size list: %d files, of which %d were known", len(files), reused)
    return SizeList(files)


def _count(path: Path) -> int | None:
    """Entries of a file; None if it holds summaries only."""
    try:
        return count_entries(path)
    except InputError:
        if is_summary(path):
            return None
        raise


def _names(folders: Path | Mapping[str, Path]) -> str:
    return ", ".join(map(str, folders.values() if isinstance(folders, Mapping) else [folders]))


def _tuple_files(folders: Path | Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for prefix, top in folders.items() if isinstance(folders, Mapping) else [("", folders)]:
        if not top.is_dir():
            raise InputError(f"{top}: no such folder of binned files")
        seen = set()  # a folder that is linked from several places counts once, and a circle of links ends
        for folder, inner, names in os.walk(top, followlinks=True):
            inner[:] = [name for name in sorted(inner) if not name.startswith(".")]
            if (real := os.path.realpath(folder)) in seen:
                inner.clear()
                continue
            seen.add(real)
            for path in (Path(folder, name) for name in names if not name.startswith(".")):
                if path.suffix not in COMPRESSIONS:
                    continue
                name = "/".join([prefix, *path.relative_to(top).parts]).lstrip("/")
                if len(name.split()) != 1:
                    raise InputError(
                        f"{path}: a size list cannot hold names with blanks; rename the file or its folder"
                    )
                yield name, path
