"""Flat tuples in HDF5: one float32 dataset per column, chunked, compressed with LZ4.

Layout: ``index/<name>``, ``taus/<feature>``, ``objects/<block>/offsets`` (int64, entries + 1)
and ``objects/<block>/<feature>``.  Attributes of the file: ``format``, ``entries``,
``features`` (the configuration as JSON), ``dropped`` (JSON) and ``versions`` (JSON).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.config.identity import plain
from taumltools.errors import InputError
from taumltools.features.table import FlatTuples
from taumltools.tuples.data import Collection

FORMAT = "taumltools flat tuples 1"
"""Value of the attribute ``format``; the number grows when old readers cannot read it."""

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
            entries += len(part)
        if layout is None:
            raise InputError(f"{path}: nothing to write, there was no table at all")
        file.attrs["format"] = FORMAT
        file.attrs["entries"] = entries
        file.attrs["features"] = json.dumps(plain(config)) if config else ""
        file.attrs["dropped"] = json.dumps(dict(dropped))
        file.attrs["versions"] = json.dumps({"h5py": h5py.__version__, "numpy": np.__version__})
    return entries


def _create(file: Any, part: FlatTuples) -> None:
    import hdf5plugin

    def dataset(name: str, dtype: np.dtype, chunk: int) -> None:
        codec = hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)
        file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(chunk,), **codec)

    for name, column in part.index.items():
        dataset(f"index/{name}", column.dtype, ENTRY_CHUNK)
    for name, column in part.taus.items():
        dataset(f"taus/{name}", column.dtype, ENTRY_CHUNK)
    for block, collection in part.objects.items():
        dataset(f"objects/{block}/offsets", np.dtype(np.int64), ENTRY_CHUNK)
        _extend(file[f"objects/{block}/offsets"], np.zeros(1, np.int64))
        for name, column in collection.columns.items():
            dataset(f"objects/{block}/{name}", column.dtype, OBJECT_CHUNK)


def _extend(dataset: Any, values: np.ndarray) -> None:
    size = len(dataset)
    dataset.resize((size + len(values),))
    if len(values):
        dataset[size:] = values


def _append(file: Any, part: FlatTuples) -> None:
    for name, column in part.index.items():
        _extend(file[f"index/{name}"], column)
    for name, column in part.taus.items():
        _extend(file[f"taus/{name}"], column)
    for block, collection in part.objects.items():
        offsets = file[f"objects/{block}/offsets"]
        _extend(offsets, collection.offsets[1:] + offsets[-1])
        for name, column in collection.columns.items():
            _extend(file[f"objects/{block}/{name}"], column)


class FlatFile:
    """An open file of flat tuples, as a context manager.

    Args:
        path: the file.

    Attributes:
        path: the file.
        entries: number of tau candidates.
        features: the configuration that made it, as plain JSON types; empty if not recorded.
        dropped: how many entries were left out, by reason.

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
        if found != FORMAT:
            self._file.close()
            raise InputError(f"{path}: '{found}', expected '{FORMAT}': not a file of flat tuples, or an unfinished one")
        self.entries = int(self._file.attrs["entries"])
        self.features: dict[str, Any] = json.loads(self._file.attrs["features"] or "{}")
        self.dropped: dict[str, int] = json.loads(self._file.attrs["dropped"])

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
        blocks = {f"objects/{b}": [c for c in group if c != "offsets"] for b, group in self._blocks().items()}
        return {"index": list(self._file["index"]), "taus": list(self._file["taus"]), **blocks}

    def _blocks(self) -> dict[str, Any]:
        return dict(self._file["objects"]) if "objects" in self._file else {}

    def read_index(self) -> dict[str, np.ndarray]:
        """The index columns of all entries."""
        return {name: column[:] for name, column in self._file["index"].items()}

    def object_counts(self) -> dict[str, int]:
        """Number of objects of each block in the whole file."""
        return {name: int(group["offsets"][-1]) for name, group in self._blocks().items()}

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
        objects = {}
        for block, group in self._blocks().items():
            offsets = group["offsets"][start : stop + 1]
            rows = slice(int(offsets[0]), int(offsets[-1]))
            columns = {name: group[name][rows] for name in group if name != "offsets"}
            objects[block] = Collection(offsets - offsets[0], columns)
        return FlatTuples(
            {name: column[start:stop] for name, column in self._file["index"].items()},
            {name: column[start:stop] for name, column in self._file["taus"].items()},
            objects,
        )
