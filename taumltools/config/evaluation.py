"""Settings of the evaluation."""

from __future__ import annotations

from taumltools.config.base import settings


@settings
class EvaluationConfig:
    """Discriminators, working points and regions (``configs/evaluation``)."""

    reference: str = "charged_isolation"
