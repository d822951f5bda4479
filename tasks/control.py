"""Calls that do not run anything: what would be submitted, and taking jobs out of the queue."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any


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
    from taumltools.batch.causes import Cause
    from taumltools.batch.journal import Journal, read_events
    from taumltools.batch.layout import Layout
    from taumltools.batch.ledger import Ledger
    from taumltools.batch.lock import holder, is_locked
    from taumltools.errors import BatchError

    layout = Layout(task.state_folder)
    if is_locked(layout.lock):
        raise BatchError(
            f"{task.label}: a driver ({holder(layout.lock)}) is at work and would submit again; stop it first"
        )
    jobs = jobs_of(task)
    task.pool().remove([job.id for job in jobs], "removed by --cancel-jobs")
    if layout.journal.exists():
        living = Ledger.replay(read_events(layout.journal)).living()
        ended = {"event": "ended", "cause": str(Cause.SUPERSEDED), "message": "removed by --cancel-jobs"}
        Journal(layout.journal).write_all([ended | {"branch": a.branch, "attempt": a.number} for a in living])
    lines = [f"{task.label}: {_count(jobs)} removed from the queue"]
    for other in with_upstream(task):
        if other.state_folder != task.state_folder and Layout(other.state_folder).journal.exists():
            left = [] if other.is_tidy() else jobs_of(other)
            if left:
                lines.append(f"{other.label}, upstream, has {_count(left)} more: {other.command} --cancel-jobs")
    sys.stdout.write("\n".join(lines) + "\n")


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
