"""Jobs of a production on the grid, in one model, whatever file describes them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from taumltools.errors import ConfigError

SPLITTINGS = ("Automatic", "FileBased", "LumiBased", "EventAwareLumiBased", "EventBased")
"""How CRAB divides a dataset."""


@dataclass(frozen=True)
class Output:
    """A file that a job makes, and where it goes.

    Attributes:
        file: its name.
        crab_output: where CRAB puts it, ``SITE:/store/...`` or a folder of the storage site; empty: the default.
        final_output: where it is kept in the end.
        skim: what is done with it on the way: ``skimCfg``, ``skimSetup``, ``skimSetupFailed``.
    """

    file: str
    crab_output: str = ""
    final_output: str = ""
    skim: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CrabJob:
    """One CRAB task: a dataset and what runs on it.

    Attributes:
        name: of the task; becomes ``requestName``.
        dataset: DAS path, ``local:<folder>``, or the address of a folder.
        config: the CMSSW configuration, e.g. ``Production.py``.
        parameters: arguments of the configuration, e.g. ``{"sampleType": "MC"}``.
        lumi_mask: file or address of the certified runs and luminosity sections; empty: all.
        splitting: one of :data:`SPLITTINGS`.
        units_per_job: files, luminosity sections or minutes of a job, by splitting.
        total_units: how many are processed; -1: all.
        max_memory: MB.
        cores: of a job.
        input_dbs: instance of the data catalogue, ``global`` or ``phys03``.
        allow_non_valid: whether datasets that are not marked valid are taken.
        ignore_locality: whether jobs may run where the data are not.
        whitelist: sites that may be used; empty: all.
        blacklist: sites that may not.
        whitelist_final: sites of the last recovery.
        site: where the output goes.
        outputs: what a job makes.
        script: executable that is run instead of cmsRun; empty: none.
        files: further files that travel with a job.
        ignored_files: inputs that are left out.
        max_recoveries: how many times what failed is submitted again with smaller jobs.
        target_size: MiB of the merged files; 0: they are not merged.
        voms_group: of the proxy.
        voms_role: of the proxy.
    """

    name: str
    dataset: str
    config: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    lumi_mask: str = ""
    splitting: str = "Automatic"
    units_per_job: int = 1000
    total_units: int = -1
    max_memory: int = 2000
    cores: int = 1
    input_dbs: str = "global"
    allow_non_valid: bool = False
    ignore_locality: bool = False
    whitelist: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = ()
    whitelist_final: tuple[str, ...] = ()
    site: str = ""
    outputs: tuple[Output, ...] = ()
    script: str = ""
    files: tuple[str, ...] = ()
    ignored_files: tuple[str, ...] = ()
    max_recoveries: int = 0
    target_size: int = 0
    voms_group: str = ""
    voms_role: str = ""

    def __post_init__(self) -> None:
        """Refuse what CRAB would refuse, with the task's name.

        Raises:
            ConfigError: a value that cannot be.
        """
        problems = {
            "name": not self.name or any(sign.isspace() or sign == "/" for sign in self.name),
            "dataset": not self.dataset,
            "splitting": self.splitting not in SPLITTINGS,
            "units_per_job": self.units_per_job < 1,
            "max_memory": self.max_memory < 1,
            "cores": self.cores < 1,
        }
        for name, wrong in problems.items():
            if wrong:
                known = f"; known are {', '.join(SPLITTINGS)}" if name == "splitting" else ""
                raise ConfigError(f"CRAB task '{self.name}': {name} is {getattr(self, name)!r}{known}")


def parse_arguments(words: list[str], where: str) -> dict[str, str]:
    """Arguments of a CMSSW configuration.

    Args:
        words: ``name=value`` each.
        where: for messages.

    Returns:
        Values by name, in order.

    Raises:
        ConfigError: a word that is none, or a name given twice.

    Examples:
        >>> parse_arguments(["sampleType=MC", "era=Run2_2018"], "jobs.txt:1")
        {'sampleType': 'MC', 'era': 'Run2_2018'}
    """
    arguments: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ConfigError(f"{where}: '{word}' is no argument of the form name=value")
        if name in arguments:
            raise ConfigError(f"{where}: '{name}' is given twice")
        arguments[name] = value
    return arguments


def with_options(jobs: list[CrabJob], suffix: str = "", names: tuple[str, ...] = (), **options: Any) -> list[CrabJob]:
    """Jobs as they are submitted, with the options of the command line.

    Args:
        jobs: as a file describes them.
        suffix: goes behind every name.
        names: only these jobs (names without suffix); empty: all.
        options: fields of :class:`CrabJob` that are replaced in all jobs; a lumi mask of the command line, which does
            not replace those of single jobs, is given to :func:`taumltools.production.crab.textfile.read_jobs`.

    Returns:
        The chosen jobs.

    Raises:
        ConfigError: a name that no job has, or two jobs of one name.
    """
    if unknown := sorted(set(names) - {job.name for job in jobs}):
        raise ConfigError(f"no job is called {', '.join(unknown)}; there are {', '.join(job.name for job in jobs)}")
    chosen = [job for job in jobs if not names or job.name in names]
    seen: set[str] = set()
    for job in chosen:
        if job.name in seen:
            raise ConfigError(f"two jobs are called '{job.name}': CRAB needs different names")
        seen.add(job.name)
    return [replace(job, name=job.name + suffix, **options) for job in chosen]
