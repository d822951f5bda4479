"""The log that a training writes of itself."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taumltools.config.identity import plain
from taumltools.errors import StoreError
from taumltools.training.tracking.attempts import PULSE_S, Attempt, Pulse, process_start, read_attempts

FOLDER = "tracking"
"""Name of the log's folder inside of a product."""

FILES = "files"
"""Folder of a log whose content becomes the run's artefacts."""


@dataclass(frozen=True)
class RunDescription:
    """What a run is, known before anything is computed.

    Attributes:
        directory: folder of the log; made if it does not exist.
        experiment: name of the experiment that collects the runs.
        name: what people read.
        tags: further labels.
        parent: id of the run that this one continues; empty: none.
        documents: what is kept as YAML files, e.g. the resolved settings and the code version, by name.
        data: what it is trained on: ``{"name", "digest", "source"}`` per data set.
    """

    directory: Path
    experiment: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    documents: Mapping[str, Any] = field(default_factory=dict)
    data: Sequence[Mapping[str, Any]] = ()


class Run:
    """An open run; everything is on disk when a method returns.

    Attributes:
        description: what it is.
        run_id: its id, 32 hex digits; the same for all attempts.
    """

    def __init__(self, description: RunDescription, run_id: str, path: Path) -> None:
        from taumltools.training.tracking.scalars import ScalarWriter

        self.description, self.run_id = description, run_id
        self._events = path.open("a", encoding="utf-8")
        self._pulse = Pulse(path, PULSE_S)
        self._pulse.start()
        self._rows: dict[int, dict[str, float]] = {}
        self._scalars = ScalarWriter(self.files / "tensorboard")

    @property
    def directory(self) -> Path:
        """Folder of the log."""
        return self.description.directory

    @property
    def files(self) -> Path:
        """Folder of the files that become artefacts."""
        return self.directory / FILES

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record settings, nested ones with dotted names.

        Args:
            params: settings, as dataclasses, mappings or values.
        """
        self._write("params", params={name: str(value) for name, value in flatten(plain(params)).items()})

    def log_document(self, name: str, content: Any) -> None:
        """Keep settings or the like as ``<name>.yaml``, readable by people and programs.

        Args:
            name: of the file, without suffix.
            content: what YAML can hold.
        """
        import yaml

        self.files.mkdir(parents=True, exist_ok=True)
        # tuples, paths and numpy numbers become what YAML knows
        text = yaml.safe_dump(json.loads(json.dumps(plain(content), default=str)), sort_keys=False)
        (self.files / f"{name}.yaml").write_text(text, encoding="utf-8")

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record the figures of one epoch: in the log, in ``metrics.csv`` and for TensorBoard.

        Args:
            metrics: figures by name.
            step: number of the epoch.
        """
        figures = {name: float(value) for name, value in metrics.items()}
        now = _now()
        self._write("metrics", step=step, metrics=figures, time=now)
        self._scalars.write(figures, step, now / 1000)
        self._rows[step] = self._rows.get(step, {}) | figures
        self.files.mkdir(parents=True, exist_ok=True)
        temporary = self.files / ".metrics.csv"
        temporary.write_text(as_csv(self._rows), encoding="utf-8")
        os.replace(temporary, self.files / "metrics.csv")

    def log_file(self, path: Path, folder: str = "") -> None:
        """Keep a copy of a file.

        Args:
            path: the file.
            folder: in the artefacts.
        """
        target = self.files / folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)

    def log_figures(self) -> None:
        """Draw the figures that were recorded so far, see :mod:`taumltools.training.tracking.figures`."""
        from taumltools.training.tracking.figures import draw_history

        draw_history(self._rows, self.files / "plots")

    def finish(self, status: str = "FINISHED", error: str = "") -> None:
        """Close the run.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            error: why it failed.
        """
        if not self._events.closed:
            self._pulse.stop()
            self._write("end", status=status, error=error, time=_now())
            self._events.close()
            self._scalars.close()

    def log_summary(self, figures: Mapping[str, float], step: int) -> None:
        """Record figures of the whole training, e.g. those of the kept epoch and the number of parameters.

        Args:
            figures: by name.
            step: the epoch they belong to.
        """
        self._write("summary", step=step, metrics={name: float(v) for name, v in figures.items()}, time=_now())

    def deliver(self, product: Path) -> None:
        """Draw the figures, close the run and put a copy of its log into the product of the training.

        Args:
            product: folder of the training.
        """
        self.log_figures()
        self.finish()
        shutil.copytree(self.directory, product / FOLDER)

    def ids(self) -> dict[str, str]:
        """What ``run.json`` records."""
        return {"run_id": self.run_id, "experiment": self.description.experiment, "run_name": self.description.name}

    def restore(self, rows: Mapping[int, Mapping[str, float]]) -> None:
        """Take over the figures of earlier attempts, so that tables and plots begin with them.

        Args:
            rows: of :func:`rows_of`.
        """
        self._rows = {step: dict(figures) for step, figures in rows.items()}

    def _write(self, event: str, **content: Any) -> None:
        self._events.write(json.dumps({"event": event, **content}) + "\n")
        self._events.flush()
        os.fsync(self._events.fileno())


