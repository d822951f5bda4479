"""Settings of the report."""

from __future__ import annotations

from taumltools.config.base import settings


@settings
class ReportConfig:
    """What the report page shows (``configs/report``)."""

    title: str = "Tau identification"
