"""The header of a TTree, read without uproot, which takes 0.2 to 0.3 ms per branch for it.

Only what TauTuples look like is read here: a tree of the class versions that ROOT has written since 2018 (6.14), with
branches of numbers and of vectors of numbers, and all baskets outside the header.  For anything else, damaged files
among it, the answer is None, and uproot has to read the file or to say what is wrong with it.  The layout is that of
:mod:`taumltools.tuples.ttree_header` and :mod:`taumltools.tuples.rootfile`, which write it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from taumltools.tuples.baskets import BranchBaskets, checked_baskets
from taumltools.tuples.branchtypes import number_type, vector_type
from taumltools.tuples.rootblocks import unpack
from taumltools.tuples.rootcursor import Cursor, UnusualError
from taumltools.tuples.ttree_header import BRANCH_NUMBERS, BRANCH_SIZES, ELEMENT_NUMBERS, TREE_NUMBERS

Found = TypeVar("Found")

_WIDE = 1000  # versions above have 64-bit positions
_LEAF = struct.Struct(">iii??I")
_FILE = struct.Struct(">4sii")
_FILE_SIZES = (struct.Struct(">iiiii"), struct.Struct(">qqiii"))
_DIRECTORY = (struct.Struct(">HIIiiiii"), struct.Struct(">HIIiiqqq"))
_KEY = struct.Struct(">ihiIhh")
_KEY_PLACES = (struct.Struct(">ii"), struct.Struct(">qq"))
_COUNT = struct.Struct(">I")


class TreeHeader(NamedTuple):
    """What the header of a tree says.

    Attributes:
        entries: number of entries.
        branches: the branches by name, in their order.
    """

    entries: int
    branches: dict[str, BranchBaskets]


class _Key(NamedTuple):
    stored: int
    size: int
    length: int
    cycle: int
    seek: int
    kind: str
    name: str


def read_tree(path: Path, name: str) -> TreeHeader | None:
    """Read the header of a tree in the first directory of a file.

    Args:
        path: a ROOT file, local.
        name: name of the tree; the last cycle is read.

    Returns:
        The header; None if uproot is needed for it.
    """
    return _unless_unusual(_tree, path, name)


def read_entries(path: Path, name: str) -> int | None:
    """Read the number of entries of a tree, and nothing about its branches.

    Args:
        path: a ROOT file, local.
        name: name of the tree; the last cycle is read.

    Returns:
        The number; None if uproot is needed for it.
    """
    return _unless_unusual(lambda cursor: int(_numbers(cursor)[0]), path, name)


def _unless_unusual(read: Callable[[Cursor], Found], path: Path, name: str) -> Found | None:
    """Read the bytes of a tree."""
    try:
        data = np.memmap(path, np.uint8, "r").data
        key = _find_key(Cursor(data), name)
        if key.kind != "TTree":
            return None
        piece = data[key.seek + key.length : key.seek + key.stored]
        (content,) = unpack([piece], [key.size])
        return read(Cursor(content, key.length))
    except Exception:  # what decoders raise on damaged bytes: uproot tells whether anything is wrong
        return None


def _find_key(cursor: Cursor, name: str) -> _Key:
    """The last cycle of an object in the first directory."""
    magic, version, begin = cursor.take(_FILE)
    if magic != b"root":
        raise UnusualError("not a ROOT file")
    *_, names = cursor.take(_FILE_SIZES[version >= 1_000_000])
    cursor.place = begin + names
    (version,) = struct.unpack_from(">H", cursor.data, cursor.place)
    *_, cursor.place = cursor.take(_DIRECTORY[version > _WIDE])
    _key(cursor)
    (count,) = cursor.take(_COUNT)
    found = [key for key in [_key(cursor) for _ in range(count)] if key.name == name]
    if not found:
        raise UnusualError(f"no '{name}' in the file")
    return max(found, key=lambda key: key.cycle)


def _key(cursor: Cursor) -> _Key:
    stored, version, size, _, length, cycle = cursor.take(_KEY)
    seek, _ = cursor.take(_KEY_PLACES[version > _WIDE])
    kind, name, _ = cursor.string(), cursor.string(), cursor.string()
    return _Key(stored, size, length, cycle, seek, kind, name)


def _numbers(cursor: Cursor) -> tuple[Any, ...]:
    """The numbers of a tree, in front of its branches."""
    cursor.begin(20)
    for _ in range(4):  # name and title; attributes of lines, areas and markers
        cursor.skip()
    return cursor.take(TREE_NUMBERS)


def _tree(cursor: Cursor) -> TreeHeader:
    numbers = _numbers(cursor)
    for _ in range(2):
        cursor.array(">i8", numbers[10])
    cursor.skip()
    count, end = cursor.objects()
    branches = [_branch(cursor) for _ in range(count)]
    cursor.end(end)
    found = {branch.name: branch for branch in branches}
    entries = numbers[0]
    if len(found) != count or any(branch.first[-1] != entries for branch in branches):
        raise UnusualError("two branches of one name, or branches that are longer or shorter than their tree")
    return TreeHeader(entries, found)


def _branch(cursor: Cursor) -> BranchBaskets:
    kind, end = cursor.pointed()
    if kind == "TBranchElement":
        cursor.begin(10)
    elif kind != "TBranch":
        raise UnusualError(f"a {kind}")
    cursor.begin(13)
    name = cursor.named()
    cursor.skip()
    *_, count, _ = cursor.take(BRANCH_NUMBERS)
    cursor.skip()
    _, length, _, entries, first_entry, _, _ = cursor.take(BRANCH_SIZES)
    _nothing(cursor)
    leaf, unsigned = _leaf(cursor)
    _nothing(cursor)
    stored, first, seek = (cursor.array(kind, length) for kind in (">i4", ">i8", ">i8"))
    if cursor.string() or first_entry:
        raise UnusualError(f"'{name}' lies in another file, or does not begin with the first entry")
    stored_as = number_type(leaf, unsigned) if kind == "TBranch" else _vectors(cursor)
    if stored_as is None:
        raise UnusualError(f"'{name}' holds something else than numbers and vectors of numbers")
    cursor.end(end)
    return checked_baskets(name, stored_as, seek, stored, first, count, entries)


def _nothing(cursor: Cursor) -> None:
    """A list without elements, or with null pointers only: no branches below, no baskets in the header."""
    count, end = cursor.objects()
    if end - cursor.place != 4 * count or any(cursor.data[cursor.place : end]):
        raise UnusualError("branches below a branch, or baskets in the header")
    cursor.place = end


def _leaf(cursor: Cursor) -> tuple[str, bool]:
    """The only leaf of a branch: its class, and whether its numbers are unsigned."""
    count, list_end = cursor.objects()
    if count != 1:
        raise UnusualError(f"a branch with {count} leaves")
    kind, end = cursor.pointed()
    cursor.begin(1)
    cursor.begin(2)
    cursor.skip()
    length, _, _, _, unsigned, counter = cursor.take(_LEAF)
    if length != 1 or counter:
        raise UnusualError("a branch of arrays")
    cursor.place = end
    cursor.end(list_end)
    return kind, unsigned


def _vectors(cursor: Cursor) -> tuple[np.dtype, int] | None:
    """Type of the vectors of a TBranchElement, from what follows its TBranch."""
    kind, _, _ = cursor.string(), cursor.string(), cursor.string()
    _, _, _, stored, streamer, _, *counters = cursor.take(ELEMENT_NUMBERS)
    return None if any(counters) else vector_type(kind, (stored, streamer))
