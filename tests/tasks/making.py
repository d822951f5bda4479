"""Running tasks inside of the test's process, everything they need first."""

from __future__ import annotations


def make(task):
    """Run all branches of a workflow and of everything upstream that is not there yet.

    Returns:
        The workflow.
    """
    for upstream in task.upstream_tasks():
        make(upstream)
    for branch in range(task.n_branches()):
        one = task.req_branch(branch) if task.is_workflow() else task
        if not one.complete():
            one.run()
    return task
