"""Writing TauTuples as ROOT TTrees: the format at the boundary to CMS."""

from __future__ import annotations

from pathlib import Path

from taumltools.tuples.columns import to_file
from taumltools.tuples.compression import choose_compression
from taumltools.tuples.data import Tuples
from taumltools.tuples.schema import TREE
from taumltools.tuples.stdvector import VectorTreeWriter

BLOCK = 15_000
"""Entries per basket: larger ones only cost memory, with smaller ones the fixed cost of a basket shows."""


class RootWriter:
    """Writes blocks of complete entries; collections become ``std::vector`` branches."""

    block = BLOCK

    def __init__(self, path: Path, first: Tuples, compression: str, level: int | None = None, threads: int = 1) -> None:
        codec = choose_compression(".root", compression, level)
        self._tree = VectorTreeWriter(path, TREE, "tau candidates", first, codec, threads, to_file)

    def write(self, tuples: Tuples) -> None:
        """Append entries as one basket per branch."""
        self._tree.write(tuples)

    def close(self) -> None:
        """Write the end of the file."""
        try:
            self._tree.finish()
        finally:
            self._tree.close()
