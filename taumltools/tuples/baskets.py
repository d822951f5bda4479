"""Baskets of a ROOT branch, decoded in bulk.

A branch of a TTree is stored in *baskets*: keys, each with the values of some consecutive
entries, compressed on their own.  The branch lists where they are (``fBasketSeek``,
``fBasketBytes``) and with which entry each begins (``fBasketEntry``).  CMS files have tens
of thousands of them, of a few kB each; what a library does per basket then decides the
speed of reading.  Here the keys of all baskets that are wanted are parsed at once with
numpy, and only decompression is done basket by basket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taumltools.tuples.branchtypes import SINGLE, stored_type
from taumltools.tuples.rootblocks import unpack

_KEY = np.dtype([("bytes", ">i4"), ("version", ">i2"), ("size", ">i4"), ("date", ">u4"), ("length", ">i2")])
_TAIL = np.dtype([("version", ">u2"), ("buffer", ">i4"), ("table", ">i4"), ("entries", ">i4"), ("last", ">i4")])
_TAIL_BYTES = _TAIL.itemsize + 1


@dataclass(frozen=True)
class BranchBaskets:
    """Where the baskets of one branch are and what they hold.

    Attributes:
        name: branch name.
        dtype: big-endian type of the values.
        header: bytes in front of the values of an entry (10 for ``std::vector``, 0 for arrays
            with a counter branch); ``SINGLE`` for branches with one value per entry.
        seek: int64, shape (baskets,): position in the file.
        stored: int64, shape (baskets,): bytes in the file, key included.
        first: int64, shape (baskets + 1,): entry each basket begins with; the last number is
            the number of entries.
    """

    name: str
    dtype: np.dtype
    header: int
    seek: np.ndarray
    stored: np.ndarray
    first: np.ndarray

    @property
    def jagged(self) -> bool:
        """True if an entry has several values."""
        return self.header != SINGLE


def branch_baskets(branch: Any) -> BranchBaskets | None:
    """The baskets of a branch of an uproot tree.

    Args:
        branch: an uproot ``TBranch``.

    Returns:
        Where they are; None for what only uproot can read: other types than numbers and
        vectors of numbers, and baskets inside the tree's header.

    Raises:
        ValueError: the lists of the branch contradict each other.
    """
    kind = stored_type(branch)
    if kind is None or branch.embedded_baskets:
        return None
    seek, stored, first = (np.asarray(branch.member(f"fBasket{x}"), np.int64) for x in ("Seek", "Bytes", "Entry"))
    count = int(branch.member("fWriteBasket"))
    return checked_baskets(branch.name, kind, seek, stored, first, count, branch.num_entries)


def checked_baskets(
    name: str,
    kind: tuple[np.dtype, int],
    seek: np.ndarray,
    stored: np.ndarray,
    first: np.ndarray,
    count: int,
    entries: int,
) -> BranchBaskets:
    """The baskets of a branch, from the lists in its header, which are longer than it needs.

    Args:
        name: branch name.
        kind: type and header of its values, as in :class:`BranchBaskets`.
        seek: int64: positions of the baskets in the file.
        stored: int64: their bytes there.
        first: int64: the entry that each of them begins with.
        count: number of baskets.
        entries: number of entries.

    Returns:
        Where the baskets are.

    Raises:
        ValueError: the lists contradict each other.
    """
    if not 0 <= count <= min(len(seek), len(stored), len(first) - 1):
        raise ValueError(f"branch '{name}' has {count} baskets, but lists {len(seek)}")
    first = np.array(first[: count + 1]) if count else np.zeros(1, np.int64)
    if first[0] != 0 or first[-1] != entries or np.any(np.diff(first) < 0):
        raise ValueError(f"the baskets of branch '{name}' do not hold its {entries} entries")
    return BranchBaskets(name, *kind, seek[:count], stored[:count], first)


@dataclass(frozen=True)
class Selection:
    """Wanted entries in terms of the baskets of a branch.

    Attributes:
        baskets: int64, shape (m,): baskets with wanted entries, ascending.
        entries: int64, shape (m,): entries in each of them.
        rows: int64, shape (n,): the wanted ones among all entries of those baskets.
    """

    baskets: np.ndarray
    entries: np.ndarray
    rows: np.ndarray


def select(first: np.ndarray, rows: np.ndarray) -> Selection:
    """Find the baskets that hold entries.

    Args:
        first: as in :class:`BranchBaskets`.
        rows: int64, shape (n,): wanted entries, ascending, inside the range of ``first``.

    Returns:
        The baskets, and where the entries are in them.

    Examples:
        >>> found = select(np.array([0, 10, 20, 30]), np.array([3, 25, 29]))
        >>> found.baskets.tolist(), found.entries.tolist(), found.rows.tolist()
        ([0, 2], [10, 10], [3, 15, 19])
    """
    wanted = np.diff(np.searchsorted(rows, first))
    baskets = np.flatnonzero(wanted)
    entries = first[baskets + 1] - first[baskets]
    before = np.cumsum(entries) - entries
    return Selection(baskets, entries, rows + np.repeat(before - first[baskets], wanted[baskets]))


@dataclass(frozen=True)
class Keys:
    """What the keys of baskets say, one row per basket.

    Attributes:
        start: position of the content in the file.
        stop: its end.
        size: bytes of the content, uncompressed.
        length: bytes of the key itself; the positions in offset tables begin with it.
        border: bytes of values; the rest of the content is the table of offsets.
    """

    start: np.ndarray
    stop: np.ndarray
    size: np.ndarray
    length: np.ndarray
    border: np.ndarray

    def part(self, begin: int, end: int) -> Keys:
        """The rows begin to end (exclusive)."""
        return Keys(*(getattr(self, name)[begin:end] for name in self.__dataclass_fields__))


def read_keys(file: np.ndarray, seek: np.ndarray, stored: np.ndarray, entries: np.ndarray) -> Keys:
    """Parse the keys of baskets, all at once.

    Args:
        file: uint8, the bytes of the file.
        seek: int64, shape (m,): positions of the keys.
        stored: int64, shape (m,): bytes of key and content; 0 if the branch does not say.
        entries: int64, shape (m,): entries the branch lists for each.

    Returns:
        The keys.

    Raises:
        ValueError: a key lies outside of the file, or contradicts the branch or itself.
    """
    _refuse((seek < 0) | (seek > len(file) - _KEY.itemsize), "lie outside of the file", seek)
    key = _gather(file, seek, _KEY)
    nbytes, length, size = (key[name].astype(np.int64) for name in ("bytes", "length", "size"))
    _refuse((stored != 0) & (stored != nbytes), "have another size than the branch says", seek)
    _refuse((length < _KEY.itemsize + _TAIL_BYTES) | (length > nbytes) | (size < 0), "have an impossible key", seek)
    _refuse(seek + nbytes > len(file), "end behind the file", seek)
    tail = _gather(file, seek + length - _TAIL_BYTES, _TAIL)
    border = tail["last"].astype(np.int64) - length
    _refuse((border < 0) | (border > size), "have more values than content", seek)
    _refuse(tail["entries"] != entries, "have another number of entries than the branch says", seek)
    return Keys(seek + length, seek + nbytes, size, length, border)


def _gather(file: np.ndarray, starts: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return file[starts[:, None] + np.arange(dtype.itemsize)].view(dtype)[:, 0]


def _refuse(bad: np.ndarray, what: str, seek: np.ndarray) -> None:
    if bad.any():
        raise ValueError(f"{int(bad.sum())} baskets {what}, first the one at byte {seek[int(np.argmax(bad))]}")


def read_contents(file: memoryview, keys: Keys, kept: dict[int, bytes] | None = None) -> list[memoryview]:
    """Uncompressed contents of baskets.

    Args:
        file: the bytes of the file.
        keys: their keys.
        kept: contents that are known already, by row of ``keys``.

    Returns:
        One piece of memory for each.

    Raises:
        ValueError: a basket cannot be decompressed.
    """
    pieces = [file[a:b] for a, b in zip(keys.start.tolist(), keys.stop.tolist(), strict=True)]
    for row, content in (kept or {}).items():
        pieces[row] = memoryview(content)
    return unpack(pieces, keys.size.tolist())


def values_and_tables(contents: Sequence[memoryview], keys: Keys) -> tuple[bytes, bytes]:
    """Values of all baskets, one after the other, and their tables of offsets likewise."""
    borders = keys.border.tolist()
    values = b"".join([content[:border] for content, border in zip(contents, borders, strict=True)])
    tables = b"".join([content[border:] for content, border in zip(contents, borders, strict=True)])
    return values, tables
