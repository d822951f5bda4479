"""What is known of workflows that ran on HTCondor, read from disk for ``law run Status``.

The journal says which attempts there were and how they ended, the snapshot what the driver
saw last, the folders of products what is done.  Nothing is changed.
:mod:`taumltools.batch.live` can add what the queue says now.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from taumltools.batch.causes import ADVICE, Answer, Cause
from taumltools.batch.decide import GiveUp, group_by_cause
from taumltools.batch.journal import read_events
from taumltools.batch.layout import Layout
from taumltools.batch.ledger import Attempt, Ledger
from taumltools.batch.lock import holder, is_locked
from taumltools.batch.messages import tail
from taumltools.batch.snapshot import Snapshot
from taumltools.batch.states import State
from taumltools.batch.status_data import (
    FORMAT,
    STANDINGS,
    Counts,
    DriverStatus,
    Example,
    FailureGroup,
    Overview,
    Queue,
    Spread,
    Standing,
    WorkflowStatus,
    as_json,
)
from taumltools.batch.status_text import as_text
from taumltools.errors import InputError
from taumltools.store import present

__all__ = [
    "Overview",
    "Queue",
    "WorkflowStatus",
    "as_json",
    "as_text",
    "find_workflows",
    "read_overview",
    "read_status",
]

DEPTH = 16
"""Folders between the root and a journal at most; guards against links that lead back."""

NAMES = ("task", "label", "version", "campaign", "identity", "workflow", "command")
"""Keys of the journal's header that are handed on as they are."""


def find_workflows(root: Path, campaign: str = "", family: str = "", version: str = "") -> list[Path]:
    """Folders of workflows that ran on HTCondor: ``<root>/<campaign>/<Task>/<keys>/<version>/<identity>``.

    Args:
        root: folder of all journals; it may not exist.
        campaign: name of a campaign; empty: all.
        family: name of a task; empty: all.
        version: label of a processing; empty: all.

    Returns:
        Folders with a journal, sorted.
    """
    folders = _with_journal(root, [campaign, family], DEPTH)
    return sorted(f for f in folders if not version or f.parent.as_posix().endswith(f"/{version}"))


def _with_journal(folder: Path, names: Sequence[str], depth: int) -> Iterator[Path]:
    """Folders with a journal below ``folder``, whose first parts have the given names (empty: any)."""
    if Layout(folder).journal.exists():
        yield folder
        return
    if not folder.is_dir() or depth == 0:
        return
    for entry in folder.iterdir():
        if entry.is_dir() and (not names or names[0] in {"", entry.name}):
            yield from _with_journal(entry, names[1:], depth - 1)


def nothing_found(root: Path, campaign: str = "", family: str = "", version: str = "") -> str:
    """What to say when no workflow matches.

    Args:
        root: folder of all journals.
        campaign: what was asked for, as for :func:`find_workflows`.
        family: the same.
        version: the same.

    Returns:
        A message that names what there is.
    """
    known: dict[str, dict[str, set[str]]] = {}
    for folder in find_workflows(root):
        parts = folder.relative_to(root).parts
        if len(parts) >= 4:
            known.setdefault(parts[0], {}).setdefault(parts[1], set()).add(parts[-2])
    if not known:
        return f"no workflow has run on HTCondor yet: there is no journal below {root}"
    asked = [("task", family), ("version", version), ("campaign", campaign)]
    words = " and ".join(f"{name} '{value}'" for name, value in asked if value)
    lines = [f"no workflow with {words} has run on HTCondor; below {root} there are"]
    for name, tasks in sorted(known.items()):
        lines += [f"  campaign {name}: " + "; ".join(f"{t} {', '.join(sorted(v))}" for t, v in sorted(tasks.items()))]
    return "\n".join(lines)


# ---------------------------------------------------------------------- one workflow


@dataclass(frozen=True)
class _Look:
    """What was last seen of jobs, when and by whom; and what the driver gave up."""

    source: str
    time: float
    states: Mapping[int, State]
    given_up: Mapping[int, GiveUp]


