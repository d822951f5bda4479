"""TauTuple as an Arrow IPC file: the fast format between the stages.

One file: a column per scalar branch and one list-of-struct column per collection, so that
a collection's offsets are stored once.  pyarrow, awkward and polars read it as it is.
NaN stays NaN here; the lowest float exists only in ROOT files.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.reader import TupleReader, check_is_file

BLOCK = 5_000
"""Entries per record batch: the unit of reading, about 50 MB with all 711 branches."""

COMPRESSION = "lz4"
"""LZ4 reads twice as fast as ZSTD; the files live only as long as a campaign."""


class ArrowReader(TupleReader):
    """Reads what :class:`ArrowWriter` wrote.  Columns are read-only views where possible."""

    block = BLOCK

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self.path = path
        check_is_file(path)
        with path.open("rb") as file:
            head = file.read(6)
        if head != b"ARROW1":
            raise InputError(f"{path}: not an Arrow file (it begins with {head!r}, expected b'ARROW1')")
        with path.open("rb") as opened:
            self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        self._source = pa.BufferReader(pa.py_buffer(self._map))
        try:
            self._schema = pa.ipc.open_file(self._source).schema
            rows = self._open([0]) if len(self._schema) else None
            sizes = [rows.get_batch(i).num_rows for i in range(rows.num_record_batches)] if rows else []
        except (pa.ArrowException, OSError) as error:
            self.close()
            raise InputError(f"{path}: truncated or damaged Arrow file ({error}); produce it again") from error
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        self.entries = int(self._starts[-1])
        self._places = dict(_places(self._schema))
        self._set_branches(list(self._places))
        self._last: tuple[tuple[tuple[str, ...], int], Tuples] | None = None

    def close(self) -> None:
        """Close the file; columns that are views of it stay valid, and the last of them gives it up."""
        self._source.close()

    def _give_pages_back(self) -> None:
        """Else a process looks as large as all it has read; pages that are needed again come back by themselves."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def _open(self, columns: list[int]) -> Any:
        import pyarrow as pa

        return pa.ipc.open_file(self._source, options=pa.ipc.IpcReadOptions(included_fields=columns))

    def _load(self, branches: Sequence[str], start: int, stop: int) -> Tuples:
        import pyarrow as pa

        columns = sorted({self._schema.get_field_index(self._places[name][0] or name) for name in branches})
        if not columns:
            return Tuples({})
        try:
            file_reader, parts = self._open(columns), []
            first = int(np.searchsorted(self._starts, start, side="right")) - 1
            for index in range(first, len(self._starts) - 1):
                low, high = int(self._starts[index]), int(self._starts[index + 1])
                if low >= stop:
                    break
                batch = self._batch(file_reader, tuple(branches), index)
                parts.append(batch.slice(max(start - low, 0), min(stop, high) - low))
            self._give_pages_back()
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.path}: damaged, reading entries {start} to {stop} failed ({error})") from error
        if not parts:
            return self._decode(pa.RecordBatch.from_pylist([], self._schema), branches)
        return parts[0] if len(parts) == 1 else Tuples.concatenate(parts)

    def _edges(self) -> np.ndarray:
        return self._starts

    def _batch(self, file_reader: Any, branches: tuple[str, ...], index: int) -> Tuples:
        """One decoded batch; the last one is kept, because small steps come back to it."""
        key = (branches, index)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._decode(file_reader.get_batch(index), branches))
        return self._last[1]

    def _decode(self, batch: Any, branches: Sequence[str]) -> Tuples:
        return _decode(batch, [(name, self._places[name]) for name in branches])


def _decode(batch: Any, places: Sequence[tuple[str, tuple[str, str]]]) -> Tuples:
    """Columns of a record batch, which may be a slice of another one."""
    scalars: dict[str, np.ndarray] = {}
    fields: dict[str, list[str]] = {}
    for name, (prefix, field) in places:
        if prefix:
            fields.setdefault(prefix, []).append(field)
        else:
            scalars[name] = batch.column(name).to_numpy(zero_copy_only=False)
    collections = {}
    for prefix, names in fields.items():
        lists = batch.column(prefix)
        offsets = lists.offsets.to_numpy().astype(np.int64)
        objects = lists.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
        values = {name: objects.field(name).to_numpy(zero_copy_only=False) for name in names}
        collections[prefix] = Collection(offsets - offsets[0], values)
    return Tuples(scalars, collections)


