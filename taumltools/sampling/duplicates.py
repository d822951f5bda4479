"""Entries that occur more than once: an exact search whose memory does not grow with the input."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from taumltools.errors import InputError
from taumltools.sampling.partition import FileRange
from taumltools.tuples.io import open_tuples

KEY = ("run", "lumi", "evt", "jet_index", "tau_index")
"""What identifies a candidate inside of a dataset."""

STEP = 200_000
"""Entries read at a time: five columns of them are 5 MB."""

WORDS = 4
"""64-bit words of a record: run and lumi, evt, jet_index and tau_index, row."""

BYTES = 160
"""Memory per record while records are searched: the records, a sorted copy, hashes, and orders."""

_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Of the finaliser of splitmix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195)."""


def repeated_rows(files: Sequence[FileRange], memory_mb: float, scratch: Path | None = None) -> list[np.ndarray]:
    """Entries whose key occurred before, the files laid end to end; the first occurrence counts as the original.

    Args:
        files: ranges of the files of **one** dataset, in their order.
        memory_mb: memory the search may use, in MB; beyond it 32 bytes an entry go to a temporary file.
        scratch: folder of the temporary file; None means the system's folder for such files.
            The file has no name there and vanishes in all cases.

    Returns:
        For each range the entry numbers in the file of the repetitions, int64, ascending.

    Raises:
        InputError: a file cannot be read, has another number of entries than stated, or a
            value does not fit the type of its branch.
    """
    starts = np.cumsum([0, *(len(where) for where in files)])
    rows = find_repeated(_read_keys(files), int(starts[-1]), memory_mb, scratch)
    cuts = np.searchsorted(rows, starts)
    return [
        rows[low:high] - first + where.start
        for where, first, low, high in zip(files, starts[:-1], cuts[:-1], cuts[1:], strict=True)
    ]


def _read_keys(files: Sequence[FileRange]) -> Iterator[dict[str, np.ndarray]]:
    for where in files:
        with open_tuples(where.file.path) as file:
            if file.entries != where.file.entries:
                raise InputError(
                    f"{where.file.path}: has {file.entries} entries, expected are {where.file.entries}; the file has "
                    "changed since it was counted, count it again"
                )
            for start in range(where.start, where.stop, STEP):
                tuples = file.read(KEY, start, min(start + STEP, where.stop))
                yield {name: tuples[name] for name in KEY}


