"""Settings of a dataset: what it is, and where its tuples come from."""

from __future__ import annotations

import dataclasses
from typing import Literal

from pydantic import field_validator, model_validator

from taumltools.config.base import settings
from taumltools.config.sampling import check_patterns

SELECTION = frozenset({"selector", "require_gen_or_reco_tau", "reco_pt_sieve", "enabled_branches", "disabled_branches"})
"""Options of all sources that make entries."""

CONVERTED = frozenset({"files", "sample_type", "require_gen_match", "unreconstructed"})
"""Options of the sources that make entries of files."""

SOURCES: dict[str, frozenset[str]] = {
    "pythia": frozenset({"process", "generator", "weighted"}) | SELECTION,
    "tautuple": frozenset({"files"}),
    "nanoaod": CONVERTED | SELECTION,
    "pfnano": CONVERTED | SELECTION,
}
"""Where tuples of a dataset can come from, and the options that each source knows."""

COMMON = frozenset({"title", "source"})
"""Options of all sources."""


@settings
class DatasetConfig:
    """One physics dataset (``configs/datasets/<name>.yaml``).

    Attributes:
        title: what plots show, e.g. ``"Z → ττ"``.
        source: where tuples come from: ``pythia`` simulates, ``tautuple`` takes files that exist in place,
            ``nanoaod`` converts NanoAOD files, ``pfnano`` NanoAOD files with particle-flow candidates, in which taus
            are reconstructed anew.
        process: of ``pythia``: settings of the hard process.
        generator: of ``pythia``: further settings of this dataset, read after the common ones.
        weighted: of ``pythia``: True if the generator biases the phase space, so that ``genEventWeight`` is not 1.
        files: folders, files, patterns such as ``/data/DY/*.root``, or lists of files (``.txt``).
        sample_type: ``MC``, ``Embedded`` or ``Data``.
        require_gen_match: leave out taus without generated lepton and jet, as the CMS producer does.
        unreconstructed: write generated hadronic taus that no reconstructed tau was found for.
        selector: which events or entries are wanted, see :mod:`taumltools.production.selection`; empty: all.
        require_gen_or_reco_tau: leave out entries with neither a reconstructed nor a generated hadronic tau.
        reco_pt_sieve: thin out reconstructed taus below 80 GeV that match no generated lepton.
        enabled_branches: regular expressions on whole branch names; if there are any, only these are written.
        disabled_branches: regular expressions on whole branch names that are not written.
    """

    title: str
    source: str = "pythia"
    process: tuple[str, ...] = ()
    generator: tuple[str, ...] = ()
    weighted: bool = False
    files: tuple[str, ...] = ()
    sample_type: Literal["MC", "Embedded", "Data"] = "MC"
    require_gen_match: bool = True
    unreconstructed: bool = True
    selector: Literal["", "genTauTau", "TauJetTag"] = ""
    require_gen_or_reco_tau: bool = False
    reco_pt_sieve: bool = False
    enabled_branches: tuple[str, ...] = ()
    disabled_branches: tuple[str, ...] = ()

    @field_validator("selector", mode="before")
    @classmethod
    def _selector_that_can_be_honoured(cls, value: object) -> object:
        if value in ("MuTau", "TagAndProbe"):
            raise ValueError(
                f"selector '{value}' needs trigger objects and lepton identification of MiniAOD, which no source has yet; "
                "there are genTauTau and TauJetTag"
            )
        return value

    @field_validator("enabled_branches", "disabled_branches")
    @classmethod
    def _valid_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_patterns(value)

    @model_validator(mode="after")
    def _fits_its_source(self) -> DatasetConfig:
        if self.source not in SOURCES:
            raise ValueError(f"unknown source '{self.source}'; known are {', '.join(SOURCES)}")
        known = SOURCES[self.source] | COMMON
        for field in dataclasses.fields(self):
            if field.name not in known and getattr(self, field.name) != field.default:
                raise ValueError(
                    f"source '{self.source}' has no option '{field.name}'; it has {', '.join(sorted(known - COMMON))}"
                )
        if self.source == "pythia" and not self.process:
            raise ValueError(
                "process is empty: name at least one Pythia process, e.g. 'WeakSingleBoson:ffbar2gmZ = on'"
            )
        if self.source != "pythia" and not self.files:
            raise ValueError(f"files is empty: source '{self.source}' needs folders, files, patterns or lists of files")
        if self.sample_type == "Data" and self.require_gen_match:
            raise ValueError("sample_type is Data, which has no generated particles: set require_gen_match to false")
        return self

    @property
    def from_files(self) -> bool:
        """Whether tuples are made from files that exist."""
        return bool(self.files)