def read_heads(heads: Sequence[tuple[Path, int]], branches: Sequence[str]) -> Tuples:
    """Read the first entries of many small files as one table.

    Decoding hundreds of columns once instead of once per file makes it ten times faster for
    files of some 60 entries.

    Args:
        heads: files with the same branches, and how many entries of each.
        branches: full branch names that all of them have.

    Returns:
        The entries, file after file.

    Raises:
        InputError: a file is missing, is no Arrow file, is damaged, has fewer entries, or
            differs in its branches.
    """
    import pyarrow as pa

    batches: list[Any] = []
    for path, entries in heads:
        check_is_file(path)
        try:
            mine = list(_first_batches(path, entries))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: truncated or damaged Arrow file ({error}); produce it again") from error
        if (found := sum(batch.num_rows for batch in mine)) < entries:
            raise InputError(f"{path}: entries 0 to {entries} were asked for, the file has {found}")
        if mine and batches and mine[0].schema != batches[0].schema:
            raise InputError(f"{path}: its branches are not those of {heads[0][0]}; read the two separately")
        batches += mine
    batch = pa.concat_batches(batches)
    known = dict(_places(batch.schema))
    return _decode(batch, [(name, known[name]) for name in branches])


def _first_batches(path: Path, entries: int) -> Iterator[Any]:
    import pyarrow as pa

    # threads cost more than they give for some 60 entries
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.memory_map(str(path)) as source:
        file = pa.ipc.open_file(source, options=options)
        for index in range(file.num_record_batches):
            if entries <= 0:
                return
            batch = file.get_batch(index)
            yield batch.slice(0, entries)
            entries -= batch.num_rows


def _places(schema: Any) -> list[tuple[str, tuple[str, str]]]:
    """Branch name to (collection prefix or "", field name), in file order."""
    import pyarrow as pa

    places = []
    for column in schema:
        if not pa.types.is_list(column.type):
            places.append((column.name, ("", column.name)))
            continue
        for field in column.type.value_type.fields:
            places.append((f"{column.name}_{field.name}", (column.name, field.name)))
    return places


class ArrowWriter:
    """Writes blocks of complete entries as record batches."""

    block = BLOCK

    def __init__(self, path: Path, first: Tuples, compression: str, level: int | None = None) -> None:
        import pyarrow as pa

        codec = None if compression == "none" else pa.Codec(compression, compression_level=level)
        self._sink = pa.OSFile(str(path), "wb")
        options = pa.ipc.IpcWriteOptions(compression=codec)
        self._writer = pa.ipc.new_file(self._sink, encode(first.slice(0, 0)).schema, options=options)

    def write(self, tuples: Tuples) -> None:
        """Append entries as one record batch."""
        self._writer.write_batch(encode(tuples))

    def close(self) -> None:
        """Write the end of the file."""
        try:
            self._writer.close()
        finally:
            self._sink.close()


def encode(tuples: Tuples) -> Any:
    """Entries as one record batch; nothing is nullable, so that awkward shows plain types.

    Args:
        tuples: complete entries.

    Returns:
        A :class:`pyarrow.RecordBatch`, mostly without copying; a slice of it is written as if it
        had been made of these entries alone.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {name: pa.array(column) for name, column in tuples.scalars.items()}
    for prefix, collection in tuples.collections.items():
        start = collection.offsets[0]
        rows = slice(int(start), int(collection.offsets[-1]))
        values = {name: pa.array(column[rows]) for name, column in collection.columns.items()}
        fields = [pa.field(name, column.type, nullable=False) for name, column in values.items()]
        struct = pa.StructArray.from_arrays(list(values.values()), fields=fields)
        offsets = pa.array((collection.offsets - start).astype(np.int32))
        kind = pa.list_(pa.field("item", struct.type, nullable=False))
        columns[prefix] = pa.ListArray.from_arrays(offsets, struct, type=kind)
    schema = pa.schema([pa.field(name, column.type, nullable=False) for name, column in columns.items()])
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)
