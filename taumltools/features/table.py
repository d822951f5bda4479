"""Flat tuples in memory: raw features of tau candidates and of the objects around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from taumltools.config.features import CELL_FEATURES
from taumltools.errors import InputError
from taumltools.features.cells import Cells
from taumltools.tuples.data import Collection


@dataclass(frozen=True)
class FlatTuples:
    """Features of n tau candidates, in raw physical values; NaN means not defined.

    Attributes:
        index: what an entry is: run, lumi, evt, entry, tau_type, tau_pt, ...; shape (n,).
        taus: tau-level features by name, float32, shape (n,).
        objects: blocks of object features by name, float32 columns.
        dropped: how many entries were left out, by reason.
        cell_features: values of the tau candidate that each of its filled cells repeats, by name, float32, shape (n,).
        cells: filled cells by grid; they refer to ``objects``.
        nan: by ``<block>.<feature>``, how often it is NaN although its condition holds; not carried over by
            :meth:`take` and :meth:`slice`.

    Examples:
        >>> flat = FlatTuples({"entry": np.arange(3)}, {"tau_pt": np.float32([20, 30, 40])}, {})
        >>> len(flat), flat.slice(1, 3).taus["tau_pt"]
        (3, array([30., 40.], dtype=float32))
    """

    index: dict[str, np.ndarray]
    taus: dict[str, np.ndarray]
    objects: dict[str, Collection]
    dropped: dict[str, int] = field(default_factory=dict)
    cell_features: dict[str, np.ndarray] = field(default_factory=dict)
    cells: dict[str, Cells] = field(default_factory=dict)
    nan: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = (self.index, self.taus, self.objects, self.cell_features, self.cells)
        lengths = {name: len(column) for part in parts for name, column in part.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"columns of one flat table differ in length: {lengths}")

    def __len__(self) -> int:
        return len(next(iter(self.index.values())))

    def take(self, rows: np.ndarray) -> FlatTuples:
        """Entries ``rows`` (int array of any order).

        Args:
            rows: int, shape (n,), also repeated.

        Returns:
            A copy of these entries.
        """
        return FlatTuples(
            {name: column[rows] for name, column in self.index.items()},
            {name: column[rows] for name, column in self.taus.items()},
            {name: block.take(rows) for name, block in self.objects.items()},
            cell_features={name: column[rows] for name, column in self.cell_features.items()},
            cells={name: grid.take(rows) for name, grid in self.cells.items()},
        )

    def slice(self, start: int, stop: int) -> FlatTuples:
        """Entries start to stop (exclusive), as views.

        Args:
            start: first entry.
            stop: one past the last.

        Returns:
            The entries.
        """
        return FlatTuples(
            {name: column[start:stop] for name, column in self.index.items()},
            {name: column[start:stop] for name, column in self.taus.items()},
            {name: block.slice(start, stop) for name, block in self.objects.items()},
            cell_features={name: column[start:stop] for name, column in self.cell_features.items()},
            cells={name: grid.slice(start, stop) for name, grid in self.cells.items()},
        )

    def features(self) -> dict[str, dict[str, np.ndarray]]:
        """All features by block and name, the blocks as :meth:`FeaturesConfig.blocks` names them."""
        cells = {CELL_FEATURES: self.cell_features} if self.cell_features else {}
        return {"taus": self.taus, **cells, **{name: block.columns for name, block in self.objects.items()}}

    def layout(self) -> dict[str, list[str]]:
        """Column names by part.

        Returns:
            ``{"index": [...], "taus": [...], "objects/<block>": [...]}``, and where there are grids
            ``"cell_features"`` and ``"cells/<grid>": [...]`` with the blocks a cell refers to.
        """
        parts = {"index": list(self.index), "taus": list(self.taus)}
        parts |= {f"objects/{name}": list(block.columns) for name, block in self.objects.items()}
        parts |= {CELL_FEATURES: list(self.cell_features)} if self.cell_features else {}
        return parts | {f"cells/{name}": list(grid.objects) for name, grid in self.cells.items()}

    @staticmethod
    def concatenate(parts: Sequence[FlatTuples]) -> FlatTuples:
        """Join tables with the same columns; entries keep their order, ``dropped`` and ``nan`` add up.

        Args:
            parts: at least one.

        Returns:
            All entries, table after table.
        """
        if not parts:
            raise InputError("nothing to join: no flat table was given")
        first = parts[0]
        for part in parts[1:]:
            if part.layout() != first.layout():
                raise InputError(f"flat tables with different columns: {first.layout()} and {part.layout()}")
        dropped: Counter[str] = Counter()
        nan: Counter[str] = Counter()
        for part in parts:
            dropped.update(part.dropped)
            nan.update(part.nan)
        return FlatTuples(
            {name: np.concatenate([p.index[name] for p in parts]) for name in first.index},
            {name: np.concatenate([p.taus[name] for p in parts]) for name in first.taus},
            {name: Collection.concatenate([p.objects[name] for p in parts]) for name in first.objects},
            dict(dropped),
            {name: np.concatenate([p.cell_features[name] for p in parts]) for name in first.cell_features},
            {name: Cells.concatenate([p.cells[name] for p in parts]) for name in first.cells},
            dict(nan),
        )
