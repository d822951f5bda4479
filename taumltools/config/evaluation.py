"""Settings of the evaluation: discriminators, cuts, regions, working points, plots."""

from __future__ import annotations

import itertools
from dataclasses import field
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from taumltools.config.base import settings

FAKE_TYPES = ("e", "mu", "jet")
"""What can be mistaken for a hadronic tau decay; a discriminator is 'vs' one of them."""

NETWORK = "network"
"""Value of ``DiscriminatorConfig.score`` that stands for the network's VS_x."""

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


def _range(value: tuple[float, float]) -> tuple[float, float]:
    """Refuse a range that holds nothing: every plot behind it would be empty without a word."""
    if not value[0] < value[1]:
        raise ValueError(f"a range needs its lower end first, found {list(value)}")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_range)]
"""Lower and upper end."""


@settings
class DiscriminatorConfig:
    """One way to tell genuine taus from fakes.

    Attributes:
        title: what legends show.
        vs: fake types it is meant for, out of ``e``, ``mu``, ``jet``.
        score: ``"network"`` for VS_x = p_tau / (p_tau + p_x), or an expression over tuple
            branches that is larger for more tau-like candidates, e.g. ``"-tau_chargedIsoPtSum"``.
    """

    title: str
    vs: tuple[str, ...] = FAKE_TYPES
    score: str = NETWORK

    @field_validator("vs")
    @classmethod
    def _known_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(FAKE_TYPES))
        if unknown or not value:
            raise ValueError(f"must name at least one of {', '.join(FAKE_TYPES)}; found {list(value)}")
        return value


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
    """Regions of phase space: every combination of a pt, an eta and a decay-mode bin.

    Attributes:
        pt: ranges of tau_pt in GeV, lower edge included.
        abs_eta: ranges of abs(tau_eta), lower edge included.
        decay_modes: lists of HPS decay modes.
    """

    pt: tuple[Range, ...] = ((20.0, 1000.0), (20.0, 100.0), (100.0, 1000.0))
    abs_eta: tuple[Range, ...] = ((0.0, 2.3),)
    decay_modes: tuple[tuple[int, ...], ...] = ((0, 1, 2, 10, 11),)

    @field_validator("pt", "abs_eta", "decay_modes")
    @classmethod
    def _not_empty(cls, value: tuple) -> tuple:
        if not value:
            raise ValueError("needs at least one bin")
        return value


def _default_targets() -> dict[str, dict[str, float]]:
    """Genuine-tau efficiencies of the DeepTau working points (JINST 17 (2022) P07023)."""
    names = ("VVVLoose", "VVLoose", "VLoose", "Loose", "Medium", "Tight", "VTight", "VVTight")
    return {
        "e": dict(zip(names, (0.995, 0.99, 0.98, 0.95, 0.90, 0.80, 0.70, 0.60), strict=True)),
        "mu": {"VLoose": 0.9995, "Loose": 0.999, "Medium": 0.998, "Tight": 0.995},
        "jet": dict(zip(names, (0.98, 0.95, 0.90, 0.80, 0.70, 0.60, 0.50, 0.40), strict=True)),
    }


@settings
class WorkingPointsConfig:
    """How thresholds are chosen.

    Attributes:
        targets: fake type to name to efficiency for genuine taus, loosest first.
        pt: range of tau_pt in GeV of the taus that define the thresholds (8.3 of the CMS tools).
        fraction: fraction of events that define thresholds; the others measure efficiencies.
        required: fake type to working point that the other types' thresholds require; empty
            makes the types independent of each other.
    """

    targets: dict[str, dict[str, float]] = field(default_factory=_default_targets)
    pt: Range = (30.0, 80.0)
    fraction: float = 0.5
    required: dict[str, str] = field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> WorkingPointsConfig:
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction must be between 0 and 1, found {self.fraction}")
        for vs, points in self.targets.items():
            if vs not in FAKE_TYPES:
                raise ValueError(f"targets.{vs}: must be one of {', '.join(FAKE_TYPES)}")
            for name, target in points.items():
                if not 0 < target < 1:
                    raise ValueError(f"targets.{vs}.{name}: an efficiency is between 0 and 1, found {target}")
        for vs, name in self.required.items():
            if name not in self.targets.get(vs, {}):
                raise ValueError(f"required.{vs}: no working point '{name}' in targets.{vs}")
        return self


@settings
class BinningConfig:
    """A variable against which efficiencies are shown.

    Attributes:
        edges: bin edges; a bin contains its lower edge.
        label: axis label with unit.
        log: logarithmic axis.
    """

    edges: tuple[float, ...]
    label: str
    log: bool = False

    @field_validator("edges")
    @classmethod
    def _increasing(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if len(value) < 2 or any(b <= a for a, b in itertools.pairwise(value)):
            raise ValueError(f"needs two or more strictly increasing edges, found {list(value)}")
        return value


@settings
class AxesConfig:
    """Axis ranges of the ROC plot of one fake type.

    Attributes:
        efficiency: range of the genuine-tau efficiency.
        misid: range of the misidentification probability (log axis).
        ratio: range of the ratio to the reference.
        ratio_log: logarithmic ratio axis.
    """

    efficiency: Range = (0.0, 1.0)
    misid: Range = (1e-4, 1.0)
    ratio: Range = (0.0, 1.5)
    ratio_log: bool = False


@settings
class StyleConfig:
    """Texts and ranges of plots.

    Attributes:
        experiment: name at the upper left, in bold.
        label: text beside it.
        energy: text at the upper right, with unit.
        axes: fake type to axis ranges.
        formats: file formats of plots.
    """

    experiment: str = "CMS"
    label: str = "Simulation"
    energy: str = "13.6 TeV"
    axes: dict[str, AxesConfig] = field(default_factory=dict)
    formats: tuple[str, ...] = ("pdf", "png")

    def axes_of(self, vs: str) -> AxesConfig:
        """Axis ranges of one fake type; the defaults where the settings name none."""
        return self.axes.get(vs, AxesConfig())


@settings
class EvaluationConfig:
    """Discriminators, working points and regions (``configs/evaluation``).

    Attributes:
        discriminators: by name.
        reference: fake type to the discriminator that ratios are taken to.
        cuts: which candidates are evaluated.
        regions: where curves are drawn.
        working_points: how thresholds are chosen.
        efficiency: branch to binning of efficiency plots.
        sources: truth type to the datasets it is taken from; a type that is not named is taken
            from all datasets.
        weight: branch that weights entries, empty for equal weights (what CMS does here).
        columns: branches to copy into prediction files; all that cuts, scores and efficiency
            plots use have to be among them.
        curve_points: most points of a stored ROC curve.
        score_bins: bins of score distributions.
        style: texts and ranges of plots.
    """

    discriminators: dict[str, DiscriminatorConfig] = field(default_factory=dict)
    reference: dict[str, str] = field(default_factory=dict)
    cuts: CutsConfig = field(default_factory=CutsConfig)
    regions: RegionsConfig = field(default_factory=RegionsConfig)
    working_points: WorkingPointsConfig = field(default_factory=WorkingPointsConfig)
    efficiency: dict[str, BinningConfig] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    weight: str = ""
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    curve_points: Annotated[int, Field(ge=2)] = 600
    score_bins: Annotated[int, Field(ge=1)] = 50
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
