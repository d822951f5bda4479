"""Values of ``std::vector`` branches: where they are among the bytes of baskets.

The content of a basket is one record per entry, then a table of where the records begin.  A
record is a header of ten bytes (byte count, version, number of values) and the values, all
big-endian.  Arrays with a counter branch have no header.  All branches of a collection have
the same number of values per entry, so those with one type have the same layout: it is
worked out once, and for the others only compared with their tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.tuples.baskets import Keys, Selection


@dataclass(frozen=True)
class VectorLayout:
    """Where the values of the wanted entries are.

    Attributes:
        offsets: int64, shape (n + 1,): values of wanted entry i become rows offsets[i] to
            offsets[i+1].
        table: int32: the tables of offsets, positions counted from the end of the key.
        ends: int64: places of the table that mean nothing (the last one of each basket).
        heads: int64: places of the table that are a count (the first one of each basket).
        words: int64, shape (baskets,): table places per basket.
        border: int64, shape (baskets,): bytes of values of each basket.
        size_at: int64, shape (n,): positions of the last byte of each header, which are the
            lowest byte of the number of values; empty without headers.
        index: int64: positions of the wanted values, in units of ``unit``.
        unit: bytes: 2, or 1 where values have one byte (headers have ten bytes, so that values
            of four bytes are only aligned to two).
    """

    offsets: np.ndarray
    table: np.ndarray
    ends: np.ndarray
    heads: np.ndarray
    words: np.ndarray
    border: np.ndarray
    size_at: np.ndarray
    index: np.ndarray
    unit: int

    def fits(self, tables: bytes, keys: Keys) -> bool:
        """True if a branch has its values at the same places.

        Args:
            tables: tables of offsets of all baskets of the branch.
            keys: their keys.
        """
        if len(tables) != 4 * len(self.table) or not np.array_equal(keys.border, self.border):
            return False
        shift = np.frombuffer(tables, ">i4") - self.table
        length = keys.length.astype(np.int32)
        shift[self.heads] += length
        shift[self.ends] = length
        if len(length) and (length == length[0]).all():
            return bool((shift == length[0]).all())
        return np.array_equal(shift, np.repeat(length, self.words))

    def decode(self, values: bytes, dtype: np.dtype) -> np.ndarray:
        """Values of the wanted entries.

        Args:
            values: bytes of all records of the branch.
            dtype: big-endian type of a value.

        Returns:
            Native numbers, shape (offsets[-1],).

        Raises:
            ValueError: the headers contradict the table.
        """
        if len(self.size_at):
            found = np.frombuffer(values, np.uint8)[self.size_at]
            wrong = found != (np.diff(self.offsets) & 255)
            if wrong.any():
                raise ValueError(f"{int(wrong.sum())} vectors have another length than the table of offsets says")
        raw = np.frombuffer(values, f"u{self.unit}").take(self.index)
        if dtype.kind == "b":
            return raw != 0
        return raw.view(dtype).astype(dtype.newbyteorder("="))


def vector_layout(tables: bytes, keys: Keys, selection: Selection, header: int, dtype: np.dtype) -> VectorLayout:
    """Work out the layout from the tables of one branch.

    Args:
        tables: tables of offsets of all baskets.
        keys: keys of the baskets.
        selection: wanted entries.
        header: bytes in front of the values of an entry.
        dtype: type of a value.

    Returns:
        The layout.

    Raises:
        ValueError: the tables are impossible.
    """
    words = selection.entries + 2
    if len(tables) != 4 * int(words.sum()) or np.any(keys.size - keys.border != 4 * words):
        raise ValueError("the tables of offsets have the wrong length")
    table = np.frombuffer(tables, ">i4").astype(np.int32)
    heads = np.cumsum(words) - words
    ends = heads + words - 1
    if np.any(table[heads] != selection.entries + 1):
        raise ValueError("the tables of offsets have another number of entries than their baskets")
    length = keys.length.astype(np.int32)
    table -= np.repeat(length, words)
    table[heads] += length
    kept = np.ones(len(table), bool)
    kept[heads] = kept[ends] = False
    before = np.cumsum(keys.border) - keys.border
    starts = table[kept] + np.repeat(before, selection.entries)
    if np.any(table[heads[selection.entries > 0] + 1] != 0):
        raise ValueError("the values do not begin where their basket does")
    sizes = np.diff(starts, append=int(keys.border.sum())) - header
    if np.any(sizes < 0) or np.any(sizes % dtype.itemsize):
        raise ValueError(f"the tables of offsets do not fit values of {dtype.itemsize} bytes")
    unit = 1 if dtype.itemsize == 1 else 2
    wanted = selection.rows
    counts = sizes[wanted] // dtype.itemsize
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return VectorLayout(
        offsets=offsets,
        table=table,
        ends=ends,
        heads=heads,
        words=words,
        border=keys.border,
        size_at=starts[wanted] + header - 1 if header else np.zeros(0, np.int64),
        index=_ranges((starts[wanted] + header) // unit, counts * (dtype.itemsize // unit)),
        unit=unit,
    )


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1, ... of each range, one after the other."""
    stops = np.cumsum(counts)
    total = int(stops[-1]) if len(stops) else 0
    return np.arange(total) + np.repeat(starts - (stops - counts), counts)
