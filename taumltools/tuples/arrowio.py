"""TauTuple as an Arrow IPC file: the fast format between the stages.

One file: a column per scalar branch and one list-of-struct column per collection, so that
a collection's offsets are stored once.  pyarrow, awkward and polars read it as it is.
NaN stays NaN here; the lowest float exists only in ROOT files.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        self._source = pa.memory_map(str(path))
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
        """Close the file."""
        self._source.close()

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
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.path}: damaged, reading entries {start} to {stop} failed ({error})") from error
        if not parts:
            return self._decode(pa.RecordBatch.from_pylist([], self._schema), branches)
        return parts[0] if len(parts) == 1 else Tuples.concatenate(parts)

    def _batch(self, file_reader: Any, branches: tuple[str, ...], index: int) -> Tuples:
        """One decoded batch; the last one is kept, because small steps come back to it."""
        key = (branches, index)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._decode(file_reader.get_batch(index), branches))
        return self._last[1]

    def _decode(self, batch: Any, branches: Sequence[str]) -> Tuples:
        scalars: dict[str, np.ndarray] = {}
        fields: dict[str, list[str]] = {}
        for name in branches:
            prefix, field = self._places[name]
            if prefix:
                fields.setdefault(prefix, []).append(field)
            else:
                scalars[name] = batch.column(name).to_numpy(zero_copy_only=False)
        collections = {}
        for prefix, names in fields.items():
            lists = batch.column(prefix)
            values = {name: lists.values.field(name).to_numpy(zero_copy_only=False) for name in names}
            collections[prefix] = Collection(lists.offsets.to_numpy().astype(np.int64), values)
        return Tuples(scalars, collections)


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

    def __init__(self, path: Path, first: Tuples, compression: str) -> None:
        import pyarrow as pa

        codec = None if compression == "none" else compression
        self._sink = pa.OSFile(str(path), "wb")
        options = pa.ipc.IpcWriteOptions(compression=codec)
        self._writer = pa.ipc.new_file(self._sink, _encode(first.slice(0, 0)).schema, options=options)

    def write(self, tuples: Tuples) -> None:
        """Append entries as one record batch."""
        self._writer.write_batch(_encode(tuples))

    def close(self) -> None:
        """Write the end of the file."""
        try:
            self._writer.close()
        finally:
            self._sink.close()


def _encode(tuples: Tuples) -> Any:
    """One record batch; nothing is nullable, so that awkward shows plain types."""
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
