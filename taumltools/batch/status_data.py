"""The status of workflows on HTCondor, as data; the attributes are the keys of ``law run Status --json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from taumltools.batch.states import State

FORMAT = 1
"""Version of the JSON document; grows when a key changes its meaning or goes."""


class Standing(StrEnum):
    """What is known of one branch; the names are those of :class:`Counts`."""

    DONE = "done"
    RUNNING = "running"
    IDLE = "idle"
    HELD = "held"
    ENDING = "ending"
    FAILED = "failed"
    UNSUBMITTED = "unsubmitted"


STANDINGS = {
    State.RUNNING: Standing.RUNNING,
    State.IDLE: Standing.IDLE,
    State.HELD: Standing.HELD,
    State.LEAVING: Standing.ENDING,
    State.COMPLETED: Standing.ENDING,
}
"""Standing of a branch without a product by the state of its job."""


@dataclass(frozen=True)
class Counts:
    """Numbers of branches; each branch counts once, and all but ``branches`` add up to it.

    Attributes:
        branches: all that the last driver wanted.
        done: the product is there.
        running: a job runs.
        idle: a job waits in the queue.
        held: a job is held; the driver replaces it.
        ending: the job has left the queue, or is on its way; its end is not on record yet.
        failed: failed for good.
        unsubmitted: nothing of these: to submit.
    """

    branches: int = 0
    done: int = 0
    running: int = 0
    idle: int = 0
    held: int = 0
    ending: int = 0
    failed: int = 0
    unsubmitted: int = 0


@dataclass(frozen=True)
class DriverStatus:
    """The process that looks after a workflow.

    Attributes:
        at_work: whether one holds the lock, as far as this file system can tell.
        holder: who holds the lock, or held it last, in words; may be empty.
        last_look: when a driver last looked at everything, in seconds since 1970; None: never.
    """

    at_work: bool
    holder: str
    last_look: float | None


@dataclass(frozen=True)
class Spread:
    """A resource as used by the attempts that ended; None where nothing is known.

    Attributes:
        median: of all attempts that ended and were measured.
        maximum: of the same.
        needed: largest request of an attempt that made its product.
    """

    median: float | None = None
    maximum: float | None = None
    needed: float | None = None


@dataclass(frozen=True)
class Example:
    """One attempt that failed.

    Attributes:
        branch: branch number.
        attempt: number of the attempt; 0 if none is on record.
        message: why it failed.
        log: what the job printed; the file may not exist.
        tail: last lines of the log, for branches that failed for good.
    """

    branch: int
    attempt: int
    message: str
    log: Path
    tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailureGroup:
    """Failures with the same cause.

    Attributes:
        cause: one of :class:`taumltools.batch.causes.Cause`.
        branches: which branches.
        attempts: how many attempts failed; for failures for good all failed attempts at these branches.
        example: the first branch that failed for good, or the attempt that failed last.
        advice: what a person can do if it happens for good.
    """

    cause: str
    branches: tuple[int, ...]
    attempts: int
    example: Example
    advice: str


@dataclass(frozen=True)
class WorkflowStatus:
    """One workflow.

    Attributes:
        task: task family.
        label: what people read, e.g. ``Training v1``.
        version: label of the processing.
        campaign: name of the campaign.
        identity: eight hex digits of its settings.
        site: where it ran.
        workflow: value of the job attribute ``TaumlWorkflow``.
        folder: all files of its attempts are below it.
        journal: what happened, one JSON object a line.
        logs: folder of what the jobs printed.
        counts: branches by their standing.
        driver: the process that looks after it.
        jobs_from: what running, idle and held rest upon: ``queue``, or ``last look`` of the driver.
        jobs_time: when that was, in seconds since 1970; None: no driver ever looked.
        attempts: how many jobs there were.
        repeated: how many of them were not the first of their branch.
        memory_mb: memory in MB.
        runtime_s: wall time in seconds.
        failures: branches that failed for good, by cause.
        failed_attempts: all attempts that failed so far, by cause, whatever came after.
        command: the command that goes on with this workflow.
        next_command: the command to type now; empty if there is nothing to do.
    """

    task: str
    label: str
    version: str
    campaign: str
    identity: str
    site: str
    workflow: str
    folder: Path
    journal: Path
    logs: Path
    counts: Counts
    driver: DriverStatus
    jobs_from: str
    jobs_time: float | None
    attempts: int
    repeated: int
    memory_mb: Spread
    runtime_s: Spread
    failures: tuple[FailureGroup, ...]
    failed_attempts: tuple[FailureGroup, ...]
    command: str
    next_command: str

    @property
    def finished(self) -> bool:
        """Whether all products are there."""
        return self.counts.done == self.counts.branches

    @property
    def open(self) -> bool:
        """Whether there are branches that are neither done nor failed for good."""
        return self.counts.done + self.counts.failed < self.counts.branches


@dataclass(frozen=True)
class Queue:
    """What the queue said about some workflows.

    Attributes:
        time: when it was asked, in seconds since 1970.
        states: by workflow and branch; a workflow that is not there was not asked for.
        problem: why something is missing; empty if nothing is.
    """

    time: float
    states: Mapping[str, Mapping[int, State]] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Overview:
    """Several workflows; :func:`as_json` writes it with these keys and those of its parts.

    Attributes:
        format: see :data:`FORMAT`.
        time: when it was made, in seconds since 1970.
        root: folder of all journals.
        queue_problem: why the queue was not asked, or did not answer; empty if it answered.
        unreadable: what is wrong with journals that cannot be read.
        workflows: those that can.
    """

    format: int
    time: float
    root: Path
    queue_problem: str
    unreadable: tuple[str, ...]
    workflows: tuple[WorkflowStatus, ...]


def as_json(overview: Overview) -> str:
    """One JSON document with the attributes of :class:`Overview` and its parts as keys.

    Args:
        overview: the workflows.

    Returns:
        The document; paths are strings, what is not known is null.
    """
    return json.dumps(asdict(overview), default=str, indent=1)
