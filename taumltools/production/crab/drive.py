"""Bringing CRAB tasks to their end: look, decide, do, wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from taumltools.batch.lock import driver_lock
from taumltools.errors import CrabError, TauMLError
from taumltools.production.crab.decide import Do, Step, decide
from taumltools.production.crab.say import line
from taumltools.production.crab.status import TaskStatus
from taumltools.production.crab.worker import Worker

log = logging.getLogger(__name__)

PASSING = frozenset({"timeout", "refused"})
"""Kinds of failures of the client after which a look is taken again later."""


@dataclass
class _Progress:
    """How a task is doing in this run.

    Attributes:
        worker: the task.
        silent: looks in a row without an answer.
        told: what was said last, which is not said again.
        end: None, or the last step.
    """

    worker: Worker
    silent: int = 0
    told: str = ""
    end: Step | None = field(default=None)


def advance(worker: Worker, once: bool = False) -> Step:
    """Do all that can be done now for a task.

    Args:
        worker: the task.
        once: end after the first thing that was done.

    Returns:
        The step at which it ends: ``WAIT``, ``FINISHED`` or ``FAILED``.

    Raises:
        CrabError: the client could not do something.
        InputError: an answer or the outputs are not understood.
    """
    status: TaskStatus | None = None
    while True:
        step = decide(worker.job, worker.history(), status, worker.limits, worker.clock())
        if step.do is Do.LOOK:
            status = worker.status(step.number)
            continue
        if step.do in {Do.WAIT, Do.FINISHED, Do.FAILED}:
            return step
        if step.why:
            log.info("%s: %s; %s", worker.job.name, step.why, step.do.name.lower())
        if not worker.perform(step, status):
            return Step(Do.WAIT, step.number, why="it is not known yet whether the server has it")
        status = None
        if once:
            return step


def drive(
    workers: Sequence[Worker], interval: float, patience: int, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Bring tasks to their end.

    Args:
        workers: the tasks.
        interval: seconds between two rounds.
        patience: rounds in a row that a task may go without an answer.
        sleep: how to wait.

    Raises:
        CrabError: the client cannot be used, or tasks failed for good after all others came to their end.
        BatchError: another command works on one of them.
    """
    with ExitStack() as locks:
        for worker in workers:
            locks.enter_context(driver_lock(worker.area.lock, f"CRAB task '{worker.job.name}'", interval=None))
        tasks = [_Progress(worker) for worker in workers]
        while True:
            for task in tasks:
                if task.end is None:
                    _round(task, patience)
            if all(task.end for task in tasks):
                break
            sleep(interval)
    failed = [
        "  " + line(task.worker.job.name, task.end.why) for task in tasks if task.end and task.end.do is Do.FAILED
    ]
    if failed:
        logs = workers[0].area.folder.parent
        raise CrabError(
            f"{len(failed)} of {len(tasks)} CRAB tasks failed; what the client said is in {logs}/<task>/crab.log:\n"
            + "\n".join(failed),
            "failed",
        )


def _round(task: _Progress, patience: int) -> None:
    name = task.worker.job.name
    try:
        step = advance(task.worker)
    except CrabError as error:
        if error.kind in {"missing", "proxy"}:
            raise
        task.silent += 1
        if error.kind not in PASSING or task.silent >= patience or _was_refused(task.worker):
            task.end = Step(Do.FAILED, why=str(error))
            log.error("%s", line(name, str(error)))
        else:
            log.warning("%s", line(name, str(error)))
        return
    except TauMLError as error:
        task.end = Step(Do.FAILED, why=str(error))
        log.error("%s", line(name, str(error)))
        return
    task.silent = 0
    if step.why != task.told:
        log.info("%s: %s", name, step.why or step.do.name.lower())
        task.told = step.why
    if step.do is not Do.WAIT:
        task.end = step


def _was_refused(worker: Worker) -> bool:
    """Whether the last thing that happened is that the server refused a submission: the next command tries again."""
    submissions = worker.history().submissions
    return bool(submissions) and submissions[-1].state == "refused"
