"""From flat tuples to padded batches, the form a network takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.errors import InputError
from taumltools.features.table import FlatTuples
from taumltools.tuples.data import Collection
from taumltools.tuples.truth import TAU_TYPES

LENGTH_STEP = 8
"""Sets are padded to a multiple of this, so that only few shapes are ever compiled."""

Layout = Mapping[str, Sequence[str]]
"""Feature names by block, in the order of the network's inputs; ``taus`` is one of the blocks."""

Inputs = dict[str, np.ndarray]
"""Network inputs by name: ``taus``, and ``<block>`` and ``<block>_mask`` per block of objects."""


@dataclass(frozen=True)
class ObjectRows:
    """All objects of one block, one row each.

    Attributes:
        offsets: int64, shape (n + 1,).
        rows: float32, shape (objects, features).
    """

    offsets: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Batch:
    """One step of a fit.

    Attributes:
        inputs: network inputs.
        target: one-hot truth, float32, shape (n, 4); all 0 for entries of no type.
        weight: float32, shape (n,).
    """

    inputs: Inputs
    target: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Samples:
    """Flat tuples as matrices: one row per tau candidate and one per object.

    Attributes:
        types: truth type 0 to 3, or -1; int8, shape (n,).
        weights: float32, shape (n,).
        taus: float32, shape (n, features).
        objects: by block.
    """

    types: np.ndarray
    weights: np.ndarray
    taus: np.ndarray
    objects: dict[str, ObjectRows]

    def __len__(self) -> int:
        return len(self.types)

    @staticmethod
    def of(flat: FlatTuples, layout: Layout, class_weights: Sequence[float] = (1.0,) * len(TAU_TYPES)) -> Samples:
        """Arrange flat tuples in the order of the network's inputs.

        Args:
            flat: the entries.
            layout: names of features by block.
            class_weights: weight of the entries of each type; entries of no type get 0.

        Returns:
            The matrices.

        Raises:
            InputError: a feature is not among the columns.
        """
        types = flat.index["tau_type"]
        types = np.where((types >= 0) & (types < len(TAU_TYPES)), types, -1).astype(np.int8)
        weights = np.array([*class_weights, 0.0], np.float32)[types]
        objects = {}
        for block, names in layout.items():
            if block == "taus":
                continue
            if block not in flat.objects:
                raise InputError(f"the network needs the block '{block}', the flat tuples have {sorted(flat.objects)}")
            collection = flat.objects[block]
            objects[block] = ObjectRows(collection.offsets, _matrix(collection.columns, names, block))
        return Samples(types, weights, _matrix(flat.taus, layout["taus"], "taus"), objects)

    @staticmethod
    def concatenate(parts: Sequence[Samples]) -> Samples:
        """Join samples of the same layout."""
        objects = {}
        for block in parts[0].objects:
            blocks = [part.objects[block] for part in parts]
            starts = np.cumsum([0] + [int(b.offsets[-1]) for b in blocks])
            offsets = [np.zeros(1, np.int64), *(b.offsets[1:] + s for b, s in zip(blocks, starts, strict=False))]
            objects[block] = ObjectRows(np.concatenate(offsets), np.concatenate([b.rows for b in blocks]))
        return Samples(
            np.concatenate([p.types for p in parts]),
            np.concatenate([p.weights for p in parts]),
            np.concatenate([p.taus for p in parts]),
            objects,
        )

    def select(self, rows: np.ndarray) -> Samples:
        """The entries ``rows`` (int array), in that order."""
        objects = {}
        for name, block in self.objects.items():
            taken = Collection(block.offsets, {"row": np.arange(len(block.rows))}).take(rows)
            objects[name] = ObjectRows(taken.offsets, block.rows[taken.columns["row"]])
        return Samples(self.types[rows], self.weights[rows], self.taus[rows], objects)

    def batch(self, rows: np.ndarray) -> Batch:
        """The entries ``rows`` (int array) as one padded batch."""
        inputs: Inputs = {"taus": self.taus[rows]}
        for name, block in self.objects.items():
            inputs[name], inputs[f"{name}_mask"] = padded(block, rows)
        target = np.eye(len(TAU_TYPES) + 1, dtype=np.float32)[self.types[rows], : len(TAU_TYPES)]
        return Batch(inputs, target, self.weights[rows])

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """All entries in order; the last batch may be smaller."""
        for start in range(0, len(self), batch_size):
            yield self.batch(np.arange(start, min(start + batch_size, len(self))))


def padded(block: ObjectRows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The objects of some entries as a rectangular array.

    Args:
        block: objects of all entries.
        rows: which entries.

    Returns:
        float32 of shape (n, length, features), zero where there is no object, and the mask
        (n, length), 1 where there is one.  ``length`` is a multiple of :data:`LENGTH_STEP`.
    """
    starts = block.offsets[rows]
    counts = block.offsets[rows + 1] - starts
    length = max(-(-int(counts.max(initial=0)) // LENGTH_STEP), 1) * LENGTH_STEP
    position = np.arange(length)
    present = position < counts[:, None]
    values = np.zeros((len(rows), length, block.rows.shape[1]), np.float32)
    values[present] = block.rows[(starts[:, None] + position)[present]]
    return values, present.astype(np.float32)


def _matrix(columns: Mapping[str, np.ndarray], names: Sequence[str], block: str) -> np.ndarray:
    missing = [name for name in names if name not in columns]
    if missing:
        raise InputError(
            f"the network needs the features {missing} of block '{block}', the flat tuples do not have them: "
            "make the flat tuples with the features the network was trained on"
        )
    size = len(next(iter(columns.values())))
    matrix = np.empty((size, len(names)), np.float32)
    for i, name in enumerate(names):
        matrix[:, i] = columns[name]
    return matrix
