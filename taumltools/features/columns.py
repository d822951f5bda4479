"""Columns as formulas see them: floats as stored, integers as float64 with NaN for missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from taumltools.errors import ConfigError
from taumltools.features.expression import Expression
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.schema import tautuple_schema


def as_float(column: np.ndarray, name: str) -> np.ndarray:
    """Floats as they are; integers in float64, with NaN where the schema says missing.

    A missing constant of 0 is not converted: there it cannot be told from a value.

    Args:
        column: values of a branch.
        name: the branch.

    Returns:
        float32 or float64, of the same shape.
    """
    if column.dtype.kind == "f":
        return column
    missing = tautuple_schema()[name].missing
    values = column.astype(np.float64)
    if missing:
        values[column == missing] = np.nan
    return values


def holds(expression: Expression, columns: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    """A formula that must be a condition; bool, shape (size,).

    Args:
        expression: the formula.
        columns: by name.
        size: number of rows.

    Returns:
        bool, shape (size,).

    Raises:
        ConfigError: it is a number.
    """
    result = expression.evaluate(columns)
    if result.dtype != np.bool_:
        raise ConfigError(f'"{expression.text}" is a number, not a condition: compare it with something')
    return np.broadcast_to(result, size)


class Objects:
    """Columns of the objects of one collection, with the values of their tau candidates.

    Args:
        prefix: prefix of the collection.
        tuples: the entries.
        scalars: values of tau candidates and events by branch, as floats.

    Attributes:
        collection: the objects.
        owner: entry of each object.
    """

    def __init__(self, prefix: str, tuples: Tuples, scalars: Mapping[str, np.ndarray]) -> None:
        self.collection: Collection = tuples.collections[prefix]
        self.owner = self.collection.owner
        self._prefix = f"{prefix}_"
        self._scalars = scalars

    def columns(self, names: frozenset[str], rows: np.ndarray) -> dict[str, np.ndarray]:
        """Values of branches for some objects.

        Args:
            names: branches of the collection, of tau candidates or events.
            rows: which objects.

        Returns:
            Arrays of the shape of ``rows``.
        """
        owner = self.owner[rows] if any(name in self._scalars for name in names) else rows
        return {name: self._column(name, rows, owner) for name in names}

    def _column(self, name: str, rows: np.ndarray, owner: np.ndarray) -> np.ndarray:
        if name in self._scalars:
            return self._scalars[name][owner]
        return as_float(self.collection.columns[name.removeprefix(self._prefix)][rows], name)

    def select(self, conditions: tuple[Expression, ...]) -> np.ndarray:
        """Objects that fulfil all conditions, ascending; later conditions are evaluated only where earlier hold.

        Args:
            conditions: formulas.

        Returns:
            Positions, int.
        """
        rows = np.arange(len(self.owner))
        for expression in conditions:
            rows = rows[holds(expression, self.columns(expression.names, rows), len(rows))]
        return rows
