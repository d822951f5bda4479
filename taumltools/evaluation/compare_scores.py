"""Two sets of scores of the same entries: how much they differ, and where most."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.discriminators import FAKE_TYPES
from taumltools.errors import InputError
from taumltools.evaluation.legacy import read_any
from taumltools.evaluation.scores import vs_score
from taumltools.evaluation.table import Predictions

LARGEST = 30
"""Entries with the largest differences that are listed."""

BINS = 100
"""Bins of the distribution of differences."""

NUMBERS = ("run", "lumi", "evt")


def compare_scores(first: Path, second: Path, tolerance: float) -> dict[str, Any]:
    """Compare the scores of two prediction files, entry by entry.

    Args:
        first: prediction file, in the layout of this project or of the CMS tools.
        second: another one of the same input.
        tolerance: largest difference of scores that count as equal.

    Returns:
        As :func:`compare_columns`, with the number of entries that only one of them scored.

    Raises:
        InputError: the files are not of the same entries.
    """
    a, b = read_any(first), read_any(second)
    _check_same(a, b, first, second)
    scores = {
        vs: (vs_score(a.outputs, vs).astype(np.float64), vs_score(b.outputs, vs).astype(np.float64))
        for vs in FAKE_TYPES
    }
    result = compare_columns(scores, a.columns or b.columns, tolerance)
    only = {"first": int((a.scored & ~b.scored).sum()), "second": int((b.scored & ~a.scored).sum())}
    return {**result, "only_in": only}


def compare_with_branches(first: Path, pattern: str, tolerance: float) -> dict[str, Any]:
    """Compare the scores of a prediction file with those that its input had, in copied branches.

    Args:
        first: prediction file of this project.
        pattern: name of the branches, with ``{vs}`` for the fake type, e.g. ``tau_byDeepTau2018v2p5VS{vs}raw``;
            negative values mean no score.
        tolerance: largest difference of scores that count as equal.

    Returns:
        As :func:`compare_columns`.

    Raises:
        InputError: the file lacks the branches.
    """
    predictions = Predictions.read(first)
    names = {vs: pattern.replace("{vs}", vs) for vs in FAKE_TYPES}
    there = {vs: name for vs, name in names.items() if name in predictions.columns}
    if not there:
        raise InputError(
            f"{first} has none of the columns {', '.join(names.values())}: list them in evaluation.columns and apply again"
        )
    scores = {}
    for vs, name in there.items():
        stored = predictions.columns[name].astype(np.float64)
        own = vs_score(predictions.outputs, vs).astype(np.float64)
        scores[vs] = own, np.where(stored < 0, np.nan, stored)
    return compare_columns(scores, predictions.columns, tolerance)


def _check_same(a: Predictions, b: Predictions, first: Path, second: Path) -> None:
    if len(a) != len(b):
        raise InputError(f"{first} has {len(a)} entries, {second} has {len(b)}: they are not of the same input")
    for name in NUMBERS:
        if name in a.columns and name in b.columns and not np.array_equal(a.columns[name], b.columns[name]):
            row = int(np.flatnonzero(a.columns[name] != b.columns[name])[0])
            raise InputError(
                f"{first} and {second} are not of the same entries in the same order: {name} of entry {row} is "
                f"{a.columns[name][row]} and {b.columns[name][row]}"
            )


def compare_columns(
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]], numbers: Mapping[str, np.ndarray], tolerance: float
) -> dict[str, Any]:
    """Compare pairs of columns.

    Args:
        scores: by fake type two columns, NaN where there is no score.
        numbers: columns that say which event an entry is of; may be empty.
        tolerance: largest difference of scores that count as equal.

    Returns:
        By fake type in ``vs``: ``compared`` entries, ``differ`` by more than the tolerance, ``mean``, ``rms`` and
        ``largest`` of the difference (second - first), the ``edges`` and ``counts`` of its distribution, and in
        ``worst`` the entries with the largest differences.

    Raises:
        InputError: no entry has both scores.
    """
    by_type = {}
    for vs, (first, second) in scores.items():
        both = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
        if not len(both):
            raise InputError(f"no entry has both scores vs {vs}: there is nothing to compare")
        difference = second[both] - first[both]
        size = np.abs(difference)
        span = max(float(size.max()), tolerance)
        counts, edges = np.histogram(difference, BINS, (-span, span))
        order = np.argsort(-size, kind="stable")[:LARGEST]
        by_type[vs] = {
            "compared": len(both),
            "differ": int((size > tolerance).sum()),
            "mean": float(difference.mean()),
            "rms": float(np.sqrt((difference**2).mean())),
            "largest": float(size.max()),
            "edges": edges.tolist(),
            "counts": counts.tolist(),
            "worst": [_row(int(both[i]), first, second, numbers) for i in order if size[i] > 0],
        }
    return {"kind": "scores", "tolerance": tolerance, "vs": by_type}


def _row(entry: int, first: np.ndarray, second: np.ndarray, numbers: Mapping[str, np.ndarray]) -> dict[str, Any]:
    event = {name: int(numbers[name][entry]) for name in NUMBERS if name in numbers}
    return {"entry": entry, **event, "first": float(first[entry]), "second": float(second[entry])}


def scores_text(result: Mapping[str, Any]) -> str:
    """What was found, for people."""
    lines: list[str] = []
    for vs, one in result["vs"].items():
        lines.append(
            f"vs {vs}: {one['differ']} of {one['compared']} entries differ by more than {result['tolerance']:g}; largest "
            f"{one['largest']:.3g}, mean {one['mean']:.3g}, rms {one['rms']:.3g}"
        )
        for row in one["worst"]:
            event = ", ".join(f"{name} {row[name]}" for name in NUMBERS if name in row)
            lines.append(f"  entry {row['entry']} ({event}): {row['first']:.6g} and {row['second']:.6g}")
    only = result.get("only_in", {})
    lines += [f"scored only in the {side}: {number} entries" for side, number in only.items() if number]
    return "\n".join(lines) + "\n"
