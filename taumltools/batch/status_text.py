"""The status of workflows for people: aligned text without colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from taumltools.batch.messages import branch_list
from taumltools.batch.status_data import Counts, FailureGroup, Overview, Spread, WorkflowStatus

WORDS = {
    "running": "running",
    "idle": "idle",
    "held": "held",
    "ending": "ending",
    "failed": "failed for good",
    "unsubmitted": "to submit",
}
"""What people read for the attributes of :class:`taumltools.batch.status_data.Counts`."""


def duration(seconds: float) -> str:
    """A time in words.

    Examples:
        >>> duration(12), duration(90), duration(5400), duration(200000)
        ('12 s', '1.5 min', '1.5 h', '2.3 d')
    """
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {word}"
    return f"{max(0.0, seconds):.0f} s"


def megabytes(size: float) -> str:
    """An amount of memory in words.

    Examples:
        >>> megabytes(812.4)
        '812 MB'
    """
    return f"{size:.0f} MB"


def as_text(overview: Overview, everything: bool = False) -> str:
    """All that a person wants to know.

    Args:
        overview: the workflows.
        everything: details of finished workflows, too.

    Returns:
        A table if there are several workflows, then details of each.
    """
    workflows = overview.workflows
    parts = ["\n".join(table(workflows))] if len(workflows) > 1 else []
    shown = [w for w in workflows if everything or len(workflows) == 1 or not w.finished or w.failures]
    parts += ["\n".join(details(workflow, overview.time)) for workflow in shown]
    if overview.queue_problem and any(w.open for w in workflows):
        parts.append(f"No answer of the queue: {overview.queue_problem}")
    parts += [f"Cannot be read: {problem}" for problem in overview.unreadable]
    return "\n\n".join(parts)


# ---------------------------------------------------------------------- one line each


def table(workflows: Sequence[WorkflowStatus]) -> list[str]:
    """One line for each workflow; columns that are zero everywhere are left out.

    Args:
        workflows: what to show.

    Returns:
        The lines, the first with the titles.
    """
    numbers = [name for name in WORDS if any(getattr(w.counts, name) for w in workflows)]
    head = ["workflow", "campaign", "identity", "branches", "done", *(WORDS[n] for n in numbers)]
    rows = [[*head, "repeated", "memory", "runtime", "driver"]]
    for w in workflows:
        counts = [w.counts.branches, w.counts.done, *(getattr(w.counts, name) for name in numbers), w.repeated]
        used = [_or_dash(w.memory_mb.maximum, megabytes), _or_dash(w.runtime_s.maximum, duration)]
        rows.append([w.label, w.campaign, w.identity, *map(str, counts), *used, "at work" if w.driver.at_work else "-"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = {0, 1, 2, len(widths) - 1}
    cells = [
        [c.ljust(n) if i in left else c.rjust(n) for i, (c, n) in enumerate(zip(r, widths, strict=True))] for r in rows
    ]
    return ["  ".join(row).rstrip() for row in cells]


def _or_dash(value: float | None, words: Callable[[float], str]) -> str:
    return "-" if value is None else words(value)


# ---------------------------------------------------------------------- details


def details(workflow: WorkflowStatus, now: float) -> Iterator[str]:
    """Everything about one workflow.

    Args:
        workflow: what to show.
        now: seconds since 1970.

    Yields:
        The lines.
    """
    yield f"{workflow.label} (campaign {workflow.campaign}, identity {workflow.identity})"
    yield _line("branches", branches(workflow.counts) + _as_of(workflow, now))
    yield _line("driver", driver(workflow, now))
    yield _line("attempts", f"{workflow.attempts}, {workflow.repeated} of them not the first of their branch")
    yield from _spread("memory", workflow.memory_mb, megabytes)
    yield from _spread("runtime", workflow.runtime_s, duration)
    yield _line("journal", str(workflow.journal))
    yield _line("logs", str(workflow.logs))
    for group in workflow.failures:
        yield f"  failed for good, {group.cause}: {_branches(group)}, {_attempts(group.attempts)}"
        yield from _example(group)
    told = {group.example.log for group in workflow.failures}
    for group in workflow.failed_attempts:
        yield f"  failed so far, {group.cause}: {_attempts(group.attempts)} at {_branches(group)}"
        yield from [] if group.example.log in told else _example(group)
    if workflow.next_command:
        yield _line("next", workflow.next_command)
    elif not workflow.finished:
        yield _line("next", "nothing, a driver is at work")


def branches(counts: Counts) -> str:
    """Numbers of branches in words.

    Examples:
        >>> branches(Counts(branches=10, done=4, running=5, unsubmitted=1))
        '4 of 10 done, 5 running, 1 to submit'
    """
    rest = [f"{getattr(counts, name)} {word}" for name, word in WORDS.items() if getattr(counts, name)]
    return ", ".join([f"{counts.done} of {counts.branches} done", *rest])


def driver(workflow: WorkflowStatus, now: float) -> str:
    """Whether a driver is at work, and when it last looked."""
    status = workflow.driver
    if status.at_work:
        words = ["at work" + (f" ({status.holder})" if status.holder else "")]
    else:
        words = ["none at work" + (f" (the last was {status.holder})" if status.holder else "")]
    words.append("never looked" if status.last_look is None else f"last look {duration(now - status.last_look)} ago")
    return ", ".join(words)


def _as_of(workflow: WorkflowStatus, now: float) -> str:
    """How old the states of jobs are, where that matters."""
    counts = workflow.counts
    if not (counts.running or counts.idle or counts.held or counts.ending):
        return ""
    if workflow.jobs_from == "queue":
        return " (as the queue says now)"
    if workflow.jobs_time is None:
        return " (as submitted; no driver has looked yet)"
    return f" (as the driver saw it {duration(now - workflow.jobs_time)} ago)"


def _line(title: str, text: str) -> str:
    return f"  {title:<9} {text}"


def _spread(title: str, spread: Spread, words: Callable[[float], str]) -> Iterator[str]:
    known = [("median", spread.median), ("maximum", spread.maximum), ("largest request that was needed", spread.needed)]
    if any(value is not None for _, value in known):
        yield _line(title, ", ".join(f"{name} {words(value)}" for name, value in known if value is not None))


def _attempts(number: int) -> str:
    return f"{number} attempt{'s' * (number != 1)}"


def _branches(group: FailureGroup) -> str:
    return f"branch{'es' * (len(group.branches) > 1)} {branch_list(group.branches)}"


def _example(group: FailureGroup) -> Iterator[str]:
    example = group.example
    yield f"    e.g. branch {example.branch}, attempt {example.attempt}: {example.message}"
    yield f"    log: {example.log}" + ("" if example.log.exists() else " (not there)")
    for line in example.tail:
        yield f"      {line}"
