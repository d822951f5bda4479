"""Inputs of networks with their scaling: names, shapes and the constants that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from taumltools.config.features import CELL_FEATURES, FeaturesConfig
from taumltools.errors import ConfigError
from taumltools.training.layers import Scaling

GLOBAL = "global"
"""Cone of constants that all grids share."""


def constants_of(constants: Mapping[str, Any], block: str, *cones: str) -> dict[str, Mapping[str, float]]:
    """Scaling constants of the features of one block.

    Args:
        constants: of :func:`taumltools.features.scaling.load_scaling`; of each feature either the four
            numbers, or the numbers by cone.
        block: name of the block.
        *cones: grids or ``global``; of each feature the first one that there is.

    Returns:
        ``{feature: {"mean", "std", "lim_min", "lim_max"}}``.

    Raises:
        ConfigError: a feature has no constants for any of these cones.
    """
    found = {}
    for name, entry in constants[block].items():
        numbers = entry if "mean" in entry else next((entry[cone] for cone in cones if cone in entry), None)
        if numbers is None:
            raise ConfigError(f"scaling of {block}.{name} has the cones {sorted(entry)}, needed is one of {cones}")
        found[name] = numbers
    return found


def tau_input(features: FeaturesConfig, constants: Mapping[str, Any]) -> tuple[Any, Any]:
    """The input ``taus`` (n, features) and its scaled values.

    Args:
        features: the definition.
        constants: scaling by block and feature.

    Returns:
        The input, and the scaled tensor.
    """
    raw = keras.Input((len(features.blocks()["taus"]),), name="taus")
    return raw, Scaling.from_constants("taus", constants_of(constants, "taus", GLOBAL), name="taus_scaling")(raw)


def set_blocks(features: FeaturesConfig) -> dict[str, list[str]]:
    """Names of the features of every block of objects.

    Args:
        features: the definition.

    Returns:
        Names by block.
    """
    return {block: list(names) for block, names in features.blocks().items() if block not in {"taus", CELL_FEATURES}}


def set_inputs(features: FeaturesConfig, constants: Mapping[str, Any], block: str) -> tuple[dict[str, Any], Any]:
    """Inputs of one block of objects.

    A feature whose range is defined by grid gets that of the widest one.

    Returns:
        ``<block>`` (n, length, features) and ``<block>_mask`` (n, length) by name, and the scaled values.

    Raises:
        ConfigError: mean and standard deviation were measured in cells of grids only, which hold one object each.
    """
    _refuse_measured_in_cells(features, constants, block)
    places = features.objects[block].set_size or None
    raw = keras.Input((places, len(set_blocks(features)[block])), name=block)
    mask = keras.Input((places,), name=f"{block}_mask")
    grids = features.cells.grids if features.cells else {}
    cones = (GLOBAL, *sorted(grids, key=lambda name: -grids[name].cone))
    scaled = Scaling.from_constants(block, constants_of(constants, block, *cones), name=f"{block}_scaling")(raw)
    return {block: raw, f"{block}_mask": mask}, scaled


def _refuse_measured_in_cells(features: FeaturesConfig, constants: Mapping[str, Any], block: str) -> None:
    """All objects of a set are spread otherwise than the leading ones of cells, as the CMS tools measure them."""
    rules = {name: item.scaling.type for name, item in features.blocks()[block].items()}
    odd = [
        name
        for name, entry in constants[block].items()
        if rules[name] == "normal" and not {"mean", GLOBAL} & set(entry)
    ]
    if odd:
        raise ConfigError(
            f"scaling of {block}: {', '.join(odd[:5])}{' and others' if len(odd) > 5 else ''}: measured in the cells of "
            "grids only; a network on sets needs constants of all objects: leave scaling.source out, so that they are measured"
        )


def cell_columns(features: FeaturesConfig, component: str) -> list[tuple[str, str]]:
    """(block, feature) of every column of a component: the values all cells repeat, then its blocks in order.

    Args:
        features: the definition.
        component: its name.

    Returns:
        One pair per column.
    """
    if features.cells is None:
        raise ConfigError("this network needs cells: choose features that define grids, such as deeptau_v2p5")
    blocks, all_blocks = features.cells.components[component], features.blocks()
    return [(block, name) for block in (CELL_FEATURES, *blocks) for name in all_blocks.get(block, {})]


def cell_constants(
    features: FeaturesConfig, constants: Mapping[str, Any], grid: str, component: str
) -> dict[str, Mapping[str, float]]:
    """Scaling constants of every column of a component in the cells of a grid, by ``block.feature``.

    Args:
        features: the definition.
        constants: scaling by block, feature and cone.
        grid: its name.
        component: its name.

    Returns:
        Constants by ``block.feature``.
    """
    by_block = {block: constants_of(constants, block, grid, GLOBAL) for block, _ in cell_columns(features, component)}
    return {f"{block}.{name}": by_block[block][name] for block, name in cell_columns(features, component)}
