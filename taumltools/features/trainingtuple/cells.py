"""The trees of cells of a TrainingTuple."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taumltools.config.features import GridConfig
from taumltools.features.grid import OUTSIDE, Positions, cell_numbers, fill_cells
from taumltools.features.trainingtuple.source import Source
from taumltools.features.trainingtuple.table import KINDS_OF_OBJECTS, columns
from taumltools.features.trainingtuple.transform import evaluate

PDG_ID = {"pfCand_ele": 11, "pfCand_muon": 13, "pfCand_chHad": 211, "pfCand_nHad": 130, "pfCand_gamma": 22}
"""|pdgId| of the PF candidates of a kind; the others are electrons and muons of their own collections."""


@dataclass(frozen=True)
class Objects:
    """The objects of one kind, those of an entry by descending transverse momentum.

    Attributes:
        prefix: prefix of their collection.
        rows: their rows in the collection.
        first: entry i begins at ``first[i]``.
        positions: where they are.
    """

    prefix: str
    rows: np.ndarray
    first: np.ndarray
    positions: Positions


def find_objects(source: Source) -> dict[str, Objects]:
    """The objects of all kinds around the tau candidates.

    Args:
        source: the tuples.

    Returns:
        Objects by kind.
    """
    found = {prefix: source.collection(prefix) for prefix in ("pfCand", "ele", "muon")}
    taus = (source["tau_pt"], source["tau_eta"], source["tau_phi"])
    objects = {}
    for kind in KINDS_OF_OBJECTS:
        prefix = "pfCand" if kind in PDG_ID else kind
        fields, owner = found[prefix].columns, found[prefix].owner
        rows = np.flatnonzero(np.abs(fields["pdgId"]) == PDG_ID[kind]) if kind in PDG_ID else np.arange(len(owner))
        rows = rows[np.lexsort((-fields["pt"][rows], owner[rows]))]
        offsets = np.searchsorted(owner[rows], np.arange(len(source) + 1))
        positions = Positions.of(offsets, (fields["eta"][rows], fields["phi"][rows]), taus)
        objects[kind] = Objects(prefix, rows, offsets[:-1], positions)
    return objects


def fill_tree(source: Source, objects: dict[str, Objects], grid: GridConfig, tree: int) -> tuple[dict, np.ndarray]:
    """The rows of one tree of cells.

    Args:
        source: the entries.
        objects: their objects, see :func:`find_objects`.
        grid: the grid.
        tree: 0 for inner cells, 1 for outer cells.

    Returns:
        Columns by name, and the number of rows of each entry, int64.
    """
    cells = fill_cells(grid, len(source), {kind: o.positions for kind, o in objects.items()})
    owner = np.repeat(np.arange(len(cells)), np.diff(cells.offsets))
    eta, phi = cells.cell // grid.n_phi - np.int32(grid.n_eta // 2), cells.cell % grid.n_phi - np.int32(grid.n_phi // 2)
    order = np.lexsort((phi, eta, np.abs(eta) + np.abs(phi), owner))
    owner = owner[order]
    filled = owner * grid.n_cells + cells.cell[order]
    own = {"eta_index": eta[order], "phi_index": phi[order]}
    repeated = {name: source[name][owner] for name in ("tau_pt", "rho")}
    out = {c.name: own[c.name] if c.kind == "own" else evaluate(c, repeated, len(owner), tree) for c in _columns("")}
    for kind, found in objects.items():
        rank = cells.objects[kind][order]
        total = _count(filled, found.positions, grid)
        out |= _describe(source, kind, found, owner, rank, total, tree)
    named = {c.name: out[c.name].astype(c.dtype) for c in columns("cells")}
    return named, np.diff(cells.offsets)


def _columns(block: str) -> list:
    return [column for column in columns("cells") if column.block == block]


def _count(filled: np.ndarray, positions: Positions, grid: GridConfig) -> np.ndarray:
    """How many objects of a kind are in each cell."""
    cell = cell_numbers(positions, grid)
    inside = cell != OUTSIDE
    key = positions.owner[inside] * grid.n_cells + cell[inside]
    order = np.argsort(filled)
    return np.bincount(order[np.searchsorted(filled[order], key)], minlength=len(filled))


def _describe(
    source: Source, kind: str, found: Objects, owner: np.ndarray, rank: np.ndarray, total: np.ndarray, tree: int
) -> dict[str, np.ndarray]:
    """Columns of one kind of objects; 0 in cells without one."""
    has = rank >= 0
    rows = found.rows[found.first[owner[has]] + rank[has]]
    fields = source.collection(found.prefix).columns
    names = frozenset().union(*(column.names for column in _columns(kind)))
    prefix = f"{found.prefix}_"
    values = {n: fields[n.removeprefix(prefix)][rows] if n.startswith(prefix) else source[n][owner[has]] for n in names}
    out: dict[str, np.ndarray] = {f"{kind}_n_total": total, f"{kind}_valid": has}
    for column in _columns(kind):
        if column.kind != "own":
            out[column.name] = np.zeros(len(owner), column.dtype)
            out[column.name][has] = evaluate(column, values, len(rows), tree)
    return out
