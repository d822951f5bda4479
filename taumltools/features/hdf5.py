"""Flat tuples in HDF5: one float32 dataset per column, chunked, compressed with LZ4.

Layout: ``index/<name>``, ``taus/<feature>``, ``objects/<block>/offsets`` (int64, entries + 1)
and ``objects/<block>/<feature>``; with grids also ``cell_features/<feature>`` and
``cells/<grid>/offsets``, ``cells/<grid>/cell`` (uint16) and ``cells/<grid>/<block>`` (int32).
``definition`` holds the configuration and ``nan`` the numbers of NaN values, as JSON (an
attribute is limited to 64 kB).
Attributes of the file: ``format``, ``entries``, ``dropped`` (JSON) and ``versions`` (JSON).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from taumltools.config.features import CELL_FEATURES, FeaturesConfig
from taumltools.config.identity import plain
from taumltools.errors import InputError
from taumltools.features.cells import Cells
from taumltools.features.table import FlatTuples
from taumltools.tuples.data import Collection

FORMAT = "taumltools flat tuples 2"
"""Value of the attribute ``format``; the number grows when old readers cannot read it."""

READABLE = (FORMAT, "taumltools flat tuples 1")
"""Formats that can be read; the first has no cells, and its definition in the attribute ``features``."""

ENTRY_CHUNK = 16_384
"""Entries per HDF5 chunk: 64 kB of float32, small enough for a window, large enough for LZ4."""

OBJECT_CHUNK = 131_072
"""Objects per HDF5 chunk: 512 kB of float32, half of the chunk cache of HDF5."""


def write_flat(path: Path | str, parts: Iterable[FlatTuples], *, config: FeaturesConfig | None = None) -> int:
    """Write flat tuples, part after part; memory holds one part at a time.

    Args:
        path: the file to write.
        parts: tables with the same columns; empty ones are fine.
        config: the features, written into the file.

    Returns:
        Entries written.

    Raises:
        InputError: no part at all, or parts with different columns.
    """
    import h5py

    layout: dict[str, list[str]] | None = None
    dropped: Counter[str] = Counter()
    nan: Counter[str] = Counter()
    entries = 0
    with h5py.File(path, "w") as file:
        for part in parts:
            if layout is None:
                layout = part.layout()
                _create(file, part)
            elif part.layout() != layout:
                raise InputError(f"{path}: a part with other columns: {part.layout()}, the first had {layout}")
            _append(file, part)
            dropped.update(part.dropped)
            nan.update(part.nan)
            entries += len(part)
        if layout is None:
            raise InputError(f"{path}: nothing to write, there was no table at all")
        file["definition"] = json.dumps(plain(config)) if config else ""
        file.attrs["format"] = FORMAT
        file.attrs["entries"] = entries
        file.attrs["dropped"] = json.dumps(dict(dropped))
        file["nan"] = json.dumps(dict(sorted(nan.items())))
        file.attrs["versions"] = json.dumps({"h5py": h5py.__version__, "numpy": np.__version__})
    return entries


def _columns(part: FlatTuples) -> dict[str, np.ndarray]:
    """Columns with a value per entry, by their place in the file."""
    groups = {"index": part.index, "taus": part.taus, CELL_FEATURES: part.cell_features}
    return {f"{group}/{name}": column for group, columns in groups.items() for name, column in columns.items()}


def _ragged(part: FlatTuples) -> dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Offsets and columns of objects and of cells, by their place in the file."""
    objects = {f"objects/{name}": (block.offsets, block.columns) for name, block in part.objects.items()}
    cells = {f"cells/{name}": (c.offsets, {"cell": c.cell, **c.objects}) for name, c in part.cells.items()}
    return {**objects, **cells}


def _create(file: Any, part: FlatTuples) -> None:
    import hdf5plugin

    def dataset(name: str, dtype: np.dtype, chunk: int) -> None:
        codec = hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)
        file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(chunk,), **codec)

    for name, column in _columns(part).items():
        dataset(name, column.dtype, ENTRY_CHUNK)
    for group, (_, columns) in _ragged(part).items():
        dataset(f"{group}/offsets", np.dtype(np.int64), ENTRY_CHUNK)
        _extend(file[f"{group}/offsets"], np.zeros(1, np.int64))
        for name, column in columns.items():
            dataset(f"{group}/{name}", column.dtype, OBJECT_CHUNK)


def _extend(dataset: Any, values: np.ndarray) -> None:
    size = len(dataset)
    dataset.resize((size + len(values),))
    if len(values):
        dataset[size:] = values


def _append(file: Any, part: FlatTuples) -> None:
    for name, column in _columns(part).items():
        _extend(file[name], column)
    for group, (part_offsets, columns) in _ragged(part).items():
        offsets = file[f"{group}/offsets"]
        _extend(offsets, part_offsets[1:] + offsets[-1])
        for name, column in columns.items():
            _extend(file[f"{group}/{name}"], column)


