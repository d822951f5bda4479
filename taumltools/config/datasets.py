"""Settings of a dataset: what it is, and where its tuples come from."""

from __future__ import annotations

import dataclasses
from typing import Literal

from pydantic import field_validator, model_validator

from taumltools.config.base import settings
from taumltools.config.crab import CrabConfig
from taumltools.config.files import absolute_name
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
    "cmssw": frozenset({"files", "sample_type", "require_gen_match", "config", "era", "arguments"}) | SELECTION,
    "crab": frozenset({"crab"}),
}
"""Where tuples of a dataset can come from, and the options that each source knows."""

SELECTORS = frozenset({"genTauTau", "TauJetTag", "MuTau", "TagAndProbe"})
"""Selectors of the CMS producer, which all sources honour but for the following."""

NOT_HONOURED: dict[str, dict[str, str]] = {
    "pythia": {
        "MuTau": "the simulation has no trigger and no identification of leptons and taus",
        "TagAndProbe": "the simulation has no identification of leptons",
    },
    "pfnano": {
        "MuTau": "its taus are reconstructed anew and have no byDeepTau2017v2p1VSjet of CMS; source 'nanoaod' reads those of "
        "CMS in the same files",
    },
}
"""Selectors that a source cannot honour, and why."""

COMMON = frozenset({"title", "source"})
"""Options of all sources."""

CMS_OPTIONS = {
    "sampleType": "sample_type", "era": "era", "selector": "selector", "requireGenMatch": "require_gen_match",
    "requireGenORRecoTauMatch": "require_gen_or_reco_tau", "applyRecoPtSieve": "reco_pt_sieve",
    "enabledBranches": "enabled_branches", "disabledBranches": "disabled_branches",
}  # fmt: skip
"""Options of datasets by the name that the CMS producer's configuration gives them."""

CMS_OF_RUN = frozenset({"inputFiles", "fileList", "fileNamePrefix", "maxEvents", "output", "outputFile", "tupleOutput"})
"""Arguments of the CMS producer's configuration that say what a branch reads and writes."""


@settings
class DatasetConfig:
    """One physics dataset (``configs/datasets/<name>.yaml``).

    Attributes:
        title: what plots show, e.g. ``"Z → ττ"``.
        source: where tuples come from: ``pythia`` simulates, ``tautuple`` takes files that exist in place,
            ``nanoaod`` converts NanoAOD files, ``pfnano`` NanoAOD files with particle-flow candidates, in which taus
            are reconstructed anew, ``cmssw`` runs the tuple producer of the CMS software on MiniAOD files,
            ``crab`` runs it on the grid.
        process: of ``pythia``: settings of the hard process.
        generator: of ``pythia``: further settings of this dataset, read after the common ones.
        weighted: of ``pythia``: True if the generator biases the phase space, so that ``genEventWeight`` is not 1.
        files: folders, files, patterns such as ``/data/DY/*.root``, or lists of files (``.txt``); made absolute, see
            :func:`taumltools.config.files.absolute_name`.
        sample_type: ``MC``, ``Embedded`` or ``Data``.
        require_gen_match: leave out taus without generated lepton and jet, as the CMS producer does.
        unreconstructed: write generated hadronic taus that no reconstructed tau was found for.
        selector: which events or entries are wanted, see :mod:`taumltools.production.selection`; empty: all.
        require_gen_or_reco_tau: leave out entries with neither a reconstructed nor a generated hadronic tau.
        reco_pt_sieve: thin out reconstructed taus below 80 GeV that match no generated lepton.
        enabled_branches: regular expressions on whole branch names; if there are any, only these are written.
        disabled_branches: regular expressions on whole branch names that are not written.
        config: of ``cmssw``: configuration for ``cmsRun``, e.g. ``$CMSSW_BASE/src/TauMLTools/Production/python/Production.py``.
        era: of ``cmssw``: e.g. ``Run2_2018``; empty: not given.
        arguments: of ``cmssw``: further arguments of the configuration, e.g. ``{triggers: HLT_IsoMu24_v}``.
        crab: of ``crab``: which tasks, and where their output goes.
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
    selector: Literal["", "genTauTau", "TauJetTag", "MuTau", "TagAndProbe"] = ""
    require_gen_or_reco_tau: bool = False
    reco_pt_sieve: bool = False
    enabled_branches: tuple[str, ...] = ()
    disabled_branches: tuple[str, ...] = ()
    config: str = ""
    era: str = ""
    arguments: dict[str, str] = dataclasses.field(default_factory=dict)
    crab: CrabConfig | None = None

    @field_validator("arguments", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {str(name): str(text) for name, text in value.items()}

    @field_validator("arguments")
    @classmethod
    def _arguments_of_their_own(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name in CMS_OF_RUN:
                raise ValueError(f"'{name}' is set for each branch, from the files and events of its chunk")
            if name in CMS_OPTIONS and name != "sampleType":
                raise ValueError(f"'{name}' is the option '{CMS_OPTIONS[name]}' of the dataset; write it there")
        return value

    @field_validator("files")
    @classmethod
    def _absolute_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(absolute_name, value))

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
            if field.name not in known and getattr(self, field.name) != _default(field):
                raise ValueError(
                    f"source '{self.source}' has no option '{field.name}'; it has {', '.join(sorted(known - COMMON))}"
                )
        if self.source == "pythia" and not self.process:
            raise ValueError(
                "process is empty: name at least one Pythia process, e.g. 'WeakSingleBoson:ffbar2gmZ = on'"
            )
        if self.source == "cmssw" and not self.config:
            raise ValueError(
                "config is empty: name the configuration that cmsRun is to run, e.g. "
                "'$CMSSW_BASE/src/TauMLTools/Production/python/Production.py'"
            )
        if self.source == "crab" and self.crab is None:
            raise ValueError(
                "crab is empty: source 'crab' needs job files and where the output goes, crab: {jobs: [...]}"
            )
        if self.source not in ("pythia", "crab") and not self.files:
            raise ValueError(f"files is empty: source '{self.source}' needs folders, files, patterns or lists of files")
        _check_selector(self.selector, self.source, self.sample_type)
        if self.sample_type == "Data" and self.require_gen_match:
            raise ValueError("sample_type is Data, which has no generated particles: set require_gen_match to false")
        return self

    @property
    def from_files(self) -> bool:
        """Whether tuples are made from files that exist."""
        return bool(self.files) or self.source == "crab"


def _check_selector(selector: str, source: str, sample_type: str) -> None:
    refused = NOT_HONOURED.get(source, {})
    if selector in refused:
        known = ", ".join(sorted(SELECTORS - set(refused)))
        raise ValueError(
            f"selector '{selector}' cannot be honoured by source '{source}': {refused[selector]}; it has {known}"
        )
    if selector == "genTauTau" and sample_type == "Data":
        raise ValueError("selector 'genTauTau' asks for generated taus, and sample_type is Data, which has none")


def _default(field: dataclasses.Field[object]) -> object:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
