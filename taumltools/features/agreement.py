"""Whether two definitions of features give a network the same numbers, beyond the same names."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from taumltools.config.features import FeatureConfig, FeaturesConfig, GridConfig, ObjectBlock
from taumltools.features.expression import parse

log = logging.getLogger(__name__)


def read_definition(content: Mapping[str, Any], where: str) -> FeaturesConfig | None:
    """A definition that was stored as plain types.

    Args:
        content: what :func:`taumltools.config.identity.plain` made of it; empty: none was stored.
        where: where it was stored, for the warning.

    Returns:
        The definition; None if there is none, or if it is of a version that cannot be read any more, which a warning tells.
    """
    if not content:
        return None
    try:
        return TypeAdapter(FeaturesConfig).validate_python(content)
    except ValidationError as error:
        log.warning("%s: its definition of features cannot be read, only names are compared (%s)", where, error)
        return None


def disagreements(
    blocks: Mapping[str, Sequence[str]], grids: Iterable[str], known: FeaturesConfig, other: FeaturesConfig
) -> list[str]:
    """Where a definition gives a network something else than the one it was trained on.

    Scaling is not compared, since it is part of the network, nor what the network does not take.

    Args:
        blocks: features that the network takes, by block.
        grids: grids whose cells it takes.
        known: the definition it was trained on.
        other: the definition of what it is given.

    Returns:
        A line for each difference, e.g. ``grid 'outer': 25 x 25 cells of 0.02, not 21 x 21 cells of 0.05``.
    """
    found = []
    features, others = known.blocks(), other.blocks()
    for block, names in blocks.items():
        if block in known.objects and block in other.objects:
            found += _of_objects(block, known.objects[block], other.objects[block])
        for name in names:
            one, two = features.get(block, {}).get(name), others.get(block, {}).get(name)
            if one is not None and two is not None:
                found += _of_feature(f"{block}.{name}", name, one, two)
    for name in grids:
        one_grid, two_grid = (c.cells.grids.get(name) if c.cells else None for c in (known, other))
        if one_grid is not None and two_grid is not None and one_grid != two_grid:
            found.append(f"grid '{name}': {_told(two_grid)}, not {_told(one_grid)}")
    return found


def _of_feature(label: str, name: str, known: FeatureConfig, other: FeatureConfig) -> list[str]:
    formulas = {"": (known.expression or name, other.expression or name), " valid if": (known.valid, other.valid)}
    return [f"{label}:{what} {_or_none(two)}, not {_or_none(one)}" for what, (one, two) in formulas.items()
            if _normal(one) != _normal(two)]  # fmt: skip


def _of_objects(block: str, known: ObjectBlock, other: ObjectBlock) -> list[str]:
    """Which objects there are, and in which order."""
    order, another = known.order or f"{known.collection}_pt", other.order or f"{other.collection}_pt"
    found = []
    if known.collection != other.collection:
        found.append(f"{block}: objects of {other.collection}, not of {known.collection}")
    if _normal(known.select) != _normal(other.select):
        found.append(f"{block}: objects with {_or_none(other.select)}, not {_or_none(known.select)}")
    if _normal(order) != _normal(another):
        found.append(f"{block}: ordered by {another}, not by {order}")
    most = [_most(one.max_objects, known.set_size) for one in (known, other)]  # the network leaves out the rest itself
    if most[0] != most[1]:
        found.append(f"{block}: at most {_number(most[1])} objects, not {_number(most[0])}")
    return found


def _most(*limits: int) -> int:
    """The smallest limit; 0 means none."""
    return min((limit for limit in limits if limit), default=0)


def _number(limit: int) -> str:
    return str(limit) if limit else "any number of"


def _or_none(formula: str) -> str:
    return f"'{formula}'" if formula else "no condition"


def _normal(formula: str) -> str:
    """The same text for formulas that differ by blanks and brackets only."""
    return ast.unparse(parse(formula, "formula").tree) if formula else ""


def _told(grid: GridConfig) -> str:
    cone = f" within {grid.cone:g}" if grid.cone else " within the signal cone"
    without = f" without '{grid.without}'" if grid.without else ""
    return f"{grid.n_eta} x {grid.n_phi} cells of {grid.size:g}{cone}{without}"
