"""The header of a TTree: what ROOT stores of a tree besides its baskets.

One tree of branches without sub-branches: scalars (TBranch with a TLeafF, TLeafI ...) and vectors of numbers
(TBranchElement of class ``vector<T>`` with a TLeafElement), as ``TTree::Branch`` makes them.  The bytes follow
the classes of ROOT 6: TTree 20, TBranch 13, TBranchElement 10, TLeaf 2.  Numbers are big-endian, and an
object is preceded by its size and class version.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.rootfile import string

LEAVES = {
    "b1": "O", "i1": "B", "u1": "b", "i2": "S", "u2": "s", "i4": "I", "u4": "i", "i8": "L", "u8": "l", "f4": "F",
    "f8": "D",
}  # fmt: skip
"""ROOT's letter of a scalar, by kind and size of the numpy type."""

VECTORS = {
    "f4": ("vector<float>", 89790107),
    "f8": ("vector<double>", 269370212),
    "i4": ("vector<int>", 9976712),
    "u4": ("vector<unsigned int>", 3106279697),
    "i8": ("vector<Long64_t>", 2424165566),
    "u8": ("vector<ULong64_t>", 2977495147),
    "i2": ("vector<short>", 89793095),
    "u2": ("vector<unsigned short>", 2186716184),
    "i1": ("vector<char>", 29929535),
    "u1": ("vector<unsigned char>", 728903898),
    "b1": ("vector<bool>", 29929751),
}
"""Class of a vector and its checksum (``TClass::GetCheckSum`` of ROOT 6.40), by kind and size of the type."""

TREE_NUMBERS = struct.Struct(">qqqqqdiiiiiqqqqqq")
"""Numbers of a TTree behind its attributes; the first is that of the entries, the eleventh that of the cluster ranges."""

BRANCH_NUMBERS = struct.Struct(">iiiiq")
"""Compression, size of a basket, length of the offsets, number of baskets, entry number of a TBranch."""

BRANCH_SIZES = struct.Struct(">iiiqqqq")
"""Offset, length of the lists of baskets, split level, entries, first entry, bytes, stored bytes of a TBranch."""

ELEMENT_NUMBERS = struct.Struct(">Ihiiiiii")
"""Checksum, class version, identity, type, streamer type, maximum and the counters of a TBranchElement."""

_LIMITS = {"O": "??", "B": "bb", "S": "hh", "I": "ii", "L": "qq", "F": "ff", "D": "dd"}
_BASKET_SIZE = 32_000
_BASKETS = 10  # smallest length of the lists of baskets
_OFFSETS = 1000  # anything but 0 says that a basket ends with the offsets of its entries
_COUNTED = 0x4000_0000
_SIZE = 6  # bytes of size and class version
_NEW_CLASS = 0xFFFF_FFFF
_REFERENCE = 2  # references count from two bytes before the key
_ON_HEAP = 0x0300_0000
_NO_BUFFER_MAP = 0x0040_0000
_MUST_CLEAN_UP = 0x0000_0008
_LINE = struct.pack(">IHhhh", _COUNTED | 8, 2, 602, 1, 1)
_FILL = struct.pack(">IHhh", _COUNTED | 6, 2, 0, 1001)
_MARKER = struct.pack(">IHhhf", _COUNTED | 10, 2, 1, 1, 1.0)
_IO_FEATURES = struct.pack(">IHIB", _COUNTED | 7, 0, 0x1AA1_2F10, 0)


def type_code(dtype: np.dtype) -> str:
    """Kind and size of a numpy type, the key of :data:`LEAVES` and :data:`VECTORS`.

    Examples:
        >>> type_code(np.dtype(np.float32)), type_code(np.dtype(bool))
        ('f4', 'b1')
    """
    return f"{dtype.kind}{dtype.itemsize}"


@dataclass
class Branch:
    """One branch and its baskets.

    Attributes:
        name: full name.
        dtype: type of its numbers.
        vector: True for ``std::vector``.
        places: positions of its baskets in the file.
        sizes: bytes that each of them has there, with its key.
        total: bytes of all of them before compression, with their keys.
    """

    name: str
    dtype: np.dtype
    vector: bool
    places: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    total: int = 0

    def __post_init__(self) -> None:
        if type_code(self.dtype) not in LEAVES:
            known = "bool, integers and floats of up to 64 bits"
            raise InputError(f"branch '{self.name}' is {self.dtype}, which a TTree cannot hold; use {known}")


