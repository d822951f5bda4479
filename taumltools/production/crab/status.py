"""What ``crab status --json`` says, as data.  A word that is not known is an error, never taken for "finished"."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from taumltools.errors import InputError


class Server(StrEnum):
    """States of a task on the CRAB server."""

    NEW = "NEW"
    WAITING = "WAITING"
    HOLDING = "HOLDING"
    QUEUED = "QUEUED"
    UPLOADED = "UPLOADED"
    TAPERECALL = "TAPERECALL"
    SUBMITTED = "SUBMITTED"
    SUBMITFAILED = "SUBMITFAILED"
    RESUBMITFAILED = "RESUBMITFAILED"
    KILLED = "KILLED"
    KILLFAILED = "KILLFAILED"
    FAILED = "FAILED"


class Scheduler(StrEnum):
    """States of a task on the grid scheduler."""

    NONE = ""
    BOOTSTRAP = "waiting for the scheduler"
    SUBMITTED = "SUBMITTED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    KILLED = "FAILED (KILLED)"


JOB_STATES = frozenset(
    {
        "unsubmitted", "idle", "cooloff", "running", "toRetry", "finished", "failed", "transferring", "transferred", "killed",
        "held", "unknown", "no output", "rescheduled",
    }
)  # fmt: skip
"""States of jobs."""

AT_WORK = frozenset({"running", "transferring", "transferred"})
"""States of jobs that go on though the scheduler says that the task is at its end: the states are some minutes old."""


@dataclass(frozen=True)
class JobStatus:
    """A job of a task.

    Attributes:
        state: one of :data:`JOB_STATES`.
        code: exit code of a failed job; None if CRAB does not know it.
        message: what CRAB says of the failure.
    """

    state: str
    code: int | None = None
    message: str = ""


@dataclass(frozen=True)
class TaskStatus:
    """A task.

    Attributes:
        task: its name, ``<yymmdd_hhmmss>:<user>_crab_<request>``.
        server: state on the server.
        command: command that the server has not carried out yet; empty: none.
        scheduler: state on the scheduler.
        counts: jobs by state.
        jobs: each job by its id; empty if the scheduler has not reported yet.
        failure: message of the server.
        warnings: further messages.
    """

    task: str
    server: Server
    command: str = ""
    scheduler: Scheduler = Scheduler.NONE
    counts: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, JobStatus] = field(default_factory=dict)
    failure: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def timestamp(self) -> str:
        """Name of the folder that the output is in, e.g. ``211117_135111``."""
        return self.task.partition(":")[0]

    def of_state(self, *states: str) -> tuple[str, ...]:
        """Ids of the jobs in some states, in their order."""
        return tuple(sorted((job for job, known in self.jobs.items() if known.state in states), key=job_order))

    @property
    def at_end(self) -> bool:
        """Whether the scheduler has ended the task, and no job is at work any more."""
        ended = self.scheduler in {Scheduler.COMPLETED, Scheduler.FAILED, Scheduler.KILLED}
        return ended and not any(job.state in AT_WORK for job in self.jobs.values())

    def exit_codes(self) -> dict[int | None, int]:
        """Number of failed jobs by exit code; None: not known."""
        found: dict[int | None, int] = {}
        for job in self.jobs.values():
            if job.state == "failed":
                found[job.code] = found.get(job.code, 0) + 1
        return found

    def line(self) -> str:
        """The status in one line."""
        jobs = ", ".join(f"{number} {state}" for state, number in sorted(self.counts.items()))
        codes = ", ".join(f"{n} with exit code {code or 'unknown'}" for code, n in self.exit_codes().items())
        words = [
            str(self.server) + (f" on command {self.command}" if self.command else ""),
            str(self.scheduler),
            jobs,
            codes,
        ]
        return "; ".join(word for word in [*words, self.failure] if word)


def job_order(job: str) -> tuple[int, ...]:
    """Key by which ids such as ``2``, ``10`` and ``2-1`` (tail jobs) are sorted.

    Examples:
        >>> sorted(["10", "2-1", "2"], key=job_order)
        ['2', '2-1', '10']
    """
    return tuple(int(part) for part in job.split("-"))


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_COUNT = re.compile(r"(\S+(?: output)?)\s+[\d.]+\s*%\s*\(\s*(\d+)\s*/\s*(\d+)\s*\)")
_JOBS = re.compile(r"(?:(?:Main|Probe|Tail) jobs|Jobs) status:")
_KEYS = {
    "task": "Task name:",
    "server": "Status on the CRAB server:",
    "scheduler": "Status on the scheduler:",
}
_BOOTSTRAP = ("Waiting for the Grid scheduler", "Task bootstrapped")
_BOOTSTRAP_FAILED = "The task failed to bootstrap on the Grid scheduler"
_NO_WEB = "Cannot retrieve the status_cache file"


def parse_status(text: str) -> TaskStatus:
    """Understand what ``crab status --json`` printed.

    Args:
        text: its output.

    Returns:
        The status.

    Raises:
        InputError: there is no status in it, or a word that is not known; the message shows the line.
    """
    lines = [_COLOUR.sub("", line).expandtabs(1).rstrip() for line in text.splitlines()]
    values = {name: _value(lines, key) for name, key in _KEYS.items()}
    if not values["task"] or not values["server"]:
        raise InputError(f"crab status: no task and no status on the server in its output:\n{_shown(lines)}")
    server, _, command = values["server"].partition(" on command ")
    jobs = _details(lines)
    counts: dict[str, int] = {}
    for job in jobs.values():
        counts[job.state] = counts.get(job.state, 0) + 1
    return TaskStatus(
        task=values["task"],
        server=_word(Server, server.strip(), "status on the CRAB server"),
        command=command.strip(),
        scheduler=_scheduler(lines, values["scheduler"]),
        counts=counts or _counts(lines),
        jobs=jobs,
        failure=_block(lines, "Failure message from server:"),
        warnings=tuple(line.removeprefix("Warning:").strip() for line in lines if line.startswith("Warning:")),
    )


def _value(lines: list[str], key: str) -> str:
    return next((line[len(key) :].strip() for line in lines if line.startswith(key)), "")


def _word(words: Any, text: str, what: str) -> Any:
    try:
        return words(text)
    except ValueError as error:
        raise InputError(
            f"crab status: the {what} is '{text}', which is not known; known are {', '.join(w for w in words if w)}"
        ) from error


def _scheduler(lines: list[str], text: str) -> Scheduler:
    if text:
        return _word(Scheduler, text, "status on the scheduler")  # type: ignore[no-any-return]
    if any(line.startswith(_BOOTSTRAP_FAILED) for line in lines):
        return Scheduler.FAILED
    waits = any(line.startswith(_BOOTSTRAP) or _NO_WEB in line for line in lines)
    return Scheduler.BOOTSTRAP if waits else Scheduler.NONE


def _block(lines: list[str], key: str) -> str:
    """A message with the indented lines that follow."""
    for number, line in enumerate(lines):
        if line.startswith(key):
            more = [line[len(key) :].strip()]
            for following in lines[number + 1 :]:
                if not following.startswith(" "):
                    break
                more.append(following.strip())
            return "\n".join(more).strip()
    return ""


def _counts(lines: list[str]) -> dict[str, int]:
    """Jobs by state from the table, which is all there is without --json."""
    counts: dict[str, int] = {}
    inside = False
    for line in lines:
        found = _JOBS.match(line)
        rest = line[found.end() :].strip() if found else line.strip()
        inside = bool(found) or (inside and bool(rest))
        if not inside:
            continue
        row = _COUNT.fullmatch(rest)
        if row is None or row[1] not in JOB_STATES:
            raise InputError(
                f"crab status: '{rest}' is no number of jobs in a known state ({', '.join(sorted(JOB_STATES))})"
            )
        counts[row[1]] = counts.get(row[1], 0) + int(row[2])
    return counts


def _details(lines: list[str]) -> dict[str, JobStatus]:
    document = next((line for line in lines if line.startswith("{")), "{}")
    try:
        content = json.loads(document)
        return {job: _job(job, known) for job, known in content.items() if job != "DagStatus"}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"crab status --json: its document cannot be read ({error}): {document[:200]}") from error


def _job(job: str, known: dict[str, Any]) -> JobStatus:
    job_order(job)
    state = known["State"] or "unknown"
    if state not in JOB_STATES:
        raise InputError(
            f"crab status: job {job} is '{state}', which is not known; known are {', '.join(sorted(JOB_STATES))}"
        )
    error = known.get("Error") or []
    code = int(error[0]) if state == "failed" and error else None
    return JobStatus(state, code, str(error[1]) if len(error) > 1 and state == "failed" else "")


def _shown(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines[-10:])
