"""Filled cells of a grid around each tau candidate, as references to the objects that fill them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.errors import InputError

NONE = -1
"""Reference of a block that has no object in a cell."""


@dataclass(frozen=True)
class Cells:
    """The filled cells of one grid, tau candidate after tau candidate.

    Attributes:
        offsets: cells of candidate i are ``offsets[i]`` to ``offsets[i + 1]``; int64, shape (n + 1,).
        cell: number of the cell, ``i_eta * n_phi + i_phi``, ascending within a candidate; uint16, shape (cells,).
        objects: of each block, the object with the highest transverse momentum in the cell: its position among the
            candidate's objects of that block, or :data:`NONE`; int32, shape (cells,).

    Examples:
        >>> cells = Cells(np.array([0, 2, 3]), np.uint16([60, 61, 60]), {"muon": np.int32([0, -1, 0])})
        >>> len(cells), cells.slice(1, 2).cell.tolist()
        (2, [60])
    """

    offsets: np.ndarray
    cell: np.ndarray
    objects: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        sizes = {"cell": len(self.cell), **{name: len(column) for name, column in self.objects.items()}}
        if any(size != self.offsets[-1] for size in sizes.values()):
            raise InputError(f"cells of different number: {sizes}, offsets end at {self.offsets[-1]}")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def slice(self, start: int, stop: int) -> Cells:
        """Cells of candidates start to stop (exclusive), as views.

        Args:
            start: first candidate.
            stop: one past the last.

        Returns:
            Their cells, offsets from 0.
        """
        offsets = self.offsets[start : stop + 1]
        rows = slice(int(offsets[0]), int(offsets[-1]))
        return Cells(offsets - offsets[0], self.cell[rows], {name: c[rows] for name, c in self.objects.items()})

    def take(self, rows: np.ndarray) -> Cells:
        """Cells of the given candidates (int array of any order).

        Args:
            rows: int, shape (n,), also repeated.

        Returns:
            A copy of their cells.
        """
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        inside = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][rows] - offsets[:-1], counts)
        return Cells(offsets, self.cell[inside], {name: c[inside] for name, c in self.objects.items()})

    @staticmethod
    def concatenate(parts: Sequence[Cells]) -> Cells:
        """Join cells of the same grid; candidates keep their order.

        Args:
            parts: at least one.

        Returns:
            All cells, part after part.
        """
        starts = np.cumsum([0, *(int(part.offsets[-1]) for part in parts)])
        offsets = [
            np.zeros(1, np.int64),
            *(part.offsets[1:] + start for part, start in zip(parts, starts, strict=False)),
        ]
        blocks = parts[0].objects
        return Cells(
            np.concatenate(offsets),
            np.concatenate([part.cell for part in parts]),
            {name: np.concatenate([part.objects[name] for part in parts]) for name in blocks},
        )
