"""Settings of the report."""

from __future__ import annotations

from dataclasses import field

from pydantic import field_validator

from taumltools.config.base import settings


def _default_efficiencies() -> dict[str, float]:
    """The Loose working point vs jets and the Medium ones vs leptons, where analyses mostly work."""
    return {"jet": 0.8, "e": 0.9, "mu": 0.9}


@settings
class ReportConfig:
    """What the report page shows (``configs/report``).

    Attributes:
        title: heading of the page.
        headline_efficiency: fake type to the genuine-tau efficiency at which the
            misidentification probability is quoted; the first one leads.
        features: inputs of the network whose distributions are shown; empty for all of ``tau``.
        max_rows: most entries read for feature distributions; 20,000 give 2% per bin of 40.
        bins: bins of feature distributions.
    """

    title: str = "Tau identification"
    headline_efficiency: dict[str, float] = field(default_factory=_default_efficiencies)
    features: tuple[str, ...] = ()
    max_rows: int = 20_000
    bins: int = 40

    @field_validator("max_rows", "bins")
    @classmethod
    def _positive(cls, value: int) -> int:
        if value < 1:
            raise ValueError(f"must be at least 1, found {value}")
        return value