def find_repeated(
    chunks: Iterable[Mapping[str, np.ndarray]], total: int, memory_mb: float, scratch: Path | None = None
) -> np.ndarray:
    """Rows whose key occurred in an earlier row.

    Records of key and row are collected.  If all fit into the memory they are searched at once.
    Else each memory-full is sorted by a hash of the key and written to a temporary file; then
    all records of one range of the hash after the other are read back and searched.  Equal hashes
    only propose candidates, the full keys decide, so that the result is exact.

    Args:
        chunks: columns of :data:`KEY`, integers, chunk after chunk; rows are counted from 0.
        total: number of rows of all chunks together.
        memory_mb: as for :func:`repeated_rows`; the result itself (8 bytes a repetition) comes on top.
        scratch: as for :func:`repeated_rows`.

    Returns:
        int64, ascending.

    Raises:
        InputError: a value does not fit the type of its branch, or there are more or fewer rows than stated.

    Examples:
        >>> columns = {name: np.array([1, 1, 2, 1]) for name in KEY}
        >>> find_repeated([columns], 4, memory_mb=100).tolist()
        [1, 3]
    """
    capacity = max(1_000, int(memory_mb * 1e6 / BYTES))
    if total <= capacity:
        parts = [records[_repeats(records), -1] for records in _collect(chunks, total, max(total, 1))]
    else:
        with tempfile.TemporaryFile(dir=scratch) as spill:
            segments = _spill(spill, _collect(chunks, total, capacity), -(-total // capacity))
            parts = [_search(spill, places, capacity) for places in np.moveaxis(segments, 0, 1)]
    return np.sort(np.concatenate([np.empty(0, np.uint64), *parts])).astype(np.int64)


def _collect(chunks: Iterable[Mapping[str, np.ndarray]], total: int, capacity: int) -> Iterator[np.ndarray]:
    """Records, ``capacity`` at a time; the array is used again for the next ones."""
    buffer = np.empty((capacity, WORDS), np.uint64)
    filled = row = 0
    for chunk in chunks:
        words = _pack(chunk, row)
        row += len(words)
        while len(words):
            taken = min(capacity - filled, len(words))
            buffer[filled : filled + taken] = words[:taken]
            filled, words = filled + taken, words[taken:]
            if filled == capacity:
                yield buffer
                filled = 0
    if row != total:
        raise InputError(f"{row} entries were read, {total} were expected; count the files again")
    if filled:
        yield buffer[:filled]


def _pack(chunk: Mapping[str, np.ndarray], first: int) -> np.ndarray:
    """Records of a chunk, uint64, shape (n, WORDS)."""
    words = np.empty((len(chunk["evt"]), WORDS), np.uint64)
    words[:, 0] = _half(chunk, "run", np.uint32) << np.uint64(32) | _half(chunk, "lumi", np.uint32)
    words[:, 1] = chunk["evt"].astype(np.uint64, copy=False)
    words[:, 2] = _half(chunk, "jet_index", np.int32) << np.uint64(32) | _half(chunk, "tau_index", np.int32)
    words[:, 3] = np.arange(first, first + len(words), dtype=np.uint64)
    return words


def _half(chunk: Mapping[str, np.ndarray], name: str, kind: type[np.integer]) -> np.ndarray:
    """A 32-bit column in the lower halves of uint64 words."""
    column = chunk[name]
    narrow = column.astype(kind)
    if not np.array_equal(narrow, column):
        odd = column[narrow != column][0]
        raise InputError(f"branch '{name}' holds {odd}, which is no {np.dtype(kind).name}; produce the file again")
    return narrow.view(np.uint32).astype(np.uint64)


def _hash(records: np.ndarray) -> np.ndarray:
    """64-bit hash of the key words, one round of splitmix64 for each."""
    value = np.full(len(records), 0x9E3779B97F4A7C15, np.uint64)
    for word in range(WORDS - 1):
        value ^= records[:, word]
        for shift, multiplier in zip((30, 27), _MULTIPLIERS, strict=True):
            value ^= value >> np.uint64(shift)
            value *= np.uint64(multiplier)
        value ^= value >> np.uint64(31)
    return value


def _repeats(records: np.ndarray) -> np.ndarray:
    """Which records have a key that a record with a smaller row has, bool, shape (n,)."""
    hashes = _hash(records)
    order = np.argsort(hashes)
    hashes = hashes[order]
    same = np.zeros(len(records) + 1, bool)
    np.equal(hashes[1:], hashes[:-1], out=same[1:-1])
    candidates = order[same[1:] | same[:-1]]
    del hashes, order, same
    run_lumi, evt, indices, row = (records[candidates, word] for word in range(WORDS))
    by_key = np.lexsort((row, indices, evt, run_lumi))
    equal = [word[by_key[1:]] == word[by_key[:-1]] for word in (run_lumi, evt, indices)]
    mask = np.zeros(len(records), bool)
    mask[candidates[by_key[1:][np.logical_and.reduce(equal)]]] = True
    return mask


def _spill(spill: IO[bytes], blocks: Iterable[np.ndarray], ranges: int) -> np.ndarray:
    """Write blocks of records sorted by hash.

    Returns:
        int64, shape (blocks, ranges, 2): first record and one past the last in the file of
        each block's records in each range of the hash.
    """
    edges = np.array([(i << 64) // ranges for i in range(1, ranges)], np.uint64)
    segments, written = [], 0
    for records in blocks:
        hashes = _hash(records)
        order = np.argsort(hashes)
        inner = np.searchsorted(hashes, edges, sorter=order)
        records[order].tofile(spill)
        cuts = written + np.array([0, *inner, len(records)])
        segments.append(np.stack([cuts[:-1], cuts[1:]], axis=1))
        written += len(records)
    return np.array(segments)


def _search(spill: IO[bytes], places: np.ndarray, capacity: int) -> np.ndarray:
    """Rows of the repetitions in one range of the hash.

    The records usually fit into the memory at once.  Very many repetitions of a few keys may
    exceed it; then the first record of each key is kept while the others pass by.
    """
    found, kept, waiting = [], np.empty((0, WORDS), np.uint64), 0
    pieces: list[np.ndarray] = []
    for first, last in places:
        pieces.append(_load(spill, first, last))
        waiting += last - first
        if len(kept) + waiting > capacity:
            kept, repeated = _keep_first([kept, *pieces])
            found.append(repeated)
            pieces, waiting = [], 0
    return np.concatenate([*found, _keep_first([kept, *pieces])[1]])


def _load(spill: IO[bytes], first: int, last: int) -> np.ndarray:
    spill.seek(int(first) * WORDS * 8)
    return np.fromfile(spill, np.uint64, int(last - first) * WORDS).reshape(-1, WORDS)


def _keep_first(pieces: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The first record of each key, and the rows of the others."""
    records = np.concatenate(pieces)
    repeated = _repeats(records)
    return records[~repeated], records[repeated, -1]
