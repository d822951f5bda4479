"""What is done next for a CRAB production: a pure function of its history and of what the server says.

- Nothing was done, or the server refused: submit.
- A submission was intended and its end is not known: look for it on the server.
- SUBMITFAILED: resubmit, and give up in the end.
- Jobs are under way: wait; kill the task if that takes too long.
- Jobs failed and the scheduler is at its end: resubmit, in the end ask for the report.
- COMPLETED: ask for the report.
- The report says that nothing is left: collect the outputs.
- Something is left: a recovery with smaller jobs, the last of which runs beside the grid; without recoveries: give up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from taumltools.production.crab.history import INTENDED, REFUSED, History, Submission
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.lumis import Sections
from taumltools.production.crab.recovery import recovery
from taumltools.production.crab.status import Scheduler, Server, TaskStatus
from taumltools.production.crab.tool import Account


class Do(Enum):
    """Kinds of steps."""

    SUBMIT = auto()
    FIND = auto()
    LOOK = auto()
    WAIT = auto()
    RESUBMIT = auto()
    KILL = auto()
    REPORT = auto()
    REST = auto()
    COLLECT = auto()
    FINISHED = auto()
    FAILED = auto()


@dataclass(frozen=True)
class Step:
    """What is done.

    Attributes:
        do: kind.
        number: of the submission it is about.
        sections: what is processed, of a recovery; None: everything.
        why: for people.
    """

    do: Do
    number: int = 0
    sections: Sections | None = None
    why: str = ""


@dataclass(frozen=True)
class Limits:
    """When patience ends.

    Attributes:
        resubmissions: of failed jobs of one task.
        hours: that a task may take after it was submitted or resubmitted; CRAB forgets tasks after 30 days.
        settle: seconds until what was asked for shows in the status.
        kills: how often a task is killed that goes on.
        accept_missing: collect what there is, though sections are missing.
    """

    resubmissions: int = 3
    hours: float = 600.0
    settle: float = 900.0
    kills: int = 3
    accept_missing: bool = False


UNDER_WAY = frozenset({Server.NEW, Server.WAITING, Server.HOLDING, Server.QUEUED, Server.UPLOADED, Server.TAPERECALL})
"""The server has not handed the task to a scheduler."""


def decide(job: CrabJob, history: History, status: TaskStatus | None, limits: Limits, now: float) -> Step:
    """The next step.

    Args:
        job: as it was first submitted.
        history: what was done.
        status: what the server says of the latest submission; None if it was not asked.
        limits: when patience ends.
        now: s since 1970.

    Returns:
        The step; ``LOOK`` means that the status is needed to say.
    """
    if history.moved:
        return Step(Do.FINISHED)
    if history.moves is not None or history.rest is not None:
        return Step(Do.COLLECT)
    if not history.submissions:
        return Step(Do.SUBMIT, 0)
    last = history.last
    if last.state == INTENDED:
        return Step(Do.FIND, last.number, why="it was about to be submitted when the command ended")
    if last.state == REFUSED:
        return Step(
            Do.SUBMIT, last.number, sections=left_before(history, last.number), why="the server refused it before"
        )
    if last.outcome is not None:
        return _after_report(job, history, limits)
    if status is None:
        return Step(Do.LOOK, last.number)
    return _by_status(last, status, limits, now)


def left_before(history: History, number: int) -> Sections | None:
    """What a submission processes: what the one before it left; None: everything."""
    while number:
        number -= 1
        outcome = history.submissions[number].outcome
        if outcome and outcome.finished:
            return outcome.account.left
    return None


def _by_status(last: Submission, status: TaskStatus, limits: Limits, now: float) -> Step:
    waited = now - last.acted
    if last.by_user and last.kills:
        return Step(
            Do.FAILED, last.number, why="it was killed on request; --action resubmit or recover goes on with it"
        )
    if status.server is Server.SUBMITFAILED:
        return _again_or(Do.FAILED, last, limits, waited, f"the server could not submit it: {status.failure}")
    killed = status.server is Server.KILLED or status.scheduler is Scheduler.KILLED
    if killed and not status.jobs:
        return Step(Do.FAILED, last.number, why="it was killed before it had jobs")
    if status.server in UNDER_WAY or status.command:
        return _wait_or_kill(last, limits, waited, f"the server has it ({status.server})")
    if status.scheduler is Scheduler.COMPLETED or (status.at_end and killed):
        return Step(Do.REPORT, last.number)
    if last.kills or killed:  # it was asked for, and has not happened yet
        return _wait_or_kill(last, limits, waited, "it was killed, and goes on")
    if status.scheduler is Scheduler.FAILED and not status.jobs:
        return Step(Do.FAILED, last.number, why=f"it did not start on the scheduler: {status.failure or 'see its log'}")
    if status.at_end:
        failed = len(status.jobs) - len(status.of_state("finished"))
        return _again_or(Do.REPORT, last, limits, waited, f"{failed} of {len(status.jobs)} jobs did not finish")
    if status.server is Server.FAILED:
        return Step(Do.FAILED, last.number, why=f"the server gave it up: {status.failure}")
    return _wait_or_kill(last, limits, waited, status.line())


def _again_or(end: Do, last: Submission, limits: Limits, waited: float, why: str) -> Step:
    """Resubmit as long as that is allowed; what was resubmitted a moment ago may still look as before."""
    if last.resubmissions and waited < limits.settle:
        return Step(Do.WAIT, last.number, why="resubmitted a moment ago")
    if last.resubmissions < limits.resubmissions:
        return Step(Do.RESUBMIT, last.number, why=why)
    return Step(end, last.number, why=f"{why} after {last.resubmissions} resubmissions")


def _wait_or_kill(last: Submission, limits: Limits, waited: float, why: str) -> Step:
    if waited < (limits.settle if last.kills else limits.hours * 3600):
        return Step(Do.WAIT, last.number, why=why)
    if last.kills < limits.kills:
        return Step(Do.KILL, last.number, why=f"{why} for {waited / 3600:.0f} h")
    return Step(Do.FAILED, last.number, why=f"it goes on though it was killed {last.kills} times: kill it by hand")


def twice(history: History) -> Sections:
    """Sections that more than one submission has processed, but for those that lie in several files."""
    seen: set[tuple[int, int]] = set()
    found: set[tuple[int, int]] = set()
    for outcome in (one.outcome for one in history.submissions if one.outcome):
        found |= (outcome.account.processed & seen) - outcome.account.duplicates
        seen |= outcome.account.processed
    return frozenset(found)


def _after_report(job: CrabJob, history: History, limits: Limits) -> Step:
    last, outcome = history.last, history.last.outcome
    assert outcome is not None
    if again := twice(history):
        return Step(
            Do.FAILED, last.number, why=f"{len(again)} luminosity sections were processed by two tasks; remove one"
        )
    if outcome.complete and not outcome.account.left:
        return Step(Do.COLLECT)
    if limits.accept_missing and outcome.finished:
        return Step(Do.COLLECT, why=f"{len(outcome.account.left)} luminosity sections are missing, which is accepted")
    if outcome.finished and (problem := _cannot_recover(outcome.account)):
        return Step(Do.FAILED, last.number, why=problem)
    sections = left_before(history, last.number + 1)
    left = "nothing was processed" if sections is None else f"{len(sections)} luminosity sections are left"
    if last.number >= job.max_recoveries:
        return Step(Do.FAILED, last.number, why=left)
    local = recovery(job, last.number + 1).local
    return Step(Do.REST if local else Do.SUBMIT, last.number + 1, sections=sections, why=left)


def _cannot_recover(account: Account) -> str:
    """Why the report does not tell what to process again; empty if it does."""
    if shared := account.duplicates & account.to_process:
        return (
            f"jobs failed, and {len(shared)} luminosity sections lie in several files, so that the report cannot tell what "
            "was left; resubmit until all jobs are finished"
        )
    return "" if account.left else "jobs failed, though the report says that all was processed; resubmit them"
