"""The JSON layout of scaling constants that this project shares with the CMS tools: reading and writing.

Files of the CMS tools come in several forms, all of which are read: constants by cone (``global``,
or ``inner`` and ``outer``), constants without a cone (files of 2020), numbers as strings, ``null`` for
constants of disabled features and for ``sqmean`` and ``num`` of what was not measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taumltools.config.features import CELL_FEATURES
from taumltools.errors import InputError

KEYS = ("mean", "std", "lim_min", "lim_max")
"""Constants of a feature in a cone."""

CMS_BLOCKS = {
    "taus": ("TauFlat",),
    CELL_FEATURES: ("GridGlobal", "GridGlobalFeatures"),
    "pfcand_electron": ("PfCand_electron",),
    "pfcand_muon": ("PfCand_muon",),
    "pfcand_chHad": ("PfCand_chHad",),
    "pfcand_nHad": ("PfCand_nHad",),
    "pfcand_gamma": ("PfCand_gamma",),
    "electron": ("Electron",),
    "muon": ("Muon",),
}
"""Names of blocks in the CMS tools; the first one is written, all are read."""

CMS_CONES = ("inner", "outer")
"""Grids the CMS tools know."""


def written(value: float) -> float | str:
    """A limit as JSON, which has no infinity.

    Args:
        value: of a limit.

    Returns:
        A number, or ``inf`` or ``-inf`` as text.
    """
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def read_scaling(path: Path | str) -> dict[str, Any]:
    """Read a JSON file of constants or of quantiles.

    Args:
        path: the file.

    Returns:
        Its content.

    Raises:
        InputError: not readable, or not an object.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected an object with one key per block, found {type(data).__name__}")
    return data


def block_of(data: Mapping[str, Any], block: str) -> Mapping[str, Any] | None:
    """Features of a block, under its name here or in the CMS tools; None if there is no such block.

    Args:
        data: content of a file.
        block: name of the block here.

    Returns:
        Constants by feature.
    """
    for name in (block, *CMS_BLOCKS.get(block, ())):
        if isinstance(data.get(name), Mapping):
            return data[name]
    return None


def by_cone(label: str, entry: Any) -> Mapping[str, Any]:
    """The constants of a feature by cone; those without a cone are ``global``.

    Args:
        label: where the entry is from, for messages.
        entry: what the file has for the feature.

    Returns:
        Constants by cone.

    Raises:
        InputError: the entry has neither constants nor cones.
    """
    if isinstance(entry, Mapping) and any(key in entry for key in KEYS):
        return {"global": entry}
    if not isinstance(entry, Mapping) or not entry or not all(isinstance(v, Mapping) for v in entry.values()):
        raise InputError(
            f"{label}: expected constants {', '.join(KEYS)}, or cones with constants, found {entry!r:.100}"
        )
    return entry


def numbers(label: str, entry: Mapping[str, Any]) -> dict[str, float]:
    """Check the constants of a feature in a cone.

    Args:
        label: where the entry is from, for messages.
        entry: ``mean``, ``std``, ``lim_min``, ``lim_max`` as numbers or strings.

    Returns:
        The four as floats.

    Raises:
        InputError: one is missing, is no number or makes no sense.
    """
    try:
        values = {key: float(entry[key]) for key in KEYS}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{label}: expected numbers {', '.join(KEYS)}, found {dict(entry)}") from error
    if not (math.isfinite(values["mean"]) and math.isfinite(values["std"]) and values["std"] > 0):
        raise InputError(f"{label}: mean must be finite and std positive, found {values}")
    if not values["lim_min"] < values["lim_max"]:
        raise InputError(f"{label}: lim_min must be below lim_max, found {values}")
    return values


def for_cms(scaling: Mapping[str, Any]) -> dict[str, Any]:
    """Constants as the reader of the CMS tools takes them.

    It wants its own names of blocks, and for each feature ``global`` alone or ``inner`` and ``outer``
    alone.  So features of cells keep their two grids, and all others ``global``.

    Args:
        scaling: constants (or quantiles) in the layout of this project.

    Returns:
        The same numbers under the other names.

    Raises:
        InputError: grids that the CMS tools do not know.
    """
    result: dict[str, Any] = {}
    for block, features in scaling.items():
        renamed = result.setdefault(CMS_BLOCKS.get(block, (block,))[0], {})
        for name, cones in features.items():
            grids = [cone for cone in cones if cone != "global"]
            if grids and sorted(grids) != sorted(CMS_CONES):
                raise InputError(f"{block}.{name} has the grids {sorted(grids)}; the CMS tools know {list(CMS_CONES)}")
            renamed[name] = {cone: cones[cone] for cone in (CMS_CONES if grids else ("global",))}
    return result
