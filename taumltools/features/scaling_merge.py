"""Constants of parts of a sample, as the jobs of the CMS tools leave them, merged into those of the whole.

Constants that this project measures need none of this: it merges exact sums
(:mod:`taumltools.features.feature_sums`).  Here only means and deviations are known, often rounded
to four digits.  The deviation of the whole is taken from the deviations and means of the parts,

    std² = sum(n_i (std_i² + (mean_i - mean)²)) / sum(n_i),

which cannot become negative; the difference of rounded mean squares, sqmean - mean², can.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Any

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError
from taumltools.features.scaling import CONE, check_rules, load_scaling
from taumltools.features.scaling_json import KEYS, by_cone, read_scaling, written

Entries = dict[tuple[str, str, str], Mapping[str, Any]]
"""Constants by block, feature and cone."""


def take_scaling(pattern: str, config: FeaturesConfig) -> tuple[dict[str, Any], list[Path]]:
    """Constants from files instead of from measured sums, checked against the features.

    Args:
        pattern: path of a JSON file of this project or of the CMS tools, or a pattern of several.
        config: the features.

    Returns:
        The constants in the layout of this project, and the files they are from.

    Raises:
        InputError: no such file, files that do not fit together, or constants of other features.
    """
    data, paths = read_merged(pattern)
    loaded = load_scaling(data, config)
    check_rules(loaded, config, pattern)
    table: dict[str, Any] = {}
    for block, features in loaded.items():
        for name, entry in features.items():
            cones = {CONE: entry} if "mean" in entry else entry
            table.setdefault(block, {})[name] = {
                cone: {key: written(value) for key, value in constants.items()} for cone, constants in cones.items()
            }
    return table, paths


def read_merged(pattern: str) -> tuple[dict[str, Any], list[Path]]:
    """Read a file of constants, or several and merge them.

    Args:
        pattern: path of a JSON file; with ``*``, ``?`` or ``[...]`` all files that match.

    Returns:
        The constants and the files they are from.

    Raises:
        InputError: no such file, or files that do not fit together.
    """
    paths = [Path(path) for path in sorted(glob(pattern, recursive=True))]
    if not paths:
        raise InputError(f"{pattern}: no such file with scaling constants (scaling.source)")
    parts = [read_scaling(path) for path in paths]
    return (parts[0] if len(parts) == 1 else merge_scaling(parts, [str(path) for path in paths])), paths


def merge_scaling(parts: Sequence[Mapping[str, Any]], labels: Sequence[str] = ()) -> dict[str, Any]:
    """Merge constants of parts of a sample.

    Args:
        parts: constants of each part; measured ones need ``num``, the number of values.
        labels: what messages call the parts.

    Returns:
        Constants of the whole.  What no part could measure (``null``) stays ``null``; a part with too
        few values (``null`` in it alone) is left out of that feature.

    Raises:
        InputError: no part, other features, cones or limits, or numbers of values that are missing.
    """
    if not parts:
        raise InputError("no scaling constants to merge")
    names = [*labels, *(f"part {i}" for i in range(len(labels), len(parts)))]
    tables = [_entries(part, name) for part, name in zip(parts, names, strict=True)]
    for table, name in zip(tables[1:], names[1:], strict=True):
        if odd := sorted(set(table) ^ set(tables[0])):
            label = ", ".join(f"{block}.{feature} ({cone})" for block, feature, cone in odd[:10])
            raise InputError(f"{names[0]} and {name} have other features and cannot be merged; they differ in {label}")
    merged: dict[str, Any] = {}
    for block, feature, cone in tables[0]:
        entries = [table[block, feature, cone] for table in tables]
        features = merged.setdefault(block, {})
        features.setdefault(feature, {})[cone] = _merge(f"{block}.{feature} ({cone})", entries, names)
    return merged


def _entries(part: Mapping[str, Any], name: str) -> Entries:
    return {
        (block, feature, cone): constants
        for block, features in part.items()
        for feature, entry in features.items()
        for cone, constants in by_cone(f"{name}: {block}.{feature}", entry).items()
    }


def _merge(label: str, entries: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    first = entries[0]
    for entry, name in zip(entries, names, strict=True):
        if lacking := [key for key in KEYS if key not in entry]:
            raise InputError(f"{name}: {label} lacks {lacking}")
        for key in ("lim_min", "lim_max"):
            if float(entry[key]) != float(first[key]):
                raise InputError(f"{label}: {key} is {first[key]} in {names[0]} and {entry[key]} in {name}")
    known = [(entry, name) for entry, name in zip(entries, names, strict=True) if entry["mean"] is not None]
    result = {key: first[key] for key in KEYS}
    if all((e["mean"], e["std"]) == (first["mean"], first["std"]) for e in entries):
        return result | _counted([entry for entry, _ in known])
    for entry, name in known:
        if not entry.get("num"):
            raise InputError(f"{label}: {name} does not say of how many values (num), so it cannot be merged")
    return result | _pooled([entry for entry, _ in known])


def _counted(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Number and mean square of constants that are the same in all parts."""
    if not entries or any(entry.get("num") is None for entry in entries):
        return {"sqmean": None, "num": None}
    number = sum(int(entry["num"]) for entry in entries)
    filled = [entry for entry in entries if entry["num"]]
    if not filled or any(entry.get("sqmean") is None for entry in filled):
        return {"sqmean": None, "num": number}
    return {"sqmean": math.fsum(int(e["num"]) * float(e["sqmean"]) for e in filled) / number, "num": number}


def _pooled(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Constants of the whole from those of parts."""
    numbers = [int(entry["num"]) for entry in entries]
    means = [float(entry["mean"]) for entry in entries]
    total = sum(numbers)
    mean = math.fsum(n * m for n, m in zip(numbers, means, strict=True)) / total
    spreads = [_variance(entry) + (m - mean) ** 2 for entry, m in zip(entries, means, strict=True)]
    variance = math.fsum(n * spread for n, spread in zip(numbers, spreads, strict=True)) / total
    return {"mean": mean, "std": math.sqrt(variance) or 1.0, "sqmean": variance + mean * mean, "num": total}


def _variance(entry: Mapping[str, Any]) -> float:
    """Variance of a part; a deviation of 1 may stand for the 0 of values that are all the same."""
    std, mean, square = float(entry["std"]), float(entry["mean"]), entry.get("sqmean")
    if std == 1.0 and square is not None and math.isclose(float(square), mean * mean, rel_tol=1e-12):
        return 0.0
    return std * std
