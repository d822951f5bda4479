"""Many tuple files to few of a target size, every entry accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from taumltools.errors import InputError
from taumltools.tuples.compression import COMPRESSIONS
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import TupleWriter, open_tuples

ACCOUNT = "account.json"
"""File beside the merged ones that says what is in them."""


@dataclass(frozen=True)
class MergedFile:
    """A file that was made.

    Attributes:
        name: of the file.
        entries: in it.
        bytes: its size.
    """

    name: str
    entries: int
    bytes: int


def merge_tuples(
    paths: Sequence[Path], folder: Path, target_bytes: int, suffix: str = ".root", compression: str | None = None
) -> list[MergedFile]:
    """Join files, in order, into files of a target size.

    Args:
        paths: files of one kind: all must have the same branches.
        folder: where the merged files ``merged_<n><suffix>`` and their account go; is made.
        target_bytes: a file is closed when it has reached this size, so that it is larger by a block at most.
        suffix: ``.root`` or ``.arrow``.
        compression: see :data:`taumltools.tuples.compression.COMPRESSIONS`.

    Returns:
        The files that were made.

    Raises:
        InputError: there are no entries, branches differ, or entries were lost.
    """
    if suffix not in COMPRESSIONS:
        raise InputError(f"suffix '{suffix}' is no tuple format; use one of {', '.join(COMPRESSIONS)}")
    branches, entries = check_alike(paths)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[MergedFile] = []
    tables = _tables(paths, branches)
    table = next(tables, None)
    while table is not None:
        path = folder / f"merged_{len(made)}{suffix}"
        with TupleWriter(path, branches, compression) as writer:
            while table is not None and (not path.exists() or path.stat().st_size < target_bytes):
                writer.append(table)
                table = next(tables, None)
        made.append(MergedFile(path.name, writer.entries, path.stat().st_size))
    written = sum(file.entries for file in made)
    if written != entries or not entries:
        raise InputError(f"{folder}: {written} entries were written of {entries} in {len(paths)} files")
    content = {"entries": entries, "inputs": [str(path) for path in paths], "files": [asdict(file) for file in made]}
    (folder / ACCOUNT).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return made


def check_alike(paths: Sequence[Path]) -> tuple[list[str], int]:
    """Branches and number of entries of files that can be joined.

    Args:
        paths: the files.

    Returns:
        The branches, and the entries of all files together.

    Raises:
        InputError: two files have different branches; the message names both and the difference.
    """
    branches: list[str] = []
    entries = 0
    for path in paths:
        with open_tuples(path) as file:
            mine = [*file.branches, *file.other_branches]
            entries += file.entries
        branches = branches or mine
        if odd := sorted(set(mine) ^ set(branches)):
            raise InputError(
                f"{path} and {paths[0]} differ in {len(odd)} branches, e.g. {', '.join(odd[:5])}: they are of different "
                "productions and cannot be merged; merge them separately"
            )
    return branches, entries


def _tables(paths: Sequence[Path], branches: Sequence[str]) -> Iterator[Tuples]:
    for path in paths:
        with open_tuples(path) as file:
            yield from file.iterate(branches, file.block)


def read_account(folder: Path) -> list[MergedFile]:
    """What :func:`merge_tuples` made, after a check that it is there.

    Args:
        folder: of the merged files.

    Returns:
        The files.

    Raises:
        InputError: no account, or a file is not as it says.
    """
    try:
        files = [MergedFile(**row) for row in json.loads((folder / ACCOUNT).read_text(encoding="utf-8"))["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: no usable {ACCOUNT} ({type(error).__name__}: {error}); merge again") from error
    for file in files:
        with open_tuples(folder / file.name) as reader:
            if reader.entries != file.entries:
                raise InputError(f"{folder / file.name}: has {reader.entries} entries, its account says {file.entries}")
    return files
