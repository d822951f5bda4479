"""Production of tuples on the grid with CRAB: as part of the pipeline, and task by task for people."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import luigi
from law.parameter import NO_INT, NO_STR

from tasks.base import PipelineTask
from tasks.command import CommandTask
from tasks.parameters import AmountParameter
from tasks.remote import site_name
from tasks.store import store_root

log = logging.getLogger(__name__)


def crab_root() -> Path:
    """The folder of work areas: ``_crab`` in the store (of a remote store: in its mirror)."""
    return store_root() / "_crab"


def crab_production(task: PipelineTask, dataset: str) -> Any:
    """The production of a dataset of source ``crab``; always here, where the proxy and the client are.

    Args:
        task: who needs it.
        dataset: name of the dataset.

    Returns:
        The task.
    """
    return CrabProduction(
        version=task.version, campaign=task.campaign, overrides=task.overrides, site=task.site, dataset=dataset,
        workflow="local",
    )  # fmt: skip


def rest_runner(site: Any) -> Any:
    """What runs here what the grid left, if the site says how the CMS software is reached; else None."""
    from tasks.cms import cms_shell
    from taumltools.production.crab.rest import RestRunner

    cmssw = site.cmssw
    if not (cmssw.sandbox or cmssw.container or cmssw.setup):
        return None
    return RestRunner(cms_shell(site), cmssw.redirector, cmssw.scratch)


@contextmanager
def advice(crab: Any, area: Path, client: str) -> Iterator[None]:
    """Errors of productions say how people go on with single steps.

    Args:
        crab: settings of the production.
        area: its work area.
        client: the site that was given, or :data:`law.parameter.NO_STR`.
    """
    from taumltools.errors import CrabError

    try:
        yield
    except CrabError as error:
        if error.kind != "failed":
            raise
        options = {
            "--jobs": ",".join(crab.jobs), "--overseer": crab.overseer, "--work-area": str(area),
            "--job-names": ",".join(crab.names), "--job-name-suffix": crab.suffix, "--storage": crab.storage,
            "--target": crab.target, "--client": _given(client) or "",
        }  # fmt: skip
        words = ["law", "run", "Crab", *(word for pair in options.items() if pair[1] for word in pair)]
        raise CrabError(
            f"{error}\nlook for the cause and mend it; then the same command goes on. Single steps for all of its tasks:\n"
            f"  {shlex.join(words)} --action status\n"
            "with 'resubmit' (failed jobs again) or 'recover' (what is left, with smaller jobs) in place of 'status'. "
            "max_recoveries and accept_missing may be changed: nothing that was done is done again",
            error.kind,
        ) from error


class CrabProduction(PipelineTask):
    """All CRAB tasks of a dataset, from the submission to the files: waits, resubmits, recovers, moves, reports."""

    product = "production.d"

    dataset = luigi.Parameter(description="name of a dataset of the campaign whose source is crab; needed")
    workflow = luigi.ChoiceParameter(
        default=NO_STR, choices=[NO_STR, "local"], description="only here, where the proxy and the CRAB client are"
    )

    def keys(self) -> tuple[str, ...]:
        """The dataset."""
        return (self.dataset,)

    def reads(self) -> tuple[str, ...]:
        """Which tasks, and where output goes."""
        return (f"datasets.{self.dataset}.crab",)

    def settings(self) -> dict[str, Any]:
        """What is processed, as the job files and options say it: how the grid is used, and where files go, may change."""
        from taumltools.production.crab.read import processed, read_tasks

        return {"tasks": [processed(job) for job in read_tasks(self.crab)]}

    @property
    def crab(self) -> Any:
        """Settings of the production.

        Raises:
            ConfigError: the dataset is produced in another way.
        """
        from taumltools.errors import ConfigError

        dataset = self.campaign_config.datasets.get(self.dataset)
        if dataset is None or dataset.crab is None:
            on_the_grid = [name for name, one in self.campaign_config.datasets.items() if one.source == "crab"]
            raise ConfigError(
                f"campaign '{self.campaign}' has no dataset '{self.dataset}' of source crab; it has {on_the_grid or 'none'}"
            )
        return self.setting(f"datasets.{self.dataset}.crab")

    @property
    def area(self) -> Path:
        """Folder of the state of all its tasks."""
        return crab_root().joinpath(self.campaign, self.dataset, self.version, self.identity)

    def produce(self, path: Path) -> dict[str, Any]:
        """Bring all tasks to their end."""
        from taumltools.production.crab.drive import drive
        from taumltools.production.crab.report import write_listing, write_production
        from taumltools.production.crab.setup import make_workers

        site = self.site_config.crab
        workers = make_workers(self.crab, site, self.area, rest_runner(self.site_config), crab_root())
        log.info("%d CRAB tasks; state and logs: %s", len(workers), self.area)
        with advice(self.crab, self.area, self.site):
            drive(workers, site.poll_interval, site.patience)
        path.mkdir()
        reports = [write_production(path, worker.job, worker.history(), worker.outputs()) for worker in workers]
        files = [file for worker in workers for file in worker.outputs()]
        write_listing(path, files)
        return {"files": len(files), "not processed": sum(len(report["notProcessedLumis"]) > 0 for report in reports)}

    def validate(self, path: Path) -> None:
        """The list of files reads back, and they are there."""
        from taumltools.production.crab.report import read_outputs

        read_outputs(path)


def _given(value: Any) -> Any:
    """The value of an option; None if it was not given."""
    return None if value in (NO_STR, NO_INT) else value


def _words(text: str) -> tuple[str, ...] | None:
    """A list of the command line, separated by commas."""
    return None if text == NO_STR else tuple(word.strip() for word in text.split(",") if word.strip())


def _option(description: str, kind: type[Any] = luigi.Parameter) -> Any:
    default = NO_INT if kind is not luigi.Parameter else NO_STR
    return kind(default=default, description=description)


class Crab(CommandTask):
    """Submit, look at, resubmit, kill, recover, report and move CRAB tasks of job files, as the CMS scripts do."""

    jobs = luigi.Parameter(description="job files, separated by commas; needed")
    action = luigi.Parameter(
        default="status",
        description="submit, status, resubmit, kill, recover, report, move, verify, or run (all of it to the end); default: status",
    )
    overseer = _option("main YAML file of crabOverseer, if the job files are its task files")
    work_area = _option("folder of the state of all tasks; default: _crab/jobs in the store")
    client = _option("how crab is run: a file of configs/site, or your own .yaml; default: $TAUML_SITE, or generic")
    cfg = _option("configuration for cmsRun, e.g. Production.py")
    script_exe = _option("executable that is run instead of cmsRun")
    site = _option("where output is stored, e.g. T2_CH_CERN")
    output_base = _option("base of the output: /store/..., or a folder below /store/user/<user>")
    user = _option("name in /store/user/<user>; default: CRAB asks who you are")
    storage = _option("folder of this machine in which the output base is seen, for move")
    target = _option("folder that move moves to; default: files stay")
    job_names = _option("only these jobs, separated by commas; default: all")
    job_name_suffix = _option("goes behind all names")
    lumi_mask = _option("lumi mask of jobs that have none of their own")
    input_dbs = _option("instance of the catalogue, e.g. phys03; default: global")
    splitting = _option("how datasets are divided; default: Automatic")
    units_per_job = _option("files, sections or minutes of a job; default: 1000", luigi.IntParameter)
    total_units = _option("how many are processed; default: all", luigi.IntParameter)
    max_memory = _option("memory of a job, e.g. 3GB; a number is MB; default: 2000", AmountParameter)
    num_cores = _option("cores of a job; default: 1", luigi.IntParameter)
    max_recoveries = _option("recoveries with smaller jobs; default: of the job files, or none", luigi.IntParameter)
    whitelist = _option("sites that may be used, separated by commas")
    blacklist = _option("sites that may not, separated by commas")
    voms_group = _option("group of the proxy")
    voms_role = _option("role of the proxy")
    allow_non_valid = luigi.BoolParameter(default=False, description="take datasets that are not marked valid")
    accept_missing = luigi.BoolParameter(default=False, description="move what there is, though input is missing")
    dry_run = luigi.BoolParameter(
        default=False, description="write what would be submitted, and only say what would be done"
    )

    def run(self) -> None:
        """Do it, and say what was done."""
        from taumltools.config.site import load_site
        from taumltools.production.crab.actions import ACTIONS, act, check_action
        from taumltools.production.crab.drive import drive
        from taumltools.production.crab.setup import make_workers

        check_action(self.action, (*ACTIONS, "run"))
        here, config = load_site(site_name(self.client)), self.config()
        rest = rest_runner(here) if self.action == "run" else None
        workers = make_workers(config, here.crab, self.area, rest, crab_root())
        if self.action == "run" and not self.dry_run:
            with advice(config, self.area, self.client):
                drive(workers, here.crab.poll_interval, here.crab.patience)
        action = {"run": "submit" if self.dry_run else "report"}.get(self.action, self.action)
        act(workers, action, self.dry_run, _say)
        if self.dry_run:
            _say("dry run: nothing was sent to CRAB, and nothing was moved")
        self.done = True

    @property
    def area(self) -> Path:
        """Folder of the state of all tasks."""
        return crab_root() / "jobs" if self.work_area == NO_STR else Path(os.path.expanduser(self.work_area)).absolute()

    def options(self) -> dict[str, Any]:
        """The options by the names that settings give them; only those that were given."""
        values = {
            "jobs": _words(self.jobs), "names": _words(self.job_names), "suffix": _given(self.job_name_suffix),
            "config": _given(self.cfg), "script": _given(self.script_exe), "output": _given(self.output_base),
            "cores": _given(self.num_cores), "whitelist": _words(self.whitelist), "blacklist": _words(self.blacklist),
            "allow_non_valid": self.allow_non_valid or None, "accept_missing": self.accept_missing or None,
        }  # fmt: skip
        same = (
            "overseer", "site", "user", "storage", "target", "lumi_mask", "input_dbs", "splitting", "units_per_job",
            "total_units", "max_memory", "max_recoveries", "voms_group", "voms_role",
        )  # fmt: skip
        values |= {name: _given(getattr(self, name)) for name in same}
        return {name: value for name, value in values.items() if value is not None}

    def config(self) -> Any:
        """The options as settings.

        Raises:
            ConfigError: one of them cannot be.
        """
        from pydantic import ValidationError

        from taumltools.config.compose import explain
        from taumltools.config.crab import CrabConfig
        from taumltools.errors import ConfigError

        try:
            return CrabConfig(**self.options())
        except ValidationError as error:
            raise ConfigError(f"wrong options:\n{explain(error)}") from error


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
