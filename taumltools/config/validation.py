"""Settings of the validation of a shuffle."""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from taumltools.config.base import PlotFormats, settings


@settings
class AxisConfig:
    """Fine bins of a variable; what lies outside of them has a bin at either end.

    Attributes:
        bins: number of bins inside of the limits.
        limits: first and last edge, in the unit of the branch.
        log: whether the bins are equally wide in the logarithm.
    """

    bins: int
    limits: tuple[float, float]
    log: bool = False

    @model_validator(mode="after")
    def _usable(self) -> AxisConfig:
        low, high = self.limits
        if self.bins < 2:
            raise ValueError(f"an axis needs two bins or more, found {self.bins}")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"limits must be two finite edges low < high, found {list(self.limits)}")
        if self.log and low <= 0:
            raise ValueError(f"a logarithmic axis begins above zero, found {low:g}")
        return self


def _default_variables() -> dict[str, AxisConfig]:
    """Bins of 1.3% in pt and 0.025 in η: fine against every spectrum, so that binned KS loses nothing."""
    return {
        "tau_pt": AxisConfig(bins=400, limits=(10.0, 2000.0), log=True),
        "tau_eta": AxisConfig(bins=200, limits=(-2.5, 2.5)),
    }


@settings
class ValidationConfig:
    """How a shuffled sample is checked (``configs/validation``).

    Attributes:
        chunks: pieces of equal size that each part is cut into; they are compared inside of
            their part.  Ten see a drift along a part without a spectrum becoming thin.
        family_wise_error: probability that an honest sample fails.  One in a thousand: a
            sample is validated again at each production, and a real drift is far beyond it.
        min_expected: entries expected in each bin of a chi-square test; thinner bins are merged.
            With ten, p-values hold down to the thresholds in use (docs/validation.md).
        max_bins: most bins of the chi-square test of a variable, about equally filled.
        min_entries: entries each side of a Kolmogorov-Smirnov test needs.
        variables: scalar branches whose spectra are compared, with their fine bins.
        weight: branch with the weights; empty for none.  A file without it has no weights.
        weight_axis: fine bins of the weights themselves.
        planned_shares: parts take exact shares of each dataset, as they do here, so that the events
            of a dataset do not make its share scatter.  False where events went to parts at random.
        order: test the order of entries inside of a part.  Off for samples that are
            mixed but not permuted, as those of the CMS tools.
        formats: file formats of plots.
        max_plots: most spectra drawn of tests that failed.
    """

    chunks: int = Field(default=10, ge=1)
    family_wise_error: float = Field(default=0.001, gt=0, lt=0.5)
    min_expected: float = Field(default=10.0, ge=1)
    max_bins: int = Field(default=20, ge=2)
    min_entries: int = Field(default=50, ge=2)
    variables: dict[str, AxisConfig] = Field(default_factory=_default_variables)
    weight: str = "trainingWeight"
    weight_axis: AxisConfig = AxisConfig(bins=400, limits=(1e-12, 1e4), log=True)
    planned_shares: bool = True
    order: bool = True
    formats: PlotFormats = ("pdf", "png")
    max_plots: int = Field(default=12, ge=0)

    @model_validator(mode="after")
    def _weight_is_no_variable(self) -> ValidationConfig:
        if self.weight and self.weight in self.variables:
            raise ValueError(f"'{self.weight}' is the weight and is compared anyway; take it out of variables")
        return self
