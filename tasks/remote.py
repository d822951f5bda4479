"""``--workflow htcondor``: the law side of running branches on a batch system.

:class:`BatchWorkflow` adds the parameters; its proxy hands the workflow to
:class:`taumltools.batch.driver.Driver`, which owns everything that happens then.  law's own
remote workflow is not used: it keeps counters in memory, trusts exit codes and its job file,
and resubmits without removing (docs/htcondor.md).
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import luigi
from law.parameter import NO_INT, NO_STR
from law.workflow.base import BaseWorkflow, BaseWorkflowProxy

from tasks.parameters import AmountParameter, TimeParameter

log = logging.getLogger(__name__)

RESOURCE_PARAMETERS = ("max_runtime", "max_memory", "cpus", "gpus", "disk", "requirements")
BATCH_PARAMETERS = {
    *RESOURCE_PARAMETERS, "batch_name", "poll_interval", "retries", "parallel_jobs",
    "dry_run", "retry_failed", "cancel_jobs",
}  # fmt: skip

RESUMED = (*RESOURCE_PARAMETERS, "batch_name", "poll_interval", "retries", "parallel_jobs", "tolerance", "acceptance")
"""Parameters that the command which goes on with a workflow repeats."""

DEFAULT_SITE = "generic"

NOT_NAMING = BATCH_PARAMETERS | {"workflow", "effective_workflow", "branch", "acceptance", "tolerance", "pilot"}
"""Parameters that do not say which workflow it is."""


WORKFLOW_FILE = "workflow"
"""File beside the journal that holds the workflow's id, so that it stays whatever name the store is reached by."""


def workflow_id(state_folder: Path) -> str:
    """The attribute by which a workflow's jobs are found in the queue.

    Args:
        state_folder: where its journal is; absolute.

    Returns:
        16 hex digits: what the first driver wrote down, or else a hash of the folder's real path.
    """
    import hashlib

    try:
        known = (state_folder / WORKFLOW_FILE).read_text().strip()
    except OSError:
        known = ""
    return known or hashlib.sha256(os.path.realpath(state_folder).encode()).hexdigest()[:16]


def batch_root() -> Path:
    """The folder of journals and logs: ``$TAUML_BATCH``, or ``_batch`` in the store."""
    from tasks.store import store_root

    given = os.environ.get("TAUML_BATCH")
    return Path(given).expanduser().absolute() if given else store_root() / "_batch"


def site_name(given: str = NO_STR) -> str:
    """The site to use: what was given, ``$TAUML_SITE``, or ``generic``."""
    return given if given != NO_STR else os.environ.get("TAUML_SITE", DEFAULT_SITE)


class BatchProxy(BaseWorkflowProxy):
    """What law calls in place of a workflow that runs on HTCondor."""

    workflow_type = "htcondor"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.controlled = False

    def complete(self) -> bool:
        """Whether all products are there and no driver left jobs behind.

        A dry run or a removal is complete once it was done.
        """
        if self.task.only_controls:
            return self.controlled
        return super().complete() and self.task.is_tidy()

    def requires(self) -> Any:
        """What the workflow needs; nothing for a dry run or a removal.

        Where no file system is shared, the bundles that jobs are sent belong to it.
        """
        if self.task.only_controls:
            return {}
        needs = super().requires()
        if not self.task.site_config.shared_filesystem:
            from tasks.bundles import bundles

            needs.update(bundles(self.task.version, self.task.campaign))
        return needs

    def run(self) -> None:
        """Bring the workflow to its end, or only look, or only remove its jobs."""
        from tasks.control import remove_jobs

        super().run()
        if self.task.dry_run:
            self.task.explain_submission()
        elif self.task.cancel_jobs:
            remove_jobs(self.task)
        else:
            self.task.drive()
        self.controlled = True


