"""Calls that do not run anything: what would be submitted, and taking jobs out of the queue."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

REASON = "removed by --cancel-jobs"
"""What the history and the journal say of removed jobs."""


def jobs_of(task: Any) -> list[Any]:
    """Jobs of a workflow that are in the queue."""
    from tasks.remote import workflow_id

    return task.pool().jobs(workflow_id(task.state_folder))


def with_upstream(task: Any) -> Iterator[Any]:
    """A workflow and all that it needs, each once."""
    seen = {}
    waiting = [task]
    while waiting:
        one = waiting.pop()
        if one.state_folder not in seen:
            seen[one.state_folder] = one
            waiting += list(one.upstream_tasks())
            yield one


def remove_jobs(task: Any) -> None:
    """Take all jobs of a workflow out of the queue, and say which others have some.

    Args:
        task: the workflow.

    Raises:
        BatchError: a driver is at work, which would submit them again.
    """
    from taumltools.batch.layout import Layout
    from taumltools.batch.lock import driver_lock

    layout = Layout(task.state_folder)
    if layout.folder.exists():
        with driver_lock(layout.lock, task.label, interval=None):
            jobs = _remove(task, layout)
    else:  # it was lost, or there never was one: nobody to keep out, and nothing to write
        jobs = jobs_of(task)
        task.pool().remove([job.id for job in jobs], REASON)
    lines = [f"{task.label}: {_count(jobs)} removed from the queue"]
    for other in with_upstream(task):
        if other.state_folder != task.state_folder and Layout(other.state_folder).journal.exists():
            left = [] if other.is_tidy() else jobs_of(other)
            if left:
                lines.append(f"{other.label}, upstream, has {_count(left)} more: {other.command} --cancel-jobs")
    sys.stdout.write("\n".join(lines) + "\n")


def _remove(task: Any, layout: Any) -> list[Any]:
    """Remove jobs, and end their attempts; those without a job in this queue are left to the next driver."""
    from taumltools.batch.causes import Cause
    from taumltools.batch.journal import Journal, read_events
    from taumltools.batch.ledger import Ledger
    from taumltools.errors import BatchError

    pool, ledger = task.pool(), Ledger.replay(read_events(layout.journal))
    here = pool.where()
    if before := ledger.elsewhere(here):
        raise BatchError(
            f"{task.label}: its jobs are at the scheduler {before}, this machine speaks to {here}: remove them there"
        )
    jobs = jobs_of(task)
    pool.remove([job.id for job in jobs], REASON)
    removed = {(job.branch, job.attempt) for job in jobs}
    ended: dict[str, Any] = {"event": "ended", "cause": str(Cause.SUPERSEDED), "message": REASON}
    events: list[Mapping[str, Any]] = [
        ended | {"branch": a.branch, "attempt": a.number} for a in ledger.living() if (a.branch, a.number) in removed
    ]
    if events:
        Journal(layout.journal).write_all(events)
    return jobs


def _count(jobs: list[Any]) -> str:
    return f"{len(jobs)} job{'s' * (len(jobs) != 1)}"


def queue_line(task: Any) -> str:
    """What a dry run says of the queue."""
    from taumltools.errors import BatchError

    try:
        jobs = jobs_of(task)
    except BatchError as error:
        return f"the queue was not asked: {error}"
    if not jobs:
        return "in the queue: nothing of it"
    return (
        f"in the queue: {_count(jobs)}, whose branches are submitted again only if these fail or ask for something else"
    )


def caps_line(resources: Any, site: Any) -> str:
    """A warning if a job asks for more than the site says it has; empty if not."""
    if resources.max_memory > site.memory_cap:
        return f"asks for {resources.max_memory} MB, more than memory_cap of the site ({site.memory_cap} MB): it may never start"
    if resources.max_runtime > site.runtime_cap:
        return f"asks for {resources.max_runtime:g} h, more than runtime_cap of the site ({site.runtime_cap:g} h): it may never start"
    return ""
