"""Columns that are copied into prediction files: branches, and values of the leading charged hadron."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from taumltools.errors import ConfigError
from taumltools.tuples.data import Tuples

LEADING = "leading_"
"""Prefix of a column that is a ``pfCand`` branch of the tau's leading charged hadron."""

COLLECTION = "pfCand"

FLAG = "pfCand_tauLeadChargedHadrCand"
"""Branch that marks the leading charged hadron of the tau among the candidates."""


def branches_of(columns: Iterable[str]) -> list[str]:
    """Tuple branches that columns are made from, each once.

    Args:
        columns: names of columns.

    Returns:
        Branch names.

    Raises:
        ConfigError: ``leading_`` in front of something that is no candidate branch.

    Examples:
        >>> branches_of(["tau_pt", "leading_pfCand_rawCaloFraction"])
        ['tau_pt', 'pfCand_rawCaloFraction', 'pfCand_tauLeadChargedHadrCand']
    """
    names: list[str] = []
    for column in columns:
        branch = column.removeprefix(LEADING)
        if branch == column:
            names.append(column)
            continue
        if not branch.startswith(f"{COLLECTION}_"):
            raise ConfigError(
                f"evaluation.columns: '{column}' is not a candidate branch; '{LEADING}' stands before branches of "
                f"{COLLECTION}, e.g. {LEADING}{COLLECTION}_pt"
            )
        names += [branch, FLAG]
    return list(dict.fromkeys(names))


def column_of(tuples: Tuples, column: str) -> np.ndarray:
    """The values of one column.

    Args:
        tuples: entries with the branches of :func:`branches_of`.
        column: its name.

    Returns:
        One value per entry: the branch as it is, or float32 with NaN where the tau has no
        leading charged hadron.
    """
    branch = column.removeprefix(LEADING)
    if branch == column:
        return tuples[column]
    owner = tuples.collections[COLLECTION].owner
    rows = np.flatnonzero(tuples[FLAG] == 1)
    entries, first = np.unique(owner[rows], return_index=True)
    values = np.full(len(tuples), np.nan, np.float32)
    values[entries] = tuples[branch][rows[first]]
    return values
