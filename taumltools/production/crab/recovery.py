"""What is submitted again when parts of a CRAB task failed: fewer files a job, in the end on the local batch system."""

from __future__ import annotations

from dataclasses import dataclass, replace

from taumltools.errors import ConfigError
from taumltools.production.crab.jobs import CrabJob

LAST_MEMORY, LAST_RUNTIME = 4000, 48.0
"""MB (at least) and hours of the last recovery on the grid."""


@dataclass(frozen=True)
class Recovery:
    """How the n-th recovery runs.

    Attributes:
        number: from 1.
        local: on the local batch system instead of the grid.
        last: whether it is the last one on the grid.
        job: the task, with smaller jobs.
        runtime: hours of a job; None: CRAB's own limit.
    """

    number: int
    local: bool
    last: bool
    job: CrabJob
    runtime: float | None


def files_per_job(units_per_job: int, number: int, last: int) -> int:
    """Files of a job in the n-th recovery: halved each time, and single files from the last one on.

    Args:
        units_per_job: of the first submission.
        number: of the recovery, from 1; 0 is the first submission.
        last: number of the last recovery on the grid.

    Returns:
        At least 1.

    Examples:
        >>> [files_per_job(20, n, 4) for n in range(6)]
        [20, 10, 5, 2, 1, 1]
    """
    if number >= last > 0:
        return 1
    return max(units_per_job // 2**number, 1)


def recovery(job: CrabJob, number: int) -> Recovery:
    """The n-th recovery of a task.

    The last recovery before ``max_recoveries`` is the last on the grid: it asks for more memory and time, may run where the
    data are not, and at the sites of ``whitelist_final``.  From ``max_recoveries`` on jobs run on the local batch system.

    Args:
        job: the task as it was first submitted.
        number: from 1.

    Returns:
        How it runs.

    Raises:
        ConfigError: there is no such recovery.
    """
    if not 1 <= number <= max(job.max_recoveries, 1):
        raise ConfigError(
            f"CRAB task '{job.name}': there is no recovery {number}, max_recoveries is {job.max_recoveries}"
        )
    last_on_grid = job.max_recoveries - 1
    local, last = number >= job.max_recoveries, number == last_on_grid
    smaller = replace(
        job, name=f"{job.name}_recovery_{number}", splitting="FileBased",
        units_per_job=files_per_job(job.units_per_job, number, last_on_grid),
    )  # fmt: skip
    if last:
        whitelist = job.whitelist_final or job.whitelist
        smaller = replace(
            smaller, max_memory=max(job.max_memory, LAST_MEMORY), ignore_locality=True, whitelist=whitelist
        )
    return Recovery(number, local, last, smaller, LAST_RUNTIME if last or local else None)
