"""Settings of feature scaling (``configs/scaling``)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from taumltools.config.base import PlotFormats, settings

MeasuredOn = Literal["fed", "legacy"]


@settings
class LimitsConfig:
    """How many values of a feature may be infinite before it is refused; for NaN see ``features.nan_limit``.

    Attributes:
        infinite: largest share of infinite values in any feature (there are some only with ``features.infinite=keep``);
            those that are allowed are left out of mean and standard deviation.
    """

    infinite: float = Field(default=0.01, ge=0, le=1)


@settings
class ScalingPlotsConfig:
    """Plots of the scaling; they change no constant.

    Attributes:
        parts_per_step: parts of the sample between two snapshots of the convergence plot.
        formats: file formats of plots.
    """

    parts_per_step: int = Field(default=1, ge=1)
    formats: PlotFormats = ("pdf", "png")


@settings
class ScalingConfig:
    """How the constants of features are found.

    Attributes:
        measured_on: which objects give the constants of a grid. ``fed``: those that fill its cells, so
            what the network is fed has mean 0 and standard deviation 1 (before clipping). ``legacy``:
            what the CMS tools measure, all objects with ΔR <= R of the signal cone for the grid of the
            signal cone, and those with R < ΔR < cone for a grid with a fixed cone.
        source: a JSON file with constants to take instead of measuring, of this project or of the CMS
            tools; with a pattern (``jobs/*/scaling_params.json``) the files are merged. Empty: measure.
        limits: when a feature is refused.
        plots: what the plots show.
    """

    measured_on: MeasuredOn = "fed"
    source: str = ""
    limits: LimitsConfig = LimitsConfig()
    plots: ScalingPlotsConfig = ScalingPlotsConfig()
