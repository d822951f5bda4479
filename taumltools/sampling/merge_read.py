"""Reading the first entries of very many binned files, most of them small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.progress import progress
from taumltools.tuples.arrowio import read_heads
from taumltools.tuples.columns import complete
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples

CHUNK = 5_000
"""Entries in memory at a time: about 50 MB with all 711 branches."""


@dataclass(frozen=True)
class Head:
    """The first entries of a file.

    Attributes:
        path: the file.
        branches: branches to read of it.
        places: where its first, second ... entry goes in the output, int64; as many as are read.
        values: scalar branches that are the same for all of them, by name.
    """

    path: Path
    branches: tuple[str, ...]
    places: np.ndarray
    values: Mapping[str, np.number]

    def __len__(self) -> int:
        return len(self.places)


def chunks_of(heads: Sequence[Head], branches: Sequence[str]) -> Iterator[tuple[Tuples, np.ndarray]]:
    """Read, in the order of the files.

    Args:
        heads: what to read.
        branches: branches of the result; those that are neither read nor set become missing values.

    Yields:
        Complete entries and their places; at most :data:`CHUNK` at a time.

    Raises:
        InputError: a file cannot be read, or has fewer entries than asked for.
    """
    for group in _groups([head for head in heads if len(head)]):
        for tuples, places in _read(group):
            for name in group[0].values:
                column = np.concatenate([np.full(len(head), head.values[name]) for head in group])
                tuples = tuples.with_scalars({name: column[: len(tuples)]})
            yield complete(tuples, branches), places


def _groups(heads: Sequence[Head]) -> Iterator[list[Head]]:
    """Small Arrow files with the same branches are read together."""
    group: list[Head] = []
    for head in progress(heads, label="copying", unit="file"):
        if group and not _fits(group, head):
            yield group
            group = []
        group.append(head)
    if group:
        yield group


def _fits(group: Sequence[Head], head: Head) -> bool:
    first = group[0]
    return (
        head.path.suffix == first.path.suffix == ".arrow"
        and head.branches == first.branches
        and head.values.keys() == first.values.keys()
        and sum(map(len, group)) + len(head) <= CHUNK
    )


def _read(group: Sequence[Head]) -> Iterator[tuple[Tuples, np.ndarray]]:
    if len(group) > 1:
        tuples = read_heads([(head.path, len(head)) for head in group], group[0].branches)
        yield tuples, np.concatenate([head.places for head in group])
        return
    head = group[0]
    with open_tuples(head.path) as file:
        for start in range(0, len(head), CHUNK):
            stop = min(start + CHUNK, len(head))
            yield file.read(head.branches, start, stop), head.places[start:stop]
