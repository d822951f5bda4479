"""Workers for all tasks of a production, from settings."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from taumltools.batch.journal import read_events
from taumltools.config.crab import CrabConfig, CrabSite
from taumltools.production.crab.area import Area
from taumltools.production.crab.decide import Limits
from taumltools.production.crab.history import REFUSED, replay
from taumltools.production.crab.read import check_recoverable, given_options, not_done, read_tasks
from taumltools.production.crab.remember import as_submitted, read_options
from taumltools.production.crab.rest import RestRunner
from taumltools.production.crab.tool import CrabClient
from taumltools.production.crab.worker import Places, Worker

log = logging.getLogger(__name__)


def make_workers(
    config: CrabConfig, site: CrabSite, folder: Path, rest: RestRunner | None = None, root: Path | None = None
) -> list[Worker]:
    """One worker for each task.

    Args:
        config: settings of the production.
        site: how the client is run.
        folder: work area; each task has a folder of its name in it.
        rest: runs here what is left in the end.
        root: folder of all work areas, in which no other task of the same name and output may be; None: they are not looked at.

    Returns:
        The workers, in the order of the job files.

    Raises:
        ConfigError: a file is not understood, or a task cannot be recovered as it says.
    """
    limits = Limits(
        resubmissions=site.resubmissions,
        hours=site.hours,
        settle=site.settle_time,
        accept_missing=config.accept_missing,
    )
    given = Places(config.output, config.user, config.storage, config.target)
    workers = []
    for job in read_tasks(config):
        for note in not_done(job):
            log.warning("%s: %s", job.name, note)
        area, places = Area(folder / job.name), given
        history = replay(read_events(area.journal), str(area.journal))
        if history.submissions and history.submissions[0].state != REFUSED:
            before, output, user = read_options(area.options)
            job, places = as_submitted(job, before, given_options(config)), replace(given, output=output, user=user)
        check_recoverable(job)
        client = CrabClient(site.command, area.log, site.timeout)
        workers.append(Worker(job, area, client, places, limits, rest, root=root))
    return workers
