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
        datasets: names of datasets, or regular expressions on whole names; empty means all of
            the sample.
        files: regular expression on whole file names, suffix included.
    """

    types: tuple[str, ...]
    datasets: tuple[str, ...] = ()
    files: str = ".*"

    @field_validator("types")
    @classmethod
    def _known_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names no truth type; a group without types takes nothing")
        check_types(value)
        return value

    @field_validator("datasets")
    @classmethod
    def _valid_datasets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_patterns(value)

    @field_validator("files")
    @classmethod
    def _valid_files(cls, value: str) -> str:
        return check_patterns((value,))[0]

    def takes(self, dataset: str, file_name: str) -> bool:
        """Whether a file belongs to this group.

        Args:
            dataset: name of its dataset.
            file_name: its name without folders.

        Returns:
            True if both match.

        Examples:
            >>> GroupConfig(types=("tau",), datasets=("DYJets.*",)).takes("DYJetsToLL_M-50", "eventTuple_1.root")
            True
        """
        named = not self.datasets or any(re.fullmatch(pattern, dataset) for pattern in self.datasets)
        return named and re.fullmatch(self.files, file_name) is not None


@settings
class SamplingConfig:
    """How the training sample is mixed (``configs/sampling``).

    Attributes:
        n_jobs: number of parts (branches and files) the mixed sample is made in.
        mode: ``MergeAll`` (every part holds all groups) or ``MergePerEntry`` (a sample of its
            own, with its own plan, for each group).
        method: ``spectral`` accepts at random, ``quota`` takes an exact number from every bin,
            ``weight`` keeps all candidates and writes ``trainingWeight``.
        pt_edges: edges of the acceptance in pt (GeV); candidates outside are dropped.
        eta_edges: edges in |η|.
        tau_ratio: wanted composition by truth type, e.g. ``{"tau": 1, "jet": 1}``; -1 takes
            a type with probability 1, outside of the balance.
        lastbin_takeall: accept everything in the last pt bin, and make only the bins below flat.
        lastbin_disbalance: with ``lastbin_takeall``: how many times the last two pt bins the
            flat part may hold; 100 in practice means "no limit".
        enable_emptybin: tolerate (pt, |η|) bins without candidates instead of refusing them.
        refill_spectrum: plan each part from the spectrum of its own entries.
        parity: 0 writes even event numbers only, 1 odd ones only, 3 all; decided last.
        max_entries: largest number of candidates of one part, chosen at random; 0: no limit.
        duplicates: ``drop`` or ``keep`` candidates whose (run, lumi, evt, jet_index, tau_index)
            occurred before in their dataset; they are counted in any case.
        rng: ``independent`` gives each part random numbers of its own; ``legacy`` repeats the
            CMS tool draw by draw, with its partition, its order and its early stop.
        overflow_job: with ``rng: legacy``: the last part also takes the remainder.  Otherwise
            nothing is ever left over.
        seed: of the random numbers; by default it follows from the campaign's.
        groups: dataset groups by name; empty means one group ``all`` of everything.
        unused_datasets: ``refuse`` or ``ignore`` datasets that no group takes.
        format: file format of the mixed sample, ``arrow`` (fast) or ``root`` (for CMS tools).
        compression_algo: ``zstd``, ``lz4``, ``zlib``, ``lzma`` or ``none``; empty: the format's default.
        compression_level: of that algorithm; by default the fastest.
        disabled_branches: regular expressions on whole branch names that are not copied.
        memory_mb: memory of one part; what does not fit is shuffled through the disk.
        spectra: fine binning of the counting.
        count_jobs: number of branches in which files from outside of the campaign are counted
            and duplicates are searched.
    """

    n_jobs: int = Field(default=2, ge=1)
    mode: Literal["MergeAll", "MergePerEntry"] = "MergeAll"
    method: Literal["spectral", "quota", "weight"] = "spectral"
    pt_edges: tuple[float, ...] = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 1000.0)
    eta_edges: tuple[float, ...] = (0.0, 0.6, 1.2, 1.8, 2.4)
    tau_ratio: dict[str, float] = Field(default_factory=lambda: {"e": 1.0, "mu": 1.0, "tau": 1.0, "jet": 1.0})
    lastbin_takeall: bool = False
    lastbin_disbalance: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    enable_emptybin: bool = False
    refill_spectrum: bool = False
    parity: Literal[0, 1, 3] = 3
    max_entries: int = Field(default=0, ge=0)
    duplicates: Literal["drop", "keep"] = "drop"
    rng: Literal["independent", "legacy"] = "independent"
    overflow_job: bool = False
    seed: int | None = Field(default=None, ge=0, lt=2**64)
    groups: dict[str, GroupConfig] = Field(default_factory=dict)
    unused_datasets: Literal["refuse", "ignore"] = "refuse"
    format: Literal["arrow", "root"] = "arrow"
    compression_algo: str = ""
    compression_level: int | None = None
    disabled_branches: tuple[str, ...] = ()
    memory_mb: float = Field(default=4000.0, gt=0)
    spectra: SpectraConfig = Field(default_factory=SpectraConfig)
    count_jobs: int = Field(default=2, ge=1)

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
        return check_patterns(value)

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
        self._check_combinations()
        return self

    def _check_combinations(self) -> None:
        """What does not go together is refused instead of done otherwise; the CMS tool knows one method."""
        if self.method == "quota" and self.refill_spectrum:
            raise ValueError("method 'quota' takes its numbers from the whole sample, refill_spectrum from each part")
        if self.overflow_job and self.rng != "legacy":
            raise ValueError("overflow_job belongs to rng: legacy; otherwise no entry is ever left over")
        if self.rng != "legacy":
            return
        if self.method != "spectral":
            raise ValueError(f"rng: legacy repeats the CMS tool, which has no method '{self.method}'; use spectral")
        if self.duplicates == "drop":
            raise ValueError("rng: legacy repeats the CMS tool, which keeps duplicates; set duplicates: keep")


def check_patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no regular expression.

    Args:
        patterns: regular expressions.

    Returns:
        The same.

    Raises:
        ValueError: names the expression and what is wrong with it.
    """
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"'{pattern}' is no regular expression: {error}") from error
    return patterns


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
