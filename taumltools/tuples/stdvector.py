"""Writing a TTree with real ``std::vector<T>`` branches from flat columns and offsets.

ROOT and the C++ tools of CMS read such branches; arrays with a counter branch, which uproot writes, they
do not.  A vector lies in a basket as a header of 10 bytes (size, class version, number of elements) and
its elements; the offsets of all entries and a zero follow.  The headers are the same for all branches of
a collection with one element size, so they are laid out once per block and the elements are dropped in.

The tree's header is written once, at the end: its cost does not depend on the number of blocks, and
grows linearly with the number of branches.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.compression import ROOT_CODES, root_compressor
from taumltools.tuples.data import Tuples
from taumltools.tuples.rootfile import Record, RootFile, key_length, key_names
from taumltools.tuples.ttree_header import Branch, tree_object

_HEAD = np.dtype([("size", ">u4"), ("version", ">u2"), ("length", ">u4")])
_VERSION = 10  # of the class name that a vector carries in every entry
_COUNTED = 0x4000_0000
_BASKET = struct.Struct(">HiiiiB")
_BUFFER = 32_000
_LARGEST = 1 << 30  # ROOT's buffers are limited to 1 GB


class VectorLayout:
    """Where the vectors of a block lie in a basket; serves all branches with these counts and element size.

    Examples:
        >>> layout = VectorLayout(np.array([1, 0]), 2)
        >>> layout.fill(np.array([7], np.int16), 0)[:22].tobytes().hex(" ", 2)
        '4000 0008 000a 0000 0001 0007 4000 0006 000a 0000 0000'
    """

    def __init__(self, counts: np.ndarray, itemsize: int) -> None:
        """Lay out the headers.

        Args:
            counts: elements per entry, int, shape (n,).
            itemsize: bytes of an element.

        Raises:
            InputError: the basket would exceed 1 GB.
        """
        sizes = _HEAD.itemsize + itemsize * counts.astype(np.int64)
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self.size = int(self._starts[-1])
        if self.size + 4 * (len(counts) + 2) >= _LARGEST:
            raise InputError(f"a basket of {self.size} bytes is too large for ROOT (1 GB); write fewer entries at once")
        self._unit = np.dtype(np.uint8 if itemsize == 1 else np.uint16)  # 10 bytes are no multiple of 4
        heads = np.empty(len(counts), _HEAD)
        heads["size"] = (sizes - 4) | _COUNTED
        heads["version"] = _VERSION
        heads["length"] = counts
        units = _HEAD.itemsize // self._unit.itemsize
        places = (self._starts[:-1] // self._unit.itemsize)[:, None] + np.arange(units)
        self._template = np.zeros(self.size // self._unit.itemsize, self._unit)
        self._template[places] = heads.view(self._unit).reshape(-1, units)
        elements = np.ones(len(self._template), bool)
        elements[places] = False
        sparse = counts.sum() < len(counts)  # then a list of places is faster than a mask
        self._elements = np.flatnonzero(elements) if sparse else elements

    def fill(self, values: np.ndarray, key_length: int) -> np.ndarray:
        """The content of a basket.

        Args:
            values: elements of all entries, shape (sum of counts,).
            key_length: bytes of the basket's key; offsets count from its start.

        Returns:
            Bytes, uint8.
        """
        offsets = (self._starts + key_length).astype(">i4")
        offsets[-1] = 0  # ROOT writes no end of the last entry
        basket = np.empty(self.size + 4 + offsets.nbytes, np.uint8)
        units = basket[: self.size].view(self._unit)
        units[:] = self._template
        units[self._elements] = _big_endian(values).view(self._unit)
        basket[self.size : self.size + 4] = np.frombuffer(struct.pack(">i", len(offsets)), np.uint8)
        basket[self.size + 4 :] = offsets.view(np.uint8)
        return basket


class VectorTreeWriter:
    """Writes blocks of entries as one basket per branch, and the tree's header at the end."""

    def __init__(
        self,
        path: Path,
        tree: str,
        title: str,
        first: Tuples,
        compression: tuple[str, int],
        threads: int = 1,
        stored: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> None:
        """Open the file.

        Args:
            path: file to write; an existing one is replaced.
            tree: name of the tree.
            title: title of the tree.
            first: table whose columns become the branches; its entries are not written.
            compression: one of :data:`~taumltools.tuples.compression.ROOT_CODES`, and its level.
            threads: threads that fill and compress baskets; the content of the file does not depend on it.
            stored: what becomes of a column on its way into the file; keeps type and shape.

        Raises:
            InputError: a column has a type that a TTree cannot hold.
        """
        self._tree, self._title = tree, title
        self._branches = {name: Branch(name, values.dtype, bool(prefix)) for name, prefix, values in _columns(first)}
        self._ends: list[int] = []
        self._code = 100 * ROOT_CODES[compression[0]] + compression[1]
        self._compress = root_compressor(*compression)
        self._threads = threads
        self._stored = stored
        self._file = RootFile(path, f"{tree}.root", self._code)

    def write(self, tuples: Tuples) -> None:
        """Append entries as one basket per branch.

        Args:
            tuples: entries with the branches of the tree.

        Raises:
            InputError: other branches or types than the tree has, or more than a basket can hold.
        """
        if not len(tuples):
            return
        jobs = list(self._jobs(tuples))
        for job, record in zip(jobs, self._records(jobs), strict=True):
            place, size = self._file.append(record)
            job.branch.places.append(place)
            job.branch.sizes.append(size)
            job.branch.total += record.key_length + record.size
        self._file.flush()
        self._ends.append(len(tuples) + (self._ends[-1] if self._ends else 0))

    def finish(self) -> None:
        """Write the tree's header and the end of the file."""
        names = key_names("TTree", self._tree, self._title)
        branches = list(self._branches.values())
        tree = tree_object(self._tree, self._title, key_length(names), branches, self._ends, self._code)
        self._file.finish(Record(names, self._compress(tree), len(tree), cycle=1))

    def close(self) -> None:
        """Close the file; without :meth:`finish` it holds no tree."""
        self._file.close()

    def _jobs(self, tuples: Tuples) -> Iterator[_Job]:
        columns = list(_columns(tuples))
        if odd := {name for name, _, _ in columns} ^ set(self._branches):
            raise InputError(f"these entries and the tree differ in the branches {sorted(odd)[:10]}")
        layouts: dict[tuple[str, int], VectorLayout] = {}
        for name, prefix, values in columns:
            branch = self._branches[name]
            if (values.dtype, bool(prefix)) != (branch.dtype, branch.vector):
                raise InputError(
                    f"branch '{name}' is {_kind(branch.dtype, branch.vector)} in the tree, "
                    f"and {_kind(values.dtype, bool(prefix))} in these entries"
                )
            layout = None
            if prefix:
                key = prefix, values.dtype.itemsize
                if key not in layouts:
                    layouts[key] = VectorLayout(tuples.collections[prefix].counts, values.dtype.itemsize)
                layout = layouts[key]
            yield _Job(branch, values, layout, len(tuples))

    def _records(self, jobs: list[_Job]) -> Iterator[Record]:
        if self._threads == 1:
            yield from map(self._record, jobs)
            return
        with ThreadPoolExecutor(self._threads) as pool:
            yield from pool.map(self._record, jobs)

    def _record(self, job: _Job) -> Record:
        names, values = key_names("TBasket", job.branch.name, self._tree), self._stored(job.values)
        start = key_length(names, _BASKET.size)
        if job.layout is None:
            content = _big_endian(values).view(np.uint8)
            end, per_entry = start + len(content), values.dtype.itemsize
        else:
            content = job.layout.fill(values, start)
            end, per_entry = start + job.layout.size, job.entries + 1
        more = _BASKET.pack(3, max(_BUFFER, end), per_entry, job.entries, end, 0)
        return Record(names, self._compress(content), len(content), more)


@dataclass(frozen=True)
class _Job:
    """A basket to be made; scalars have no layout."""

    branch: Branch
    values: np.ndarray
    layout: VectorLayout | None
    entries: int


def _columns(tuples: Tuples) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, collection ("" for scalars) and values of every branch."""
    for name, values in tuples.scalars.items():
        yield name, "", values
    for prefix, collection in tuples.collections.items():
        for field, values in collection.columns.items():
            yield f"{prefix}_{field}", prefix, values


def _kind(dtype: np.dtype, vector: bool) -> str:
    return f"a vector of {dtype}" if vector else f"a single {dtype}"


def _big_endian(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, values.dtype.newbyteorder(">"))