def read_status(folder: Path, queue: Queue | None = None) -> WorkflowStatus:
    """What is known of one workflow.

    Args:
        folder: where its journal is.
        queue: what the queue says, if it was asked.

    Returns:
        Its status.  Branches are those that the last driver wanted.

    Raises:
        InputError: the journal or the snapshot is damaged; the message names the file.
    """
    layout = Layout(folder)
    ledger = _ledger(layout.journal)
    header = ledger.header
    last_look = look = _last_look(layout.snapshot)
    if queue is not None and header["workflow"] in queue.states:
        look = replace(look, source="queue", time=queue.time, states=queue.states[header["workflow"]])
    done = set(present(dict(zip(header["branches"], map(Path, header["products"]), strict=True))))
    standings = {branch: _standing(branch, done, ledger, look) for branch in header["branches"]}
    failed = {b: look.given_up[b] for b, standing in standings.items() if standing is Standing.FAILED}
    counts = Counts(len(standings), **Counter(standing.value for standing in standings.values()))
    jobs = [a for b in standings for a in ledger.attempts.get(b, []) if not _never_was(a)]
    driver = DriverStatus(is_locked(layout.lock), holder(layout.lock), last_look.time or None)
    return WorkflowStatus(
        **{key: str(header[key]) for key in NAMES},
        site=str(header.get("site", "")),
        folder=folder,
        journal=layout.journal,
        logs=layout.folder / "logs",
        counts=counts,
        driver=driver,
        jobs_from=look.source,
        jobs_time=look.time or None,
        attempts=len(jobs),
        repeated=len(jobs) - len({a.branch for a in jobs}),
        memory_mb=_spread(jobs, "memory_mb", "max_memory", 1),
        runtime_s=_spread(jobs, "runtime_s", "max_runtime", 3600),
        failures=tuple(_for_good(failed, ledger, layout)),
        failed_attempts=tuple(_so_far(jobs, layout)),
        next_command=_next_command(header["command"], counts, driver.at_work, _more(failed, ledger)),
    )


def _ledger(journal: Path) -> Ledger:
    try:
        ledger = Ledger.replay(read_events(journal))
    except InputError as error:
        if str(journal) in str(error):
            raise
        raise InputError(f"{journal}: {error}") from error
    header = ledger.header
    missing = [key for key in (*NAMES, "branches", "products") if key not in header]
    if missing or len(header["branches"]) != len(header["products"]):
        what = f"does not say {', '.join(missing)}" if missing else "does not name one product for each branch"
        raise InputError(
            f"{journal} {what}: expected an 'opened' event; the command that began it writes one when it is run again"
        )
    return ledger


