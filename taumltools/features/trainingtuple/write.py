"""TrainingTuples as files: ROOT trees, or HDF5 tables that pandas reads.

Both have a row per tau candidate in ``taus`` and a row per filled cell in ``inner_cells`` and
``outer_cells``; ``innerCells_begin`` and ``innerCells_end`` of ``taus`` (and ``outer...``) say which rows of
the same file belong to a tau candidate.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from taumltools.errors import ConfigError, InputError
from taumltools.features.produce import entry_range
from taumltools.features.trainingtuple.make import TREES, TrainingTupleConfig, Trees, export_branches, make_trees
from taumltools.tuples.io import open_tuples
from taumltools.tuples.reader import TupleReader

FileFormat = Literal["root", "hdf5"]

SUFFIXES: dict[str, FileFormat] = {".root": "root", ".h5": "hdf5"}
"""Formats by the end of the file name."""

STEP = 2_000
"""Entries in memory at a time: about 150 rows of 197 columns each, 200 MB."""


class _Writer(abc.ABC):
    """Appends rows to the three trees."""

    @abc.abstractmethod
    def write(self, trees: Trees) -> None:
        """Append rows."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the file."""


class _RootWriter(_Writer):
    """Trees; each is made with its first rows."""

    def __init__(self, path: Path) -> None:
        import uproot

        self._file = uproot.recreate(path, compression=uproot.LZ4(4))
        self._trees: dict[str, Any] = {}

    def write(self, trees: Trees) -> None:
        """Append rows to each tree."""
        for name, columns in trees.items():
            if name not in self._trees:
                types = {column: values.dtype for column, values in columns.items()}
                self._trees[name] = self._file.mktree(name, types, initial_basket_capacity=100)
            if len(next(iter(columns.values()))):
                self._trees[name].extend(columns)

    def close(self) -> None:
        """End the file."""
        self._file.close()


class _PandasWriter(_Writer):
    """Tables that grow, whose rows are numbered through."""

    def __init__(self, path: Path) -> None:
        import pandas as pd

        self._store = pd.HDFStore(path, mode="w", complevel=1, complib="zlib")
        self._rows = dict.fromkeys(TREES, 0)

    def write(self, trees: Trees) -> None:
        """Append rows to each tree."""
        import pandas as pd

        for name, columns in trees.items():
            first = self._rows[name]
            self._rows[name] += len(next(iter(columns.values())))
            frame = pd.DataFrame(columns, index=pd.RangeIndex(first, self._rows[name]))
            self._store.append(name, frame, format="table", index=False)

    def close(self) -> None:
        """End the file."""
        self._store.close()


def export_training_tuple(
    source: Path | str,
    target: Path | str,
    config: TrainingTupleConfig | None = None,
    *,
    start: int = 0,
    stop: int | None = None,
    step: int = STEP,
    report: Callable[[Iterator[Trees]], Iterator[Trees]] | None = None,
) -> dict[str, int]:
    """Write the TrainingTuple of a file of tau candidates.

    Args:
        source: tuples of any generation and format.
        target: a file to write, ``.root`` or ``.h5``.
        config: grids, weights, parity.
        start: first entry.
        stop: one past the last entry; None, or more than there are: to the end.
        step: entries in memory at a time.
        report: wraps the chunks, to show how far it is.

    Returns:
        Rows of each tree.

    Raises:
        ConfigError: an unknown end of the file name.
        InputError: no such range, or no entries in it.
    """
    suffix = Path(target).suffix
    if suffix not in SUFFIXES:
        raise ConfigError(f"{target}: a TrainingTuple is a file {' or '.join(SUFFIXES)}, found '{suffix}'")
    rows = dict.fromkeys(TREES, 0)
    with open_tuples(source) as reader:
        first, last = entry_range(reader, start, stop)
        chunks = _chunks(reader, config or TrainingTupleConfig(), range(first, last, step) or range(1), last)
        writer: _Writer = _RootWriter(Path(target)) if SUFFIXES[suffix] == "root" else _PandasWriter(Path(target))
        try:
            for trees in report(chunks) if report else chunks:
                writer.write(_shifted(trees, rows))
                rows = {name: rows[name] + len(next(iter(columns.values()))) for name, columns in trees.items()}
        finally:
            writer.close()
    return rows


def _chunks(reader: TupleReader, config: TrainingTupleConfig, starts: range, stop: int) -> Iterator[Trees]:
    branches = export_branches({*reader.branches, *reader.other_branches})
    for start in starts:
        yield make_trees(reader.read(branches, start, min(start + starts.step, stop)), config, reader.entries)


def _shifted(trees: Trees, rows: dict[str, int]) -> Trees:
    """Begin and end of cells as rows of the file."""
    taus = dict(trees["taus"])
    for grid in ("inner", "outer"):
        for end in ("begin", "end"):
            name = f"{grid}Cells_{end}"
            taus[name] = taus[name] + np.int64(rows[f"{grid}_cells"])
    return {**trees, "taus": taus}


def check_training_tuple(path: Path | str) -> None:
    """Refuse a file whose trees do not belong together.

    Args:
        path: a file of :func:`export_training_tuple`.

    Raises:
        InputError: there are no tau candidates, or the cells of the last one are not the last cells.
    """
    import h5py
    import uproot

    names = {tree: f"{tree.removesuffix('_cells')}Cells_end" for tree in TREES[1:]}
    if SUFFIXES[Path(path).suffix] == "root":
        with uproot.open(path) as file:
            rows = {tree: int(file[tree].num_entries) for tree in TREES}
            last = {n: file["taus"][n].array(library="np", entry_start=-1).tolist() for n in names.values()}
    else:
        import pandas as pd

        with h5py.File(path) as hdf5:
            rows = {tree: len(hdf5[tree]["table"]) if tree in hdf5 else 0 for tree in TREES}
        frame = pd.read_hdf(path, "taus", start=max(rows["taus"] - 1, 0))
        last = {n: frame[n].tolist() for n in names.values()}
    if not rows["taus"]:
        raise InputError(f"{path}: there is no tau candidate in it")
    for tree, name in names.items():
        if last[name] != [rows[tree]]:
            raise InputError(f"{path}: {name} of the last tau candidate is {last[name]}, {tree} has {rows[tree]} rows")
