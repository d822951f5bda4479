"""The tasks of a production, from whatever files describe them, with the options of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taumltools.config.crab import CrabConfig
from taumltools.config.identity import plain
from taumltools.errors import ConfigError
from taumltools.production.crab.jobs import CrabJob, with_options
from taumltools.production.crab.overseer import read_overseer
from taumltools.production.crab.textfile import read_jobs

OVERRIDING = (
    "config", "site", "script", "splitting", "units_per_job", "total_units", "max_memory", "cores", "input_dbs",
    "allow_non_valid", "whitelist", "blacklist", "voms_group", "voms_role", "max_recoveries",
)  # fmt: skip
"""Settings that replace what the files say, if they are given."""

DEFINING = (
    "name", "dataset", "config", "parameters", "lumi_mask", "input_dbs", "allow_non_valid", "script", "files", "ignored_files",
)  # fmt: skip
"""Fields of a job that say what is processed."""


def given_options(config: CrabConfig) -> dict[str, Any]:
    """Those of :data:`OVERRIDING` that are set.

    Args:
        config: settings of the production.

    Returns:
        Values by name.
    """
    return {name: getattr(config, name) for name in OVERRIDING if getattr(config, name) is not None}


def not_done(job: CrabJob) -> list[str]:
    """What a job file asks for and this pipeline does in another way, or not at all.

    Args:
        job: as the file describes it.

    Returns:
        A sentence each.
    """
    notes = []
    if job.target_size:
        notes.append("files are not merged to targetOutputFileSize: use MergeTuples --target-size")
    if any(output.skim for output in job.outputs):
        notes.append("outputs are not skimmed (skimCfg)")
    if any(output.final_output for output in job.outputs):
        notes.append("outputs are not copied to finalOutput: give storage and target as folders of this machine")
    return notes


def processed(job: CrabJob) -> dict[str, Any]:
    """What a task processes, and into what: how it gets there (memory, sites, recoveries, how it is divided) is left out.

    Args:
        job: the task.

    Returns:
        In JSON types; tasks that differ in it are different productions.

    Examples:
        >>> from dataclasses import replace
        >>> job = CrabJob("DY", "/A/B/C")
        >>> processed(job) == processed(replace(job, max_recoveries=3, max_memory=4000, units_per_job=5))
        True
        >>> processed(job) == processed(replace(job, total_units=100))
        False
    """
    values = {name: plain(getattr(job, name)) for name in DEFINING}
    if job.total_units > 0:  # of what they are counted in depends on the splitting
        values |= {"total_units": job.total_units, "splitting": job.splitting}
    return values | {"outputs": [output.file for output in job.outputs]}


def check_recoverable(job: CrabJob) -> None:
    """Refuse recoveries of what cannot be recovered.

    Args:
        job: the task, with the options that it was or will be submitted with.

    Raises:
        ConfigError: it is not split by files.
    """
    if job.max_recoveries and job.splitting != "FileBased":
        raise ConfigError(
            f"CRAB task '{job.name}': it is split {job.splitting}, and only jobs of whole files (FileBased) can be recovered "
            "with smaller ones without processing anything twice: set the splitting before it is submitted, or max_recoveries "
            "to 0 (what failed can be resubmitted)"
        )


def read_tasks(config: CrabConfig) -> list[CrabJob]:
    """All tasks that the settings name.

    Args:
        config: settings of the production.

    Returns:
        The tasks, as they are first submitted.

    Raises:
        ConfigError: a file is not understood.
    """
    paths = [Path(name) for name in config.jobs]
    if config.overseer:
        jobs = read_overseer(Path(config.overseer), paths)
    else:
        jobs = [job for path in paths for job in read_jobs(path, config.lumi_mask)]
    chosen = with_options(jobs, config.suffix, config.names, **given_options(config))
    for job in chosen:
        if job.ignored_files:
            raise ConfigError(
                f"CRAB task '{job.name}': CRAB cannot leave out single files (ignoreFiles); use a lumi mask"
            )
    return chosen
