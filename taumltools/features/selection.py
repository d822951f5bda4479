"""Which entries of tuples become entries of flat tuples."""

from __future__ import annotations

from typing import Literal

import numpy as np

from taumltools.config.features import SelectionConfig
from taumltools.errors import InputError
from taumltools.features.columns import as_float, holds
from taumltools.features.expression import Expression
from taumltools.tuples.data import Tuples
from taumltools.tuples.truth import NO_TYPE, TRUTH_BRANCHES, TauType, truth_type

Keep = Literal["labelled", "reconstructed", "all"]
"""``labelled``: what the settings want for training; or all with a reconstructed tau; or everything."""


STORED_TYPE = "tauType"
"""Branch in which mixing stores the truth type."""


def types_of(tuples: Tuples, keep: Keep, sample_type: str | None, selection: SelectionConfig) -> np.ndarray:
    """Truth type of every entry, values of :class:`TauType` or -1.

    Args:
        tuples: with the branches of truth; without them all are -1, which only ``labelled`` does not accept.
        keep: see :data:`Keep`.
        sample_type: see :func:`taumltools.tuples.truth.truth_type`.
        selection: where the types of ``labelled`` entries come from.

    Returns:
        int8, shape (n,).

    Raises:
        InputError: see :func:`taumltools.tuples.truth.truth_type` and :func:`stored_types`.
    """
    if keep != "labelled" and any(name not in tuples for name in TRUTH_BRANCHES):
        return np.full(len(tuples), NO_TYPE, np.int8)
    types = truth_type(tuples, sample_type)
    return stored_types(tuples, types) if keep == "labelled" and selection.types_from == "stored" else types


def stored_types(tuples: Tuples, computed: np.ndarray) -> np.ndarray:
    """Truth types of the branch ``tauType``, as CMS's loader takes them with ``recompute_tautype: False``.

    Args:
        tuples: with ``tauType`` and ``tau_index``.
        computed: types by generated particles; int8, shape (n,).

    Returns:
        int8, shape (n,): the stored type of entries that have one by generated particles, and of reconstructed taus
        stored as data; -1 for others.

    Raises:
        InputError: a stored type is none, or the branch was never filled.
    """
    stored = tuples[STORED_TYPE]
    known = (computed != NO_TYPE) | ((stored == TauType.data) & (tuples["tau_index"] >= 0))
    odd = known & ((stored < NO_TYPE) | (stored > TauType.data))
    if odd.any():
        raise InputError(
            f"{STORED_TYPE} is {int(stored[odd][0])} in row {int(np.flatnonzero(odd)[0])}: expected -1 to {TauType.data:d}; "
            "compute it (features.selection.types_from: generator)"
        )
    if known.any() and not stored[known].any() and not (computed == TauType.e).any():
        raise InputError(
            f"{STORED_TYPE} is 0 (e) in all {int(known.sum())} entries with a truth type, of which none is an electron by its "
            "generated particles: only mixed files have it; compute it (features.selection.types_from: generator)"
        )
    return np.where(known, stored, NO_TYPE).astype(np.int8)


def select_entries(
    tuples: Tuples, types: np.ndarray, keep: Keep, selection: SelectionConfig, condition: Expression | None
) -> tuple[np.ndarray, dict[str, int]]:
    """Entries to keep.

    Args:
        tuples: with ``tau_index`` and what the condition needs.
        types: truth types, see :func:`types_of`.
        keep: see :data:`Keep`.
        selection: types and whether unmatched entries stay, for ``labelled``.
        condition: what entries with a type must fulfil, for ``labelled``; None: nothing.

    Returns:
        Their positions, ascending, and how many are dropped for which reason (the first that applies).

    Raises:
        ConfigError: the condition is a number.
    """
    reasons: dict[str, np.ndarray] = {}
    if keep != "all":
        reasons["no reconstructed tau"] = tuples["tau_index"] < 0
    if keep == "labelled":
        wanted = np.isin(types, [TauType[name] for name in selection.types])
        unmatched = types == NO_TYPE
        if not selection.unmatched:
            reasons["no truth type"] = unmatched
        reasons[f"type is not {_listed(selection.types)}"] = ~wanted & ~unmatched
        if condition is not None:
            columns = {name: as_float(tuples[name], name) for name in condition.names}
            reasons[f"not {condition.text}"] = wanted & ~holds(condition, columns, len(tuples))
    left = np.ones(len(tuples), bool)
    dropped = {}
    for reason, drop in reasons.items():
        dropped[reason] = int((left & drop).sum())
        left &= ~drop
    return np.flatnonzero(left), dropped


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
