"""Settings of the batch system: what each stage asks for, and how failures are answered.

None of these enter the identity of an output.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from taumltools.config.base import settings


@settings
class ResourcesConfig:
    """What one job of a stage asks for; a field that is not given is taken from the default.

    Attributes:
        max_runtime: hours of wall time.
        max_memory: MB of memory (2^20 bytes, as HTCondor counts).
        cpus: processor cores.
        gpus: graphics processors.
        disk: MB of scratch space.
        requirements: ClassAd expression for the machine, e.g. ``OpSysAndVer == "AlmaLinux9"``.
    """

    max_runtime: float | None = Field(default=None, gt=0)
    max_memory: int | None = Field(default=None, gt=0)
    cpus: int | None = Field(default=None, ge=1)
    gpus: int | None = Field(default=None, ge=0)
    disk: int | None = Field(default=None, gt=0)
    requirements: str | None = None


@settings
class RetryConfig:
    """How failed attempts are answered.

    Attributes:
        retries: further attempts after errors that somebody has to mend (an exception in the
            task, a missing file, a bad proxy).
        transient_retries: further attempts after errors of machines and network.
        over_runtime: ``"longer"`` asks for more time, ``"stop"`` gives up with advice.
        runtime_factor: how much longer; law's users and ours double.
        memory_factor: how much more memory than measured or requested, whichever is larger.
    """

    retries: int = Field(default=2, ge=0)
    transient_retries: int = Field(default=20, ge=0)
    over_runtime: Literal["longer", "stop"] = "longer"
    runtime_factor: float = Field(default=2.0, gt=1)
    memory_factor: float = Field(default=1.5, gt=1)


@settings
class BatchConfig:
    """The batch section of a campaign.

    Attributes:
        default: resources of stages that are not named.
        stages: resources by task name.
        retry: how failed attempts are answered.
        tolerance: branches that may fail for good before the driver submits nothing more: a
            number from 1 up, or a fraction below 1.
        parallel_jobs: most jobs of one workflow in the queue at a time; 0 is no limit.
    """

    default: ResourcesConfig = ResourcesConfig(max_runtime=2, max_memory=2000)
    stages: dict[str, ResourcesConfig] = Field(default_factory=dict)
    retry: RetryConfig = RetryConfig()
    tolerance: float = Field(default=0.0, ge=0)
    parallel_jobs: int = Field(default=0, ge=0)
