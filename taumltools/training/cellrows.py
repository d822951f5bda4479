"""Network inputs of form ``cells``: one row per filled cell of a batch, never a dense grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from taumltools.features.cells import Cells
from taumltools.training.shapes import CELL_STEP, padded_size

if TYPE_CHECKING:
    from taumltools.training.batches import ObjectRows, Samples


def cell_inputs(samples: Samples, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The filled cells of some entries.

    Args:
        samples: all entries, of form ``cells``.
        rows: which entries, int, shape (n,).

    Returns:
        Per grid and component ``<grid>_<component>``, float32, shape (K, features): the repeated values, then for each
        block the features of the object in the cell, NaN if there is none.  Per grid ``<grid>_cell``, int32, shape
        (K,): position in the batch times the number of cells, plus the cell.  K is one of few sizes
        (:func:`taumltools.training.shapes.padded_size`); rows that only fill up are NaN, with the cell n times the
        number of cells, one past the last.
    """
    inputs = {}
    for grid, n_cells in samples.layout.grids.items():
        cells = samples.cells[grid].take(rows)
        owner = np.repeat(np.arange(len(rows)), np.diff(cells.offsets))
        size = padded_size(len(owner), CELL_STEP)
        number = np.full(size, len(rows) * n_cells, np.int32)
        number[: len(owner)] = owner * n_cells + cells.cell
        inputs[f"{grid}_cell"] = number
        found = _objects(cells, rows[owner], samples.objects)
        repeated = samples.cell_features[rows[owner]]
        for component, blocks in samples.layout.components.items():
            inputs[f"{grid}_{component}"] = _component(
                size, repeated, [(samples.objects[b], *found[b]) for b in blocks]
            )
    return inputs


def _objects(
    cells: Cells, entry: np.ndarray, objects: Mapping[str, ObjectRows]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each block, the cells that hold an object of it, and the rows of these objects."""
    found = {}
    for block, table in objects.items():
        reference = cells.objects[block]
        filled = np.flatnonzero(reference >= 0)
        found[block] = filled, table.offsets[entry[filled]] + reference[filled]
    return found


def _component(size: int, repeated: np.ndarray, blocks: list[tuple[ObjectRows, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Rows of one component; only what is there is copied, which for rare objects is next to nothing."""
    width = repeated.shape[1] + sum(table.rows.shape[1] for table, _, _ in blocks)
    values = np.full((size, width), np.nan, np.float32)
    values[: len(repeated), : repeated.shape[1]] = repeated
    column = repeated.shape[1]
    for table, filled, objects in blocks:
        end = column + table.rows.shape[1]
        values[:, column:end][filled] = table.rows[objects]
        column = end
    return values
