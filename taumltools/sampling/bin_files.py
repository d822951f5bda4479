"""Writing a stream of entries that is ordered by bin to one file per bin."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from taumltools.tuples import arrowio
from taumltools.tuples.data import Tuples
from taumltools.tuples.rootwrite import RootWriter


class BinFiles:
    """One file per bin, one open at a time; a context manager.

    A table is brought into the form of the file format once, not once per bin, because most
    bins have few entries: that is what makes hundreds of files cheap.

    Attributes:
        entries: entries written so far, by file name; bins without entries have no file.
    """

    def __init__(self, folder: Path, names: Sequence[str], suffix: str, compression: tuple[str, int]) -> None:
        """Prepare; nothing is written yet.

        Args:
            folder: where the files are made.
            names: names of the files without suffix, by key.
            suffix: ``.root`` or ``.arrow``.
            compression: a compression of that format, and its level.
        """
        self.entries: dict[str, int] = {}
        self._folder, self._names, self._suffix = folder, names, suffix
        self._compression = compression
        self._file: Any = None
        self._name = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._close()
        else:  # a failure to close a file must not hide the reason
            with contextlib.suppress(Exception):
                self._close()

    def append(self, keys: np.ndarray, table: Tuples) -> None:
        """Write entries.

        Args:
            keys: positions in ``names``, int, shape (n,), ascending, also from call to call.
            table: the entries, checked, always with the same branches.
        """
        form: _Form = _RootForm(table) if self._suffix == ".root" else _ArrowForm(table)
        cuts = np.flatnonzero(np.diff(keys)) + 1
        for low, high in zip([0, *cuts.tolist()], [*cuts.tolist(), len(keys)], strict=True):
            if low == high:
                continue
            name = self._names[int(keys[low])] + self._suffix
            if self._file is None or name != self._name:
                self._close()
                self._file, self._name = form.open(self._folder / name, *self._compression), name
            for first in range(low, high, form.block):
                form.write(self._file, first, min(first + form.block, high))
            self.entries[name] = self.entries.get(name, 0) + high - low

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


class _Form(Protocol):
    """A table in the form of a file format."""

    block: int

    def open(self, path: Path, compression: str, level: int) -> Any: ...

    def write(self, file: Any, start: int, stop: int) -> None: ...


class _RootForm:
    block = RootWriter.block

    def __init__(self, table: Tuples) -> None:
        self._table = table

    def open(self, path: Path, compression: str, level: int) -> RootWriter:
        return RootWriter(path, self._table, compression, level)

    def write(self, file: RootWriter, start: int, stop: int) -> None:
        file.write(self._table.slice(start, stop))


class _ArrowForm:
    """A slice of a record batch is written as if it had been made of these entries alone."""

    block = arrowio.BLOCK

    def __init__(self, table: Tuples) -> None:
        self._batch = arrowio.encode(table)

    def open(self, path: Path, compression: str, level: int) -> Any:
        import pyarrow as pa

        codec = None if compression == "none" else pa.Codec(compression, compression_level=level)
        # threads cost more than they give for the few entries of most bins
        options = pa.ipc.IpcWriteOptions(compression=codec, use_threads=False)
        return pa.ipc.new_file(str(path), self._batch.schema, options=options)

    def write(self, file: Any, start: int, stop: int) -> None:
        file.write_batch(self._batch.slice(start, stop - start))
