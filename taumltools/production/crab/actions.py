"""What people do with CRAB tasks by hand: one action at a time, with a line that says what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from taumltools.batch.lock import driver_lock
from taumltools.errors import ConfigError, CrabError, InputError, TauMLError
from taumltools.production.crab.before import configuration_note
from taumltools.production.crab.collect import plan_collection
from taumltools.production.crab.decide import Do, left_before
from taumltools.production.crab.drive import advance
from taumltools.production.crab.history import INTENDED, REFUSED, History, Submission
from taumltools.production.crab.report import production_report, sections_of, write_report
from taumltools.production.crab.say import line
from taumltools.production.crab.status import Scheduler, Server, TaskStatus
from taumltools.production.crab.verify import check_outputs, folders_of, read_checksums
from taumltools.production.crab.worker import Worker


def act(workers: Sequence[Worker], action: str, dry_run: bool, say: Callable[[str], None]) -> None:
    """Do one thing with several tasks.

    Args:
        workers: the tasks.
        action: a key of :data:`ACTIONS`.
        dry_run: only say what would be done.
        say: takes a line for each task.

    Raises:
        CrabError: it could not be done for some tasks, after all were tried; or the client cannot be used at all.
        ConfigError: there is no such action.
    """
    check_action(action, tuple(ACTIONS))
    problems = []
    for worker in workers:
        name = worker.job.name
        try:
            if dry_run or action == "status":
                say(line(name, ACTIONS[action](worker, dry_run)))
                continue
            with driver_lock(worker.area.lock, f"CRAB task '{name}'", interval=None):
                say(line(name, ACTIONS[action](worker, dry_run)))
        except TauMLError as error:
            if isinstance(error, CrabError) and error.kind in {"missing", "proxy"}:
                raise
            say(f"{name}: error: {line(name, str(error)).removeprefix(name + ': ')}")
            problems.append(name)
    if problems:
        raise CrabError(
            f"{action}: not done for {len(problems)} of {len(workers)} tasks: {', '.join(problems)}", "failed"
        )


def check_action(action: str, known: Sequence[str]) -> None:
    """Refuse what cannot be done.

    Args:
        action: what is asked for.
        known: what can be done.

    Raises:
        ConfigError: it is not among them.
    """
    if action not in known:
        raise ConfigError(f"there is no action '{action}'; there are {', '.join(known)}")


def _submitted(worker: Worker) -> tuple[History, Submission]:
    history = worker.history()
    if not history.submissions or history.last.state == REFUSED:
        raise CrabError(f"it has not been submitted; give --action submit ({worker.area.folder})")
    if history.last.state == INTENDED and not worker.find(history.last.number):
        raise CrabError(
            "it was being submitted a moment ago, and the server does not know it yet; try again in two minutes"
        )
    history = worker.history()
    if history.last.state == REFUSED:
        raise CrabError("it was being submitted and has not reached the server; give --action submit")
    return history, history.last


def submit(worker: Worker, dry_run: bool) -> str:
    """Submit the task, unless it was submitted before."""
    history = worker.history()
    if history.submissions and history.last.state not in {INTENDED, REFUSED}:
        return f"was submitted before as {history.last.task}"
    number = history.last.number if history.submissions else 0
    if dry_run:
        config = worker.prepare(number, left_before(history, number))
        note = configuration_note(worker.job)
        return f"would be submitted with {config}" + (f"; {note}" if note else "")
    while not (history.submissions and history.last.task):
        if advance(worker, once=True).do is Do.WAIT:
            return "was being submitted a moment ago; try again in two minutes"
        history = worker.history()
    return f"submitted as {history.last.task}"


def status(worker: Worker, dry_run: bool) -> str:
    """Say how the task is."""
    history = worker.history()
    if history.moved:
        return _there(worker)
    if not history.submissions:
        return "not submitted"
    if not history.last.task:
        return f"{history.last.request} {history.last.state}"
    if dry_run:
        return f"the server would be asked for {history.last.task}"
    return f"{history.last.request}: {worker.status(history.last.number).line()}"


def _there(worker: Worker) -> str:
    """What came out, and where it is."""
    outputs = worker.verified()
    return f"finished, {len(outputs)} files in {folders_of(outputs)}"


def resubmit(worker: Worker, dry_run: bool) -> str:
    """Submit failed jobs again."""
    if dry_run:
        return "failed jobs would be submitted again"
    history, last = _submitted(worker)
    if history.moves is not None or history.rest is not None:
        return "is finished; nothing was submitted again"
    now = worker.status(last.number)
    if now.server is not Server.SUBMITFAILED and not now.of_state("failed", "killed"):
        return f"{last.request}: no job has failed, nothing was submitted again: {now.line()}"
    worker.resubmit(last.number)
    return f"{last.request}: failed jobs submitted again"


def kill(worker: Worker, dry_run: bool) -> str:
    """Kill the task."""
    if dry_run:
        return "would be killed"
    history, last = _submitted(worker)
    if history.moves is not None or history.rest is not None:
        return "is finished; there is nothing to kill"
    now = worker.status(last.number)
    if _ended(now):
        return f"{last.request}: is at its end, there is nothing to kill: {now.line()}"
    worker.kill(last.number, by_user=True)
    return f"{last.request}: killed"


def _ended(now: TaskStatus) -> bool:
    """Whether no job of a task goes on or could be started any more."""
    dead = {Server.KILLED, Server.SUBMITFAILED, Server.FAILED}
    return not now.command and (now.at_end or now.server in dead or now.scheduler is Scheduler.KILLED)


def _reported(worker: Worker) -> History:
    """The history after the report on the last submission, which has come to its end."""
    history, last = _submitted(worker)
    if last.outcome is None:
        now = worker.status(last.number)
        if not now.at_end:
            raise CrabError(f"is not at its end: {now.line()}")
        worker.report(last.number, now)
        history = worker.history()
    return history


def recover(worker: Worker, dry_run: bool) -> str:
    """Submit what is left with smaller jobs."""
    if worker.job.splitting != "FileBased":
        raise ConfigError(f"it is split {worker.job.splitting}: only jobs of whole files (FileBased) can be recovered")
    if dry_run:
        return "what its last submission left would be submitted with smaller jobs"
    history = _reported(worker)
    last = history.last
    assert last.outcome is not None
    if last.outcome.complete and not last.outcome.account.left:
        return "nothing is left"
    number = last.number + 1
    allowed = max(worker.job.max_recoveries, number + 1)  # of a person's own accord: always on the grid
    patient = replace(
        worker, job=replace(worker.job, max_recoveries=allowed), limits=replace(worker.limits, accept_missing=False)
    )
    step = advance(patient, once=True)
    if step.do is not Do.SUBMIT:
        raise CrabError(step.why or f"cannot be recovered ({step.do.name.lower()})")
    return f"recovery {number} submitted as {worker.history().last.task}"


def report(worker: Worker, dry_run: bool) -> str:
    """Write the report."""
    path = worker.report_path
    if dry_run:
        return f"{path} would be written"
    history = _reported(worker)
    made = production_report(worker.job, history, worker.outputs())
    _compare(made, path)
    write_report(path, made)
    processed, left = sections_of(history)
    return f"{len(processed)} luminosity sections processed, {len(left)} not; {path}"


def _compare(made: Mapping[str, Any], before: Path) -> None:
    """See that a report states the same checksums as the one that it replaces."""
    known = read_checksums(before)
    changed = [
        output["file"] for output in made["outputs"] if known.get(output["file"]) not in (None, output["adler32"])
    ]
    if changed:
        raise InputError(
            f"{len(changed)} outputs have other content than {before} says, e.g. {changed[0]}: bring them back as they were, or "
            "remove that report if this is meant to be"
        )


def verify(worker: Worker, dry_run: bool) -> str:
    """Compare the outputs with what is known of them: their sizes, and the checksums of the report."""
    if dry_run:
        return "outputs would be compared with the report"
    history = worker.history()
    if not history.moved:
        raise CrabError("its outputs have not been collected yet; give --action move")
    known = read_checksums(worker.report_path)
    outputs = worker.outputs()
    check_outputs(outputs, history.sizes, known)
    compared = sum(str(path) in known for path in outputs)
    more = "" if compared == len(outputs) else "; --action report writes checksums of the others"
    return f"{len(outputs)} files in {folders_of(outputs)} are there, {compared} with the checksum of the report{more}"


def move(worker: Worker, dry_run: bool) -> str:
    """Move the outputs."""
    history = worker.history()
    if history.moved:
        return _moved_before(worker)
    if dry_run:
        if history.moves is None and worker.places.storage:
            target = Path(worker.places.target) if worker.places.target else None
            plan = plan_collection(history, Path(worker.places.storage), target, [o.file for o in worker.job.outputs])
            return "\n  ".join(["would be moved:", *(f"{one.source} -> {one.target}" for one in plan.moves)])
        return "outputs would be moved"
    history = _reported(worker)
    last = history.last
    if history.moves is None and last.outcome and last.outcome.account.left and not worker.limits.accept_missing:
        raise CrabError(
            f"{len(last.outcome.account.left)} luminosity sections are left: recover them, or accept that they are missing"
        )
    worker.collect()
    return f"{len(worker.outputs())} files in {folders_of(worker.outputs())}"


def _moved_before(worker: Worker) -> str:
    """Where the outputs are that an earlier command has moved."""
    outputs = worker.verified()
    target = worker.places.target
    elsewhere = target and not all(path.is_relative_to(target) for path in outputs)
    more = f"; nothing was moved to {target}" if elsewhere else ""
    return f"{len(outputs)} files in {folders_of(outputs)}, where an earlier command has moved them{more}"


ACTIONS: dict[str, Callable[[Worker, bool], str]] = {
    "submit": submit, "status": status, "resubmit": resubmit, "kill": kill, "recover": recover, "report": report, "move": move,
    "verify": verify,
}  # fmt: skip
"""What can be done with a task."""