class FlatFile:
    """An open file of flat tuples, as a context manager.

    Args:
        path: the file.

    Attributes:
        path: the file.
        entries: number of tau candidates.
        features: the configuration that made it, as plain JSON types; empty if not recorded
            (:func:`taumltools.features.agreement.read_definition` makes settings of it).
        dropped: how many entries were left out, by reason.
        nan: by ``<block>.<feature>``, how often it is NaN although its condition holds; features without are left out.

    Raises:
        InputError: the file is missing, truncated, or not made by :func:`write_flat`.
    """

    def __init__(self, path: Path | str) -> None:
        import h5py
        import hdf5plugin  # noqa: F401  # registers the decompressor

        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{path}: no such file; expected flat tuples (HDF5)")
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise InputError(f"{path}: not a readable HDF5 file ({error}); make the flat tuples again") from error
        found = self._file.attrs.get("format", "no format")
        if found not in READABLE:
            self._file.close()
            raise InputError(f"{path}: '{found}', expected '{FORMAT}': not a file of flat tuples, or an unfinished one")
        self.entries = int(self._file.attrs["entries"])
        text = self._file["definition"].asstr()[()] if found == FORMAT else self._file.attrs["features"]
        self.features: dict[str, Any] = json.loads(text or "{}")
        self.dropped: dict[str, int] = json.loads(self._file.attrs["dropped"])
        self.nan: dict[str, int] = json.loads(self._file["nan"].asstr()[()]) if "nan" in self._file else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def layout(self) -> dict[str, list[str]]:
        """Column names by part, as :meth:`FlatTuples.layout`; names are sorted by HDF5."""
        parts = {"index": list(self._file["index"]), "taus": list(self._file["taus"])}
        parts |= {f"objects/{name}": [c for c in group if c != "offsets"] for name, group in self._group("objects")}
        parts |= {CELL_FEATURES: list(self._file[CELL_FEATURES])} if CELL_FEATURES in self._file else {}
        grids = {name: [c for c in group if c not in {"offsets", "cell"}] for name, group in self._group("cells")}
        return parts | {f"cells/{name}": blocks for name, blocks in grids.items()}

    def _group(self, name: str) -> list[tuple[str, Any]]:
        return list(self._file[name].items()) if name in self._file else []

    def read_index(self) -> dict[str, np.ndarray]:
        """The index columns of all entries."""
        return {name: column[:] for name, column in self._file["index"].items()}

    def object_counts(self) -> dict[str, int]:
        """Number of objects of each block in the whole file."""
        return {name: int(group["offsets"][-1]) for name, group in self._group("objects")}

    def cell_counts(self) -> dict[str, int]:
        """Number of filled cells of each grid in the whole file."""
        return {name: int(group["offsets"][-1]) for name, group in self._group("cells")}

    def column(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows start to stop (exclusive) of one column, by its place in the file, e.g. ``cells/inner/offsets``.

        Args:
            name: its place.
            start: first row.
            stop: one past the last.

        Returns:
            A copy, shape (stop - start,).
        """
        return self._file[name][start:stop]

    def matrix(self, group: str, names: Sequence[str], start: int, stop: int) -> np.ndarray:
        """Rows of several columns, one column after the other in memory.

        Args:
            group: place of the columns in the file, e.g. ``objects/pfcand``.
            names: the columns.
            start: first row.
            stop: one past the last row.

        Returns:
            float32, shape (names, stop - start).
        """
        columns = np.empty((len(names), stop - start), np.float32)
        for column, name in zip(columns, names, strict=True):
            self._file[f"{group}/{name}"].read_direct(column, np.s_[start:stop])
        return columns

    def read(self, start: int = 0, stop: int | None = None) -> FlatTuples:
        """Entries start to stop (exclusive).

        Args:
            start: first entry.
            stop: one past the last entry; None means to the end.

        Returns:
            The entries.

        Raises:
            InputError: the range is outside the file.
        """
        stop = self.entries if stop is None else stop
        if not 0 <= start <= stop <= self.entries:
            raise InputError(f"{self.path}: entries {start} to {stop} asked, the file has {self.entries}")
        cells = {}
        for grid, group in self._group("cells"):
            offsets, columns = _rows(group, start, stop)
            cells[grid] = Cells(offsets, columns.pop("cell"), columns)
        return FlatTuples(
            {name: column[start:stop] for name, column in self._group("index")},
            {name: column[start:stop] for name, column in self._group("taus")},
            {block: Collection(*_rows(group, start, stop)) for block, group in self._group("objects")},
            cell_features={name: column[start:stop] for name, column in self._group(CELL_FEATURES)},
            cells=cells,
        )


def _rows(group: Any, start: int, stop: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Offsets from 0 and columns of what belongs to entries start to stop."""
    offsets = group["offsets"][start : stop + 1]
    rows = slice(int(offsets[0]), int(offsets[-1]))
    return offsets - offsets[0], {name: group[name][rows] for name in group if name != "offsets"}
