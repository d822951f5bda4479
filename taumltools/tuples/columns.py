"""What columns of a tuple look like in memory and in files: missing values, types, completeness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.schema import FLOAT_MISSING, Branch, Schema, tautuple_schema


def to_memory(column: np.ndarray) -> np.ndarray:
    """Replace the lowest float, which means "missing" in ROOT files, by NaN.

    Args:
        column: values as stored; only floating-point columns change.

    Returns:
        The column in native byte order; a copy only where needed.

    Examples:
        >>> to_memory(np.array([1.0, -3.4028234663852886e38], np.float32))
        array([ 1., nan], dtype=float32)
    """
    column = column.astype(column.dtype.newbyteorder("="), copy=False)
    if column.dtype.kind != "f":
        return column
    missing = column == FLOAT_MISSING
    return np.where(missing, column.dtype.type(np.nan), column) if missing.any() else column


def to_file(column: np.ndarray) -> np.ndarray:
    """Replace NaN by the lowest float; the inverse of :func:`to_memory`.

    Args:
        column: values in memory.

    Returns:
        The column as ROOT files store it.
    """
    if column.dtype.kind != "f":
        return column
    missing = np.isnan(column)
    return np.where(missing, column.dtype.type(FLOAT_MISSING), column) if missing.any() else column


def missing_value(branch: Branch) -> float | int | bool:
    """What a value that does not exist is in memory: NaN where the files have the lowest float.

    Args:
        branch: a branch of the schema.

    Returns:
        The value.

    Examples:
        >>> missing_value(tautuple_schema()["tau_pt"]), missing_value(tautuple_schema()["tau_index"])
        (nan, -1)
    """
    return float("nan") if branch.is_float and branch.missing == FLOAT_MISSING else branch.missing


def missing_column(branch: Branch, size: int) -> np.ndarray:
    """A column of ``size`` missing values of a branch, in memory form."""
    return np.full(size, missing_value(branch), branch.dtype)


def checked(column: np.ndarray, name: str, dtype: np.dtype) -> np.ndarray:
    """A column with the type of the schema and without infinite values.

    Args:
        column: values in memory.
        name: branch name, for messages.
        dtype: type the files must have.

    Returns:
        The column as ``dtype``.

    Raises:
        InputError: a value does not fit into ``dtype``, or is infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        out = column.astype(dtype, copy=False)
        if out.dtype.kind != "f" and out.dtype != column.dtype and not np.array_equal(out, column):
            raise InputError(f"branch '{name}' is {column.dtype}, and its values do not fit into {dtype}")
    if out.dtype.kind == "f" and (infinite := np.isinf(out)).any():
        rows = np.flatnonzero(infinite)
        raise InputError(
            f"branch '{name}' has {len(rows)} infinite values (of {len(out)}), first in row {rows[0]}: "
            "a tuple holds finite numbers, and NaN for 'missing'; repair what computes this branch"
        )
    return out


def _collection(tuples: Tuples, prefix: str, wanted: dict[str, Branch | None]) -> Collection:
    have = tuples.collections.get(prefix, Collection(np.zeros(len(tuples) + 1, np.int64), {}))
    columns = {}
    for field, branch in wanted.items():
        if field not in have.columns and branch is not None:
            columns[field] = missing_column(branch, int(have.offsets[-1]))
        else:
            column = have.columns[field]
            columns[field] = checked(column, f"{prefix}_{field}", branch.dtype if branch else column.dtype)
    return Collection(have.offsets, columns)


def complete(tuples: Tuples, branches: Sequence[str] | None = None, schema: Schema | None = None) -> Tuples:
    """The same entries with exactly the wanted branches, checked, absent ones as missing values.

    A branch of the schema that the entries lack becomes a column of missing values; a
    collection that they lack becomes empty.

    Args:
        tuples: entries.
        branches: wanted branches; all of the schema if None.
        schema: the schema; the current TauTuple if None.

    Returns:
        Entries with the wanted branches, in that order.

    Raises:
        InputError: a wanted branch is neither in the schema nor among the columns; a value
            does not fit its type or is infinite.

    Examples:
        >>> taus = Tuples({"tau_pt": np.array([30.0], np.float32)})
        >>> full = complete(taus)
        >>> len(full.branches), full["tau_eta"], full["pfCand_pt"]
        (711, array([nan], dtype=float32), array([], dtype=float32))
    """
    schema = schema or tautuple_schema()
    scalars: dict[str, np.ndarray] = {}
    jagged: dict[str, dict[str, Branch | None]] = {}
    for name in schema.branches if branches is None else branches:
        branch = schema.branches.get(name)
        prefix, field = (branch.collection, branch.field) if branch else tuples.locate(name)
        if prefix:
            jagged.setdefault(prefix, {})[field] = branch
        elif branch is not None and name not in tuples.scalars:
            scalars[name] = missing_column(branch, len(tuples))
        else:
            column = tuples.scalars[name]
            scalars[name] = checked(column, name, branch.dtype if branch else column.dtype)
    return Tuples(scalars, {prefix: _collection(tuples, prefix, wanted) for prefix, wanted in jagged.items()})
