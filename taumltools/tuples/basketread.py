"""Columns of a TTree, read through their baskets; the rare branch that this cannot read goes through uproot."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.tuples.baskets import (
    BranchBaskets,
    Keys,
    Selection,
    branch_baskets,
    read_contents,
    read_keys,
    select,
    values_and_tables,
)
from taumltools.tuples.data import Collection
from taumltools.tuples.reader import place
from taumltools.tuples.rootvectors import VectorLayout, vector_layout

KEEP = 64 * 2**20
"""Bytes of contents kept for the next call, at most: a step that ends inside a basket makes the next one need it."""

Column = tuple[str, np.ndarray | None, np.ndarray]
"""Branch name, offsets of its vectors (None for one value per entry), and values as stored."""


class BasketReader:
    """Reads branches of one tree; use from one thread."""

    def __init__(self, path: Path, tree: Any, known: Mapping[str, BranchBaskets] | None = None) -> None:
        """Map the file; nothing is read yet.

        Args:
            path: the file, local.
            tree: its uproot ``TTree``; None if all its branches are ``known``.
            known: the baskets of branches that uproot need not be asked about.
        """
        self._tree = tree
        self._known = known or {}
        self._bytes = np.memmap(path, np.uint8, "r")
        self._branches: dict[str, BranchBaskets | None] = {}
        self._firsts: dict[bytes, np.ndarray] = {}
        self._kept: dict[str, tuple[int, bytes]] = {}
        self._kept_bytes = 0

    def columns(self, names: Sequence[str], rows: np.ndarray) -> Iterator[Column]:
        """Read entries of branches.

        Args:
            names: branches of the tree.
            rows: int64, shape (n,): ascending entry numbers inside the tree.

        Yields:
            The columns, in the order of ``names``; branches of a collection with equal layout
            share one array of offsets.

        Raises:
            ValueError: the file contradicts itself; other exceptions come from decoders.
        """
        selections: dict[int, Selection] = {}
        found = []
        for name in names:
            baskets = self._find(name)
            if baskets is not None and id(baskets.first) not in selections:
                selections[id(baskets.first)] = select(baskets.first, rows)
            found.append((name, baskets, selections[id(baskets.first)] if baskets is not None else None))
        keys = self._read_keys([(baskets, chosen) for _, baskets, chosen in found if baskets and chosen])
        layouts: dict[tuple[str, int, int, int], VectorLayout] = {}
        for name, baskets, chosen in found:
            if baskets is None or chosen is None:
                yield name, *self._through_uproot(name, rows)
                continue
            yield name, *self._decode(baskets, chosen, next(keys), layouts)

    def _find(self, name: str) -> BranchBaskets | None:
        """Baskets of a branch; branches whose baskets begin with the same entries share that array."""
        if name not in self._branches:
            baskets = self._known[name] if name in self._known else branch_baskets(self._tree[name])
            if baskets is not None:
                first = self._firsts.setdefault(baskets.first.tobytes(), baskets.first)
                baskets = dataclasses.replace(baskets, first=first)
            self._branches[name] = baskets
        return self._branches[name]

    def _read_keys(self, parts: Sequence[tuple[BranchBaskets, Selection]]) -> Iterator[Keys]:
        """Keys of the wanted baskets of every branch, parsed together."""
        if not parts:
            return
        seek = np.concatenate([baskets.seek[chosen.baskets] for baskets, chosen in parts])
        stored = np.concatenate([baskets.stored[chosen.baskets] for baskets, chosen in parts])
        entries = np.concatenate([chosen.entries for _, chosen in parts])
        keys = read_keys(self._bytes, seek, stored, entries)
        start = 0
        for _, chosen in parts:
            yield keys.part(start, start + len(chosen.baskets))
            start += len(chosen.baskets)

    def _decode(
        self,
        baskets: BranchBaskets,
        chosen: Selection,
        keys: Keys,
        layouts: dict[tuple[str, int, int, int], VectorLayout],
    ) -> tuple[np.ndarray | None, np.ndarray]:
        values, tables = values_and_tables(self._contents(baskets, chosen, keys), keys)
        if not baskets.jagged:
            if np.any(keys.border != chosen.entries * baskets.dtype.itemsize):
                raise ValueError(f"the baskets of branch '{baskets.name}' do not hold one value per entry")
            return None, _native(np.frombuffer(values, baskets.dtype)[_as_slice(chosen.rows)])
        place_key = (place(baskets.name)[0], id(baskets.first), baskets.header, baskets.dtype.itemsize)
        layout = layouts.get(place_key)
        if layout is None or not layout.fits(tables, keys):
            layout = vector_layout(tables, keys, chosen, baskets.header, baskets.dtype)
            layouts.setdefault(place_key, layout)
        return layout.offsets, layout.decode(values, baskets.dtype)

    def _contents(self, baskets: BranchBaskets, chosen: Selection, keys: Keys) -> list[memoryview]:
        """Contents of the wanted baskets; the last one is kept if entries behind the last wanted one are in it."""
        number, content = self._kept.pop(baskets.name, (-1, b""))
        self._kept_bytes -= len(content)
        known = {int(row): content for row in np.flatnonzero(chosen.baskets == number)}
        contents = read_contents(self._bytes.data, keys, known)
        if len(contents) and chosen.rows[-1] + 1 < chosen.entries.sum():
            last = bytes(contents[-1])
            if self._kept_bytes + len(last) <= KEEP:
                self._kept[baskets.name] = (int(chosen.baskets[-1]), last)
                self._kept_bytes += len(last)
        return contents

    def _through_uproot(self, name: str, rows: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        start, stop = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        array = self._tree[name].array(entry_start=start, entry_stop=stop, library="ak")
        offsets, values = _flat(array)
        if offsets is None:
            return None, values[rows - start]
        wanted = Collection(offsets, {name: values}).take(rows - start)
        return wanted.offsets, wanted.columns[name]


def _flat(array: Any) -> tuple[np.ndarray | None, np.ndarray]:
    """Offsets (None for one value per entry) and values of an awkward array."""
    import awkward as ak

    layout = ak.to_layout(array)
    if layout.is_numpy:
        return None, _native(np.asarray(layout.data))
    packed = layout.to_ListOffsetArray64(start_at_zero=True)
    offsets = np.asarray(packed.offsets)
    return offsets, _native(np.asarray(packed.content.data)[: offsets[-1]])


def _native(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("="))


def _as_slice(rows: np.ndarray) -> np.ndarray | slice:
    """Consecutive rows as a slice, which is faster to read."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
