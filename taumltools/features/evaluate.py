"""Evaluate all features of a configuration on tau candidates in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError
from taumltools.features.columns import Objects, as_float, holds
from taumltools.features.definition import Block, CellsDefinition, Definition, Feature, define
from taumltools.features.grid import Positions, fill_cells
from taumltools.features.selection import STORED_TYPE, Keep, select_entries, types_of
from taumltools.features.table import FlatTuples
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import TRUTH_BRANCHES

INDEX_BRANCHES = ("run", "lumi", "evt", "tau_index", "tau_pt", "tau_eta", "tau_phi", "tau_decayMode")
"""Branches copied unchanged into the index of a flat tuple."""

ORIGIN_BRANCHES = ("dataset_id", "dataset_group_id")
"""Copied too where they exist: mixing adds them."""


def required_branches(config: FeaturesConfig, *, truth: bool = True, keep: Keep = "labelled") -> list[str]:
    """TauTuple branches that :func:`make_flat` needs.

    Args:
        config: the features.
        truth: include what the truth type needs.
        keep: which entries, as for :func:`make_flat`.

    Returns:
        Branch names in schema order.

    Raises:
        ConfigError: a wrong formula.
    """
    definition = define(config)
    names = definition.names | set(INDEX_BRANCHES) | (set(TRUTH_BRANCHES) if truth else set())
    if keep == "labelled" and definition.require is not None:
        names |= definition.require.names
    if keep == "labelled" and truth and config.selection.types_from == "stored":
        names |= {STORED_TYPE}
    return [name for name in tautuple_schema().branches if name in names]


def make_flat(
    tuples: Tuples,
    config: FeaturesConfig,
    *,
    keep: Keep = "labelled",
    first_entry: int = 0,
    sample_type: str | None = "MC",
    definition: Definition | None = None,
) -> FlatTuples:
    """Evaluate all features and fill all cells.

    Args:
        tuples: tau candidates with at least :func:`required_branches`.
        config: the features.
        keep: ``"labelled"`` keeps what the settings want for training (by default entries with
            a reconstructed tau and one of the four types), ``"reconstructed"`` those with a
            reconstructed tau, ``"all"`` everything.
        first_entry: position of the first entry in its file, for the index column ``entry``.
        sample_type: ``"MC"``, ``"Embedded"`` or ``"Data"``, for the truth type; None: what the branch
            ``sampleType`` says, entry by entry.
        definition: the checked formulas of ``config``, where many chunks share them; None: check them here.

    Returns:
        The features of the kept entries, in input order, with the number of dropped ones.

    Raises:
        ConfigError: a wrong formula.
        InputError: a branch is missing, or a feature is infinite somewhere.
    """
    definition = definition or define(config)
    types = types_of(tuples, keep, sample_type, config.selection)
    rows, dropped = select_entries(tuples, types, keep, config.selection, definition.require)
    index = {name: tuples[name] for name in INDEX_BRANCHES}
    index |= {name: tuples[name] for name in ORIGIN_BRANCHES if name in tuples}
    index |= {"entry": first_entry + np.arange(len(tuples), dtype=np.int64), "tau_type": types}
    index = {name: column[rows] for name, column in index.items()}
    needed = _needed(tuples, definition)
    needed = needed if len(rows) == len(tuples) else needed.take(rows)
    return _Evaluation(needed, index["entry"], config.infinite == "keep").table(definition, index, dropped)


def _needed(tuples: Tuples, definition: Definition) -> Tuples:
    """The columns the features need."""
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


class _Evaluation:
    """All features of some entries."""

    def __init__(self, tuples: Tuples, entries: np.ndarray, keep_infinite: bool) -> None:
        self._scalars = {name: as_float(column, name) for name, column in tuples.scalars.items()}
        self._collections = {prefix: Objects(prefix, tuples, self._scalars) for prefix in tuples.collections}
        self._entries = entries
        self._keep_infinite = keep_infinite
        self._nan: Counter[str] = Counter()

    def table(self, definition: Definition, index: dict[str, np.ndarray], dropped: dict[str, int]) -> FlatTuples:
        """The flat table of these entries."""
        taus = self._tau_level(definition.taus)
        objects, positions = {}, {}
        for name, block in definition.objects.items():
            rows, offsets = self._rows(block)
            objects[name] = Collection(offsets, self._features(block, rows))
            if definition.cells is not None and name in definition.cells.blocks:
                positions[name] = self._positions(block, rows, offsets)
        cells = _cells(definition.cells, positions, len(self._entries)) if definition.cells is not None else {}
        repeated = self._tau_level(definition.cells.features) if definition.cells is not None else {}
        return FlatTuples(index, taus, objects, dropped, repeated, cells, dict(self._nan))

    def _tau_level(self, features: Mapping[str, Feature]) -> dict[str, np.ndarray]:
        return {name: self._evaluate(feature, self._scalars, None) for name, feature in features.items()}

    def _rows(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """The objects of a block, sorted, and their offsets."""
        objects = self._collections[block.collection]
        rows = objects.select(block.select)
        key = block.order.evaluate(objects.columns(block.order.names, rows))
        return _leading(rows, objects.owner, key, len(self._entries), block.max_objects)

    def _features(self, block: Block, rows: np.ndarray) -> dict[str, np.ndarray]:
        objects = self._collections[block.collection]
        used = objects.columns(frozenset().union(*(f.names for f in block.features.values())), rows)
        owner = objects.owner[rows]
        return {name: self._evaluate(feature, used, owner) for name, feature in block.features.items()}

    def _positions(self, block: Block, rows: np.ndarray, offsets: np.ndarray) -> Positions:
        columns = self._collections[block.collection].collection.columns
        taus = (self._scalars["tau_pt"], self._scalars["tau_eta"], self._scalars["tau_phi"])
        return Positions.of(offsets, (columns["eta"][rows], columns["phi"][rows]), taus)

    def _evaluate(self, feature: Feature, columns: Mapping[str, np.ndarray], owner: np.ndarray | None) -> np.ndarray:
        """One feature in float32; ``owner`` says which entry each row belongs to, None: its own."""
        size = len(self._entries) if owner is None else len(owner)
        with np.errstate(over="ignore"):
            values = np.broadcast_to(feature.value.evaluate(columns), size).astype(np.float32)
        nan = np.isnan(values)
        if feature.valid is not None:
            undefined = ~holds(feature.valid, columns, size)
            values[undefined] = np.nan
            nan &= ~undefined
        if count := int(np.count_nonzero(nan)):
            self._nan[feature.label] += count
        if not (self._keep_infinite and feature.limited):
            _refuse_infinite(feature, values, self._entries if owner is None else self._entries[owner])
        return values


def _cells(cells: CellsDefinition, positions: dict[str, Positions], entries: int) -> dict:
    return {
        name: fill_cells(
            grid, entries, {b: positions[b] for b in cells.blocks}, cells.grids[grid.without] if grid.without else None
        )
        for name, grid in cells.grids.items()
    }


def _leading(
    rows: np.ndarray, owner: np.ndarray, key: np.ndarray, n: int, max_objects: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sort the rows of each owner by descending key and keep the first ``max_objects``; 0 keeps all."""
    order = np.lexsort((-np.broadcast_to(key, rows.shape), owner[rows]))
    rows = rows[order]
    counts = np.bincount(owner[rows], minlength=n)
    if max_objects:
        first = np.cumsum(counts) - counts
        rank = np.arange(len(rows)) - np.repeat(first, counts)
        rows, counts = rows[rank < max_objects], np.minimum(counts, max_objects)
    return rows, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _refuse_infinite(feature: Feature, values: np.ndarray, entries: np.ndarray) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        at = int(np.flatnonzero(infinite)[0])
        raise InputError(
            f"feature {feature.label} is infinite in {int(infinite.sum())} of {len(values)} rows, first in entry "
            f'{int(entries[at])}: "{feature.value.text}"; exclude such rows with a condition (valid: ...)'
        )
