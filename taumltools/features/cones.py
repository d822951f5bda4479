"""Which values of a feature give the constants of which cone.

``global`` is all a block holds: what a network sees that takes sets of objects.  Blocks that feed
the cells of grids have a cone per grid as well, because the same feature has other values near
the axis of the tau candidate than far from it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from taumltools.config.features import CELL_FEATURES, FeaturesConfig
from taumltools.config.scaling import MeasuredOn
from taumltools.errors import ConfigError, InputError
from taumltools.features.cells import NONE
from taumltools.features.grid import signal_cone
from taumltools.features.table import FlatTuples

CONE = "global"
"""The cone that is all of a block."""


def cones_of(config: FeaturesConfig, block: str) -> tuple[str, ...]:
    """Cones in which the features of a block are measured.

    Args:
        config: the features.
        block: a name among its blocks.

    Returns:
        ``global``, and the grids whose cells it feeds; of values that cells repeat only the grids.
    """
    grids = config.grids_of(block)
    return grids if block == CELL_FEATURES else (CONE, *grids)


def rows_by_cone(
    flat: FlatTuples, config: FeaturesConfig, measured_on: MeasuredOn = "fed"
) -> Iterator[tuple[str, str, np.ndarray | None]]:
    """Rows of each block that are measured, by cone.

    Args:
        flat: the flat tuples.
        config: the features.
        measured_on: which objects belong to the cone of a grid; see :class:`~taumltools.config.scaling.ScalingConfig`.

    Yields:
        Block, cone, and the rows of the block's columns; None stands for all of them.

    Raises:
        InputError: a grid or a block is not in the flat tuples.
        ConfigError: ``legacy`` asked, and the features do not tell where objects are.
    """
    for block in config.blocks():
        for cone in cones_of(config, block):
            if cone == CONE:
                yield block, cone, None
            elif measured_on == "fed":
                yield block, cone, _rows_in_cells(flat, cone, block)
            else:
                yield block, cone, None if block == CELL_FEATURES else _rows_in_ring(flat, config, cone, block)


def _rows_in_cells(flat: FlatTuples, grid: str, block: str) -> np.ndarray:
    """Objects that fill cells of a grid; of what cells repeat, the candidate of each cell."""
    if grid not in flat.cells:
        raise InputError(f"no cells of grid '{grid}' (there are {sorted(flat.cells)}); make the flat tuples again")
    cells = flat.cells[grid]
    owner = np.repeat(np.arange(len(cells)), np.diff(cells.offsets))
    if block == CELL_FEATURES:
        return owner
    if block not in cells.objects:
        raise InputError(f"cells of grid '{grid}' have no block '{block}'; make the flat tuples again")
    position = cells.objects[block]
    filled = position != NONE
    return flat.objects[block].offsets[owner[filled]] + position[filled]


def _rows_in_ring(flat: FlatTuples, config: FeaturesConfig, grid: str, block: str) -> np.ndarray:
    """Objects within a signal cone, its border included; for a fixed cone those within it and outside of the other."""
    d_eta, d_phi = (flat.objects[block].columns[name] for name in position_features(config, block))
    distance = np.hypot(d_eta.astype(np.float64), d_phi.astype(np.float64))
    signal = signal_cone(flat.index["tau_pt"])[flat.objects[block].owner]
    cone = config.cells.grids[grid].cone  # type: ignore[union-attr]
    return np.flatnonzero((distance > signal) & (distance < cone) if cone else distance <= signal)


def position_features(config: FeaturesConfig, block: str) -> tuple[str, str]:
    """Features of a block that are Δη and Δφ to the tau candidate, found by their formulas.

    Args:
        config: the features.
        block: a block of objects.

    Returns:
        Their names.

    Raises:
        ConfigError: there is none.
    """
    prefix = config.objects[block].collection
    names = []
    for formula in (f"{prefix}_eta - tau_eta", f"dphi({prefix}_phi, tau_phi)"):
        found = [
            name
            for name, item in config.blocks()[block].items()
            if item.expression and ast.dump(ast.parse(item.expression)) == ast.dump(ast.parse(formula))
        ]
        if not found:
            raise ConfigError(
                f"scaling.measured_on=legacy needs the distance of objects: add a feature with the expression "
                f"'{formula}' to block '{block}', or measure on what is fed"
            )
        names.append(found[0])
    return names[0], names[1]
