"""Writing chosen entries of many files in a given order, with bounded memory.

What fits into the memory is read, permuted and written.  What does not is dealt out to
buckets on disk by its place in the output; then one bucket after the other is read,
ordered and written.  The result does not depend on which of the two it was.
"""

from __future__ import annotations

import logging
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.progress import progress
from taumltools.tuples import arrowio
from taumltools.tuples.columns import complete
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import TupleWriter, open_tuples

log = logging.getLogger(__name__)

COPIES = 2.2
"""Memory of a bucket in units of its size: what was read, its ordered copy, and a block being written."""

STEP = 5_000
"""Entries that are copied in order at a time."""

PLACE = "taumltools_place"
"""Column of the buckets on disk that holds the place in the output."""


@dataclass(frozen=True)
class Piece:
    """Entries of one file that are wanted.

    Attributes:
        path: the file.
        rows: entry numbers, int64, ascending.
        places: where each goes in the output, int64, same shape; over all pieces a
            permutation of 0 .. total - 1.
        columns: scalar branches to set, by name: an array of the shape of ``rows``.
    """

    path: Path
    rows: np.ndarray
    places: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


def write_in_order(
    writer: TupleWriter, pieces: Sequence[Piece], branches: Sequence[str], *, memory_mb: float, scratch: Path
) -> None:
    """Write all entries of all pieces, each at its place.

    Args:
        writer: what to append to.
        pieces: the entries.
        branches: branches to copy; those that a file lacks become missing values, and those
            that a piece sets need not be in its file.
        memory_mb: memory to use, in MB (besides what the writer buffers).
        scratch: folder for temporary files, needed beyond the memory; removed in all cases.

    Raises:
        InputError: a file cannot be read or an entry cannot be written.
    """
    total = sum(len(piece) for piece in pieces)
    write_chunks_in_order(writer, _read(pieces, branches), total, memory_mb=memory_mb, scratch=scratch)


def write_chunks_in_order(
    writer: TupleWriter,
    chunks: Iterator[tuple[Tuples, np.ndarray]],
    total: int,
    *,
    memory_mb: float,
    scratch: Path,
) -> None:
    """Write entries that come chunk by chunk, each at its place.

    Args:
        writer: what to append to.
        chunks: complete entries with the same branches, and their places (int64, shape (n,)).
        total: number of entries of all chunks; their places are a permutation of 0 .. total - 1.
        memory_mb: as for :func:`write_in_order`.
        scratch: likewise.

    Raises:
        InputError: a file cannot be read or an entry cannot be written.
    """
    held, size, read = [], 0, 0
    for tuples, places in chunks:
        held.append((tuples, places))
        size, read = size + tuples.nbytes, read + len(tuples)
        buckets = math.ceil(COPIES * total * size / max(read, 1) / 1e6 / memory_mb)
        if buckets > 1 and read < total:
            log.info(
                "%d candidates of about %.0f MB are shuffled in %d buckets", total, total * size / read / 1e6, buckets
            )
            gathered = _gather(_chain(held, chunks), memory_mb * 1e6 / COPIES)
            _write_by_buckets(writer, gathered, total, buckets, scratch)
            return
    _write_ordered(writer, held)


def _chain(held: list[tuple[Tuples, np.ndarray]], rest: Iterator[tuple[Tuples, np.ndarray]]) -> Iterator:
    while held:
        yield held.pop(0)
    yield from rest


def _gather(chunks: Iterator[tuple[Tuples, np.ndarray]], size: float) -> Iterator[tuple[Tuples, np.ndarray]]:
    """Chunks joined to tables of up to ``size`` bytes: what is dealt out at once then is large for each of many buckets.

    Chunk by chunk, cost would grow with the square of the number of entries: both chunks and buckets grow with it.
    """
    held: list[tuple[Tuples, np.ndarray]] = []
    total = 0
    for tuples, places in chunks:
        if held and total + tuples.nbytes > size:
            yield _join(held)
            total = 0
        held.append((tuples, places))
        total += tuples.nbytes
        del tuples, places
    if held:
        yield _join(held)


def _join(chunks: list[tuple[Tuples, np.ndarray]]) -> tuple[Tuples, np.ndarray]:
    """One table and its places; the list is emptied to give memory back early."""
    if len(chunks) == 1:
        return chunks.pop()
    places = np.concatenate([places for _, places in chunks])
    tuples = Tuples.concatenate([tuples for tuples, _ in chunks])
    chunks.clear()
    return tuples, places


def _read(pieces: Sequence[Piece], branches: Sequence[str]) -> Iterator[tuple[Tuples, np.ndarray]]:
    """The entries in file order, chunk by chunk, with their places."""
    for piece in progress([piece for piece in pieces if len(piece)], label="copying", unit="file"):
        with open_tuples(piece.path) as file:
            known = {*file.branches, *file.other_branches}
            stored = [name for name in branches if name in known and name not in piece.columns]
            first = 0
            while first < len(piece):
                end = int(np.searchsorted(piece.rows, piece.rows[first] // file.block * file.block + file.block))
                mine = slice(first, end)
                tuples = file.take(stored, piece.rows[mine])
                tuples = tuples.with_scalars({name: column[mine] for name, column in piece.columns.items()})
                yield complete(tuples, branches), piece.places[mine]
                first = end


def _write_ordered(writer: TupleWriter, chunks: list[tuple[Tuples, np.ndarray]]) -> None:
    """Join the chunks, order them and write; the list is emptied to give memory back early."""
    if not chunks:
        return
    tuples, places = _join(chunks)
    order = np.argsort(places)
    for first in range(0, len(order), STEP):
        writer.append(tuples.take(order[first : first + STEP]))


def _write_by_buckets(writer: TupleWriter, chunks: Iterator, total: int, buckets: int, scratch: Path) -> None:
    size = -(-total // buckets)
    with tempfile.TemporaryDirectory(prefix=".shuffle-", dir=scratch) as folder:
        paths = [Path(folder, f"bucket_{i}.arrow") for i in range(buckets)]
        files: dict[int, Any] = {}
        try:
            for tuples, places in chunks:
                _deal_out(tuples, places, places // size, paths, files)
                del tuples, places  # else they live while the next ones are read
        finally:
            for file in files.values():
                file.close()
        for bucket in progress(sorted(files), label="ordering", unit="bucket"):
            _write_bucket(writer, paths[bucket])


def _deal_out(
    tuples: Tuples, places: np.ndarray, owner: np.ndarray, paths: Sequence[Path], files: dict[int, Any]
) -> None:
    """Append entries to the files of their buckets; sorted and encoded once, because that costs most."""
    import pyarrow as pa

    order = np.argsort(owner, kind="stable")
    batch = arrowio.encode(tuples.take(order).with_scalars({PLACE: places[order]}))
    cuts = np.searchsorted(owner[order], np.arange(len(paths) + 1))
    for bucket in np.unique(owner).tolist():
        if bucket not in files:
            options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
            files[bucket] = pa.ipc.new_file(str(paths[bucket]), batch.schema, options=options)
        files[bucket].write_batch(batch.slice(int(cuts[bucket]), int(cuts[bucket + 1] - cuts[bucket])))


def _write_bucket(writer: TupleWriter, path: Path) -> None:
    with open_tuples(path) as file:
        names = [name for name in (*file.branches, *file.other_branches) if name != PLACE]
        chunks = [file.read([*names, PLACE])]
    places = chunks[0].scalars.pop(PLACE)
    _write_ordered(writer, [(chunks.pop(), places)])
    path.unlink()
