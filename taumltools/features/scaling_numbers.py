"""What the plots of the scaling show, as numbers: convergence with the sample, ranges of clipping.

Both say of ``normal`` features what no single constant tells: whether the sample is large enough,
and whether the clip cuts into the bulk of the values or lies far outside of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError
from taumltools.features.feature_sums import FeatureSums
from taumltools.features.quantiles import SIGMAS

QUANTITIES = ("mean", "std", "shift")
"""Relative changes of mean and standard deviation, and the change of the mean in standard deviations."""

_WORDS = {1: "one", 2: "two", 3: "three", 5: "five"}


def convergence(
    parts: Iterable[FeatureSums], config: FeaturesConfig, parts_per_step: int = 1
) -> tuple[dict[str, Any], FeatureSums]:
    """How means and standard deviations change while parts of the sample are added.

    Args:
        parts: sums of parts, in their order; one at a time is held, besides the sum so far.
        config: the features; the ``normal`` ones are looked at.
        parts_per_step: parts between two snapshots; the last snapshot has all parts.

    Returns:
        ``features`` (block, name and cone of each), ``parts`` (number of parts in each snapshot),
        ``mean`` and ``std`` (values of all features in each snapshot), and ``steps``: for each pair
        of consecutive snapshots, and at last for the first and the final one, the number of parts ``from``
        and ``to`` and by quantity the changes of all features: ``mean`` |m' - m| / |m|, ``std`` likewise,
        ``shift`` |m' - m| / s.  None where a change is not defined.
        Besides these numbers the sums of all parts.

    Raises:
        InputError: no part, or parts of different features.
    """
    features: list[tuple[str, str, str]] = []
    snapshots: list[tuple[int, list[tuple[float, float]]]] = []
    total: FeatureSums | None = None
    number = 0
    for number, part in enumerate(parts, 1):
        total = part if total is None else total + part
        features = features or _normal(total, config)
        if number % parts_per_step == 0:
            snapshots.append((number, _moments(total, features)))
    if total is None:
        raise InputError("no sums to look at")
    if number % parts_per_step:
        snapshots.append((number, _moments(total, features)))
    pairs = [*pairwise(snapshots)]
    pairs += [(snapshots[0], snapshots[-1])] if pairs else []
    numbers = {
        "features": [{"block": block, "feature": name, "cone": cone} for block, name, cone in features],
        "parts": [count for count, _ in snapshots],
        "mean": [[_number(mean) for mean, _ in moments] for _, moments in snapshots],
        "std": [[_number(std) for _, std in moments] for _, moments in snapshots],
        "steps": [{"from": a, "to": b, **_changes(before, after)} for (a, before), (b, after) in pairs],
    }
    return numbers, total


def _normal(sums: FeatureSums, config: FeaturesConfig) -> list[tuple[str, str, str]]:
    blocks = config.blocks()
    return [
        (block, name, cone) for block, name, cone, _ in sums.items() if blocks[block][name].scaling.type == "normal"
    ]


def _moments(sums: FeatureSums, features: list[tuple[str, str, str]]) -> list[tuple[float, float]]:
    found = [sums.table[block][name][cone].sums for block, name, cone in features]
    return [(total.mean, total.std) for total in found]


def _changes(before: list[tuple[float, float]], after: list[tuple[float, float]]) -> dict[str, list[float | None]]:
    pairs = list(zip(before, after, strict=True))
    return {
        "mean": [_ratio(new - old, abs(old)) for (old, _), (new, _) in pairs],
        "std": [_ratio(new - old, old) for (_, old), (_, new) in pairs],
        "shift": [_ratio(new - old, spread) for (old, spread), (new, _) in pairs],
    }


def _ratio(change: float, unit: float) -> float | None:
    return _number(abs(change) / unit) if unit else None


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def ranges(sums: FeatureSums, constants: Mapping[str, Mapping[str, Any]], config: FeaturesConfig) -> dict[str, Any]:
    """The range that clipping keeps of each ``linear`` and ``normal`` feature, beside its quantiles.

    Args:
        sums: of the whole sample.
        constants: what :func:`taumltools.features.scaling.load_scaling` returned.
        config: the features.

    Returns:
        ``{block: {feature: {cone: {type, mean, std, clip: [low, high], quantiles, suspicious}}}}``;
        ``suspicious`` names what is odd: ``left_within`` and ``right_within`` (the clip cuts inside of two
        standard deviations), ``one_sigma_empty`` to ``five_sigma_empty`` (both quantiles are the same).
    """
    found: dict[str, Any] = {}
    for block, name, cone, measured in sums.items():
        rule, entry = config.blocks()[block][name].scaling, constants[block][name]
        values = entry if "mean" in entry else entry.get(cone)
        quantiles = measured.sketch.summary()
        if rule.type not in ("linear", "normal") or values is None or not quantiles:
            continue
        clip = [_number(values["mean"] + values[key] * values["std"]) for key in ("lim_min", "lim_max")]
        found.setdefault(block, {}).setdefault(name, {})[cone] = {
            "type": rule.type,
            "mean": values["mean"],
            "std": values["std"],
            "clip": clip,
            "quantiles": quantiles,
            "suspicious": _suspicious(clip, quantiles),
        }
    return found


def _suspicious(clip: list[float | None], quantiles: Mapping[str, Any]) -> list[str]:
    low, high = clip
    flags = ["left_within"] if low is not None and low > quantiles["2sigma"]["left"] else []
    flags += ["right_within"] if high is not None and high < quantiles["2sigma"]["right"] else []
    sides = {n: quantiles[f"{n}sigma"] for n in SIGMAS}
    return flags + [f"{_WORDS[n]}_sigma_empty" for n, side in sides.items() if side["left"] == side["right"]]


def quantile_table(sums: FeatureSums, config: FeaturesConfig) -> dict[str, Any]:
    """Quantiles in the layout of the CMS tools, with the names of this project.

    Args:
        sums: of the whole sample.
        config: the features.

    Returns:
        ``{block: {feature: {cone: {"0": {median, min, max, 1sigma: {left, right}, ...}}}}}``, where ``0``, the
        number of a file there, stands for the whole sample; of features that are neither ``linear``
        nor ``normal`` nothing, as there.
    """
    table: dict[str, Any] = {}
    for block, name, cone, measured in sums.items():
        shown = config.blocks()[block][name].scaling.type in ("linear", "normal")
        summary = measured.sketch.summary() if shown else {}
        table.setdefault(block, {}).setdefault(name, {})[cone] = {"0": summary} if summary else {}
    return table


def five_numbers(values: Iterable[float | None]) -> dict[str, Any]:
    """A box: quartiles, whiskers at the 5% and 95% quantiles, largest value, number of values.

    Args:
        values: numbers; None is left out.

    Returns:
        ``n`` and, if there are values, ``low``, ``q1``, ``median``, ``q3``, ``high``, ``max``.

    Examples:
        >>> five_numbers([1, 2, 3, None])["median"]
        2.0
    """
    known = np.array([value for value in values if value is not None])
    if not known.size:
        return {"n": 0}
    quantiles = np.quantile(known, [0.05, 0.25, 0.5, 0.75, 0.95, 1.0]).tolist()
    return {"n": known.size, **dict(zip(("low", "q1", "median", "q3", "high", "max"), quantiles, strict=True))}
