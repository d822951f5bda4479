"""Settings of the network."""

from __future__ import annotations

from taumltools.config.base import settings


@settings
class ModelConfig:
    """Which network, and its sizes (``configs/model``)."""

    name: str = "deepset"
