"""Scaling constants of features: measured by exact sums, stored as JSON.

Layout: ``{block: {feature: {cone: {mean, std, lim_min, lim_max, sqmean, num}}}}``, with the
cone ``global``; infinite limits are the strings ``"-inf"`` and ``"inf"``.  A network input is
``clip((value - mean) / std, lim_min, lim_max)``.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taumltools.config.features import FeaturesConfig, ScalingRule
from taumltools.errors import InputError
from taumltools.features.exact_sums import ExactSums
from taumltools.features.hdf5 import FlatFile

log = logging.getLogger(__name__)

CONE = "global"
"""The only cone of features that are not split into inner and outer cone."""

STEP = 16_384
"""Entries read at once."""


@dataclass(frozen=True)
class FeatureSums:
    """Sums of every feature; sums of parts add up to the sum of the whole, exactly.

    Attributes:
        sums: ``{block: {feature: sums}}``; object features count objects, not tau candidates.
    """

    sums: dict[str, dict[str, ExactSums]]

    @staticmethod
    def merge(parts: Sequence[FeatureSums]) -> FeatureSums:
        """Add sums of several files; the order does not matter.

        Raises:
            InputError: no part, or parts of different features.
        """
        if not parts:
            raise InputError("no sums to merge")
        merged = {block: dict(features) for block, features in parts[0].sums.items()}
        for part in parts[1:]:
            if part._names() != parts[0]._names():
                odd = sorted(part._names() ^ parts[0]._names())
                raise InputError(f"sums of different features cannot be merged; they differ in {odd[:10]}")
            for block, features in merged.items():
                merged[block] = {name: total + part.sums[block][name] for name, total in features.items()}
        return FeatureSums(merged)

    def _names(self) -> frozenset[str]:
        return frozenset(f"{block}.{name}" for block, features in self.sums.items() for name in features)

    def save(self, path: Path | str) -> None:
        """Write as JSON; integers as strings."""
        data = {b: {n: s.to_json() for n, s in features.items()} for b, features in self.sums.items()}
        Path(path).write_text(json.dumps(data, indent=1), encoding="utf-8")

    @staticmethod
    def load(path: Path | str) -> FeatureSums:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: not such a file.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            return FeatureSums(
                {b: {n: ExactSums.from_json(s) for n, s in features.items()} for b, features in data.items()}
            )
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not a file of feature sums ({error}); make it again") from error


def sum_features(path_flat: Path | str, config: FeaturesConfig) -> FeatureSums:
    """Sum all features of one flat file.

    Args:
        path_flat: flat tuples.
        config: the features; all must be in the file.

    Returns:
        The sums.

    Raises:
        InputError: the file is not readable, or lacks a feature.
    """
    sums = {block: dict.fromkeys(features, ExactSums()) for block, features in config.blocks().items()}
    with FlatFile(path_flat) as file:
        for start in range(0, file.entries, STEP):
            flat = file.read(start, min(start + STEP, file.entries))
            columns = {"taus": flat.taus, **{b: c.columns for b, c in flat.objects.items()}}
            for block, features in sums.items():
                for name in features:
                    if name not in columns.get(block, {}):
                        raise InputError(f"{path_flat}: no feature {block}.{name}; make the flat tuples again")
                    features[name] += ExactSums.of(columns[block][name])
    return FeatureSums(sums)


def make_scaling(sums: FeatureSums, config: FeaturesConfig) -> dict[str, Any]:
    """Scaling constants of all features.

    Args:
        sums: sums over the training sample.
        config: the features.

    Returns:
        The constants, in the layout of this module, in the order of the configuration.

    Raises:
        InputError: a feature to be standardised has no valid value, or a feature has
            infinite values or no sums.
    """
    return {
        block: {
            name: {CONE: _constants(f"{block}.{name}", item.scaling, _sums_of(sums, block, name))}
            for name, item in features.items()
        }
        for block, features in config.blocks().items()
    }


def _sums_of(sums: FeatureSums, block: str, name: str) -> ExactSums:
    if name not in sums.sums.get(block, {}):
        raise InputError(f"no sums of feature {block}.{name}: they were made with another configuration")
    return sums.sums[block][name]


def _constants(label: str, rule: ScalingRule, total: ExactSums) -> dict[str, float | int | str]:
    if total.infinite:
        raise InputError(f"feature {label} has {total.infinite} infinite values; exclude them with a condition (valid)")
    if not total.count:
        if rule.type == "normal":
            raise InputError(
                f"feature {label} has no valid value in the whole training sample ({total.missing} are NaN): "
                "the sample does not fill it; remove it or correct its expression or condition"
            )
        log.warning("feature %s has no valid value in the training sample", label)
    mean, std, lim_min, lim_max = 0.0, 1.0, -math.inf, math.inf
    if rule.type == "linear":
        low, high = float(rule.min or 0.0), float(rule.max or 0.0)
        mean, std, lim_min, lim_max = (low + high) / 2, (high - low) / 2, -1.0, 1.0
    elif rule.type == "normal":
        mean, std, lim_min, lim_max = total.mean, total.std, rule.lo, rule.hi
        if std == 0.0:
            log.warning(
                "feature %s is always %g in the training sample; its standard deviation is set to 1", label, mean
            )
            std = 1.0
    measured = {"sqmean": total.mean_square if total.count else None, "num": total.count}
    return {"mean": mean, "std": std, "lim_min": _limit(lim_min), "lim_max": _limit(lim_max), **measured}  # type: ignore[dict-item]


def _limit(value: float) -> float | str:
    """JSON has no infinity."""
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def load_scaling(
    source: Path | str | Mapping[str, Any], config: FeaturesConfig
) -> dict[str, dict[str, dict[str, float]]]:
    """Read and check scaling constants.

    Args:
        source: a JSON file, its content, or what this function returned before.
        config: the features; all need constants.

    Returns:
        ``{block: {feature: {"mean", "std", "lim_min", "lim_max"}}}`` as floats, in the order
        of the configuration.

    Raises:
        InputError: a feature has no constants, or they make no sense.
    """
    label = "scaling" if isinstance(source, Mapping) else str(source)
    data: Mapping[str, Any] = source if isinstance(source, Mapping) else _read_json(Path(source))
    constants: dict[str, dict[str, dict[str, float]]] = {}
    for block, features in config.blocks().items():
        for name in features:
            cones = data.get(block, {}).get(name)
            if cones is None:
                raise InputError(f"{label}: no constants for {block}.{name}: made with other features; make it again")
            if "mean" in cones:
                cones = {CONE: cones}
            if set(cones) != {CONE}:
                raise InputError(f"{label}: {block}.{name} has the cones {sorted(cones)}, expected ['{CONE}']")
            constants.setdefault(block, {})[name] = _checked(f"{label}: {block}.{name}", cones[CONE])
    return constants


def _checked(label: str, entry: Mapping[str, Any]) -> dict[str, float]:
    try:
        values = {key: float(entry[key]) for key in ("mean", "std", "lim_min", "lim_max")}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{label}: expected numbers mean, std, lim_min, lim_max, found {dict(entry)}") from error
    if not (math.isfinite(values["mean"]) and math.isfinite(values["std"]) and values["std"] > 0):
        raise InputError(f"{label}: mean must be finite and std positive, found {values}")
    if not values["lim_min"] < values["lim_max"]:
        raise InputError(f"{label}: lim_min must be below lim_max, found {values}")
    return values


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected an object with one key per block, found {type(data).__name__}")
    return data
