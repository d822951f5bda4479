"""Listing tuple files from outside of this pipeline: a directory, or a file list of the CMS tools."""

from __future__ import annotations

import dataclasses
import glob
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from taumltools.errors import ConfigError, InputError
from taumltools.store.remote import is_remote, list_folder, stat

PATTERN = r".*\.(root|arrow)"
"""Paths of tuple files: a regular expression on the whole path."""

SUFFIXES = (".root", ".arrow")
"""Suffixes of tuple files."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LINE = re.compile(r"(?P<path>\S.*?\.(?:root|arrow))(?:[ \t]+(?P<entries>[0-9]+))?")


@dataclass(frozen=True)
class ListedFile:
    """A tuple file to read.

    Attributes:
        path: absolute path, or ``root://...``.
        dataset: name of the dataset: the folder that holds the file.
        entries: number of entries as stated by the list; None if it states none.
        bytes: size; None for remote files of a list, of which no server was asked.
        mtime_ns: time of the last change, ns since 1970; None where the size is.
    """

    path: str
    dataset: str
    entries: int | None = None
    bytes: int | None = None
    mtime_ns: int | None = None

    @classmethod
    def local(cls, path: str, entries: int | None = None) -> ListedFile:
        """A file that is there.

        Args:
            path: absolute path.
            entries: number of entries as stated.

        Raises:
            OSError: it is not there.
        """
        known = os.stat(path)
        return cls(path, os.path.basename(os.path.dirname(path)), entries, known.st_size, known.st_mtime_ns)

    def check_unchanged(self) -> None:
        """Refuse a file that is not the one that was listed: what was counted and planned would not fit it.

        Raises:
            InputError: it is gone, or has another size or time of change.
        """
        if self.bytes is None:
            return
        try:
            now = stat(self.path) if is_remote(self.path) else self.local(self.path)
        except OSError as error:
            raise InputError(
                f"{self.path}: {error.strerror or error}; it was there when the files were listed"
            ) from error
        for what, then, found in (
            ("size in bytes", self.bytes, now.bytes),
            ("time of change in ns", self.mtime_ns, now.mtime_ns),
        ):
            if found != then:
                raise InputError(
                    f"{self.path}: the file has changed since it was listed ({what}: {then} then, {found} now); what was "
                    "counted and planned does not fit it any more: use another --version, which lists and counts anew"
                )

    def counted(self, entries: int) -> ListedFile:
        """The same file with the number of entries found in it.

        Args:
            entries: what was counted.

        Returns:
            The file with that number.

        Raises:
            InputError: the list states another one.

        Examples:
            >>> ListedFile("/data/DY/a.root", "DY").counted(200).entries
            200
        """
        if self.entries not in (None, entries):
            raise InputError(
                f"{self.path}: the list states {self.entries} entries, the file has {entries}; the file has changed or "
                "was not written to its end: copy it again, or correct the list"
            )
        return dataclasses.replace(self, entries=entries)


def list_inputs(
    source: str,
    prefix: str = "",
    pattern: str = PATTERN,
    *,
    exclude: Sequence[str] = (),
    exclude_folders: Sequence[str] = (),
) -> tuple[ListedFile, ...]:
    """The files of a directory or of a file list.

    Args:
        source: a directory, searched with all folders in it, links included; one tuple file; both
            may be ``root://`` addresses; a pattern such as ``/data/DY/*.root``; or a text file with a line ``path entries`` per file, where the number may be left out and
            lines that start with ``#`` are comments.
        prefix: for lists: a path becomes ``prefix/dataset/file`` with its last two components, as
            in the CMS tools; the prefix may be ``root://...``.  Without it a relative path
            counts from the folder of the list, or if there is no such file from the working
            directory as in the CMS tools.
        pattern: regular expression; files whose whole path it does not match are left out.
        exclude: for directories: names of files to leave out.
        exclude_folders: for directories: names of folders to leave out, with all that is in them.

    Returns:
        The files: those of a directory sorted by path, those of a list in its order.

    Raises:
        ConfigError: ``pattern`` is wrong, or an option is given that the kind of source does not know.
        InputError: the source or a file does not exist, no file matches, a line is not
            understood, or a file is listed twice; the message names file and line.
    """
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"the pattern '{pattern}' is no regular expression: {error}") from error
    if is_remote(source):
        files = tuple(file for file in _remote(source) if wanted.fullmatch(file.path))
    elif os.path.isdir(source):
        if prefix:
            raise ConfigError(f"the prefix '{prefix}' has no meaning for the directory {source}; it belongs to a list")
        files = tuple(
            ListedFile.local(path)
            for path in _directory(os.path.abspath(source), set(exclude_folders))
            if wanted.fullmatch(path) and os.path.basename(path) not in exclude and os.path.isfile(path)
        )
    elif os.path.isfile(source) and source.endswith(SUFFIXES):
        files = (ListedFile.local(os.path.abspath(source)),)
    elif os.path.isfile(source):
        if left_out := [*exclude, *exclude_folders]:
            raise ConfigError(f"{left_out} can be left out of a directory only; {source} is a list: delete its lines")
        files = tuple(file for file in _list(Path(source), prefix) if wanted.fullmatch(file.path))
    elif any(sign in source for sign in "*?["):
        matches = sorted(os.path.abspath(path) for path in glob.glob(source, recursive=True))
        files = tuple(ListedFile.local(path) for path in matches if wanted.fullmatch(path) and os.path.isfile(path))
    else:
        raise InputError(f"{source}: no such directory, file or list of files")
    if not files:
        raise InputError(f"{source}: {_nothing(source, pattern, [*exclude, *exclude_folders])}")
    return files


def list_all(sources: Sequence[str]) -> tuple[ListedFile, ...]:
    """The files of several sources, each once.

    Args:
        sources: directories, files, patterns or lists, see :func:`list_inputs`.

    Returns:
        The files, source by source.

    Raises:
        InputError: as for :func:`list_inputs`, or two sources name the same file.
    """
    found: dict[str, ListedFile] = {}
    for source in sources:
        for file in list_inputs(os.path.expanduser(source)):
            if file.path in found:
                raise InputError(f"{source}: {file.path} is named by an earlier entry already; name each file once")
            found[file.path] = file
    return tuple(found.values())


def _nothing(source: str, pattern: str, left_out: Sequence[str]) -> str:
    """Why a source holds no file, in the words of whoever named it."""
    left = f" and is not left out ({', '.join(left_out)})" if left_out else ""
    if pattern != PATTERN:
        return f"no file matches '{pattern}'{left}; the expression must match the whole path"
    if not any(sign in source for sign in "*?[") or os.path.exists(source):
        return f"no file ends with {' or '.join(SUFFIXES)}{left}; check what is in there"
    found = glob.glob(source, recursive=True)
    if not found:
        return f"nothing matches this pattern; tuple files end with {' or '.join(SUFFIXES)}"
    return f"{len(found)} names match, e.g. {min(found)}, but no file that ends with {' or '.join(SUFFIXES)}"


def _directory(top: str, exclude: set[str]) -> list[str]:
    """Paths of all files below a folder, of links to nowhere too; a folder that is linked from several places counts once."""
    files: list[str] = []
    seen = set()
    for folder, inner, names in os.walk(top, followlinks=True, onerror=_refuse_folder):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        inner[:] = sorted(set(inner) - exclude)
        files += [os.path.join(folder, name) for name in names]
    return sorted(files)


def _remote(source: str) -> list[ListedFile]:
    """One remote file, or all in a remote folder."""
    _check_scheme(source, "the source")
    try:
        found = [stat(source)] if source.endswith(SUFFIXES) else list_folder(source)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(f"{source}: there is nothing of that name ({error})") from error
    return [ListedFile(f.url, PurePosixPath(f.url).parts[-2], None, f.bytes, f.mtime_ns) for f in found]


def _refuse_folder(error: OSError) -> None:
    raise InputError(f"{error.filename}: the folder cannot be read ({error.strerror})") from error


def _list(source: Path, prefix: str) -> Iterator[ListedFile]:
    _check_scheme(prefix, "the prefix")
    first_seen: dict[str, int] = {}
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: no readable file list ({type(error).__name__}: {error})") from error
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        where = f"{source}:{number}"
        found = _LINE.fullmatch(line)
        if not found:
            raise InputError(f"{where}: found '{line}', expected '<path of a .root or .arrow file> <entries>'")
        path, dataset = _resolve(found["path"], prefix, where, source.parent)
        if path in first_seen:
            raise InputError(f"{where}: {path} is listed already in line {first_seen[path]}; list each file once")
        first_seen[path] = number
        entries = None if found["entries"] is None else int(found["entries"])
        yield ListedFile(path, dataset, entries) if is_remote(path) else _local(path, entries, where)


def _resolve(path: str, prefix: str, where: str, folder: Path) -> tuple[str, str]:
    """Full path and dataset of a line."""
    _check_scheme(path, where)
    if not prefix and not is_remote(path):
        beside = os.path.abspath(folder / path)
        path = beside if os.path.exists(beside) else os.path.abspath(path)
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[-2] in ("/", ".", ".."):
        raise InputError(f"{where}: found '{path}', expected .../<dataset>/<file>")
    if not prefix:
        return path, parts[-2]
    path = f"{prefix.rstrip('/')}/{parts[-2]}/{parts[-1]}"
    return path if is_remote(path) else os.path.abspath(path), parts[-2]


def _check_scheme(path: str, where: str) -> None:
    scheme = _SCHEME.match(path)
    if scheme and scheme[1] != "root":
        raise InputError(f"{where}: found '{path}', but '{scheme[1]}://' cannot be read; use a local path or root://")


def _local(path: str, entries: int | None, where: str) -> ListedFile:
    try:
        return ListedFile.local(path, entries)
    except OSError as error:
        raise InputError(
            f"{where}: {path} cannot be found ({error.strerror}); correct the list, or set the prefix, which stands "
            "for all in front of <dataset>/<file>"
        ) from error


def write_listing(path: Path, files: Sequence[ListedFile], branches: Sequence[str] | None = None) -> None:
    """Write a listing as JSON, a line per file, so that later steps read what was listed once.

    Args:
        path: the ``.json`` file.
        files: the files.
        branches: branches of all of them, if they are to be read as one (:mod:`taumltools.tuples.chain`).
    """
    rows = ",\n".join(json.dumps(dataclasses.asdict(file), ensure_ascii=False) for file in files)
    shared = "" if branches is None else f'"branches": {json.dumps(list(branches))},\n'
    path.write_text(f'{{{shared}"files": [\n{rows}\n]}}\n', encoding="utf-8")


def read_listing(path: Path) -> tuple[ListedFile, ...]:
    """Read what :func:`write_listing` wrote.

    Raises:
        InputError: the file is missing or is no listing.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["files"]
        return tuple(ListedFile(**row) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no usable listing ({type(error).__name__}: {error}); make it again") from error


def write_entries_list(path: Path, files: Sequence[ListedFile]) -> None:
    """Write a file list of the CMS tools: ``<path> <entries>`` per line.

    Args:
        path: the text file.
        files: files whose entries are known.

    Raises:
        InputError: the entries of a file are not known.
    """
    if unknown := [file.path for file in files if file.entries is None]:
        raise InputError(f"{path}: the entries of {unknown[0]} are not known; count the file first")
    path.write_text("".join(f"{file.path} {file.entries}\n" for file in files), encoding="utf-8")
