"""What changed between two evaluations of one discriminator: areas, working points, efficiencies in bins."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.evaluation.artefact import array, find_curve, find_points, regions_of
from taumltools.evaluation.efficiency import MIN_ENTRIES
from taumltools.store.made import last_made

Performance = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One number now and before.

    Attributes:
        now: its value; None if there is none.
        now_error: half of its 68% interval.
        before: the same of the baseline.
        before_error: half of its 68% interval.
    """

    now: float | None
    now_error: float
    before: float | None
    before_error: float

    @property
    def difference(self) -> float | None:
        """Now minus before; None if one of them is missing.

        Examples:
            >>> Change(0.75, 0.03, 0.5, 0.04).difference, Change(0.75, 0.03, None, 0.0).difference
            (0.25, None)
        """
        return None if self.now is None or self.before is None else self.now - self.before

    @property
    def error(self) -> float:
        """Both errors in quadrature, as if the candidates were different ones: for equal test samples it is too large.

        Examples:
            >>> round(Change(0.75, 0.03, 0.5, 0.04).error, 4)
            0.05
        """
        return math.hypot(self.now_error, self.before_error)


@dataclass(frozen=True)
class AreaChange:
    """The area under the ROC curve of one fake type and region."""

    vs: str
    region: dict[str, Any]
    area: Change


@dataclass(frozen=True)
class PointChange:
    """One working point of one fake type and region."""

    name: str
    threshold: Change
    efficiency: Change
    misid: Change


@dataclass(frozen=True)
class BinChange:
    """The efficiency of one truth type at one working point in bins of a variable.

    Attributes:
        name: of the working point.
        edges: bin edges, float64, shape (k + 1,).
        difference: now minus before, float64, shape (k,); NaN where either has fewer than ``MIN_ENTRIES`` candidates.
        error: its error, float64, shape (k,).
    """

    name: str
    edges: np.ndarray
    difference: np.ndarray
    error: np.ndarray


def pair_up(
    performances: Sequence[Performance], baseline: Sequence[Performance]
) -> list[tuple[Performance, Performance]]:
    """The evaluations of each discriminator that both have.

    Args:
        performances: artefacts of this run.
        baseline: those of the other one.

    Returns:
        Pairs, in the order of this run.
    """
    known = {performance["discriminator"]: performance for performance in baseline}
    return [(p, known[p["discriminator"]]) for p in performances if p["discriminator"] in known]


def same_numbers(now: Performance, before: Performance) -> bool:
    """Whether two evaluations found the same, up to what they are called."""
    parts = ("curves", "working_points", "efficiencies")
    return all(now[part] == before[part] for part in parts)


def same_sample(now: Performance, before: Performance) -> bool:
    """Whether both evaluations saw as many candidates of each kind from the same datasets."""
    return all(now[part] == before[part] for part in ("datasets", "entries"))


def area_changes(now: Performance, before: Performance) -> Iterator[AreaChange]:
    """Areas of the curves that both have.

    Args:
        now: the artefact.
        before: that of the baseline.

    Yields:
        One for each fake type and region.
    """
    for ours in now["curves"]:
        theirs = find_curve(before, ours["vs"], ours["region"])
        if theirs is not None and "missing" not in ours:
            areas = (ours["auc"], ours["auc_error"], theirs["auc"], theirs["auc_error"])
            yield AreaChange(ours["vs"], ours["region"], Change(*areas))


def point_changes(now: Performance, before: Performance, vs: str, region: dict[str, Any]) -> list[PointChange]:
    """Working points of one fake type and region that both have, loosest first."""
    known = {point["name"]: point for point in find_points(before, vs, region)}
    found = []
    for ours in find_points(now, vs, region):
        if (theirs := known.get(ours["name"])) is not None:
            threshold = Change(ours["threshold"], 0.0, theirs["threshold"], 0.0)
            changes = (_fraction(ours[key], theirs[key]) for key in ("efficiency", "misid"))
            found.append(PointChange(ours["name"], threshold, *changes))
    return found


def _fraction(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Change:
    return Change(ours["value"], _half(ours), theirs["value"], _half(theirs))


def _half(measured: Mapping[str, Any]) -> float:
    return 0.0 if measured["value"] is None else (measured["high"] - measured["low"]) / 2


def bin_changes(now: Performance, before: Performance, vs: str, variable: str, kind: str) -> list[BinChange]:
    """Efficiencies in bins at the working points that both have with the same bins.

    Args:
        now: the artefact.
        before: that of the baseline.
        vs: fake type.
        variable: branch.
        kind: truth type, ``tau`` or the fake type.

    Returns:
        One for each working point, loosest first.
    """
    key = {"vs": vs, "variable": variable, "type": kind}
    ours, theirs = ([e for e in p["efficiencies"] if key.items() <= e.items()] for p in (now, before))
    known = {entry["working_point"]: entry for entry in theirs}
    return [
        _bins(entry, other)
        for entry in ours
        if (other := known.get(entry["working_point"])) is not None and entry["edges"] == other["edges"]
    ]


def _bins(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> BinChange:
    used = np.minimum(array(ours["entries"]), array(theirs["entries"])) >= MIN_ENTRIES
    value, error = array(ours["efficiency"]) - array(theirs["efficiency"]), np.zeros(len(ours["efficiency"]))
    for entry in (ours, theirs):
        error = np.hypot(error, (array(entry["high"]) - array(entry["low"])) / 2)
    difference, error = (np.where(used, column, np.nan) for column in (value, error))
    return BinChange(ours["working_point"], array(ours["edges"]), difference, error)


def common_regions(now: Performance, before: Performance, vs: str) -> list[dict[str, Any]]:
    """Regions vs one fake type that both evaluations have."""
    theirs = regions_of([before], vs)
    return [region for region in regions_of([now], vs) if region in theirs]


def find_evaluation(root: Path, campaign: str, run: str) -> list[Path]:
    """The evaluation of a version as it was made, with whatever settings it had.

    Args:
        root: the store of products.
        campaign: name of the campaign that is meant where ``run`` names none.
        run: ``VERSION`` or ``CAMPAIGN:VERSION``, as on the command line.

    Returns:
        Folders of its artefacts, one a discriminator; of several evaluations those of the last one.

    Raises:
        InputError: there is none.
    """
    file = "performance_*/performance.json"
    return [path.parent for path in last_made(root, campaign, run, "EvaluatePerformance", file)]


def given_evaluation(folder: Path) -> list[Path]:
    """The artefacts in a folder that somebody named.

    Args:
        folder: the folder of an evaluation with one a discriminator in it, or that of a single discriminator.

    Returns:
        Folders of artefacts.

    Raises:
        InputError: it has none.
    """
    found = sorted(
        path.parent for path in [*folder.glob("performance.json"), *folder.glob("performance_*/performance.json")]
    )
    if not found:
        raise InputError(
            f"{folder} has no evaluation: expected performance.json, or folders performance_* with one each"
        )
    return found
