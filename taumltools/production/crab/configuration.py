"""The configuration file of a CRAB task, as text that the CRAB client executes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taumltools.errors import ConfigError
from taumltools.production.crab.jobs import CrabJob

LONGEST_NAME = 100
"""Characters of a request name that CRAB takes."""

USER = "getUsername()"
"""Expression of the CRAB client for who submits."""


@dataclass(frozen=True)
class Placement:
    """Where a task is submitted from, and where its output goes.

    Attributes:
        work_area: folder of CRAB's project directories.
        output: base of the output at the site: absolute (``/store/...``), or below ``/store/user/<user>``.
        user: name in that path; empty: the CRAB client asks who it is.
        lumi_mask: replaces the job's.
        runtime: hours of a job; None: CRAB's own limit.
        files: inputs of a dataset that is not in the catalogue (addresses or ``/store/...``).
    """

    work_area: Path
    output: str
    user: str = ""
    lumi_mask: str = ""
    runtime: float | None = None
    files: tuple[str, ...] = ()


def output_base(output: str, user: str = "") -> str:
    """Where output goes, as a Python expression.

    Args:
        output: see :class:`Placement`.
        user: see :class:`Placement`.

    Returns:
        The expression.

    Raises:
        ConfigError: nothing is given.

    Examples:
        >>> output_base("/store/group/tau"), output_base("tau/v1", "me")
        ("'/store/group/tau'", "'/store/user/me/tau/v1'")
        >>> output_base("tau")
        "'/store/user/%s/%s' % (getUsername(), 'tau')"
    """
    if not output:
        raise ConfigError(
            "CRAB: output is empty: say where the output goes, /store/... or a folder below /store/user/<user>"
        )
    if output.startswith("/"):
        return repr(output)
    return repr(f"/store/user/{user}/{output}") if user else f"'/store/user/%s/%s' % ({USER}, {output!r})"


def destination(job: CrabJob, output: str) -> tuple[str, str]:
    """Site and base of the output of a job: what its outputs name, else its site and ``output``.

    Args:
        job: the task.
        output: what is used if it names no place of its own.

    Returns:
        Site and base.

    Raises:
        ConfigError: there is no site, or its outputs name several places.

    Examples:
        >>> from taumltools.production.crab.jobs import Output
        >>> destination(CrabJob("a", "/A/B/C", outputs=(Output("x.root", "T2_X:/store/x"),)), "")
        ('T2_X', '/store/x')
    """
    places = {output.crab_output for output in job.outputs if output.crab_output} or {output}
    if len(places) > 1:
        raise ConfigError(f"CRAB task '{job.name}': outputs go to {', '.join(sorted(places))}; CRAB takes one place")
    (place,) = places
    site, colon, base = place.rpartition(":")
    site = site if colon else job.site
    if not site:
        raise ConfigError(f"CRAB task '{job.name}': there is no site for the output: give one, e.g. T2_CH_CERN")
    return site, base


def crab_config(job: CrabJob, placement: Placement) -> str:
    """The configuration file.

    Args:
        job: what runs.
        placement: from where, and where to.

    Returns:
        Python source for the CRAB client, of Python 2 and 3.

    Raises:
        ConfigError: something is missing that CRAB needs, or that it would refuse.
    """
    site, base = destination(job, placement.output)
    if len(job.name) > LONGEST_NAME:
        raise ConfigError(f"CRAB task '{job.name}': the name has {len(job.name)} characters, CRAB takes {LONGEST_NAME}")
    sections: dict[str, dict[str, Any]] = {
        "General": {
            "requestName": job.name, "workArea": str(placement.work_area), "transferOutputs": True, "transferLogs": False,
        },
        "JobType": _job_type(job, placement),
        "Data": _data(job, placement),
        "Site": _present(storageSite=site, whitelist=[*job.whitelist], blacklist=[*job.blacklist]),
        "User": _present(voGroup=job.voms_group, voRole=job.voms_role),
    }  # fmt: skip
    expression = output_base(base, placement.user)
    head = ["import os"] if "$" in sections["JobType"]["psetName"] else []
    lines = [*head, f"from CRABClient.UserUtilities import config{', getUsername' if USER in expression else ''}", ""]
    lines += ["config = config()"]
    for section, values in sections.items():
        lines += [f"config.{section}.{name} = {_expression(name, value)}" for name, value in values.items()]
        if section == "Data":
            lines.append(f"config.Data.outLFNDirBase = {expression}")
    return "\n".join(lines) + "\n"


def config_path(job: CrabJob) -> str:
    """The configuration for ``cmsRun``: absolute, unless it has variables that are not set here.

    Args:
        job: the task.

    Returns:
        Its path; empty if there is none.

    Examples:
        >>> config_path(CrabJob("a", "/A/B/C", config="/x/../P.py")), config_path(CrabJob("a", "/A/B/C", config="$NOT_SET_HERE/P.py"))
        ('/P.py', '$NOT_SET_HERE/P.py')
    """
    path = os.path.expandvars(job.config)
    return path if "$" in path or not path else os.path.abspath(path)


def _expression(name: str, value: Any) -> str:
    """A value as Python; variables that are not set here are those of the client's environment."""
    return f"os.path.expandvars({value!r})" if name == "psetName" and "$" in value else repr(value)


