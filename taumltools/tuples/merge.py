"""Many tuple files to few of a target size, every entry accounted for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from taumltools.errors import InputError
from taumltools.tuples.compression import COMPRESSIONS
from taumltools.tuples.io import TupleWriter, open_tuples
from taumltools.tuples.portions import Portion, Portions, joined
from taumltools.tuples.summary import append_summary, read_summaries, write_json

ACCOUNT = "account.json"
"""File beside the merged ones that says what is in them."""

LEAST, MOST = 100, 15_000
"""Entries that are written at a time: smaller blocks are large on disk, larger ones only cost memory."""

FULL, NEARLY = 0.05, 0.25
"""Shares of the target size that are free: a file is full; the rest is filled at once, and not half of it."""


@dataclass(frozen=True)
class MergedFile:
    """A file that was made.

    Attributes:
        name: of the file.
        entries: in it.
        bytes: its size.
        inputs: what it was made of, in order.
    """

    name: str
    entries: int
    bytes: int
    inputs: tuple[Portion, ...] = ()


def merge_tuples(
    paths: Sequence[Path], folder: Path, target_bytes: int, suffix: str = ".root", compression: str | None = None
) -> list[MergedFile]:
    """Join files, in order, into files of a target size.

    Trees ``summary``, which say what production jobs have processed, go into the first file (``.arrow``: into
    ``summary.json``), and the number of processed events into the account.

    Args:
        paths: files of one kind: all must have the same branches.
        folder: where the merged files ``merged_<n><suffix>`` and their account go; is made.
        target_bytes: size of a file; all but the last are within a fifth of it, or the size of 1000 entries if that is
            more, unless entries become much larger in the middle of an input.
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
    if not entries:
        raise InputError(f"nothing to merge: the {len(paths)} files have no entries")
    folder.mkdir(parents=True, exist_ok=True)
    made: list[MergedFile] = []
    portions = Portions(paths, branches)
    ratio = None
    while not portions.empty:
        path = folder / f"merged_{len(made)}{suffix}"
        with TupleWriter(path, branches, compression) as writer:
            inputs, ratio = _fill(writer, portions, target_bytes, ratio)
        made.append(MergedFile(path.name, writer.entries, path.stat().st_size, tuple(joined(inputs))))
    written = sum(file.entries for file in made)
    if written != entries:
        raise InputError(f"{folder}: {written} entries were written of {entries} in {len(paths)} files")
    content: dict[str, Any] = {"entries": entries}
    if summaries := read_summaries(paths):
        content["processed_events"] = int(summaries["numberOfProcessedEvents"].sum())
        if suffix == ".root":
            append_summary(folder / made[0].name, summaries)
            made[0] = replace(made[0], bytes=(folder / made[0].name).stat().st_size)
        else:
            write_json(folder, summaries)
    content |= {"inputs": [str(path) for path in paths], "files": [asdict(file) for file in made]}
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


def _fill(
    writer: TupleWriter, portions: Portions, target_bytes: int, ratio: float | None
) -> tuple[list[Portion], float | None]:
    """Write one file.

    How large entries are is known when they are written.  So half of what is free is filled at a time, with what the
    sizes in memory and on disk of the last block let expect.

    Args:
        writer: of the file.
        portions: where entries come from.
        target_bytes: size of the file.
        ratio: bytes on disk for one in memory; None where nothing has been written yet.

    Returns:
        What was written, and the ratio of the last block.
    """
    written: list[Portion] = []
    size, free = 0, float(target_bytes)
    while not portions.empty and (not written or free > FULL * target_bytes):
        share = free if free < NEARLY * target_bytes else free / 2
        block = portions.take(0 if ratio is None else share / ratio, LEAST, MOST)
        for portion, table in block:
            writer.append(table)
            written.append(portion)
        writer.flush()
        before, size = size, writer.path.stat().st_size
        ratio = (size - before) / sum(table.nbytes for _, table in block)
        free = target_bytes - size
    return written, ratio


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
        rows = json.loads((folder / ACCOUNT).read_text(encoding="utf-8"))["files"]
        files = [MergedFile(**row | {"inputs": tuple(Portion(**part) for part in row["inputs"])}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: no usable {ACCOUNT} ({type(error).__name__}: {error}); merge again") from error
    for file in files:
        with open_tuples(folder / file.name) as reader:
            if reader.entries != file.entries:
                raise InputError(f"{folder / file.name}: has {reader.entries} entries, its account says {file.entries}")
    return files
