"""A run as one value, wherever it was recorded: in the log of a training, or in a store of mlflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from taumltools.training.tracking.attempts import Attempt, read_attempts
from taumltools.training.tracking.log import FILES, FOLDER

PRODUCT_MARK = "run.json"
"""File beside the log by which a finished product is known; its other files are artefacts as well."""


@dataclass(frozen=True)
class Point:
    """One value of a metric.

    Attributes:
        name: of the metric.
        step: the epoch.
        value: its value.
        time: ms since 1970.
    """

    name: str
    step: int
    value: float
    time: int


@dataclass(frozen=True)
class RunRecord:
    """All that is known of a run.

    Attributes:
        run_id: its id where it was recorded first; stays whatever store it is copied to.
        experiment: name of its experiment.
        name: what people read.
        status: ``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``.
        start: ms since 1970.
        end: the same; None while it runs.
        params: settings.
        tags: labels.
        points: its metrics.
        data: what it was trained on: ``{"name", "digest", "source"}`` per data set.
        parent: ``run_id`` of the run it is nested under; empty: none.
        folders: folders whose content are its artefacts, by the path inside of the artefacts.
        leave_out: names in those folders that are not artefacts.
    """

    run_id: str
    experiment: str
    name: str
    status: str
    start: int
    end: int | None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[Point] = ()
    data: Sequence[Mapping[str, Any]] = ()
    parent: str = ""
    folders: Mapping[str, Path] = field(default_factory=dict)
    leave_out: frozenset[str] = frozenset()

    def digest(self) -> str:
        """16 hex digits over everything but where the files are; tells whether a copy is up to date."""
        content = asdict(self) | {"folders": sorted(self.folders), "leave_out": sorted(self.leave_out)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def files(self) -> dict[str, Path]:
        """Its artefacts: path on disk by path in the artefacts."""
        found = {}
        for prefix, folder in self.folders.items():
            for path in sorted(folder.rglob("*")):
                relative = path.relative_to(folder)
                if path.is_file() and relative.parts[0] not in self.leave_out and not path.name.startswith("."):
                    found[str(Path(prefix) / relative)] = path
        return found


def read_log(directory: Path) -> RunRecord | None:
    """The run that a log tells of.

    A log without an end whose process is gone is that of a run which was killed: it is ``FAILED``, and its tag
    ``tauml.end`` says after which epoch.

    Args:
        directory: folder of the log.  In a product, the product's files are artefacts as well.

    Returns:
        The run; None if the folder holds no log.

    Raises:
        InputError: a file in it is not the log of a training.
    """
    attempts = read_attempts(directory)
    if not attempts:
        return None
    first, last = attempts[0].start, attempts[-1]
    status, note = _status(last)
    params: dict[str, str] = {}
    for event in (event for attempt in attempts for event in attempt.events):
        params |= event["params"] if event["event"] == "params" else {}
    folders = {"": directory / FILES}
    if (directory.parent / PRODUCT_MARK).is_file():
        folders = {"model": directory.parent} | folders
    return RunRecord(
        run_id=first["run_id"],
        experiment=first["experiment"],
        name=first["name"],
        status=status,
        start=first["time"],
        end=None if status == "RUNNING" else last.last_time,
        params=params,
        tags=_tags(attempts) | ({"tauml.end": note} if note else {}),
        points=_points(attempts),
        data=last.start["data"],
        parent=first["parent"],
        folders=folders,
        leave_out=frozenset({FOLDER}),
    )


def _status(last: Attempt) -> tuple[str, str]:
    if last.end is not None:
        return last.end["status"], last.end["error"]
    if last.is_alive():
        return "RUNNING", ""
    when = f"after epoch {last.last_step}" if last.last_step else "before its first epoch ended"
    return "FAILED", f"killed {when}: {last.where()} ended without a word"


def _tags(attempts: Sequence[Attempt]) -> dict[str, str]:
    tags = dict(attempts[-1].start["tags"]) | {"tauml.host": attempts[-1].start["host"]}
    if len(attempts) > 1:
        tags["tauml.attempts"] = str(len(attempts))
        tags["tauml.resumed"] = "; ".join(_status(attempt)[1] or "ended" for attempt in attempts[:-1])
    return tags


def _points(attempts: Sequence[Attempt]) -> list[Point]:
    """All metrics; where attempts overlap, the later one counts."""
    points: dict[tuple[str, int], Point] = {}
    for event in (event for attempt in attempts for event in attempt.events):
        if event["event"] in {"metrics", "summary"}:
            for name, value in event["metrics"].items():
                points[name, event["step"]] = Point(name, event["step"], value, event["time"])
    return list(points.values())


def find_logs(root: Path, pattern: str) -> list[Path]:
    """Folders of logs below a folder.

    Args:
        root: where to look.
        pattern: of the folders that hold a log, relative to it, e.g. ``"*/Training/*/*/*"``.

    Returns:
        Folders, sorted; of one run those that are finished come last.
    """
    return sorted({path.parent for path in root.glob(f"{pattern}/{FOLDER}/attempt_*.jsonl")})