def _present(**values: Any) -> dict[str, Any]:
    """What is given; CRAB has its own defaults for the rest."""
    return {name: value for name, value in values.items() if value not in ("", [], None)}


def _job_type(job: CrabJob, placement: Placement) -> dict[str, Any]:
    if not job.config:
        raise ConfigError(f"CRAB task '{job.name}': there is no configuration for cmsRun: give one, e.g. Production.py")
    return {"pluginName": "Analysis", "psetName": config_path(job)} | _present(
        pyCfgParams=[f"{name}={value}" for name, value in job.parameters.items()],
        maxMemoryMB=job.max_memory,
        numCores=job.cores,
        maxJobRuntimeMin=None if placement.runtime is None else round(placement.runtime * 60),
        inputFiles=[os.path.abspath(os.path.expandvars(file)) for file in job.files],
        outputFiles=[output.file for output in job.outputs],
        scriptExe=job.script,
    )


def _data(job: CrabJob, placement: Placement) -> dict[str, Any]:
    data: dict[str, Any] = {"splitting": job.splitting, "unitsPerJob": job.units_per_job, "publication": False}
    mask = placement.lumi_mask or job.lumi_mask
    if mask and "://" not in mask:
        mask = os.path.abspath(os.path.expandvars(mask))
    if job.total_units > 0:
        data["totalUnits"] = job.total_units
    data |= _present(lumiMask=mask)
    if is_catalogued(job.dataset):
        data |= {"inputDataset": job.dataset, "inputDBS": job.input_dbs}
        flags = {"allowNonValidInputDataset": job.allow_non_valid, "ignoreLocality": job.ignore_locality}
        data |= {name: True for name, on in flags.items() if on}
    else:
        data |= {"userInputFiles": _files(job, placement.files), "outputPrimaryDataset": job.name}
    needs = "ignoreLocality" in data or "userInputFiles" in data
    if needs and not job.whitelist:
        raise ConfigError(
            f"CRAB task '{job.name}': jobs may run where the data are not, so CRAB wants to know where: give a whitelist"
        )
    return data


def _files(job: CrabJob, files: tuple[str, ...]) -> list[str]:
    if job.dataset.startswith("local:"):
        raise ConfigError(
            f"CRAB task '{job.name}': {job.dataset} is a folder of this machine, which jobs on the grid cannot read"
        )
    if not files:
        raise ConfigError(
            f"CRAB task '{job.name}': {job.dataset} is no dataset of the catalogue, and its files are not known"
        )
    if job.splitting != "FileBased":
        raise ConfigError(
            f"CRAB task '{job.name}': a list of files is split by files only: set the splitting to FileBased"
        )
    return [*files]


def is_catalogued(dataset: str) -> bool:
    """Whether a dataset is named as in the data catalogue, ``/primary/processed/tier``.

    Examples:
        >>> is_catalogued("/DY/Summer-v1/MINIAODSIM"), is_catalogued("local:/data")
        (True, False)
    """
    parts = dataset.split("/")
    return len(parts) == 4 and not parts[0] and all(parts[1:])
