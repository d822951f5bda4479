"""From flat tuples to batches, the form a network takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from taumltools.errors import InputError
from taumltools.features.cells import Cells
from taumltools.features.table import FlatTuples
from taumltools.training.cellrows import cell_inputs
from taumltools.training.layout import InputLayout, Layout
from taumltools.training.shapes import LENGTH_STEP, padded_size
from taumltools.tuples.data import Collection
from taumltools.tuples.truth import TAU_TYPES

Inputs = dict[str, np.ndarray]
"""Network inputs by name: ``taus``, and of form ``sets`` ``<block>`` and ``<block>_mask`` per block of objects, of form
``cells`` ``<grid>_<component>`` and ``<grid>_cell``; see docs/training.md."""


@dataclass(frozen=True)
class ObjectRows:
    """All objects of one block, one row each.

    Attributes:
        offsets: int64, shape (n + 1,).
        rows: float32, shape (objects, features).
    """

    offsets: np.ndarray
    rows: np.ndarray

    def select(self, entries: np.ndarray) -> ObjectRows:
        """The objects of some entries (int array), in that order.

        Args:
            entries: int, shape (n,), in any order, also repeated.

        Returns:
            Their objects, entry after entry.
        """
        taken = Collection(self.offsets, {"row": np.arange(len(self.rows))}).take(entries)
        return ObjectRows(taken.offsets, self.rows[taken.columns["row"]])

    @staticmethod
    def concatenate(parts: Sequence[ObjectRows]) -> ObjectRows:
        """Join the objects of consecutive entries.

        Args:
            parts: objects with the same features, at least one part.

        Returns:
            All objects, part after part.
        """
        starts = np.cumsum([0] + [int(part.offsets[-1]) for part in parts])
        offsets = [np.zeros(1, np.int64), *(p.offsets[1:] + s for p, s in zip(parts, starts, strict=False))]
        return ObjectRows(np.concatenate(offsets), np.concatenate([part.rows for part in parts]))


@dataclass(frozen=True)
class Batch:
    """One step of a fit.

    Attributes:
        inputs: network inputs.
        target: one-hot truth, float32, shape (n, 4); all 0 for entries of no type.
        weight: float32, shape (n,).
        filled: how many of the last rows only fill up the batch; they are entries seen before, with weight 0.
        adversarial: of domain adaptation, ``target`` (1 for data, 0 for simulation) and ``weight`` of the second head,
            float32, shape (n,); else empty.
    """

    inputs: Inputs
    target: np.ndarray
    weight: np.ndarray
    filled: int = 0
    adversarial: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Samples:
    """Flat tuples as matrices: one row per tau candidate and one per object.

    Attributes:
        layout: names and order of the columns, and the form of batches.
        types: truth type 0 to 3, or -1; int8, shape (n,).
        weights: float32, shape (n,).
        taus: float32, shape (n, features).
        objects: by block.
        cell_features: float32, shape (n, features); without columns for form ``sets``.
        cells: filled cells by grid; empty for form ``sets``.
    """

    layout: InputLayout
    types: np.ndarray
    weights: np.ndarray
    taus: np.ndarray
    objects: dict[str, ObjectRows]
    cell_features: np.ndarray
    cells: dict[str, Cells] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.types)

    @staticmethod
    def of(
        flat: FlatTuples,
        layout: InputLayout | Layout,
        class_weights: Sequence[float] = (1.0,) * len(TAU_TYPES),
    ) -> Samples:
        """Arrange flat tuples in the order of the network's inputs.

        Args:
            flat: the entries.
            layout: the network's inputs; feature names by block mean form ``sets``.
            class_weights: weight of the entries of each type; entries of no type get 0.

        Returns:
            The matrices.

        Raises:
            InputError: a feature is not among the columns, or a cell is outside of its grid.
        """
        layout = layout if isinstance(layout, InputLayout) else InputLayout.of_sets(layout)
        layout.check(flat.layout(), "flat tuples")
        types = known_types(flat.index["tau_type"])
        columns = {name: block.columns for name, block in flat.objects.items()}
        return Samples(
            layout,
            types,
            np.array([*class_weights, 0.0], np.float32)[types],
            _matrix([flat.taus[name] for name in layout.taus], len(flat)),
            {
                block: ObjectRows(
                    flat.objects[block].offsets,
                    _matrix([columns[block][name] for name in names], int(flat.objects[block].offsets[-1])),
                )
                for block, names in layout.objects.items()
            },
            _matrix([flat.cell_features[name] for name in layout.cell_features], len(flat)),
            {grid: _checked(flat.cells[grid], grid, number) for grid, number in layout.grids.items()},
        )

    @staticmethod
    def concatenate(parts: Sequence[Samples]) -> Samples:
        """Join samples of the same layout.

        Args:
            parts: at least one sample.

        Returns:
            All entries, sample after sample.
        """
        first = parts[0]
        return Samples(
            first.layout,
            np.concatenate([p.types for p in parts]),
            np.concatenate([p.weights for p in parts]),
            np.concatenate([p.taus for p in parts]),
            {block: ObjectRows.concatenate([p.objects[block] for p in parts]) for block in first.objects},
            np.concatenate([p.cell_features for p in parts]),
            {grid: Cells.concatenate([p.cells[grid] for p in parts]) for grid in first.cells},
        )

    def select(self, rows: np.ndarray) -> Samples:
        """The entries ``rows`` (int array), in that order.

        Args:
            rows: int, shape (n,), also repeated.

        Returns:
            A copy of these entries.
        """
        return Samples(
            self.layout,
            self.types[rows],
            self.weights[rows],
            self.taus[rows],
            {name: block.select(rows) for name, block in self.objects.items()},
            self.cell_features[rows],
            {name: grid.take(rows) for name, grid in self.cells.items()},
        )

    def batch(self, rows: np.ndarray, filled: int = 0) -> Batch:
        """The entries ``rows`` (int array) as one padded batch; the last ``filled`` of them have weight 0.

        Args:
            rows: int, shape (n,).
            filled: how many of the last rows only fill up.

        Returns:
            The batch, with padding of few sizes.
        """
        inputs: Inputs = {"taus": self.taus[rows]}
        if self.layout.form == "cells":
            inputs |= cell_inputs(self, rows)
        else:
            for name, block in self.objects.items():
                inputs[name], inputs[f"{name}_mask"] = padded(block, rows, self.layout.set_sizes.get(name))
        target = np.eye(len(TAU_TYPES) + 1, dtype=np.float32)[self.types[rows], : len(TAU_TYPES)]
        weight = self.weights[rows]
        weight[len(rows) - filled :] = 0
        return Batch(inputs, target, weight, filled)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """All entries in order; the last batch may be smaller.

        Args:
            batch_size: entries of a batch.

        Yields:
            The batches, each made when it is asked for.
        """
        for start in range(0, len(self), batch_size):
            yield self.batch(np.arange(start, min(start + batch_size, len(self))))


def _checked(cells: Cells, grid: str, number: int) -> Cells:
    """A cell beyond the end of its grid would be taken for one of the next candidate."""
    if cells.cell.size and int(cells.cell.max()) >= number:
        raise InputError(
            f"grid '{grid}': cell {int(cells.cell.max())}, the network's grid has {number} cells: the flat tuples were made "
            "with another grid"
        )
    return cells


def known_types(tau_type: np.ndarray) -> np.ndarray:
    """Truth types a network separates, int8; -1 for all others.

    Args:
        tau_type: truth types of flat tuples, int, shape (n,).

    Returns:
        int8, shape (n,): 0 to 3, or -1.
    """
    return np.where((tau_type >= 0) & (tau_type < len(TAU_TYPES)), tau_type, -1).astype(np.int8)


def padded(block: ObjectRows, rows: np.ndarray, places: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The objects of some entries as a rectangular array.

    Args:
        block: objects of all entries.
        rows: which entries.
        places: length of the array, for the leading objects; None: as many as the entry with most objects needs.

    Returns:
        float32 of shape (n, length, features), zero where there is no object, and the mask
        (n, length), 1 where there is one.  Without ``places``, ``length`` is one of few sizes, see
        :func:`taumltools.training.shapes.padded_size`.
    """
    starts = block.offsets[rows]
    counts = block.offsets[rows + 1] - starts
    length = places or padded_size(int(counts.max(initial=0)), LENGTH_STEP)
    position = np.arange(length)
    present = position < counts[:, None]
    values = np.zeros((len(rows), length, block.rows.shape[1]), np.float32)
    values[present] = block.rows[(starts[:, None] + position)[present]]
    return values, present.astype(np.float32)


def _matrix(columns: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Columns of the given size side by side, float32, row after row in memory."""
    matrix = np.empty((size, len(columns)), np.float32)
    if columns:
        matrix[:] = np.array(columns, np.float32).T  # numpy transposes in blocks: faster than column by column
    return matrix
