"""Settings of productions on the grid with CRAB: of a dataset, and of a site where the CRAB client is run."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from taumltools.config.base import settings
from taumltools.config.files import absolute_name


@settings
class CrabSite:
    """How the CRAB client is run at a site, and how long it is waited for.

    Attributes:
        command: words in front of ``submit``, ``status`` and so on, e.g. ``[crab]``, or
            ``[bash, -c, 'source /path/setup.sh && exec crab "$@"', crab]``.
        timeout: seconds that one call of the client may take.
        poll_interval: seconds between two looks at all tasks.
        resubmissions: how often failed jobs of a task are submitted again.
        hours: that a task may take after it was submitted or resubmitted, until it is killed; CRAB forgets tasks after 30 days.
        settle_time: seconds until the status shows what was asked for.
        patience: how many looks in a row may go without an answer.
    """

    command: tuple[str, ...] = ("crab",)
    timeout: float = Field(default=600.0, gt=0)
    poll_interval: float = Field(default=600.0, ge=0)
    resubmissions: int = Field(default=3, ge=0)
    hours: float = Field(default=600.0, gt=0)
    settle_time: float = Field(default=900.0, ge=0)
    patience: int = Field(default=12, ge=1)

    @field_validator("command")
    @classmethod
    def _some_command(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("command is empty: say how the CRAB client is run, e.g. [crab]")
        return value


@settings
class CrabConfig:
    """A dataset that is produced on the grid: which tasks, and where the output goes.

    Options that are None are left to the job files, or else to CRAB's and the CMS tool's defaults.

    Attributes:
        jobs: job files: text files of the CMS tool, or with ``overseer`` the YAML files of tasks.
        overseer: main YAML file of crabOverseer; empty: ``jobs`` are text files.
        names: only these jobs; empty: all.
        suffix: goes behind the names of all jobs.
        config: configuration for ``cmsRun``.
        site: where the output is stored, e.g. ``T2_CH_CERN``.
        output: base of the output there: ``/store/...``, or a folder below ``/store/user/<user>``.
        user: name in that path; empty: CRAB asks who submits.
        storage: folder of this machine in which the output base is seen, e.g. ``/eos/cms/store/user/me/tau``.
        target: folder of the same file system that finished files are moved to; empty: they stay in place.
        script: executable that is run instead of ``cmsRun``.
        splitting: how the dataset is divided.
        units_per_job: files, sections or minutes of a job.
        total_units: how many are processed; -1: all.
        max_memory: MB of a job.
        cores: of a job.
        input_dbs: ``global`` or ``phys03``.
        allow_non_valid: whether datasets that are not marked valid are taken.
        lumi_mask: file or address; jobs that name one of their own keep it.
        whitelist: sites that may be used.
        blacklist: sites that may not.
        voms_group: of the proxy.
        voms_role: of the proxy.
        max_recoveries: how often what failed is submitted again with smaller jobs; needs splitting by files.
        accept_missing: take what there is, though some of the input was not processed.
    """

    jobs: tuple[str, ...]
    overseer: str = ""
    names: tuple[str, ...] = ()
    suffix: str = ""
    config: str | None = None
    site: str | None = None
    output: str = ""
    user: str = ""
    storage: str = ""
    target: str = ""
    script: str | None = None
    splitting: str | None = None
    units_per_job: int | None = None
    total_units: int | None = None
    max_memory: int | None = None
    cores: int | None = None
    input_dbs: str | None = None
    allow_non_valid: bool | None = None
    lumi_mask: str = ""
    whitelist: tuple[str, ...] | None = None
    blacklist: tuple[str, ...] | None = None
    voms_group: str | None = None
    voms_role: str | None = None
    max_recoveries: int | None = Field(default=None, ge=0)
    accept_missing: bool = False

    @field_validator("overseer", "storage", "target", "config", "lumi_mask")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        return absolute_name(value) if value else value

    @field_validator("jobs")
    @classmethod
    def _absolute_jobs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("jobs is empty: name at least one job file")
        return tuple(absolute_name(name) for name in value)

    @model_validator(mode="after")
    def _mask_of_text_files(self) -> CrabConfig:
        if self.overseer and self.lumi_mask:
            raise ValueError("lumi_mask belongs to text files; with overseer write lumiMask into the YAML files")
        return self

    @property
    def names_of_files(self) -> dict[str, str | tuple[str, ...]]:
        """The options that are files or folders of this machine, if they are given; all of them are absolute."""
        names = ("jobs", "overseer", "config", "lumi_mask", "storage", "target")
        return {name: getattr(self, name) for name in names if getattr(self, name)}
