"""Settings of the fit."""

from __future__ import annotations

from taumltools.config.base import settings


@settings
class TrainingConfig:
    """How the network is fitted (``configs/training``)."""

    epochs: int = 10
