"""Settings of network inputs."""

from __future__ import annotations

from taumltools.config.base import settings


@settings
class FeaturesConfig:
    """What the network sees (``configs/features``)."""

    title: str = ""
