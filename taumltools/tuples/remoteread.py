"""Tuple files on remote servers: read from a copy that is gone when the reader is closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from taumltools.store.remote import local_copy
from taumltools.tuples.data import Tuples
from taumltools.tuples.reader import TupleReader


class CopiedReader(TupleReader):
    """Reads a remote file; the copy lies in the system's folder for temporary files (``TMPDIR``)."""

    def __init__(self, url: str, open_file: Callable[[Path], TupleReader]) -> None:
        """Copy and open.

        Args:
            url: address of the file.
            open_file: opens the copy.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: the server does not answer, or the disk is full.
            InputError: it is no tuple file.
        """
        with ExitStack() as stack:
            self._file = open_file(stack.enter_context(local_copy(url)))
            self._copy = stack.pop_all()
        self.path = self._file.path
        self.entries, self.block = self._file.entries, self._file.block
        self.branches, self.other_branches = self._file.branches, self._file.other_branches

    def close(self) -> None:
        """Close the file and remove the copy."""
        self._file.close()
        self._copy.close()

    def _load(self, branches: Sequence[str], start: int, stop: int) -> Tuples:
        return self._file.read(branches, start, stop)

    def _take(self, branches: Sequence[str], rows: np.ndarray) -> Tuples:
        return self._file.take(branches, rows)
