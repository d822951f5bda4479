"""The columns of a TrainingTuple: names, types, formulas and constants, from ``columns.csv``.

A row of the table is a column of the tree ``taus``, or of both trees of cells (``inner_cells`` and
``outer_cells`` have the same layout; where their constants differ, both are given).  Formulas are
over TauTuple branches under their names of 2020.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib import resources
from typing import Literal, cast

import numpy as np

from taumltools.features.expression import Expression, parse

Kind = Literal["copy", "finite", "norm", "linear01", "linear11", "own"]
"""How the value of the formula becomes the column; ``own``: there is no formula, code fills it."""

KINDS_OF_OBJECTS = ("pfCand_ele", "pfCand_muon", "pfCand_chHad", "pfCand_nHad", "pfCand_gamma", "ele", "muon")
"""Kinds of objects that a cell may hold, in the order of their columns."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its name.
        dtype: its type.
        block: for cells, the kind of objects it describes; empty: all of them.
        kind: what happens to the value of the formula.
        value: the formula; None for ``own``.
        valid: where it holds, the column is filled, elsewhere it is 0; None: everywhere.
        ranges: mean and width of ``norm``, or ends of ``linear01`` and ``linear11``, for the inner and for the
            outer cells (``taus`` uses the first).
    """

    name: str
    dtype: np.dtype
    block: str
    kind: Kind
    value: Expression | None
    valid: Expression | None
    ranges: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def names(self) -> frozenset[str]:
        """Branches it needs."""
        return frozenset().union(*(e.names for e in (self.value, self.valid) if e is not None))


@functools.cache
def columns(table: Literal["taus", "cells"]) -> tuple[Column, ...]:
    """Columns of the tree of tau candidates, or of the trees of cells, in their order.

    Args:
        table: ``taus`` or the cells.

    Returns:
        Their definitions.

    Examples:
        >>> len(columns("taus")), len(columns("cells"))
        (125, 197)
    """
    text = resources.files(__package__).joinpath("columns.csv").read_text(encoding="utf-8")
    return tuple(_column(row) for row in csv.DictReader(text.splitlines()) if row["table"] == table)


def _column(row: dict[str, str]) -> Column:
    inner = tuple(float(number) for number in row["range"].split())
    outer = tuple(float(number) for number in row["outer_range"].split())
    where = f"columns.csv: {row['column']}"
    return Column(
        name=row["column"],
        dtype=np.dtype(row["dtype"]),
        block=row["block"],
        kind=cast(Kind, row["kind"]),
        value=parse(row["value"], where) if row["value"] else None,
        valid=parse(row["valid"], where) if row["valid"] else None,
        ranges=(inner, outer or inner),
    )
