"""Settings of the binned procedure: one file per type, pt and |η|, then weighted merging."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from taumltools.config.base import settings
from taumltools.config.sampling import check_patterns
from taumltools.errors import ConfigError

STANDARD_PT_EDGES = (
    *range(20, 60, 5), *range(60, 100, 10), *range(100, 200, 20), *range(200, 300, 25), *range(300, 500, 50),
    *range(500, 1001, 100),
)  # fmt: skip
"""Edges of the CMS training in GeV, 30 bins: 5 GeV wide at 20 GeV, 100 GeV wide at 1 TeV."""

STANDARD_ETA_EDGES = (0.0, 0.575, 1.15, 1.725, 2.3)
"""Edges of the CMS training in |η|, 4 bins."""

STANDARD_SELECTION = ("tau_decayModeFindingNewDMs != 0", "abs(tau_dz) < 0.2")
"""What a candidate of the CMS training fulfils, dz in cm."""

_REQUIREMENT = re.compile(r"\s*(abs\(\s*)?(\w+)\s*(?(1)\)\s*)(==|!=|<=|>=|<|>)\s*([-+.\w]+)\s*")


def parse_requirement(text: str) -> tuple[str, bool, str, float]:
    """Take one requirement of a selection apart.

    Args:
        text: ``branch operator number`` or ``abs(branch) operator number``.

    Returns:
        Branch, whether its absolute value counts, operator, number.

    Raises:
        ValueError: the text is not of that form.

    Examples:
        >>> parse_requirement("abs(tau_dz) < 0.2")
        ('tau_dz', True, '<', 0.2)
    """
    found = _REQUIREMENT.fullmatch(text)
    try:
        if found:
            return found[2], found[1] is not None, found[3], float(found[4])
    except ValueError:
        pass
    raise ValueError(f"'{text}' is no requirement; write e.g. 'tau_pt > 20' or 'abs(tau_dz) < 0.2'")


def check_increasing(key: str, edges: Sequence[float]) -> None:
    """Refuse edges that are not finite, not positive, or do not increase.

    Args:
        key: name of the setting, for the message.
        edges: bin edges.

    Raises:
        ValueError: shows the edges.
    """
    ordered = all(low < high for low, high in itertools.pairwise(edges))
    if len(edges) < 2 or not ordered or edges[0] < 0 or not math.isfinite(edges[-1]):
        raise ValueError(f"{key} needs two or more finite, strictly increasing edges from 0 on, found {list(edges)}")


@settings
class SourceConfig:
    """Binned files that enter a merged file together (one line of a CMS ``.cfg``).

    Attributes:
        file: regular expression on whole file names without suffix, e.g. ``tau_pt_.*_eta_.*``.
        dir: regular expression on whole names of datasets; by default all.
        weight: share of each bin relative to the other sources of the merged file.
        sample_type: ``Data``, ``MC`` or ``Embedded``: overwrites ``sampleType`` of the entries;
            None keeps what they have.
    """

    file: str
    dir: str = ".*"
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    sample_type: Literal["Data", "MC", "Embedded"] | None = None

    @field_validator("file", "dir")
    @classmethod
    def _valid_pattern(cls, value: str) -> str:
        return check_patterns((value,))[0]


@settings
class MergeStepConfig:
    """One step of merging: it makes one or several files.

    Attributes:
        outputs: sources by their name, by name of the merged file.
        mode: ``MergeAll``: one file of all sources for each of ``outputs``; ``MergePerEntry``:
            one file for every source, named after it, and each with bins of its own.
        calc_weights: write ``trainingWeight`` = 1 / bins / entries of the bin, so that every bin
            of the file weighs the same and all weights add up to 1.
        ensure_uniformity: the composition is that of the whole in every stretch of the file.
            The order ``shuffled`` gives that with all entries; ``legacy`` stops at the first
            bin that is exhausted.
        max_bin_occupancy: largest number of entries of a bin; None means no limit.
        skip_empty_bins: with ``calc_weights``: leave bins without entries out of the count of
            bins instead of refusing them.
        take: entries of a source if not all are needed: ``spread`` takes the same share of each
            of its files, ``first`` the first ones as the CMS tool does.
        order: ``shuffled`` is a random permutation; ``legacy`` repeats the CMS tool draw by draw.
        seed: of the random numbers of ``order: legacy``; otherwise they follow from the campaign's.
        pt_edges: edges in GeV of the bins to merge; None means those of the splitting.
        eta_edges: edges in |η|, likewise.
        disabled_branches: regular expressions on whole branch names that are not copied.
        format: of the merged files, ``arrow`` or ``root``; None means that of the procedure.
    """

    outputs: dict[str, dict[str, SourceConfig]]
    mode: Literal["MergeAll", "MergePerEntry"] = "MergeAll"
    calc_weights: bool = False
    ensure_uniformity: bool = True
    max_bin_occupancy: int | None = Field(default=None, ge=1)
    skip_empty_bins: bool = False
    take: Literal["spread", "first"] = "spread"
    order: Literal["shuffled", "legacy"] = "shuffled"
    seed: int = Field(default=1234567, ge=0, lt=2**64)
    pt_edges: tuple[float, ...] | None = None
    eta_edges: tuple[float, ...] | None = None
    disabled_branches: tuple[str, ...] = ()
    format: Literal["arrow", "root"] | None = None

    @field_validator("disabled_branches")
    @classmethod
    def _valid_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_patterns(value)

    @model_validator(mode="after")
    def _consistent(self) -> MergeStepConfig:
        if not self.outputs or not all(self.outputs.values()):
            empty = [name for name, sources in self.outputs.items() if not sources]
            raise ValueError(f"outputs {empty or ''} have no source; name at least one for each output")
        for key, edges in (("pt_edges", self.pt_edges), ("eta_edges", self.eta_edges)):
            if edges is not None:
                check_increasing(key, edges)
        names = [name for sources in self.outputs.values() for name in sources]
        if self.mode == "MergePerEntry" and len(set(names)) < len(names):
            raise ValueError(f"MergePerEntry names files after sources, but a name occurs twice: {sorted(names)}")
        return self

    def merged_files(self) -> dict[str, dict[str, SourceConfig]]:
        """The files this step makes.

        Returns:
            Sources by their name, sorted, by name of the file without suffix; in the order of
            the settings (``MergeAll``) or sorted by name (``MergePerEntry``).

        Examples:
            >>> tau = SourceConfig(file="tau_.*")
            >>> step = MergeStepConfig(outputs={"all": {"b": tau, "a": tau}}, mode="MergePerEntry")
            >>> {name: list(sources) for name, sources in step.merged_files().items()}
            {'a': ['a'], 'b': ['b']}
        """
        if self.mode == "MergeAll":
            return {name: dict(sorted(sources.items())) for name, sources in self.outputs.items()}
        sources = {name: source for group in self.outputs.values() for name, source in group.items()}
        return {name: {name: source} for name, source in sorted(sources.items())}


@settings
class BinnedConfig:
    """The binned procedure (``configs/binned``).

    Attributes:
        pt_edges: edges in GeV; a candidate exactly on an edge belongs to the bin above.
        eta_edges: edges in |η|.
        selection: what a candidate of a bin fulfils besides; the others go to ``other``.
        duplicates: ``drop`` or ``keep`` entries whose (run, lumi, evt, jet_index, tau_index)
            occurred before among the inputs of one splitting.
        format: of all files, ``arrow`` (fast) or ``root`` (for CMS tools).
        compression_algo: ``lz4``, ``zstd``, ``zlib``, ``lzma`` or ``none``; empty: the format's default.
        compression_level: of that algorithm; by default the fastest.
        memory_mb: memory of one splitting or merging; what does not fit goes through the disk.
        steps: steps of merging by name, in order; the first reads the binned files, each
            other one the files of the step before.
    """

    pt_edges: tuple[float, ...] = STANDARD_PT_EDGES
    eta_edges: tuple[float, ...] = STANDARD_ETA_EDGES
    selection: tuple[str, ...] = STANDARD_SELECTION
    duplicates: Literal["drop", "keep"] = "drop"
    format: Literal["arrow", "root"] = "arrow"
    compression_algo: str = ""
    compression_level: int | None = None
    memory_mb: float = Field(default=1500.0, gt=0)
    steps: dict[str, MergeStepConfig] = Field(default_factory=dict)

    @field_validator("selection")
    @classmethod
    def _valid_selection(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_requirement(text)
        return value

    @model_validator(mode="after")
    def _ordered(self) -> BinnedConfig:
        check_increasing("pt_edges", self.pt_edges)
        check_increasing("eta_edges", self.eta_edges)
        return self

    def step(self, name: str) -> MergeStepConfig:
        """A step with its edges and format filled in.

        Args:
            name: name of the step.

        Returns:
            The step; ``pt_edges``, ``eta_edges`` and ``format`` are never None.

        Raises:
            ConfigError: there is no such step.
        """
        if name not in self.steps:
            raise ConfigError(f"there is no merge step '{name}' in binned.steps; known are {list(self.steps)}")
        step = self.steps[name]
        return dataclasses.replace(
            step,
            pt_edges=step.pt_edges or self.pt_edges,
            eta_edges=step.eta_edges or self.eta_edges,
            format=step.format or self.format,
        )
