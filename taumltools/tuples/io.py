"""Opening and writing tuples: the format follows from the suffix of the file name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from taumltools.errors import InputError
from taumltools.store.remote import is_remote
from taumltools.tuples import arrowio, chain, rootread, rootwrite
from taumltools.tuples.columns import complete
from taumltools.tuples.compression import COMPRESSIONS, LEVELS, choose_compression
from taumltools.tuples.data import Tuples
from taumltools.tuples.reader import TupleReader
from taumltools.tuples.remoteread import CopiedReader

__all__ = ["COMPRESSIONS", "LEVELS", "TupleReader", "TupleWriter", "open_tuples", "write_tuples"]


class _Backend(Protocol):
    block: int

    def write(self, tuples: Tuples) -> None: ...

    def close(self) -> None: ...


def open_one(path: Path | str) -> TupleReader:
    """Open one file, which is no chain and may be remote; see :func:`open_tuples`."""
    if is_remote(path):
        return CopiedReader(str(path), open_one)
    path = Path(path)
    return rootread.RootReader(path) if _format(path) == ".root" else arrowio.ArrowReader(path)


def _format(path: Path) -> str:
    if path.suffix not in COMPRESSIONS:
        raise InputError(f"{path}: the suffix '{path.suffix}' is no tuple format; use one of {', '.join(COMPRESSIONS)}")
    return path.suffix


def open_tuples(path: Path | str) -> TupleReader:
    """Open a file of tau candidates for reading.

    Args:
        path: a ``.root`` file (of the CMS tools or of this project), an ``.arrow`` file, or the ``.json`` file of
            a chain of them (:mod:`taumltools.tuples.chain`).

    Returns:
        A reader, to be used as a context manager.

    Raises:
        InputError: unknown suffix, no such file, empty, truncated, or without tuples.

    Examples:
        >>> import tempfile
        >>> from taumltools.tuples.mock import mock_tuples
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     entries = write_tuples(Path(folder, "taus.arrow"), mock_tuples(10))
        ...     with open_tuples(Path(folder, "taus.arrow")) as file:
        ...         pt = file.read(["tau_pt", "pfCand_pt"], stop=4)["tau_pt"]
        >>> entries, len(pt)
        (10, 4)
    """
    path = Path(path)
    return chain.ChainReader(path, open_one) if path.suffix == chain.SUFFIX else open_one(path)


class TupleWriter:
    """Writes a file of tau candidates; a context manager.

    Entries are buffered and written in blocks (15,000 in ROOT files, 5,000 in Arrow files),
    so small tables may be appended one by one.  If the ``with`` block fails, the file is
    removed: a half-written file never stays.

    Attributes:
        path: the file.
        entries: entries appended so far.

    Examples:
        >>> import tempfile
        >>> from taumltools.tuples.mock import mock_tuples
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with TupleWriter(Path(folder, "taus.arrow"), branches=["evt", "tau_pt"]) as file:
        ...         for seed in range(3):
        ...             file.append(mock_tuples(5, seed=seed))
        >>> file.entries
        15
    """

    def __init__(
        self,
        path: Path | str,
        branches: Sequence[str] | None = None,
        compression: str | None = None,
        level: int | None = None,
        threads: int = 1,
    ) -> None:
        """Prepare the file; nothing is written before the first block is full or the file closes.

        Args:
            path: ``.root`` or ``.arrow``.
            branches: branches to write; None means all 711 of the schema, those that the
                entries lack as missing values.  Other branches may be named if the entries
                have them.
            compression: see :data:`COMPRESSIONS`; None means the format's default.
            level: see :data:`LEVELS`; None means the default of the compression.
            threads: threads that compress a ``.root`` file, whose content does not depend on it.

        Raises:
            InputError: unknown suffix, compression or level, or an empty list of branches.
        """
        self.path = Path(path)
        self.entries = 0
        self._suffix = _format(self.path)
        try:
            self._compression, self._level = choose_compression(self._suffix, compression, level)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        self._threads = threads
        if branches is not None and not branches:
            raise InputError(f"{path}: the list of branches to write is empty; name at least one")
        self._branches = branches
        self._backend: _Backend | None = None
        self._buffer: list[Tuples] = []
        self._block = rootwrite.BLOCK if self._suffix == ".root" else arrowio.BLOCK

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()

    def append(self, tuples: Tuples) -> None:
        """Add entries.

        Args:
            tuples: entries in memory form (missing floats are NaN).

        Raises:
            InputError: an infinite value, a value that does not fit the type of its branch,
                or a branch outside the schema that these entries lack.
        """
        if not len(tuples):
            return
        try:
            self._buffer.append(complete(tuples, self._branches))
        except InputError as error:
            raise InputError(f"{self.path}: entries from {self.entries} cannot be written: {error}") from error
        self.entries += len(tuples)
        if sum(map(len, self._buffer)) >= self._block:
            self._flush(last=False)

    def flush(self) -> None:
        """Write what is buffered, as a block of its own, so that the size of the file tells of it."""
        if self._buffer:
            self._flush(last=True)

    def close(self) -> None:
        """Write what is left and close the file; on failure the file is removed."""
        try:
            if self._buffer or self._backend is None:
                self._flush(last=True)
            assert self._backend is not None
            self._backend.close()
        except BaseException:
            self._discard()
            raise

    def _flush(self, *, last: bool) -> None:
        entries = Tuples.concatenate(self._buffer) if self._buffer else complete(Tuples({}), self._branches)
        if self._backend is None:
            self._backend = self._open(entries)
        size = len(entries)
        whole = size if last else size - size % self._block
        for start in range(0, whole, self._block):
            self._backend.write(entries.slice(start, min(start + self._block, whole)))
        self._buffer = [entries.slice(whole, size)] if whole < size else []

    def _open(self, first: Tuples) -> _Backend:
        if self._suffix == ".root":
            return rootwrite.RootWriter(self.path, first, self._compression, self._level, self._threads)
        return arrowio.ArrowWriter(self.path, first, self._compression, self._level)

    def _discard(self) -> None:
        """Drop the file; its own failure to close must not hide the reason."""
        self._buffer = []
        if self._backend is not None:
            with contextlib.suppress(Exception):
                self._backend.close()
        self.path.unlink(missing_ok=True)


def write_tuples(
    path: Path | str,
    tuples: Tuples | Iterable[Tuples],
    branches: Sequence[str] | None = None,
    compression: str | None = None,
    level: int | None = None,
    threads: int = 1,
) -> int:
    """Write tau candidates to one file.

    Args:
        path: ``.root`` or ``.arrow``.
        tuples: one table, or tables to write one after the other.
        branches: branches to write; None means all of the schema.
        compression: see :data:`COMPRESSIONS`.
        level: see :data:`LEVELS`.
        threads: threads that compress a ``.root`` file.

    Returns:
        Number of entries written.

    Raises:
        InputError: as for :class:`TupleWriter`.
        OSError: the file system refuses (full, read-only).
    """
    parts = [tuples] if isinstance(tuples, Tuples) else tuples
    with TupleWriter(path, branches, compression, level, threads) as file:
        for part in parts:
            file.append(part)
    return file.entries
