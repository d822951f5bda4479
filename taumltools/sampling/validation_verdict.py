"""The outcome of a validation: thresholds, verdict, files."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.validation import ValidationConfig
from taumltools.errors import InputError
from taumltools.sampling.validation_series import Series
from taumltools.sampling.validation_slices import ALL
from taumltools.sampling.validation_tables import Counts

MAX_LISTED = 100
"""Tests that the verdict lists, those with the smallest p-values first; all are in ``tests.json``."""

LEGACY_EMPTY = 99
"""What the CMS tool gives as p-value where there was nothing to test."""


@dataclass(frozen=True)
class Family:
    """Tests that share one part of the error probability.

    Attributes:
        tests: tests that were made.
        untested: tests without enough entries.
        threshold: p-value below which a test fails.
        failed: tests below it.
        smallest: smallest p-value; 1 without tests.
    """

    tests: int
    untested: int
    threshold: float
    failed: int
    smallest: float


@dataclass(frozen=True)
class Verdict:
    """The outcome of a validation.

    Attributes:
        config: the settings it was made with.
        series: all tests.
        families: families of tests by name.
        entries: entries of each part by its name.
        notes: what could not be tested, in words.
        sample: counts of the sample, a row per part; for plots.
    """

    config: ValidationConfig
    series: tuple[Series, ...]
    families: dict[str, Family]
    entries: dict[str, int]
    notes: tuple[str, ...]
    sample: Counts = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether no test failed."""
        return not any(family.failed for family in self.families.values())

    def tests(self) -> Iterator[dict[str, Any]]:
        """Every test as plain JSON types; ``p``, ``statistic`` and ``passed`` are None where it was not made."""
        for one in self.series:
            threshold = self.families[one.family].threshold
            shared = {"level": one.level, "test": one.test, "quantity": one.quantity, "slice": one.slice}
            shared |= {"against": one.against, "part": one.part}
            for row, statistic, ndf, p in zip(
                one.rows, one.result.statistic, one.result.ndf, one.result.p, strict=True
            ):
                made = bool(np.isfinite(p))
                yield shared | {
                    "row": row,
                    "statistic": round(float(statistic), 4) if made else None,
                    "ndf": int(ndf),
                    "p": float(f"{p:.5g}") if made else None,
                    "threshold": float(f"{threshold:.4g}"),
                    "passed": bool(p >= threshold) if made else None,
                }

    def worst(self, most: int = MAX_LISTED) -> list[dict[str, Any]]:
        """Tests that are farthest below their threshold, or nearest to it, first.

        Args:
            most: how many.
        """
        made = (test for test in self.tests() if test["passed"] is not None)
        return heapq.nsmallest(most, made, key=lambda test: (test["p"] / test["threshold"], -test["statistic"]))

    def summary(self) -> dict[str, Any]:
        """The content of ``verdict.json``; see docs/validation.md."""
        worst = self.worst()
        return {
            "passed": self.passed,
            "entries": sum(self.entries.values()),
            "parts": self.entries,
            "chunks": self.config.chunks,
            "family_wise_error": self.config.family_wise_error,
            "tests": sum(family.tests for family in self.families.values()),
            "failed_tests": sum(family.failed for family in self.families.values()),
            "families": {name: vars(family) for name, family in self.families.items()},
            "notes": list(self.notes),
            "failed": [test for test in worst if not test["passed"]],
            "smallest": worst[:20],
        }

    def save(self, folder: Path, *, legacy: bool = False) -> None:
        """Write ``verdict.json`` (summary) and ``tests.json`` (every test, one a line).

        Args:
            folder: where; it is made.
            legacy: write ``pvalues.json`` in the layout of the CMS tool as well.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "verdict.json").write_text(json.dumps(self.summary(), indent=1) + "\n", encoding="utf-8")
        with (folder / "tests.json").open("w", encoding="utf-8") as file:
            for number, test in enumerate(self.tests()):
                file.write(("[\n" if number == 0 else ",\n") + json.dumps(test))
            file.write("\n]\n")
        if legacy:
            text = json.dumps(legacy_pvalues(self.series), indent=1)
            (folder / "pvalues.json").write_text(text + "\n", encoding="utf-8")

    def require_passed(self, where: Path) -> None:
        """Stop if the sample did not pass.

        Args:
            where: the verdict that the user can look at, for the message.

        Raises:
            InputError: names the worst tests and ``where``.
        """
        if self.passed:
            return
        failed = sum(family.failed for family in self.families.values())
        worst = "\n".join("  " + describe(test) for test in self.worst(5) if not test["passed"])
        raise InputError(
            f"the sample is not well shuffled: {failed} of {sum(f.tests for f in self.families.values())} tests "
            f"failed, the worst are\n{worst}\nall of them are in {where}; do not train on this sample, find what "
            "differs in the parts named (inputs added later, a part of another version, entries not permuted)"
        )


def describe(test: Mapping[str, Any]) -> str:
    """One test in a line.

    Args:
        test: an item of :meth:`Verdict.tests`.

    Returns:
        What was compared and its p-value.
    """
    row, level = test["row"], test["level"]
    numbered = f"all {level}s" if row == ALL else f"{level} {row}"
    place = {"part": numbered, "chunk": f"{test['part']}, {numbered}", "position": f"position of {row}"}
    what = test["quantity"] + ("" if test["slice"] == ALL else f" in {test['slice']}")
    what = f"share of {test['slice']}" if test["test"] == "share" else what
    against = f" against the {test['against']}" if level in place and row != ALL else ""
    return (
        f"{place.get(level, test['part'])}: {what}{against} ({test['test']}), "
        f"p = {test['p']:.2g}, threshold {test['threshold']:.2g}"
    )


def share_error(series: Sequence[Series], error: float) -> dict[str, Family]:
    """Bonferroni: each family gets an equal share of the error, each test an equal share of that.

    With shares by family, a few tests of many entries are not drowned by many of few entries.

    Args:
        series: all tests.
        error: probability that an honest sample fails.

    Returns:
        Families by name.
    """
    values: dict[str, list[np.ndarray]] = {}
    for one in series:
        values.setdefault(one.family, []).append(one.result.p)
    joined = {name: np.concatenate(parts) for name, parts in sorted(values.items())}
    used = sum(np.isfinite(p).any() for p in joined.values())
    families = {}
    for name, p in joined.items():
        made = p[np.isfinite(p)]
        threshold = float(error / (used or 1) / (len(made) or 1))
        smallest = float(made.min()) if len(made) else 1.0
        families[name] = Family(
            len(made), len(p) - len(made), threshold, int(np.count_nonzero(made < threshold)), smallest
        )
    return families


def legacy_pvalues(series: Sequence[Series]) -> dict[str, Any]:
    """P-values nested as ``pvalues.json`` of the CMS tool.

    Args:
        series: all tests; the chi-square tests of chunks against the rest of their part are taken,
            parts one after the other.

    Returns:
        Lists under ``pvalues``, e.g. of ``["tauType"]["tau"]["tau_pt"]``; 99 where there was nothing to
        test.
    """
    tree: dict[str, Any] = {}
    for one in series:
        if (one.level, one.test, one.against) == ("chunk", "chi2", "rest"):
            where = [] if one.slice == "all" else one.slice.split("=", 1)
            node = tree
            for key in (*where, one.quantity):
                node = node.setdefault(key, {})
            p = one.result.p
            node.setdefault("pvalues", []).extend(float(x) for x in np.where(np.isfinite(p), p, LEGACY_EMPTY))
    return tree
