"""The options that a task was submitted with: what follows goes on with them, whatever a later command says."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from taumltools.errors import InputError
from taumltools.production.crab.jobs import CrabJob, Output

log = logging.getLogger(__name__)

OPEN = ("max_recoveries", "whitelist_final")
"""Options that may change after the submission."""


def to_text(job: CrabJob, output: str, user: str) -> str:
    """Options as JSON.

    Args:
        job: the task.
        output: base of its output.
        user: name in that path.

    Returns:
        A JSON document.
    """
    return json.dumps({"job": dataclasses.asdict(job), "output": output, "user": user}, indent=1) + "\n"


def read_options(path: Path) -> tuple[CrabJob, str, str]:
    """Read what :func:`to_text` wrote.

    Args:
        path: the file.

    Returns:
        The task, the base of its output, and the user.

    Raises:
        InputError: it cannot be read.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content["job"].items()}
        fields["outputs"] = tuple(Output(**output) for output in fields["outputs"])
        return CrabJob(**fields), str(content["output"]), str(content["user"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: the options of the submission cannot be read ({error})") from error


def as_submitted(job: CrabJob, before: CrabJob, given: Collection[str] = ()) -> CrabJob:
    """A task that was submitted, as this command may change it.

    Args:
        job: as this command describes it.
        before: as it was submitted.
        given: options of this command; what neither they nor the job file set is no contradiction.

    Returns:
        The task to go on with; what differs is said in the log.
    """
    unset = CrabJob(job.name, job.dataset)
    said = {f.name for f in dataclasses.fields(job) if getattr(job, f.name) != getattr(unset, f.name)} | {
        "name",
        "dataset",
        *given,
    }
    differ = [
        f.name for f in dataclasses.fields(job) if f.name in said and getattr(job, f.name) != getattr(before, f.name)
    ]
    if ignored := [name for name in differ if name not in OPEN]:
        log.info("%s: was submitted with other options, which stay: %s", job.name, ", ".join(ignored))
    return dataclasses.replace(before, **{name: getattr(job, name) for name in OPEN if name in said})
