"""Scaling constants of features: made from exact sums, stored as JSON.

Layout: ``{block: {feature: {cone: {mean, std, lim_min, lim_max, sqmean, num}}}}``.  The cone is
``global``, and for blocks that feed the cells of grids also each grid; infinite limits are the
strings ``"-inf"`` and ``"inf"``.  A network input is ``clip((value - mean) / std, lim_min, lim_max)``.
Numbers are written in full: rounded ones cannot be merged (a standard deviation that is the
difference of two rounded numbers has no digits left where the mean is large).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taumltools.config.features import FeatureConfig, FeaturesConfig, ScalingRule
from taumltools.config.scaling import LimitsConfig
from taumltools.errors import InputError
from taumltools.features.cones import CONE, cones_of
from taumltools.features.exact_sums import ExactSums
from taumltools.features.feature_sums import FeatureSums, sum_features
from taumltools.features.scaling_json import block_of, by_cone, numbers, read_scaling, written

__all__ = ["CONE", "FeatureSums", "check_rules", "load_scaling", "make_scaling", "sum_features"]

log = logging.getLogger(__name__)

SHOWN = 20
"""Features an error names at most."""


def make_scaling(sums: FeatureSums, config: FeaturesConfig, limits: LimitsConfig | None = None) -> dict[str, Any]:
    """Scaling constants of all features.

    Args:
        sums: sums over the training sample.
        config: the features.
        limits: when a feature is refused; None means the default.

    Returns:
        The constants, in the layout of this module, in the order of the configuration.

    Raises:
        InputError: features without sums, without valid values where some are needed, with infinite
            values or NaN above the limits; all are named.  Of features of cells all objects count,
            not those of each grid.
    """
    limits = limits or LimitsConfig()
    problems: list[str] = []
    scaling: dict[str, Any] = {}
    for block, features in config.blocks().items():
        scaling[block] = {}
        for name, item in features.items():
            measured = sums.table.get(block, {}).get(name)
            if measured is None or set(measured) != set(cones_of(config, block)):
                raise InputError(f"no sums of feature {block}.{name}: they were made with another configuration")
            scaling[block][name] = {}
            for cone in cones_of(config, block):
                label = f"{block}.{name}" + ("" if cone == CONE else f" ({cone})")
                if cone == CONE or CONE not in measured:  # a grid may hold few objects; the block as a whole must do
                    problems += _problems(label, item, measured[cone].sums, limits)
                scaling[block][name][cone] = _constants(label, item.scaling, cone, measured[cone].sums)
    _refuse(problems)
    return scaling


def _refuse(problems: list[str]) -> None:
    """Raise if there are problems, naming the first ones."""
    if problems:
        more = f"\n... and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise InputError("\n".join(problems[:SHOWN]) + more)


def _problems(label: str, item: FeatureConfig, total: ExactSums, limits: LimitsConfig) -> list[str]:
    """Why the values of a feature cannot be used."""
    size = total.count + total.missing + total.infinite
    found = []
    if total.infinite > limits.infinite * size:
        found.append(
            f"feature {label} has {total.infinite} infinite values of {size}, allowed are {limits.infinite:g} of all; "
            "exclude them with a condition (valid)"
        )
    if size and not total.count and item.scaling.type == "normal":
        found.append(
            f"feature {label} has no valid value in the whole training sample ({total.missing} are NaN): "
            "the sample does not fill it; remove it or correct its expression or condition"
        )
    return found


def fixed_constants(rule: ScalingRule, cone: str) -> tuple[float, float, float, float]:
    """Mean, standard deviation and limits that the definition of a feature gives; of ``normal`` only the limits.

    Args:
        rule: how the feature is scaled.
        cone: ``global`` or a grid; where ranges differ by grid, ``global`` has the range that covers all.

    Returns:
        (mean, std, lim_min, lim_max).

    Examples:
        >>> fixed_constants(ScalingRule(type="linear", min=20, max=1000), "global")
        (510.0, 490.0, -1.0, 1.0)
    """
    if rule.type == "normal":
        return 0.0, 1.0, rule.lo, rule.hi
    if rule.type != "linear":
        return 0.0, 1.0, -math.inf, math.inf
    ranges = [(float(rule.min or 0.0), float(rule.max or 0.0))]
    if rule.grids:
        ranges = [rule.grids[cone]] if cone in rule.grids else list(rule.grids.values())
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return (low + high) / 2, (high - low) / 2, -1.0, 1.0


def _constants(label: str, rule: ScalingRule, cone: str, total: ExactSums) -> dict[str, float | int | str | None]:
    mean, std, lim_min, lim_max = fixed_constants(rule, cone)
    if not total.count:
        log.warning("feature %s has no valid value in the training sample", label)
    elif rule.type == "normal":
        mean, std = total.mean, total.std
        if std == 0.0:
            log.warning(
                "feature %s is always %g in the training sample; its standard deviation is set to 1", label, mean
            )
            std = 1.0
    measured = {"sqmean": total.mean_square if total.count else None, "num": total.count}
    return {"mean": mean, "std": std, "lim_min": written(lim_min), "lim_max": written(lim_max), **measured}


def load_scaling(source: Path | str | Mapping[str, Any], config: FeaturesConfig) -> dict[str, dict[str, Any]]:
    """Read and check scaling constants, of this project or of the CMS tools.

    Args:
        source: a JSON file, its content, or what this function returned before.
        config: the features; all need constants.  What the source has beyond them is ignored.

    Returns:
        ``{block: {feature: constants}}`` in the order of the configuration, where constants are the
        floats ``{"mean", "std", "lim_min", "lim_max"}``; of blocks that feed cells the same by
        cone, for every grid and, where the source has it, ``global``.

    Raises:
        InputError: features have no constants, or constants make no sense; they are named.
    """
    label = "scaling" if isinstance(source, Mapping) else str(source)
    data = source if isinstance(source, Mapping) else read_scaling(source)
    entries = {
        block: {name: (block_of(data, block) or {}).get(name) for name in features}
        for block, features in config.blocks().items()
    }
    missing = [f"{block}.{name}" for block, f in entries.items() for name, entry in f.items() if entry is None]
    if missing:
        names = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
        raise InputError(f"{label}: no constants for {names}: made with other features; make it again")
    return {
        block: {name: _wanted(f"{label}: {block}.{name}", entry, config, block) for name, entry in features.items()}
        for block, features in entries.items()
    }


def _wanted(label: str, entry: Any, config: FeaturesConfig, block: str) -> dict[str, Any]:
    """The constants of a feature in the cones its block has."""
    cones, grids = by_cone(label, entry), config.grids_of(block)
    if not grids:
        if CONE not in cones:
            raise InputError(f"{label} has the cones {sorted(cones)}, expected ['{CONE}']")
        return numbers(label, cones[CONE])
    lacking = [grid for grid in grids if grid not in cones]
    if lacking and CONE not in cones:
        raise InputError(f"{label} has the cones {sorted(cones)}, expected {sorted(grids)} or ['{CONE}']")
    wanted = [*([CONE] if CONE in cones else []), *grids]
    return {cone: numbers(f"{label} ({cone})", cones.get(cone, cones.get(CONE))) for cone in wanted}


def check_rules(constants: Mapping[str, Mapping[str, Any]], config: FeaturesConfig, label: str = "scaling") -> None:
    """Refuse constants that contradict the definition of the features.

    Ranges of ``linear`` features and clips of ``normal`` ones are part of the definition, so that
    constants of another set of features show themselves even where the names agree.

    Args:
        constants: what :func:`load_scaling` returned.
        config: the features.
        label: what messages call the constants.

    Raises:
        InputError: constants differ from the definition; features, both values and what to do are named.
    """
    problems = []
    for block, features in config.blocks().items():
        for name, item in features.items():
            entry = constants[block][name]
            for cone, found in ({CONE: entry} if "mean" in entry else entry).items():
                expected = dict(
                    zip(("mean", "std", "lim_min", "lim_max"), fixed_constants(item.scaling, cone), strict=True)
                )
                keys = ("lim_min", "lim_max") if item.scaling.type == "normal" else tuple(expected)
                odd = {key: (found[key], expected[key]) for key in keys if not _same(found[key], expected[key])}
                if odd:
                    values = ", ".join(f"{key} {have:g}, defined as {want:g}" for key, (have, want) in odd.items())
                    problems.append(f"{label}: {block}.{name} ({cone}): {values}: made with other features")
    _refuse(problems)


def _same(a: float, b: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)
