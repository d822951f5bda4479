"""Settings of a computing site: how requests are written in its submit files, and its limits.

A site is a file of ``configs/site``; adding one needs no code.
"""

from __future__ import annotations

import functools
import string
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from taumltools.config.base import settings
from taumltools.config.cmssw import CmsswConfig
from taumltools.config.compose import CONFIG_DIR, explain
from taumltools.config.crab import CrabSite
from taumltools.errors import ConfigError

SUBMIT_FIELDS = (
    "runtime_s", "runtime_h", "memory_mb", "cpus", "gpus", "disk_mb", "disk_kb", "task", "version", "campaign",
)  # fmt: skip
"""Names that values of ``submit`` and ``gpu`` may contain in braces."""

OWN_COMMANDS = {
    "queue": "jobs are queued by the driver",
    "requirements": "use the site's requirements, which are joined with the task's",
}
"""Submit commands that a site must not give, and why; nor attributes ``Tauml...``, by which jobs are found."""


@settings
class SiteConfig:
    """How one site wants its jobs.

    Attributes:
        title: what people read.
        submit: submit commands and their values; ``{runtime_s}``, ``{memory_mb}`` and the other
            :data:`SUBMIT_FIELDS` are filled in for each job; needed for jobs only.
        gpu: further submit commands of jobs that ask for graphics processors.
        requirements: ClassAd expression that all jobs need, joined with the task's by ``&&``.
        shared_filesystem: whether jobs see the checkout, the environment and the store.
        python: Python of the worker when nothing is shared, e.g. ``python3.11`` or an absolute path.
        setup: shell lines that a job runs first.
        spool: hand the input files over to the scheduler at submission and fetch the output
            from it; needs ``shared_filesystem: false``.
        schedd: name of the scheduler; empty: the one this machine is set up for.
        collector: address of the pool; empty: the one this machine is set up for.
        poll_interval: seconds between two looks at the queue.
        settle_time: seconds that a product, or the history of a job, may take until this machine sees it: network file
            systems keep old listings of folders for a while.
        submission_limit: most jobs in one submission; 0 is no limit.
        queue_limit: most jobs of one workflow in the queue; 0 is no limit.
        memory_cap: most MB that an attempt asks for after others ran out of memory.
        runtime_cap: most hours that an attempt asks for after others ran out of time.
        retry_delay: seconds before the first repetition after a transient failure; doubles
            with each, up to a hundredfold.
        cmssw: how programs of the CMS software are reached.
        crab: how the CRAB client is run.
    """

    title: str
    submit: dict[str, str] = Field(default_factory=dict)
    gpu: dict[str, str] = Field(default_factory=dict)
    requirements: str = ""
    shared_filesystem: bool = True
    python: str = "python3.11"
    setup: tuple[str, ...] = ()
    spool: bool = False
    schedd: str = ""
    collector: str = ""
    poll_interval: float = Field(default=60.0, gt=0)
    settle_time: float = Field(default=90.0, ge=0)
    submission_limit: int = Field(default=0, ge=0)
    queue_limit: int = Field(default=0, ge=0)
    memory_cap: int = Field(default=16000, gt=0)
    runtime_cap: float = Field(default=168.0, gt=0)
    retry_delay: float = Field(default=30.0, ge=0)
    cmssw: CmsswConfig = Field(default_factory=CmsswConfig)
    crab: CrabSite = Field(default_factory=CrabSite)

    @field_validator("submit", "gpu")
    @classmethod
    def _known_fields(cls, value: dict[str, str]) -> dict[str, str]:
        for command, text in value.items():
            bare = command.lower().removeprefix("+").removeprefix("my.")
            if bare in OWN_COMMANDS or bare.startswith("tauml"):
                why = OWN_COMMANDS.get(bare, "jobs are found by these attributes")
                raise ValueError(f"'{command}' cannot be set here: {why}")
            for _, name, _, _ in string.Formatter().parse(text):
                if name is not None and name not in SUBMIT_FIELDS:
                    raise ValueError(f"'{command}: {text}' has '{{{name}}}'; known are {', '.join(SUBMIT_FIELDS)}")
        return value

    @field_validator("spool")
    @classmethod
    def _spooling_transfers(cls, value: bool, info: object) -> bool:
        if value and getattr(info, "data", {}).get("shared_filesystem"):
            raise ValueError("spool needs shared_filesystem: false, since spooled files are transferred")
        return value


def available_sites(config_dir: Path = CONFIG_DIR) -> list[str]:
    """Names of the sites under ``config_dir``, sorted."""
    return sorted(p.stem for p in (config_dir / "site").glob("*.yaml"))


@functools.lru_cache(maxsize=32)
def load_site(name: str, config_dir: Path = CONFIG_DIR) -> SiteConfig:
    """Read and check the settings of a site.

    Args:
        name: name of a file in ``configs/site``, or the path of a site file of one's own, ending
            in ``.yaml``.
        config_dir: the folder of YAML groups.

    Returns:
        The checked settings.

    Raises:
        ConfigError: unknown site, unknown or wrong setting; the message names the key.

    Examples:
        >>> load_site("lxplus").submit["+MaxRuntime"]
        '{runtime_s}'
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    own = name.endswith(".yaml")
    path = Path(name).expanduser() if own else config_dir / "site" / f"{name}.yaml"
    if not path.is_file() or (not own and name not in available_sites(config_dir)):
        known = ", ".join(available_sites(config_dir))
        raise ConfigError(
            f"unknown site '{name}': {config_dir}/site has {known}; choose with --site or TAUML_SITE, "
            "or give the path of your own .yaml file"
        )
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (YAMLError, OmegaConfBaseException, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        return TypeAdapter(SiteConfig).validate_python(content)
    except ValidationError as error:
        raise ConfigError(f"site '{name}' has wrong settings:\n{explain(error, 'site')}") from error
