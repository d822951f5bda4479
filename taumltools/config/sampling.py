"""Settings of shuffle and merge."""

from __future__ import annotations

from taumltools.config.base import settings


@settings
class SamplingConfig:
    """How the training sample is mixed (``configs/sampling``)."""

    n_jobs: int = 2
