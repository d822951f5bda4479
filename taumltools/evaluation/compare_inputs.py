"""Inputs of the same candidates from two programs: which features differ, where and by how much."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.evaluation.tensors import CANDIDATE, FEATURES

TOLERANCE = 1e-5
"""Difference from which values count as different: what six digits of a scaled value leave open."""

SHOWN = 200
"""Most differences of a candidate that texts list."""

_NUMBERS = re.compile(r"_(\d+)_(\d+)\.json$")


@dataclass(frozen=True)
class Dump:
    """Inputs of one candidate.

    Attributes:
        tensors: values by input, float64; NaN where they are not defined.
        labels: names of the last axis by input, as far as the file has them.
    """

    tensors: dict[str, np.ndarray]
    labels: dict[str, list[str]]


def read_dump(path: Path) -> Dump:
    """Read inputs of one candidate, of this project or of the CMS software.

    Args:
        path: JSON file, see :mod:`taumltools.evaluation.tensors`.

    Raises:
        InputError: not readable, or something in it is no tensor.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected an object with a list per input, found {type(content).__name__}")
    labels = content.pop(FEATURES, {})
    content.pop(CANDIDATE, None)
    tensors = {}
    for name, values in content.items():
        try:
            tensors[name] = np.array(values, np.float64)  # None becomes NaN
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: '{name}' is no tensor of numbers ({error})") from error
    return Dump(tensors, labels)


def compare_dumps(
    first: Dump, second: Dump, labels: Mapping[str, Sequence[str]] | None = None, tolerance: float = TOLERANCE
) -> dict[str, Any]:
    """Compare the inputs of one candidate.

    Args:
        first: from one program.
        second: from another one.
        labels: names of features for files that have none.
        tolerance: largest difference of values that count as equal.

    Returns:
        ``differences``: a row per value with ``input``, ``cell`` (numbers in eta and phi, counted from the middle; null
        outside of grids), ``feature``, ``first``, ``second``, ``difference``, largest first; ``values``, how many were
        compared; ``not_comparable``, by input why.
    """
    rows: list[dict[str, Any]] = []
    values, odd = 0, {}
    for name in {**first.tensors, **second.tensors}:
        if name not in first.tensors or name not in second.tensors:
            odd[name] = f"only in the {'first' if name in first.tensors else 'second'}"
            continue
        a, b = first.tensors[name], second.tensors[name]
        if a.shape != b.shape:
            odd[name] = f"shape {a.shape} in the first, {b.shape} in the second"
            continue
        values += a.size
        names = first.labels.get(name) or second.labels.get(name) or (labels or {}).get(name) or []
        rows += _differences(name, a, b, names, tolerance)
    rows.sort(key=lambda row: -(np.inf if row["difference"] is None else row["difference"]))
    return {"values": values, "differences": rows, "not_comparable": odd}


def _differences(
    name: str, a: np.ndarray, b: np.ndarray, labels: Sequence[str], tolerance: float
) -> list[dict[str, Any]]:
    difference = np.abs(a - b)
    differ = ~(difference <= tolerance) & ~(np.isnan(a) & np.isnan(b))
    rows = []
    for place in np.argwhere(differ):
        where = tuple(place.tolist())
        cell = [i - size // 2 for i, size in zip(where[:2], a.shape[:2], strict=True)] if a.ndim == 3 else None
        column = where[-1] if where else 0
        rows.append(
            {
                "input": name,
                "cell": cell,
                "object": where[0] if a.ndim == 2 else None,
                "feature": labels[column] if column < len(labels) else f"column {column}",
                "first": _number(a[where]),
                "second": _number(b[where]),
                "difference": _number(difference[where]),
            }
        )
    return rows


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def compare_inputs(
    first: Path, second: Path, labels: Mapping[str, Sequence[str]] | None = None, tolerance: float = TOLERANCE
) -> dict[str, Any]:
    """Compare the inputs of one candidate, or of all that two folders have in common.

    Args:
        first: JSON file, or a folder of files ``..._<evt>_<tau_index>.json``.
        second: the same from another program.
        labels: names of features for files that have none.
        tolerance: largest difference of values that count as equal.

    Returns:
        ``candidates``: by name as :func:`compare_dumps`; ``features``: how often each one differs; ``only_in``.

    Raises:
        InputError: a file cannot be read, or the folders have no candidate in common.
    """
    a, b = files_of(first), files_of(second)
    both = [name for name in a if name in b]
    if first.is_file() and second.is_file():
        a, b, both = {"": first}, {"": second}, [""]
    if not both:
        raise InputError(
            f"{first} and {second} have no candidate in common: files ..._<evt>_<tau_index>.json are paired, found "
            f"{list(a)[:3]} and {list(b)[:3]}"
        )
    compared = {name: compare_dumps(read_dump(a[name]), read_dump(b[name]), labels, tolerance) for name in both}
    counts: dict[str, int] = {}
    for row in (row for one in compared.values() for row in one["differences"]):
        key = f"{row['input']}: {row['feature']}"
        counts[key] = counts.get(key, 0) + 1
    only = {"first": sorted(set(a) - set(b)), "second": sorted(set(b) - set(a))}
    features = dict(sorted(counts.items(), key=lambda item: -item[1]))
    return {"kind": "inputs", "tolerance": tolerance, "candidates": compared, "features": features, "only_in": only}


def files_of(path: Path) -> dict[str, Path]:
    """Files by candidate (``evt <evt>, tau <tau_index>``).

    Raises:
        InputError: there is no such file, no JSON file in the folder, or two of the same candidate.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise InputError(f"{path}: there is no JSON file with inputs")
    found: dict[str, Path] = {}
    for file in files:
        if match := _NUMBERS.search(file.name):
            name = f"evt {match[1]}, tau {match[2]}"
            if name in found:
                raise InputError(f"{found[name]} and {file} are both of {name}: keep one of them in the folder")
            found[name] = file
    return found


def inputs_text(result: Mapping[str, Any]) -> str:
    """What :func:`compare_inputs` found, for people."""
    total = sum(len(one["differences"]) for one in result["candidates"].values())
    values = sum(one["values"] for one in result["candidates"].values())
    odd = sum(len(one["not_comparable"]) for one in result["candidates"].values())
    lines = [
        f"{len(result['candidates'])} candidates, {values} values, {total} differ by more than {result['tolerance']:g}"
        + (f"; {odd} inputs cannot be compared" if odd else "")
    ]
    lines += [f"  {name} differs {number} times" for name, number in result["features"].items()]
    for name, one in result["candidates"].items():
        lines += ["", name or "inputs", *(f"  {key}: {why}" for key, why in one["not_comparable"].items())]
        lines += [_line(row) for row in one["differences"][:SHOWN]] or [_no_difference(one)]
        if (left := len(one["differences"]) - SHOWN) > 0:
            lines.append(f"  ... and {left} more, see comparison.json")
    lines += [f"only in the {side}: {', '.join(names)}" for side, names in result["only_in"].items() if names]
    return "\n".join(lines) + "\n"


def _no_difference(one: Mapping[str, Any]) -> str:
    if not one["values"]:
        return "  nothing was compared"
    return "  no difference in the others" if one["not_comparable"] else "  no difference"


def _line(row: Mapping[str, Any]) -> str:
    cell = f" cell ({row['cell'][0]:+d}, {row['cell'][1]:+d})" if row["cell"] else ""
    number = f" object {row['object']}" if row["object"] is not None else ""
    first, second = ("undefined" if row[side] is None else f"{row[side]:.6g}" for side in ("first", "second"))
    return f"  {row['input']}{cell}{number} {row['feature']}: {first} and {second}"