def start_run(description: RunDescription, *, watch_s: float = 4 * PULSE_S) -> Run:
    """Open a run: a new one, or the next attempt at one whose last attempt was killed or failed.

    Args:
        description: what it is.
        watch_s: how long an attempt elsewhere that did not end is watched for a sign of life.

    Returns:
        The open run, with documents and data recorded.

    Raises:
        StoreError: another process is at work on this training.
    """
    directory = description.directory
    directory.mkdir(parents=True, exist_ok=True)
    before = read_attempts(directory)
    if before and before[-1].is_alive_after(watch_s):
        raise StoreError(
            f"{before[-1].where()} is at work on this training (log: {directory}): wait for it, or end it; "
            "then run the command again"
        )
    run_id = before[0].start["run_id"] if before else uuid.uuid4().hex
    path = _new_file(directory, len(before) + 1)
    run = Run(description, run_id, path)
    run.restore(rows_of(before))
    run._write("start", **_beginning(description, run_id))
    for name, content in description.documents.items():
        run.log_document(name, content)
    return run


def rows_of(attempts: Sequence[Attempt]) -> dict[int, dict[str, float]]:
    """The figures of every epoch; where attempts overlap, the later one counts.

    Args:
        attempts: in the order in which they began.

    Returns:
        Figures by epoch.
    """
    rows: dict[int, dict[str, float]] = {}
    for attempt in attempts:
        for event in attempt.events:
            if event["event"] == "metrics":
                rows[event["step"]] = rows.get(event["step"], {}) | event["metrics"]
    return dict(sorted(rows.items()))


@contextmanager
def tracked(description: RunDescription | None) -> Iterator[Run | None]:
    """A run that is closed as failed or killed if what is done in it raises; None without a description.

    Args:
        description: what the run is.

    Yields:
        The run.
    """
    if description is None:
        yield None
        return
    run = start_run(description)
    try:
        yield run
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        run.finish("KILLED" if stopped else "FAILED", f"{type(error).__name__}: {error}".strip(": "))
        raise
    run.finish()


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted names.

    Args:
        tree: nested mappings.
        prefix: of all names.

    Returns:
        Values by dotted name.

    Examples:
        >>> flatten({"model": {"name": "deepset", "units": [64, 64]}})
        {'model.name': 'deepset', 'model.units': [64, 64]}
    """
    if not isinstance(tree, Mapping):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= flatten(value, f"{prefix}.{name}" if prefix else str(name))
    return flat


def as_csv(rows: Mapping[int, Mapping[str, float]]) -> str:
    """Figures as comma-separated values, one line an epoch; what an epoch lacks is empty.

    Args:
        rows: of :func:`rows_of`.

    Returns:
        The text, with a line of names.

    Examples:
        >>> as_csv({1: {"loss": 0.5}, 2: {"loss": 0.25, "val_loss": 0.5}}).splitlines()
        ['epoch,loss,val_loss', '1,0.5,', '2,0.25,0.5']
    """
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, ["epoch", *names], restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({"epoch": step, **row} for step, row in sorted(rows.items()))
    return text.getvalue()


def _beginning(description: RunDescription, run_id: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "experiment": description.experiment,
        "name": description.name,
        "tags": dict(description.tags),
        "parent": description.parent,
        "data": [dict(item) for item in description.data],
        "time": _now(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "pid_start": process_start(os.getpid()),
    }


def _new_file(directory: Path, number: int) -> Path:
    """A file that no other process writes to."""
    while True:
        path = directory / f"attempt_{number:03d}.jsonl"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path


def _now() -> int:
    return int(time.time() * 1000)