class BatchWorkflow(BaseWorkflow):
    """Parameters and hooks of workflows that can run on HTCondor.

    None of the parameters enters an identity, and none is passed upstream but the site.
    """

    workflow_proxy_cls = BatchProxy

    site = luigi.Parameter(
        default=NO_STR,
        significant=False,
        description="where HTCondor runs: a file of configs/site, or the path of your own .yaml; default: $TAUML_SITE, or generic",
    )
    max_runtime = TimeParameter(
        default=0.0,
        unit="h",
        significant=False,
        description="how long a job may run, e.g. 30m or 2h; a number is hours; default: configs/batch",
    )
    max_memory = AmountParameter(
        default=NO_INT,
        significant=False,
        description="memory of a job, e.g. 3GB; a number is MB; default: configs/batch",
    )
    cpus = luigi.IntParameter(default=NO_INT, significant=False, description="cores of a job; default: configs/batch")
    gpus = luigi.IntParameter(default=NO_INT, significant=False, description="GPUs of a job; default: configs/batch")
    disk = AmountParameter(
        default=NO_INT,
        significant=False,
        description="scratch space of a job, e.g. 10GB; a number is MB; default: configs/batch",
    )
    requirements = luigi.Parameter(
        default=NO_STR, significant=False, description="ClassAd expression for the machine; default: configs/batch"
    )
    batch_name = luigi.Parameter(
        default=NO_STR, significant=False, description="name shown by condor_q; default: task, keys and version"
    )
    poll_interval = TimeParameter(
        default=0.0,
        unit="s",
        significant=False,
        description="time between two looks at the queue, e.g. 30s or 2m; a number is seconds; default: the site's",
    )
    retries = luigi.IntParameter(
        default=NO_INT,
        significant=False,
        description="further attempts after errors that somebody has to mend; default: configs/batch",
    )
    parallel_jobs = luigi.IntParameter(
        default=NO_INT, significant=False, description="most jobs in the queue at a time; default: configs/batch"
    )
    dry_run = luigi.BoolParameter(
        default=False, significant=False, description="print what would be submitted, and submit nothing"
    )
    retry_failed = luigi.BoolParameter(
        default=False, significant=False, description="give branches that failed for good a new chance"
    )
    cancel_jobs = luigi.BoolParameter(
        default=False, significant=False, description="take this workflow's jobs out of the queue, and stop"
    )

    exclude_index = True
    exclude_params_branch = BATCH_PARAMETERS.copy()  # law adds its own to it

    # ------------------------------------------------------------------ settings

    @property
    def only_controls(self) -> bool:
        """Whether the call only looks at the jobs or removes them."""
        return bool(self.dry_run or self.cancel_jobs)

    @property
    def site_config(self) -> Any:
        """The settings of the site."""
        from taumltools.config.site import load_site

        return load_site(site_name(self.site))

    def job_resources(self) -> Any:
        """What a job of this task asks for: the default's, the stage's, the command line's.

        Raises:
            ConfigError: an option cannot be; the message names it.
        """
        from pydantic import ValidationError

        from taumltools.batch.resources import resolve
        from taumltools.batch.submit import check_requirements
        from taumltools.config.batch import ResourcesConfig
        from taumltools.config.compose import explain
        from taumltools.errors import ConfigError

        unset = {"max_runtime": 0.0, "requirements": NO_STR}
        given = {n: v for n in RESOURCE_PARAMETERS if (v := getattr(self, n)) != unset.get(n, NO_INT)}
        try:
            asked = ResourcesConfig(**given)
        except ValidationError as error:
            raise ConfigError(f"wrong resources on the command line:\n{explain(error)}") from error
        batch = self.campaign_config.batch
        resources = resolve(batch.default, batch.stages.get(type(self).__name__), asked)
        check_requirements(resources.requirements)
        return resources

    @property
    def policy(self) -> Any:
        """How failures are answered, for this campaign at this site."""
        from dataclasses import replace

        from taumltools.batch.decide import Policy

        retry = self.campaign_config.batch.retry
        if self.retries != NO_INT:
            retry = replace(retry, retries=self.retries)
        site = self.site_config
        return Policy(retry, site.memory_cap, site.runtime_cap, site.retry_delay)

    @property
    def label(self) -> str:
        """What people read, e.g. ``ProduceTuples train ztautau v1``."""
        return " ".join((type(self).__name__, *self.keys(), self.version))

    @property
    def command(self) -> str:
        """The command that goes on with this workflow: the same site, resources and limits."""
        given = self.naming_parameters() | self._given(set(RESUMED))
        if (site := site_name(self.site)) != DEFAULT_SITE:
            given["site"] = site
        words = [word for name, text in given.items() for word in (f"--{name.replace('_', '-')}", text)]
        return shlex.join(["law", "run", self.get_task_family(), *words, "--workflow", "htcondor"])

    def naming_parameters(self) -> dict[str, str]:
        """Parameters that say which workflow it is and differ from their default, as strings."""
        ignored = NOT_NAMING | set(self.interactive_params) | {"log_file"}
        return self._given({name for name, _ in self.get_params()} - ignored)

    def _given(self, names: set[str]) -> dict[str, str]:
        """Those of some parameters that differ from their default, as strings."""
        family, given = self.get_task_family(), {}
        for name, parameter in self.get_params():
            default = parameter.task_value(family, name) if parameter.has_task_value(family, name) else None
            if name in names and getattr(self, name) != default:
                given[name] = parameter.serialize(getattr(self, name))
        return given

    @property
    def state_folder(self) -> Path:
        """Where journal and logs of this workflow are."""
        from tasks.store import store_root

        return batch_root() / self.folder.relative_to(store_root())

    def refuse_batch_options(self) -> None:
        """Options that would do something else on HTCondor are not ignored where branches run locally.

        Raises:
            ConfigError: one is given.
        """
        given = [name for name in ("dry_run", "cancel_jobs", "retry_failed") if getattr(self, name)]
        if given and self.is_workflow() and self.effective_workflow != "htcondor":
            from taumltools.errors import ConfigError

            raise ConfigError(f"--{given[0].replace('_', '-')} is for --workflow htcondor: add that, or leave it out")

    def is_tidy(self) -> bool:
        """Whether the last driver of this workflow, if there was one, came to its end."""
        from taumltools.batch.journal import is_closed
        from taumltools.batch.layout import Layout

        return is_closed(Layout(self.state_folder).journal)

    # ------------------------------------------------------------------ driving

    def driver_settings(self) -> Any:
        """All the driver needs to know."""
        from taumltools.batch.bootstrap import BOOTSTRAP_ERRORS
        from taumltools.batch.work import Settings

        site, batch = self.site_config, self.campaign_config.batch
        parallel = batch.parallel_jobs if self.parallel_jobs == NO_INT else self.parallel_jobs
        return Settings(
            workflow=workflow_id(self.state_folder),
            label=self.label,
            branches=tuple(sorted(self.branch_map)),
            resources=self.job_resources(),
            policy=self.policy,
            tolerance=self.tolerance or batch.tolerance,
            enough=self.workflow_proxy.threshold(len(self.branch_map)),
            limits=(parallel, site.queue_limit),
            submission_limit=site.submission_limit,
            poll_interval=self.poll_interval or site.poll_interval,
            settle=site.settle_time,
            bootstrap=BOOTSTRAP_ERRORS,
            header=self.journal_header(),
        )

    def journal_header(self) -> dict[str, Any]:
        """What the journal keeps of this workflow, so that Status needs no settings."""
        return {
            "task": type(self).__name__,
            "label": self.label,
            "version": self.version,
            "campaign": self.campaign,
            "identity": self.identity,
            "site": site_name(self.site),
            "command": self.command,
            "workflow": workflow_id(self.state_folder),
            "products": [str(self.path_of(branch)) for branch in sorted(self.branch_map)],
            "branches": sorted(self.branch_map),
        }

    def pool(self) -> Any:
        """The site's batch system."""
        from taumltools.batch.pool import CondorPool

        site = self.site_config
        return CondorPool(site.schedd, site.collector, spool=site.spool)

    def drive(self) -> None:
        """Bring the workflow to its end on the batch system.

        Raises:
            BatchError: branches failed for good.
        """
        from tasks.control import caps_line
        from tasks.remote_work import RemoteWork
        from taumltools.batch.driver import Driver
        from taumltools.batch.layout import Layout
        from taumltools.batch.lock import driver_lock

        settings, layout = self.driver_settings(), Layout(self.state_folder)
        if warning := caps_line(settings.resources, self.site_config):
            log.warning("%s: %s", self.label, warning)
        with driver_lock(layout.lock, self.label, settings.poll_interval):
            (layout.folder / WORKFLOW_FILE).write_text(settings.workflow + "\n")
            driver = Driver(settings, RemoteWork(self, layout), self.pool(), layout.folder)
            if self.retry_failed:
                driver.forgive()
            try:
                driver.run()
            except KeyboardInterrupt:
                self.say_goodbye(len(driver.ledger.living()))
                raise

    def say_goodbye(self, jobs: int) -> None:
        """What a person who pressed Ctrl-C needs to know; a worker process of luigi ends here.

        Args:
            jobs: how many go on in the queue.
        """
        log.info(
            "%s: stopped; %d jobs go on in the queue. To go on: the same command. To look: law run Status --version %s. "
            "To take them out: %s --cancel-jobs",
            self.label, jobs, self.version, self.command,
        )  # fmt: skip
        if multiprocessing.parent_process() is not None:
            os._exit(128 + signal.SIGINT)

    def explain_submission(self) -> None:
        """Print what would be submitted."""
        from tasks.remote_work import explain
        from taumltools.batch.layout import Layout

        sys.stdout.write(explain(self, Layout(self.state_folder)) + "\n")
