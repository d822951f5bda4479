"""Distributions to be tested: every quantity in every slice, as sums over cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.sampling.validation_tables import ENTRIES, Cell, Counts
from taumltools.tuples.truth import SAMPLE_TYPES, TauType

ALL = "all"
"""Name of the slice that holds every entry."""


def label(quantity: str, value: int, names: Mapping[int, str]) -> str:
    """A value in words.

    Args:
        quantity: one of the fields of :class:`Cell`.
        value: its value.
        names: names of datasets and groups by their hash.

    Returns:
        The name; the number if there is none.

    Examples:
        >>> label("tauType", 2, {}), label("sampleType", 1, {}), label("dataset_id", 7, {})
        ('tau', 'MC', '7')
    """
    if quantity == "tauType" and value in set(TauType):
        return TauType(value).name
    if quantity == "sampleType" and 0 <= value < len(SAMPLE_TYPES):
        return SAMPLE_TYPES[value]
    return names.get(value, str(value))


def values_of(cells: Sequence[Cell], quantity: str, names: Mapping[int, str]) -> dict[str, np.ndarray]:
    """Cells by value of a quantity: label to int64 indices, sorted by label."""
    found: dict[str, list[int]] = {}
    for index, cell in enumerate(cells):
        found.setdefault(label(quantity, getattr(cell, quantity), names), []).append(index)
    return {value: np.array(found[value]) for value in sorted(found)}


def slices(cells: Sequence[Cell], names: Mapping[int, str]) -> dict[str, np.ndarray]:
    """All slices by label: the whole, and each value of each quantity.

    Args:
        cells: the cells that occur.
        names: names of datasets and groups by their hash.

    Returns:
        Indices of cells; a slice of the same cells as another one before it is left out, e.g.
        the only sample type.
    """
    found = {ALL: np.arange(len(cells))}
    known = {tuple(found[ALL])}
    for quantity in ("tauType", "sampleType", "dataset_group_id", "dataset_id"):
        for value, index in values_of(cells, quantity, names).items():
            if tuple(index) not in known:
                known.add(tuple(index))
                found[f"{quantity}={value}"] = index
    return found


@dataclass(frozen=True)
class Distribution:
    """One quantity in one slice: histograms by row, and what goes with them.

    Attributes:
        quantity: a branch.
        slice: label of the slice.
        values: labels of the bins if they are values of a quantity; empty for a variable.
        counts: entries, shape (rows, bins).
        weights: sums of weights, shape (rows, coarse bins).
        squares: sums of squared weights, shape (coarse bins,).
        buckets: entries by bucket of events, shape (buckets, coarse bins).
    """

    quantity: str
    slice: str
    values: tuple[str, ...]
    counts: np.ndarray
    weights: np.ndarray
    squares: np.ndarray
    buckets: np.ndarray


def compositions(counts: Counts, names: Mapping[int, str]) -> Iterator[Distribution]:
    """Numbers of entries by value, in all entries, and by dataset within each group; rare values first.

    Args:
        counts: what was counted.
        names: names of datasets and groups by their hash.

    Yields:
        Distributions of two values or more.
    """
    table = counts.tables[ENTRIES]
    chosen = [(quantity, ALL, np.arange(len(counts.cells))) for quantity in Cell._fields]
    groups = values_of(counts.cells, "dataset_group_id", names)
    if len(groups) > 1:
        chosen += [("dataset_id", f"dataset_group_id={name}", index) for name, index in groups.items()]
    for quantity, where, index in chosen:
        cells = [counts.cells[i] for i in index]
        values = values_of(cells, quantity, names)
        order = sorted(values, key=lambda value: int(table.counts[:, index[values[value]]].sum()))
        if len(order) < 2:
            continue

        def by_value(
            x: np.ndarray, index: np.ndarray = index, order: list[str] = order, v: dict = values
        ) -> np.ndarray:
            return np.stack([x[..., index[v[name]], 0].sum(-1) for name in order], axis=-1)

        tables = (by_value(x) for x in (table.counts, table.weights, table.squares, table.buckets))
        yield Distribution(quantity, where, tuple(order), *tables)


def spectra(counts: Counts, weight: str, names: Mapping[int, str]) -> Iterator[Distribution]:
    """Spectra of each variable in each slice, and of the weights if they differ.

    Args:
        counts: what was counted.
        weight: branch with the weights.
        names: names of datasets and groups by their hash.

    Yields:
        Distributions in fine bins.
    """
    for variable, table in counts.tables.items():
        if variable != ENTRIES and (variable != weight or counts.weighted):
            for name, index in slices(counts.cells, names).items():
                sums = [x[..., index, :].sum(-2) for x in (table.counts, table.weights, table.squares, table.buckets)]
                yield Distribution(variable, name, (), *sums)
