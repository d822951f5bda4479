"""All that says how good a scaling is, in one folder: numbers, plots, files for the CMS tools."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from taumltools.config.features import FeaturesConfig
from taumltools.config.scaling import ScalingPlotsConfig
from taumltools.errors import InputError
from taumltools.features.feature_sums import FeatureSums
from taumltools.features.scaling import load_scaling
from taumltools.features.scaling_json import for_cms, read_scaling
from taumltools.features.scaling_numbers import convergence, quantile_table, ranges
from taumltools.features.scaling_plots import draw_scaling

log = logging.getLogger(__name__)

CONVERGENCE, RANGES = "convergence.json", "ranges.json"
"""Numbers of the plots."""

CMS_CONSTANTS, CMS_QUANTILES = "scaling_params.json", "quantile_params.json"
"""Constants and quantiles with the names and in the form of the CMS tools."""


def write_products(
    sums: Sequence[Path], scaling: Path, config: FeaturesConfig, settings: ScalingPlotsConfig, folder: Path
) -> dict[str, Any]:
    """Write numbers, plots and files for the CMS tools.

    Args:
        sums: files of feature sums, in the order in which the convergence plot adds them.
        scaling: the constants.
        config: the features.
        settings: what the plots show.
        folder: where files go; it exists.

    Returns:
        Features whose range is suspicious (``<block>.<feature> (<cone>)``), under ``suspicious``.
    """
    parts = (FeatureSums.load(path) for path in sums)
    steps, whole = convergence(parts, config, settings.parts_per_step)
    found = ranges(whole, load_scaling(scaling, config), config)
    _write(folder / CONVERGENCE, steps)
    _write(folder / RANGES, found)
    try:
        _write(folder / CMS_CONSTANTS, for_cms(read_scaling(scaling)))
        _write(folder / CMS_QUANTILES, for_cms(quantile_table(whole, config)))
    except InputError as error:
        log.warning("%s and %s are not written: %s", CMS_CONSTANTS, CMS_QUANTILES, error)
    draw_scaling(steps, found, folder, settings.formats)
    return {"suspicious": suspicious(found)}


def suspicious(found: dict[str, Any]) -> list[str]:
    """Features of :func:`~taumltools.features.scaling_numbers.ranges` whose range is odd, as ``<block>.<feature> (<cone>)``.

    Args:
        found: by block, feature and cone.

    Returns:
        Their names.
    """
    return [
        f"{block}.{name} ({cone})"
        for block, features in found.items()
        for name, cones in features.items()
        for cone, row in cones.items()
        if row["suspicious"]
    ]


def check_products(folder: Path) -> None:
    """Check that the numbers read back.

    Args:
        folder: what :func:`write_products` filled.

    Raises:
        InputError: a file is missing or not readable.
    """
    for name in (CONVERGENCE, RANGES):
        read_scaling(folder / name)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
