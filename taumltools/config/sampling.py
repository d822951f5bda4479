"""Settings of shuffle and merge."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from taumltools.config.base import settings

TYPE_NAMES = ("e", "mu", "tau", "jet", "emb_e", "emb_mu", "emb_tau", "emb_jet", "data")
"""Truth types a sample may hold; same names as :class:`taumltools.tuples.truth.TauType`."""

TAKE_ALL = -1.0
"""Value of a type in ``tau_ratio`` that keeps the type out of the balancing: probability 1."""


@settings
class SpectraConfig:
    """Fine binning in which every file's candidates are counted once.

    The defaults are those of the CMS training: 1 GeV by 0.01, so that edges can be chosen
    later without counting again.

    Attributes:
        pt_bins: number of bins in pt.
        pt_range: first and last edge in GeV.
        eta_bins: number of bins in |η|.
        eta_range: first and last edge.
    """

    pt_bins: int = Field(default=980, ge=1)
    pt_range: tuple[float, float] = (20.0, 1000.0)
    eta_bins: int = Field(default=250, ge=1)
    eta_range: tuple[float, float] = (0.0, 2.5)

    @field_validator("pt_range", "eta_range")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not (math.isfinite(value[0]) and math.isfinite(value[1]) and 0 <= value[0] < value[1]):
            raise ValueError(f"needs two finite edges 0 <= low < high, found {list(value)}")
        return value


@settings
class GroupConfig:
    """Datasets that share one acceptance.

    Attributes:
        types: truth types taken from these datasets.
        datasets: names of datasets; empty means all of the sample.
    """

    types: tuple[str, ...]
    datasets: tuple[str, ...] = ()

    @field_validator("types")
    @classmethod
    def _known_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names no truth type; a group without types takes nothing")
        check_types(value)
        return value


@settings
class SamplingConfig:
    """How the training sample is mixed (``configs/sampling``).

    Attributes:
        n_jobs: number of parts (branches and files) the mixed sample is made in.
        pt_edges: edges of the acceptance in pt (GeV); candidates outside are dropped.
        eta_edges: edges in |η|.
        tau_ratio: wanted composition by truth type, e.g. ``{"tau": 1, "jet": 1}``; -1 takes
            a type with probability 1, outside of the balance.
        lastbin_takeall: accept everything in the last pt bin, and make only the bins below flat.
        lastbin_disbalance: with ``lastbin_takeall``: how many times the last two pt bins the
            flat part may hold; 100 in practice means "no limit".
        enable_emptybin: tolerate (pt, |η|) bins without candidates instead of refusing them.
        groups: dataset groups by name; empty means one group ``all`` of everything.
        format: file format of the mixed sample, ``arrow`` (fast) or ``root`` (for CMS tools).
        disabled_branches: regular expressions on whole branch names that are not copied.
        memory_mb: largest memory one part may need; a larger one is refused with advice.
        spectra: fine binning of the counting.
    """

    n_jobs: int = Field(default=2, ge=1)
    pt_edges: tuple[float, ...] = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 1000.0)
    eta_edges: tuple[float, ...] = (0.0, 0.6, 1.2, 1.8, 2.4)
    tau_ratio: dict[str, float] = Field(default_factory=lambda: {"e": 1.0, "mu": 1.0, "tau": 1.0, "jet": 1.0})
    lastbin_takeall: bool = False
    lastbin_disbalance: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    enable_emptybin: bool = False
    groups: dict[str, GroupConfig] = Field(default_factory=dict)
    format: Literal["arrow", "root"] = "arrow"
    disabled_branches: tuple[str, ...] = ()
    memory_mb: float = Field(default=4000.0, gt=0)
    spectra: SpectraConfig = Field(default_factory=SpectraConfig)

    @field_validator("tau_ratio")
    @classmethod
    def _sensible_ratio(cls, value: dict[str, float]) -> dict[str, float]:
        if not value:
            raise ValueError("names no truth type; write e.g. {tau: 1, jet: 1}")
        check_types(tuple(value))
        for name, ratio in value.items():
            if ratio != TAKE_ALL and not 0 < ratio < math.inf:
                raise ValueError(f"ratio of '{name}' is {ratio:g}; use a positive number, or -1 to take all")
        return value

    @field_validator("disabled_branches")
    @classmethod
    def _valid_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"'{pattern}' is no regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _consistent(self) -> SamplingConfig:
        check_edges("pt_edges", self.pt_edges, self.spectra.pt_bins, self.spectra.pt_range)
        check_edges("eta_edges", self.eta_edges, self.spectra.eta_bins, self.spectra.eta_range)
        if self.lastbin_takeall and len(self.pt_edges) < 3:
            raise ValueError("lastbin_takeall needs two pt bins or more: the last one is taken whole")
        listed = {name for group in self.groups.values() for name in group.types} or set(self.tau_ratio)
        if odd := sorted(listed - set(self.tau_ratio)):
            raise ValueError(
                f"groups list the types {odd}, tau_ratio does not; add them to tau_ratio, or take them out"
            )
        if odd := sorted(set(self.tau_ratio) - listed):
            raise ValueError(f"tau_ratio lists the types {odd}, no group does; add them to a group, or take them out")
        return self


def check_types(names: tuple[str, ...]) -> None:
    """Refuse unknown or repeated truth types.

    Args:
        names: names of truth types.

    Raises:
        ValueError: names what is wrong and what exists.
    """
    if odd := [name for name in names if name not in TYPE_NAMES]:
        raise ValueError(f"unknown truth types {odd}; known are {', '.join(TYPE_NAMES)}")
    if len(set(names)) < len(names):
        raise ValueError(f"a truth type is listed twice: {list(names)}")


def check_edges(key: str, edges: Sequence[float], bins: int, limits: tuple[float, float]) -> None:
    """Refuse coarse edges that do not increase or do not fall on edges of the fine binning.

    Args:
        key: name of the setting, for the message.
        edges: coarse edges.
        bins: number of fine bins.
        limits: first and last fine edge.

    Raises:
        ValueError: names the edge and the fine binning.

    Examples:
        >>> check_edges("pt_edges", (20, 30, 1000), 980, (20, 1000))
    """
    if len(edges) < 2 or any(not low < high for low, high in itertools.pairwise(edges)):
        raise ValueError(f"{key} must have two or more strictly increasing edges, found {list(edges)}")
    width = (limits[1] - limits[0]) / bins
    for edge in edges:
        position = (edge - limits[0]) / width
        if not -1e-6 < position < bins + 1e-6 or abs(position - round(position)) > 1e-6:
            raise ValueError(
                f"{key} has {edge:g}, which is no edge of the fine binning of the spectra "
                f"({bins} bins from {limits[0]:g} to {limits[1]:g}); choose a multiple of {width:g} in that range"
            )
