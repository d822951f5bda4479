"""Flat tuples: the table, how it is made from tuples, and its file format, under one name."""

from __future__ import annotations

from taumltools.features.evaluate import make_flat, required_branches
from taumltools.features.hdf5 import FlatFile, write_flat
from taumltools.features.produce import produce_flat
from taumltools.features.table import FlatTuples

__all__ = [
    "FlatFile", "FlatTuples", "make_flat", "produce_flat", "required_branches", "write_flat",
]  # fmt: skip
