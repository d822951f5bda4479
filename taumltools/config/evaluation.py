"""Settings of the evaluation: discriminators, cuts, regions, working points, plots."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from taumltools.config.base import settings
from taumltools.config.discriminators import FAKE_TYPES, NETWORK, POINT_NAMES, DiscriminatorConfig
from taumltools.config.plots import AxesConfig, BinningConfig, Range, StyleConfig
from taumltools.config.working_points import WorkingPointsConfig

__all__ = [
    "DEFAULT_COLUMNS",
    "FAKE_TYPES",
    "NETWORK",
    "POINT_NAMES",
    "AxesConfig",
    "BinningConfig",
    "CutsConfig",
    "DiscriminatorConfig",
    "EvaluationConfig",
    "Range",
    "RegionsConfig",
    "RequiredConfig",
    "StyleConfig",
    "WorkingPointsConfig",
]

DEFAULT_COLUMNS = (
    "run",
    "lumi",
    "evt",
    "tau_pt",
    "tau_eta",
    "tau_phi",
    "tau_decayMode",
    "tau_dz",
    "genEventWeight",
    "npu",
)
"""Branches that every prediction file should carry: event number, kinematics, weight, pile-up."""


@settings
class CutsConfig:
    """Which candidates are evaluated (the usual tau selection of CMS analyses).

    Attributes:
        pt: lower (included) and upper (excluded) limit of tau_pt in GeV.
        abs_eta: upper limit of abs(tau_eta), excluded; end of the tracker acceptance for taus.
        abs_dz: upper limit of abs(tau_dz) in cm, excluded; the tau comes from the primary vertex.
        no_decay_modes: HPS decay modes that are left out; 5 and 6 (two prongs) are mostly jets.
    """

    pt: Range = (20.0, 1000.0)
    abs_eta: float = 2.3
    abs_dz: float = 0.2
    no_decay_modes: tuple[int, ...] = (5, 6)


@settings
class RegionsConfig:
    """Regions of phase space: every combination of a pt, an eta, a decay-mode bin and datasets.

    Attributes:
        pt: ranges of tau_pt in GeV, lower edge included.
        abs_eta: ranges of abs(tau_eta), lower edge included.
        decay_modes: lists of HPS decay modes.
        datasets: name to truth type to the datasets it is taken from, as ``sources`` of the
            evaluation, e.g. ``{top: {jet: [ttbar]}}``; the name is part of file names. Empty:
            all datasets.
    """

    pt: tuple[Range, ...] = ((20.0, 1000.0), (20.0, 100.0), (100.0, 1000.0))
    abs_eta: tuple[Range, ...] = ((0.0, 2.3),)
    decay_modes: tuple[tuple[int, ...], ...] = ((0, 1, 2, 10, 11),)
    datasets: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)

    @field_validator("pt", "abs_eta", "decay_modes")
    @classmethod
    def _not_empty(cls, value: tuple) -> tuple:
        if not value:
            raise ValueError("needs at least one bin")
        return value

    @field_validator("datasets")
    @classmethod
    def _known_types(cls, value: dict[str, dict[str, tuple[str, ...]]]) -> dict[str, dict[str, tuple[str, ...]]]:
        unknown = sorted({vs for sources in value.values() for vs in sources} - {"tau", *FAKE_TYPES})
        if unknown:
            raise ValueError(f"truth types are tau, {', '.join(FAKE_TYPES)}; found {', '.join(unknown)}")
        return value


@settings
class RequiredConfig:
    """Working points of the other types that candidates have to pass in addition.

    Attributes:
        points: fake type to working point; that of the type which is evaluated is left out.
        curves: candidates of ROC curves and working points have to pass them.
        numerator: what passes in efficiency plots has to pass them as well.
        denominator: all candidates of efficiency plots have to pass them.
    """

    points: dict[str, str] = field(default_factory=dict)
    curves: bool = False
    numerator: bool = False
    denominator: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> RequiredConfig:
        if self.denominator and not self.numerator:
            raise ValueError("what is required of all candidates is required of those that pass: set numerator too")
        if (self.curves or self.numerator) and not self.points:
            raise ValueError("needs points, e.g. {e: VVVLoose, mu: VLoose, jet: VVVLoose}")
        unknown = sorted(set(self.points) - set(FAKE_TYPES))
        if unknown:
            raise ValueError(f"points.{unknown[0]}: must be one of {', '.join(FAKE_TYPES)}")
        return self


@settings
class EvaluationConfig:
    """Discriminators, working points and regions (``configs/evaluation``).

    Attributes:
        discriminators: by name.
        reference: fake type to the discriminator that ratios are taken to.
        cuts: which candidates are evaluated.
        regions: where curves are drawn.
        empty_regions: ``refuse`` a region without taus or fakes, or ``note`` it and go on.
        working_points: how thresholds are chosen.
        required: working points of the other types that are required in addition.
        efficiency: branch to binning of efficiency plots.
        efficiency_abs_eta: upper limit of abs(tau_eta) in efficiency plots, excluded; None: that of
            ``cuts``.  CMS draws ROC curves up to 2.5, efficiencies up to 2.3.
        sources: truth type to the datasets it is taken from; a type that is not named is taken
            from all datasets.
        weight: branch that weights entries, empty for equal weights (what CMS does here).
        columns: branches to copy into prediction files; all that cuts, scores and efficiency
            plots use have to be among them.
        curve_points: most points of a stored ROC curve.
        score_bins: bins of score distributions.
        calibration_bins: bins of calibration curves.
        style: texts and ranges of plots.
    """

    discriminators: dict[str, DiscriminatorConfig] = field(default_factory=dict)
    reference: dict[str, str] = field(default_factory=dict)
    cuts: CutsConfig = field(default_factory=CutsConfig)
    regions: RegionsConfig = field(default_factory=RegionsConfig)
    empty_regions: Literal["refuse", "note"] = "refuse"
    working_points: WorkingPointsConfig = field(default_factory=WorkingPointsConfig)
    required: RequiredConfig = field(default_factory=RequiredConfig)
    efficiency: dict[str, BinningConfig] = field(default_factory=dict)
    efficiency_abs_eta: Annotated[float, Field(gt=0)] | None = None
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    weight: str = ""
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    curve_points: Annotated[int, Field(ge=2)] = 600
    score_bins: Annotated[int, Field(ge=1)] = 50
    calibration_bins: Annotated[int, Field(ge=1)] = 20
    style: StyleConfig = field(default_factory=StyleConfig)

    @model_validator(mode="after")
    def _references_exist(self) -> EvaluationConfig:
        for vs, name in self.reference.items():
            if name not in self.discriminators:
                known = ", ".join(self.discriminators) or "none"
                raise ValueError(f"reference.{vs}: no discriminator '{name}'; known are {known}")
            if vs not in self.discriminators[name].vs:
                raise ValueError(f"reference.{vs}: discriminator '{name}' is not meant for '{vs}'")
        return self
