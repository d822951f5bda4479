"""Workers for all tasks of a production, from settings."""

from __future__ import annotations

import logging
from pathlib import Path

from taumltools.config.crab import CrabConfig, CrabSite
from taumltools.production.crab.area import Area
from taumltools.production.crab.decide import Limits
from taumltools.production.crab.read import not_done, read_tasks
from taumltools.production.crab.tool import CrabClient
from taumltools.production.crab.worker import Places, Worker

log = logging.getLogger(__name__)


def make_workers(config: CrabConfig, site: CrabSite, folder: Path) -> list[Worker]:
    """One worker for each task.

    Args:
        config: settings of the production.
        site: how the client is run.
        folder: work area; each task has a folder of its name in it.

    Returns:
        The workers, in the order of the job files.

    Raises:
        ConfigError: a file is not understood.
    """
    limits = Limits(
        resubmissions=site.resubmissions,
        hours=site.hours,
        settle=site.settle_time,
        accept_missing=config.accept_missing,
    )
    places = Places(config.output, config.user, config.storage, config.target)
    workers = []
    for job in read_tasks(config):
        for note in not_done(job):
            log.warning("%s: %s", job.name, note)
        area = Area(folder / job.name)
        workers.append(Worker(job, area, CrabClient(site.command, area.log, site.timeout), places, limits))
    return workers
