"""Grids of cells around tau candidates: which object is in which cell, and which one describes it.

The geometry is that of the loader of the CMS tools.  Distances are computed in float64 from the
float32 directions of tau candidate and object; Δφ is wrapped once into (-π, π].  An object is in
a grid if its distance is below the radius of the cone (strictly) and |Δη| and |Δφ| do not exceed
half the width of the grid.  With an odd number of cells the middle one is centred on the tau
candidate, with an even number a border runs through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from taumltools.config.features import GridConfig
from taumltools.features.cells import NONE, Cells

OUTSIDE = -1
"""Cell of an object that is not in the grid."""


def signal_cone(tau_pt: np.ndarray) -> np.ndarray:
    """Radius of the signal cone: max(3 / max(pt, 30), 0.05).

    Args:
        tau_pt: transverse momentum in GeV.

    Returns:
        The radius, float64.

    Examples:
        >>> signal_cone(np.array([20.0, 40.0, 100.0])).tolist()
        [0.1, 0.075, 0.05]
    """
    return np.maximum(3.0 / np.maximum(np.asarray(tau_pt, np.float64), 30.0), 0.05)


@dataclass(frozen=True)
class Positions:
    """Where the objects of one block are, relative to their tau candidates.

    Attributes:
        owner: entry of each object, ascending; int64, shape (objects,).
        rank: its position among the entry's objects of this block, from 0; int64, shape (objects,).
        d_eta: η of the object minus η of the tau candidate; float64.
        d_phi: the same in φ, within (-π, π]; float64.
        tau_pt: transverse momentum of the tau candidate of each object (GeV).
    """

    owner: np.ndarray
    rank: np.ndarray
    d_eta: np.ndarray
    d_phi: np.ndarray
    tau_pt: np.ndarray

    @staticmethod
    def of(
        offsets: np.ndarray,
        directions: tuple[np.ndarray, np.ndarray],
        taus: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> Positions:
        """From directions as they are stored.

        Args:
            offsets: objects of entry i are rows ``offsets[i]`` to ``offsets[i + 1]``.
            directions: η and φ of the objects, float32.
            taus: pt, η and φ of the tau candidates, float32, one per entry.

        Returns:
            The positions.
        """
        counts = np.diff(offsets)
        owner = np.repeat(np.arange(len(counts)), counts)
        pt, eta, phi = (column[owner] for column in taus)
        d_eta = directions[0].astype(np.float64) - eta
        d_phi = directions[1].astype(np.float64) - phi
        d_phi = np.where(d_phi > np.pi, d_phi - 2 * np.pi, d_phi)
        d_phi = np.where(d_phi <= -np.pi, d_phi + 2 * np.pi, d_phi)
        return Positions(owner, np.arange(len(owner)) - np.repeat(offsets[:-1], counts), d_eta, d_phi, pt)

    def in_cone(self, grid: GridConfig) -> np.ndarray:
        """True for objects inside the cone of a grid, without looking at its borders.

        Args:
            grid: its size and cone.

        Returns:
            bool, one per object.
        """
        return np.hypot(self.d_eta, self.d_phi) < (grid.cone or signal_cone(self.tau_pt))


def cell_numbers(positions: Positions, grid: GridConfig, without: GridConfig | None = None) -> np.ndarray:
    """The cell of each object.

    Args:
        positions: of the objects.
        grid: the grid.
        without: a grid whose cone is left out.

    Returns:
        ``i_eta * n_phi + i_phi``, or :data:`OUTSIDE`; int64, shape (objects,).
    """
    inside = positions.in_cone(grid)
    if without is not None:
        inside &= ~positions.in_cone(without)
    eta, phi = (_index(x, n, grid.size) for x, n in ((positions.d_eta, grid.n_eta), (positions.d_phi, grid.n_phi)))
    return np.where(inside & (eta >= 0) & (phi >= 0), eta * grid.n_phi + phi, OUTSIDE)


def _index(distance: np.ndarray, number: int, size: float) -> np.ndarray:
    """Cell along one axis, from 0, or :data:`OUTSIDE`."""
    near = np.abs(distance) <= number * size / 2
    distance = np.where(near, distance, 0.0)
    centred = np.sign(distance) * np.floor(np.abs(distance) / size + 0.5)
    index = centred if number % 2 else np.floor(distance / size)
    index = index.astype(np.int64) + number // 2
    return np.where(near & (index < number) & (index >= 0), index, OUTSIDE)


def fill_cells(
    grid: GridConfig, entries: int, blocks: Mapping[str, Positions], without: GridConfig | None = None
) -> Cells:
    """The filled cells of a grid.

    Args:
        grid: the grid.
        entries: number of tau candidates.
        blocks: positions of the objects of each block, those of an entry in the order in which they
            take a cell: the first one in a cell describes it.
        without: a grid whose cone is left out.

    Returns:
        Cells that hold an object of any block.
    """
    first: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, positions in blocks.items():
        cell = cell_numbers(positions, grid, without)
        rows = np.flatnonzero(cell != OUTSIDE)
        key = positions.owner[rows] * grid.n_cells + cell[rows]
        order = np.argsort(key, kind="stable")
        order = order[_is_new(key[order])]
        first[name] = key[order], positions.rank[rows[order]]
    filled = np.sort(np.concatenate([np.zeros(0, np.int64), *(key for key, _ in first.values())]))
    filled = filled[_is_new(filled)]
    objects = {}
    for name, (key, rank) in first.items():
        objects[name] = np.full(len(filled), NONE, np.int32)
        objects[name][np.searchsorted(filled, key)] = rank
    offsets = np.searchsorted(filled, np.arange(entries + 1) * grid.n_cells).astype(np.int64)
    return Cells(offsets, (filled % grid.n_cells).astype(np.uint16), objects)


def _is_new(ascending: np.ndarray) -> np.ndarray:
    """True where a value differs from the one before."""
    new = np.ones(len(ascending), bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return new
