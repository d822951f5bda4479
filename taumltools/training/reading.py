"""Flat tuples from files into the matrices of a window: only what the network takes, each value copied once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.config.features import CELL_FEATURES
from taumltools.features.cells import Cells
from taumltools.features.flat import FlatFile
from taumltools.training.batches import ObjectRows, Samples, known_types
from taumltools.training.layout import InputLayout
from taumltools.training.weights import Weights


@dataclass(frozen=True)
class Block:
    """A stretch of one file.

    Attributes:
        path: the file.
        start: first entry.
        stop: one past the last entry.
        rows: first and one past the last row of each ragged group, e.g. ``objects/pfcand`` or ``cells/inner``.
    """

    path: Path
    start: int
    stop: int
    rows: dict[str, tuple[int, int]]

    def __len__(self) -> int:
        return self.stop - self.start


def groups_of(layout: InputLayout) -> list[str]:
    """Ragged groups of a file that a network needs.

    Args:
        layout: what the network takes.

    Returns:
        Names in the file, e.g. ``objects/pfcand``.
    """
    return [*(f"objects/{name}" for name in layout.objects), *(f"cells/{name}" for name in layout.grids)]


def blocks_of(file: FlatFile, layout: InputLayout, size: int) -> list[Block]:
    """Cut a file into blocks.

    Args:
        file: the file.
        layout: what the network takes.
        size: entries per block.

    Returns:
        The blocks, without empty ones.
    """
    edges = [*range(0, file.entries, size), file.entries]
    places = {}
    for group in groups_of(layout):
        places[group] = file.column(f"{group}/offsets", 0, file.entries + 1)[edges].tolist()
    return [
        Block(file.path, start, stop, {group: (at[i], at[i + 1]) for group, at in places.items()})
        for i, (start, stop) in enumerate(itertools.pairwise(edges))
        if stop > start
    ]


def bytes_of(blocks: Sequence[Block], layout: InputLayout) -> int:
    """Memory that the entries of some blocks take.

    Args:
        blocks: the stretches.
        layout: what the network takes.

    Returns:
        Bytes of their matrices, without those of batches.
    """
    per_entry = 8 * (len(layout.objects) + len(layout.grids)) + 4 * (len(layout.taus) + len(layout.cell_features))
    per_row = {f"objects/{name}": 4 * len(names) for name, names in layout.objects.items()}
    per_row |= {f"cells/{name}": 2 + 4 * len(layout.objects) for name in layout.grids}
    ragged = sum(size * (block.rows[g][1] - block.rows[g][0]) for block in blocks for g, size in per_row.items())
    return ragged + per_entry * sum(map(len, blocks))


def read_blocks(blocks: Sequence[Block], layout: InputLayout, weights: Weights) -> Samples:
    """All entries of some blocks.

    The matrices are made in their final size before anything is read, so that memory never holds anything twice.

    Args:
        blocks: what to read, in the order wanted.
        layout: what the network takes.
        weights: gives the weights.

    Returns:
        The entries, block after block.
    """
    samples = _empty(blocks, layout)
    entry, row = 0, dict.fromkeys(groups_of(layout), 0)
    for block in blocks:
        with FlatFile(block.path) as file:
            _fill(samples, file, block, entry, row, weights)
        entry += len(block)
        row = {group: start + block.rows[group][1] - block.rows[group][0] for group, start in row.items()}
    return samples


def _empty(blocks: Sequence[Block], layout: InputLayout) -> Samples:
    n = sum(map(len, blocks))
    size = {g: sum(block.rows[g][1] - block.rows[g][0] for block in blocks) for g in groups_of(layout)}

    def offsets(group: str) -> np.ndarray:
        made = np.zeros(n + 1, np.int64)
        made[-1] = size[group]
        return made

    def cells(group: str) -> Cells:
        references = {name: np.empty(size[group], np.int32) for name in layout.objects}
        return Cells(offsets(group), np.empty(size[group], np.uint16), references)

    objects = {
        name: ObjectRows(
            offsets(f"objects/{name}"), np.empty((size[f"objects/{name}"], len(layout.objects[name])), np.float32)
        )
        for name in layout.objects
    }
    return Samples(
        layout,
        np.empty(n, np.int8),
        np.empty(n, np.float32),
        np.empty((n, len(layout.taus)), np.float32),
        objects,
        np.empty((n, len(layout.cell_features)), np.float32),
        {name: cells(f"cells/{name}") for name in layout.grids},
    )


def _fill(samples: Samples, file: FlatFile, block: Block, entry: int, row: Mapping[str, int], weights: Weights) -> None:
    """Read one block to the place where it belongs."""
    layout = samples.layout
    here = slice(entry, entry + len(block))
    index = {name: file.column(f"index/{name}", block.start, block.stop) for name in ("tau_type", *weights.columns)}
    samples.types[here] = known_types(index["tau_type"])
    samples.weights[here] = weights.of(samples.types[here], index)
    # a transposed assignment goes through memory in blocks, several times faster than column by column
    samples.taus[here] = file.matrix("taus", layout.taus, block.start, block.stop).T
    if layout.cell_features:
        samples.cell_features[here] = file.matrix(CELL_FEATURES, layout.cell_features, block.start, block.stop).T
    for name, names in layout.objects.items():
        group, table = f"objects/{name}", samples.objects[name]
        place = _offsets(table.offsets, file, group, block, entry, row[group])
        table.rows[place] = file.matrix(group, names, *block.rows[group]).T
    for name in layout.grids:
        group, cells = f"cells/{name}", samples.cells[name]
        place = _offsets(cells.offsets, file, group, block, entry, row[group])
        cells.cell[place] = file.column(f"{group}/cell", *block.rows[group])
        for of_block, references in cells.objects.items():
            references[place] = file.column(f"{group}/{of_block}", *block.rows[group])


def _offsets(offsets: np.ndarray, file: FlatFile, group: str, block: Block, entry: int, row: int) -> slice:
    """Write the offsets of a block; returns where its rows belong."""
    first, last = block.rows[group]
    stored = file.column(f"{group}/offsets", block.start, block.stop + 1)
    offsets[entry : entry + len(block) + 1] = stored - (first - row)
    return slice(row, row + last - first)
