"""JSON artefacts people can read: indented, lists of numbers on one line, valid JSON only."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError


def rounded(values: np.ndarray, digits: int = 6) -> list[float | None]:
    """Numbers with so many significant digits; what is not finite becomes None.

    Args:
        values: any numbers, shape (n,).
        digits: significant digits.

    Returns:
        Plain floats.

    Examples:
        >>> rounded(np.array([1 / 3, np.nan]))
        [0.333333, None]
    """
    return [float(f"{v:.{digits}g}") if math.isfinite(v) else None for v in np.asarray(values, float)]


def number(value: float) -> float | None:
    """A plain float, None if it is not finite."""
    return float(value) if math.isfinite(value) else None


def to_text(content: Any, indent: int = 0) -> str:
    """JSON text: objects over several lines, lists without objects on one.

    Args:
        content: plain JSON types; NaN and infinity are refused.
        indent: depth of the first line.

    Returns:
        The text, without a newline at the end.

    Raises:
        ValueError: a number is not finite.

    Examples:
        >>> print(to_text({"a": [1, 2], "b": {"c": None}}))
        {
         "a": [1, 2],
         "b": {
          "c": null
         }
        }
    """
    pad, inner = " " * indent, " " * (indent + 1)
    if isinstance(content, dict) and content:
        items = [f"{inner}{json.dumps(str(k))}: {to_text(v, indent + 1)}" for k, v in content.items()]
        return "{\n" + ",\n".join(items) + "\n" + pad + "}"
    if isinstance(content, list) and any(isinstance(v, dict) for v in content):
        return "[\n" + ",\n".join(inner + to_text(v, indent + 1) for v in content) + "\n" + pad + "]"
    return json.dumps(content, allow_nan=False)


def save_performance(path: Path, performance: dict[str, Any]) -> None:
    """Write what :func:`~taumltools.evaluation.performance.evaluate` returns to a JSON file."""
    Path(path).write_text(to_text(performance) + "\n", encoding="utf-8")


def load_performance(path: Path) -> dict[str, Any]:
    """Read a performance file.

    Args:
        path: the JSON file, or the folder that has it as ``performance.json``.

    Returns:
        Its content.

    Raises:
        InputError: no such file, or not a performance file.
    """
    path = Path(path)
    file = path / "performance.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; expected the JSON of an evaluation, run it first") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{file} is not JSON ({error}); run the evaluation again") from error
    if not isinstance(content, dict) or "curves" not in content:
        raise InputError(f"{file} is JSON, but not of an evaluation: it has no 'curves'")
    return content


def array(values: Sequence[float | None]) -> np.ndarray:
    """A list of a performance artefact as float64; None becomes NaN."""
    return np.array([np.nan if v is None else v for v in values], float)


def regions_of(performances: Sequence[dict[str, Any]], vs: str = "") -> list[dict[str, Any]]:
    """Regions of ROC curves and working points, each once, in the order of the artefacts.

    Args:
        performances: artefacts.
        vs: fake type; empty for all.

    Examples:
        >>> regions_of([{"curves": [{"vs": "e", "region": {"pt": [20, 40]}}], "working_points": []}])
        [{'pt': [20, 40]}]
    """
    found: list[dict[str, Any]] = []
    for performance in performances:
        entries = [*performance["curves"], *performance["working_points"]]
        found += [entry["region"] for entry in entries if not vs or entry["vs"] == vs]
    return [region for i, region in enumerate(found) if region not in found[:i]]


def find_curve(performance: dict[str, Any], vs: str, region: dict[str, Any]) -> dict[str, Any] | None:
    """The ROC curve of one fake type and region, None if there is none."""
    for curve in performance["curves"]:
        if curve["vs"] == vs and curve["region"] == region and "missing" not in curve:
            return curve
    return None


def find_points(performance: dict[str, Any], vs: str, region: dict[str, Any]) -> list[dict[str, Any]]:
    """The working points of one fake type and region, loosest first; empty if there are none."""
    for entry in performance["working_points"]:
        if entry["vs"] == vs and entry["region"] == region:
            return entry["points"]
    return []