def tree_object(
    name: str, title: str, key_length: int, branches: Sequence[Branch], ends: Sequence[int], compression: int
) -> bytes:
    """Serialise a TTree.

    Args:
        name: name of the tree.
        title: title of the tree.
        key_length: bytes of the key that will precede it: references count from the key's start.
        branches: its branches, each with as many baskets as there are ``ends``.
        ends: number of entries up to the end of each basket, increasing.
        compression: 100 times ROOT's number of the compression, plus the level.

    Returns:
        The object, uncompressed.
    """
    entries = ends[-1] if ends else 0
    ranges = _cluster_ranges(ends)
    total, stored = sum(b.total for b in branches), sum(sum(b.sizes) for b in branches)
    numbers = TREE_NUMBERS.pack(
        entries, total, stored, 0, 0, 1.0, 0, 25, 0, _OFFSETS, len(ranges), 10**12, 10**12, 0, -300_000_000,
        -30_000_000, 1_000_000,
    )  # fmt: skip
    start = _named(name, title, _MUST_CLEAN_UP) + _LINE + _FILL + _MARKER + numbers
    start += _array([end - 1 for end, _ in ranges], "q", len(ranges))
    start += _array([size for _, size in ranges], "q", len(ranges)) + _IO_FEATURES
    place = _SIZE + len(start) + _OBJECTS_HEAD
    objects, references = [], []
    boundaries = _array([0, *ends], "q", max(_BASKETS, len(ends) + 1))
    for branch in branches:
        data, leaf = _branch(branch, entries, boundaries, compression)
        references.append(key_length + place + leaf + _REFERENCE)
        objects.append(data)
        place += len(data)
    leaves = _objects(np.array(references, ">u4").tobytes(), len(references))
    nothing = bytes(28)  # no aliases, index, friends, user information and references
    return _counted(20, start, _objects(b"".join(objects), len(objects)), leaves, nothing)


def _cluster_ranges(ends: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of baskets with equally many entries: (entries at the end of the run, entries of a basket)."""
    sizes = np.diff([0, *ends]).tolist()
    return [(list(run)[-1][0], size) for size, run in groupby(zip(ends, sizes, strict=True), key=lambda pair: pair[1])]


def _branch(branch: Branch, entries: int, boundaries: bytes, compression: int) -> tuple[bytes, int]:
    """The branch as an element of a list, and the position of its leaf in it."""
    kind, start, leaves, end = _constant_parts(branch.name, type_code(branch.dtype), branch.vector)
    baskets = len(branch.places)
    capacity = max(_BASKETS, baskets + 1)
    offsets, split = (_OFFSETS, 99) if branch.vector else (0, 0)
    start += BRANCH_NUMBERS.pack(compression, _BASKET_SIZE, offsets, baskets, entries) + _IO_FEATURES
    start += BRANCH_SIZES.pack(0, capacity, split, entries, 0, branch.total, sum(branch.sizes)) + _NO_OBJECTS
    arrays = _array(branch.sizes, "i", capacity) + boundaries + _array(branch.places, "q", capacity)
    body = _counted(13, start, leaves, _NO_OBJECTS, arrays, string(""))
    place = 8 + len(kind) + _SIZE + len(start) + _OBJECTS_HEAD
    if branch.vector:
        body = _counted(10, body, end)
        place += _SIZE
    return _pointed(kind, body), place


@functools.lru_cache(maxsize=4096)
def _constant_parts(name: str, code: str, vector: bool) -> tuple[bytes, bytes, bytes, bytes]:
    """What does not depend on the baskets: class name, beginning, list of leaves, end."""
    leaves = _objects(_leaf(name, code, vector), 1)
    if not vector:
        return b"TBranch\0", _named(name, f"{name}/{LEAVES[code]}", _NO_BUFFER_MAP) + _FILL, leaves, b""
    kind, checksum = VECTORS[code]
    end = string(kind) + string("") + string("") + ELEMENT_NUMBERS.pack(checksum, 6, -1, 0, -1, 0, 0, 0)
    return b"TBranchElement\0", _named(name, name, _NO_BUFFER_MAP) + _FILL, leaves, end


def _leaf(name: str, code: str, vector: bool) -> bytes:
    letter = LEAVES[code]
    if vector:
        kind, size, unsigned, end = "Element", 0, False, struct.pack(">ii", -1, -1)
    else:
        kind, size, unsigned = letter.upper(), int(code[1:]), letter.islower()
        end = struct.pack(f">{_LIMITS[kind]}", 0, 0)
    generic = _counted(2, _named(name, name, 0), struct.pack(">iii??i", 1, size, 0, False, unsigned, 0))
    return _pointed(f"TLeaf{kind}\0".encode(), _counted(1, generic, end))


def _counted(version: int, *parts: bytes) -> bytes:
    """An object with its size and class version in front."""
    body = b"".join(parts)
    return struct.pack(">IH", _COUNTED | len(body) + 2, version) + body


def _pointed(kind: bytes, body: bytes) -> bytes:
    """An object behind a pointer: size and class name in front."""
    return struct.pack(">II", _COUNTED | len(kind) + len(body) + 4, _NEW_CLASS) + kind + body


def _named(name: str, title: str, bits: int) -> bytes:
    """A TNamed."""
    return _counted(1, struct.pack(">HII", 1, 0, _ON_HEAP | bits), string(name), string(title))


def _objects(elements: bytes, count: int) -> bytes:
    """A TObjArray."""
    return _counted(3, struct.pack(">HIIBii", 1, 0, _ON_HEAP, 0, count, 0), elements)


_NO_OBJECTS = _objects(b"", 0)
_OBJECTS_HEAD = len(_NO_OBJECTS)


def _array(values: Sequence[int], letter: str, length: int) -> bytes:
    """An array behind a pointer, filled up with zeros; its length is a member of its own."""
    if not length:
        return b"\0"
    padding = (0,) * (length - len(values))
    return struct.pack(f">B{length}{letter}", 1, *values, *padding)