def _last_look(path: Path) -> _Look:
    content = Snapshot(path).read()
    try:
        return _Look(
            source="last look",
            time=float(content.get("time", 0.0)),
            states={int(branch): State(state) for branch, state in content.get("states", {}).items()},
            given_up={int(b): GiveUp(Cause(v["cause"]), v["message"]) for b, v in content.get("given_up", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not a snapshot of this version ({type(error).__name__}: {error}): "
            "remove it, the next driver writes it anew"
        ) from error


def _never_was(attempt: Attempt) -> bool:
    """Whether an attempt was written down but never became a job."""
    return attempt.ending is not None and attempt.ending.cause is Cause.NOT_SUBMITTED


def _standing(branch: int, done: set[int], ledger: Ledger, look: _Look) -> Standing:
    """What is known of a branch; an end that the journal learned after the look counts more than the look."""
    if branch in done:
        return Standing.DONE
    attempts = ledger.attempts.get(branch, [])
    last = attempts[-1] if attempts else None
    if branch in look.states and (last is None or (last.ended or 0.0) <= look.time):
        return STANDINGS[look.states[branch]]
    if branch in look.given_up and ledger.past(branch):
        return Standing.FAILED
    if last is not None and last.ending is None and last.job:
        # a driver looks first and submits then: what it did not see may be new
        new = look.source != "queue" or last.submitted >= look.time
        return Standing.IDLE if new else Standing.ENDING
    return Standing.UNSUBMITTED


def _spread(jobs: Sequence[Attempt], measured: str, requested: str, unit: float) -> Spread:
    """A resource over all attempts that ended.

    Args:
        jobs: the attempts.
        measured: its name in :class:`taumltools.batch.ledger.Ending`.
        requested: its name in :class:`taumltools.batch.resources.Resources`.
        unit: of the request, in units of what is measured.
    """
    used = [value for a in jobs if a.ending and (value := getattr(a.ending, measured)) is not None]
    good = [a.resources for a in jobs if a.ending and a.ending.cause is Cause.DONE and a.resources]
    needed = max((unit * getattr(resources, requested) for resources in good), default=None)
    return Spread(statistics.median(used), max(used), needed) if used else Spread(needed=needed)


def _for_good(failed: Mapping[int, GiveUp], ledger: Ledger, layout: Layout) -> Iterator[FailureGroup]:
    for cause, branches in group_by_cause(failed).items():
        branch = branches[0]
        number = ledger.past(branch)[-1].number
        log = layout.log(branch, number)
        example = Example(branch, number, failed[branch].message, log, tuple(tail(log)))
        attempts = sum(len(ledger.past(b)) for b in branches)
        yield FailureGroup(cause.value, tuple(branches), attempts, example, ADVICE.get(cause, ""))


def _so_far(jobs: Sequence[Attempt], layout: Layout) -> Iterator[FailureGroup]:
    groups: dict[Cause, list[Attempt]] = {}
    for attempt in jobs:
        if attempt.ending and attempt.answer is not Answer.NONE:
            groups.setdefault(attempt.ending.cause, []).append(attempt)
    for cause, attempts in sorted(groups.items(), key=lambda item: -len(item[1])):
        last = max(attempts, key=lambda a: a.rank)
        message = last.ending.message if last.ending else ""
        example = Example(last.branch, last.number, message, layout.log(last.branch, last.number))
        branches = tuple(sorted({a.branch for a in attempts}))
        yield FailureGroup(cause.value, branches, len(attempts), example, ADVICE.get(cause, ""))


def _more(failed: Mapping[int, GiveUp], ledger: Ledger) -> list[str]:
    """Options that ask for more of what branches that failed for good lacked."""
    options = []
    for cause, name, option, factor, step in (
        (Cause.MEMORY, "max_memory", "--max-memory", 1.5, 100),
        (Cause.RUNTIME, "max_runtime", "--max-runtime", 2.0, 1),
    ):
        lasts = [ledger.past(b)[-1].resources for b, verdict in failed.items() if verdict.cause is cause]
        asked = max((getattr(resources, name) for resources in lasts if resources), default=None)
        if asked:
            options.append(f"{option} {step * math.ceil(factor * asked / step)}")
    return options


def _next_command(command: str, counts: Counts, at_work: bool, more: Sequence[str]) -> str:
    if counts.done == counts.branches:
        return ""
    if counts.failed:
        return " ".join([command, *more, "--retry-failed"])
    return "" if at_work else command


# ---------------------------------------------------------------------- several workflows


def read_overview(
    root: Path, folders: Iterable[Path], ask: Callable[[Mapping[str, Sequence[str]]], Queue] | None, why_not: str = ""
) -> Overview:
    """What is known of several workflows.

    Args:
        root: folder of all journals.
        folders: of the workflows.
        ask: asks the queue for the jobs of workflows that may have some, by site; None: do not ask.
        why_not: why the queue is not asked.

    Returns:
        All that can be read; what cannot is named in ``unreadable``.
    """
    known: list[WorkflowStatus] = []
    unreadable: list[str] = []
    for folder in folders:
        try:
            known.append(read_status(folder))
        except (InputError, OSError) as error:
            unreadable.append(str(error))
    asked: dict[str, list[str]] = {}
    for status in known:
        if status.open:
            asked.setdefault(status.site, []).append(status.workflow)
    if ask and asked:
        queue = ask(asked)
        why_not = queue.problem
        known = [read_status(s.folder, queue) if s.workflow in queue.states else s for s in known]
    return Overview(FORMAT, time.time(), root, why_not, tuple(unreadable), tuple(known))
