"""Evaluate all features of a configuration on tau candidates in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import ConfigError, InputError
from taumltools.features.definition import Block, Definition, Feature, define
from taumltools.features.expression import Expression
from taumltools.features.table import FlatTuples
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import NO_TYPE, TAU_TYPES, TRUTH_BRANCHES, truth_type

Keep = Literal["labelled", "reconstructed", "all"]

INDEX_BRANCHES = ("run", "lumi", "evt", "tau_index", "tau_pt", "tau_eta", "tau_phi", "tau_decayMode")
"""Branches copied unchanged into the index of a flat tuple."""

ORIGIN_BRANCHES = ("dataset_id", "dataset_group_id")
"""Copied too where they exist: mixing adds them."""


def required_branches(config: FeaturesConfig, *, truth: bool = True) -> list[str]:
    """TauTuple branches that :func:`make_flat` needs.

    Args:
        config: the features.
        truth: include what the truth type needs.

    Returns:
        Branch names in schema order.

    Raises:
        ConfigError: a wrong formula.
    """
    names = define(config).names | set(INDEX_BRANCHES) | (set(TRUTH_BRANCHES) if truth else set())
    return [name for name in tautuple_schema().branches if name in names]


def make_flat(
    tuples: Tuples,
    config: FeaturesConfig,
    *,
    keep: Keep = "labelled",
    first_entry: int = 0,
    sample_type: str = "MC",
) -> FlatTuples:
    """Evaluate all features.

    Args:
        tuples: tau candidates with at least :func:`required_branches`.
        config: the features.
        keep: ``"labelled"`` keeps entries with a reconstructed tau and one of the four
            types a network is trained on, ``"reconstructed"`` those with a reconstructed
            tau, ``"all"`` everything.
        first_entry: position of the first entry in its file, for the index column ``entry``.
        sample_type: ``"MC"``, ``"Embedded"`` or ``"Data"``, for the truth type.

    Returns:
        The features of the kept entries, in input order, with the number of dropped ones.

    Raises:
        ConfigError: a wrong formula.
        InputError: a branch is missing, or a feature is infinite somewhere.
    """
    definition = define(config)
    types = _types(tuples, keep, sample_type)
    rows, dropped = _select(tuples, types, keep)
    index = {name: tuples[name] for name in INDEX_BRANCHES}
    index |= {name: tuples[name] for name in ORIGIN_BRANCHES if name in tuples}
    index |= {"entry": first_entry + np.arange(len(tuples), dtype=np.int64), "tau_type": types}
    index = {name: column[rows] for name, column in index.items()}
    taus, objects = _features(definition, _needed(tuples, definition).take(rows), index["entry"])
    return FlatTuples(index, taus, objects, dropped)


def _types(tuples: Tuples, keep: Keep, sample_type: str) -> np.ndarray:
    if keep != "labelled" and any(name not in tuples for name in TRUTH_BRANCHES):
        return np.full(len(tuples), NO_TYPE, np.int8)
    return truth_type(tuples, sample_type)


def _select(tuples: Tuples, types: np.ndarray, keep: Keep) -> tuple[np.ndarray, dict[str, int]]:
    reconstructed = tuples["tau_index"] >= 0
    reasons: dict[str, np.ndarray] = {}
    if keep != "all":
        reasons["no reconstructed tau"] = ~reconstructed
    if keep == "labelled":
        reasons["no truth type"] = reconstructed & (types == NO_TYPE)
        reasons["type is not e, mu, tau or jet"] = reconstructed & (types >= len(TAU_TYPES))
    keep_entry = np.ones(len(tuples), bool)
    for drop in reasons.values():
        keep_entry &= ~drop
    return np.flatnonzero(keep_entry), {reason: int(drop.sum()) for reason, drop in reasons.items()}


def _needed(tuples: Tuples, definition: Definition) -> Tuples:
    """The columns the features need, integers as float64 with NaN for missing."""
    scalars: dict[str, np.ndarray] = {}
    fields: dict[str, dict[str, np.ndarray]] = {}
    for name in sorted(definition.names):
        branch, column = tautuple_schema()[name], tuples[name]
        if branch.collection:
            fields.setdefault(branch.collection, {})[branch.field] = column
        else:
            scalars[name] = column
    jagged = {prefix: Collection(tuples.collections[prefix].offsets, f) for prefix, f in fields.items()}
    return Tuples(scalars or {"tau_index": tuples["tau_index"]}, jagged)


def _as_float(column: np.ndarray, name: str) -> np.ndarray:
    """Floats as they are; integers in float64, with NaN where the schema says missing.

    A missing constant of 0 is not converted: there it cannot be told from a value.
    """
    if column.dtype.kind == "f":
        return column
    missing = tautuple_schema()[name].missing
    values = column.astype(np.float64)
    if missing:
        values[column == missing] = np.nan
    return values


def _features(
    definition: Definition, tuples: Tuples, entries: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, Collection]]:
    scalars = {name: _as_float(column, name) for name, column in tuples.scalars.items()}
    taus = {name: _evaluate(feature, scalars, entries) for name, feature in definition.taus.items()}
    objects = {name: _block(block, tuples, scalars, entries) for name, block in definition.objects.items()}
    return taus, objects


def _block(block: Block, tuples: Tuples, scalars: Mapping[str, np.ndarray], entries: np.ndarray) -> Collection:
    collection = tuples.collections[block.collection]
    owner = collection.owner

    def columns(names: frozenset[str], rows: np.ndarray | slice) -> dict[str, np.ndarray]:
        return {n: scalars[n][owner[rows]] if n in scalars else _as_float(tuples[n][rows], n) for n in names}

    rows = np.arange(len(owner))
    if block.select is not None:
        rows = np.flatnonzero(_condition(block.select, columns(block.select.names, slice(None)), len(owner)))
    key = block.order.evaluate(columns(block.order.names, rows))
    rows, offsets = _leading(rows, owner, key, len(collection), block.max_objects)
    used = columns(frozenset().union(*(f.names for f in block.features.values())), rows)
    values = {name: _evaluate(f, used, entries[owner[rows]]) for name, f in block.features.items()}
    return Collection(offsets, values)


def _leading(
    rows: np.ndarray, owner: np.ndarray, key: np.ndarray, n: int, max_objects: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sort the rows of each owner by descending key and keep the first ``max_objects``."""
    order = np.lexsort((-np.broadcast_to(key, rows.shape), owner[rows]))
    rows = rows[order]
    counts = np.bincount(owner[rows], minlength=n)
    first = np.cumsum(counts) - counts
    rank = np.arange(len(rows)) - np.repeat(first, counts)
    offsets = np.concatenate([[0], np.cumsum(np.minimum(counts, max_objects))]).astype(np.int64)
    return rows[rank < max_objects], offsets


def _condition(expression: Expression, columns: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    result = expression.evaluate(columns)
    if result.dtype != np.bool_:
        raise ConfigError(f'"{expression.text}" is a number, not a condition: compare it with something')
    return np.broadcast_to(result, size)


def _evaluate(feature: Feature, columns: Mapping[str, np.ndarray], entries: np.ndarray) -> np.ndarray:
    """One feature in float32; ``entries`` says to which entry each row belongs."""
    with np.errstate(over="ignore"):
        values = np.broadcast_to(feature.value.evaluate(columns), len(entries)).astype(np.float32)
    if feature.valid is not None:
        values[~_condition(feature.valid, columns, len(entries))] = np.nan
    infinite = np.isinf(values)
    if infinite.any():
        at = int(np.flatnonzero(infinite)[0])
        raise InputError(
            f"feature {feature.label} is infinite in {int(infinite.sum())} of {len(values)} rows, first in entry "
            f'{int(entries[at])}: "{feature.value.text}"; exclude such rows with a condition (valid: ...)'
        )
    return values
