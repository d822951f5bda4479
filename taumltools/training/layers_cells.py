"""Layers that work on the filled cells of grids, and on few cells that stand for all empty ones.

The rows of a batch are its filled cells, padding (NaN, with a cell number past the end), and
at the end the cells that stand for the empty ones.  After scaling, padding and empty cells hold zeros.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="taumltools")
class EmptyCells(keras.layers.Layer):
    """Append cells that stand for all empty ones.

    Without dropout one cell would do, since all empty cells give the same.  In training every
    one of ``number`` cells has its own dropout; a single one would shift all empty cells of a batch together.

    Args:
        number: cells to append while training; otherwise it is one.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number

    def call(self, rows: Any, training: bool = False) -> Any:
        """Append rows of zeros to ``rows`` of shape (K, width)."""
        number = self.number if training else 1
        return ops.concatenate([rows, ops.zeros((number, rows.shape[-1]), rows.dtype)], axis=0)

    def compute_output_shape(self, rows_shape: Shape) -> Shape:
        """(K + number, width), where K is not known beforehand."""
        return (None, rows_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        return {**super().get_config(), "number": self.number}


@keras.saving.register_keras_serializable(package="taumltools")
class CellWeights(keras.layers.Layer):
    """How many cells of all grids of a batch each row stands for, as a share of all cells.

    Filled cells count once, padding not at all, the cells at the end share what is empty.

    Args:
        n_cells: cells of one grid.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, n_cells: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.n_cells = n_cells

    def call(self, rows: Any, cell: Any, taus: Any) -> Any:
        """Weights, shape (K + number,).

        Args:
            rows: filled and empty cells, shape (K + number, width).
            cell: ``tau * n_cells + cell`` of each filled row, shape (K,).
            taus: anything with one row per tau candidate.
        """
        total = ops.shape(taus)[0] * self.n_cells
        filled = ops.cast(cell < total, "float32")
        number = ops.shape(rows)[0] - ops.shape(cell)[0]
        empty = ops.cast(total, "float32") - ops.sum(filled)
        shared = ops.ones((number,), "float32") * (empty / ops.cast(number, "float32"))
        return ops.concatenate([filled, shared]) / ops.cast(total, "float32")

    def compute_output_shape(self, rows_shape: Shape, cell_shape: Shape, taus_shape: Shape) -> Shape:  # noqa: ARG002
        """(K + number,)."""
        return (rows_shape[0],)

    def compute_output_spec(self, rows: Any, cell: Any, taus: Any) -> Any:
        """Weights are float32 under every policy: shares of 1e-5 are too small for half precision."""
        return keras.KerasTensor(self.compute_output_shape(rows.shape, cell.shape, taus.shape), "float32")

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        return {**super().get_config(), "n_cells": self.n_cells}


@keras.saving.register_keras_serializable(package="taumltools")
class CellGrid(keras.layers.Layer):
    """From rows of cells to dense grids: empty cells everywhere, filled ones where they belong.

    Args:
        n_eta: cells in eta.
        n_phi: cells in phi.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, n_eta: int, n_phi: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_eta, self.n_phi = n_eta, n_phi

    def call(self, rows: Any, cell: Any, taus: Any) -> Any:
        """Grids, shape (n, n_eta, n_phi, channels); arguments as in :class:`CellWeights`."""
        filled, n = ops.shape(cell)[0], ops.shape(taus)[0]
        channels, size = rows.shape[-1], n * self.n_eta * self.n_phi
        number = ops.shape(rows)[0] - filled
        repeats = (size + number) // number  # covers one slot more than there are cells: padding goes there
        empty = ops.broadcast_to(ops.expand_dims(rows[filled:], 0), (repeats, number, channels))
        slots = ops.reshape(empty, (repeats * number, channels))
        grid = ops.scatter_update(slots, ops.expand_dims(cell, -1), rows[:filled])
        return ops.reshape(grid[:size], (n, self.n_eta, self.n_phi, channels))

    def compute_output_shape(self, rows_shape: Shape, cell_shape: Shape, taus_shape: Shape) -> Shape:  # noqa: ARG002
        """(n, n_eta, n_phi, channels)."""
        return (taus_shape[0], self.n_eta, self.n_phi, rows_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        return {**super().get_config(), "n_eta": self.n_eta, "n_phi": self.n_phi}
