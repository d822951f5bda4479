"""ShuffleMerge, planning: which entries of which binned files enter a merged file, and their weights."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from taumltools.config.binned import MergeStepConfig, SourceConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.bins import Bins
from taumltools.sampling.merge_sources import BinnedFile, check_disjoint, matching
from taumltools.sampling.quotas import (
    Source,
    effective_size,
    first_ones,
    source_quotas,
    spread,
    training_weights,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pick:
    """The first entries of a file.

    Attributes:
        file: the file.
        entries: how many.
    """

    file: BinnedFile
    entries: int


@dataclass(frozen=True)
class SourcePlan:
    """What one source gives to one bin.

    Attributes:
        name: of the source.
        available: entries of its files.
        quota: entries that are used.
        sample_type: overwrites ``sampleType``, if not None.
        picks: the entries by file.
    """

    name: str
    available: int
    quota: int
    sample_type: str | None
    picks: tuple[Pick, ...]


@dataclass(frozen=True)
class BinPlan:
    """What a merged file takes of one bin.

    Attributes:
        name: of the bin.
        sources: what each source gives.
        weight: ``trainingWeight`` of its entries; None if no weights are wanted.
    """

    name: str
    sources: tuple[SourcePlan, ...]
    weight: float | None

    @property
    def available(self) -> int:
        """Entries of all its files."""
        return sum(source.available for source in self.sources)

    @property
    def entries(self) -> int:
        """Entries that are used."""
        return sum(source.quota for source in self.sources)


@dataclass(frozen=True)
class MergePlan:
    """One merged file, known before anything is read.

    Attributes:
        name: of the file, without suffix.
        bins: all bins of the types that the sources have, those without entries included.
        ignored: files that a source names but that are no bin of the step.
    """

    name: str
    bins: tuple[BinPlan, ...]
    ignored: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Entries of the merged file."""
        return sum(part.entries for part in self.bins)

    @property
    def weight_sum(self) -> float:
        """All weights added up; 0 without weights."""
        return sum(part.entries * part.weight for part in self.bins if part.weight)

    def save(self, path: Path) -> None:
        """Write JSON: by bin the weight, and by source what is available and used."""
        bins = {
            part.name: {
                "available": part.available,
                "entries": part.entries,
                "weight": part.weight,
                "sources": {s.name: {"available": s.available, "quota": s.quota} for s in part.sources},
            }
            for part in self.bins
        }
        content = {"name": self.name, "total": self.total, "weight_sum": self.weight_sum, "bins": bins}
        path.write_text(json.dumps(content | {"ignored": self.ignored}, indent=1) + "\n", encoding="utf-8")


def plan_merge(
    name: str, files: Sequence[BinnedFile], sources: Mapping[str, SourceConfig], step: MergeStepConfig
) -> MergePlan:
    """Decide what one merged file takes.

    Args:
        name: of the merged file, without suffix.
        files: all binned files, see :func:`taumltools.sampling.merge_sources.binned_files`.
        sources: its sources by name, see :meth:`MergeStepConfig.merged_files`.
        step: the settings, with edges.

    Returns:
        The plan.

    Raises:
        ConfigError: a source finds no file, two sources take the same file, a bin is empty while
            weights are wanted, or weights differ too much.
        InputError: nothing is left to merge.
    """
    if step.pt_edges is None or step.eta_edges is None:
        raise ConfigError(f"the step of '{name}' has no pt_edges or eta_edges; take it from BinnedConfig.step")
    bins = Bins(step.pt_edges, step.eta_edges)
    found = {source: matching(source, config, files) for source, config in sorted(sources.items())}
    check_disjoint(found)
    types = {parts[0] for taken in found.values() for _, parts in taken}
    names = [bin_name for tau_type in bins.types if tau_type in types for bin_name in bins.names_of(tau_type)]
    by_bin: dict[str, dict[str, list[BinnedFile]]] = {bin_name: {} for bin_name in names}
    ignored = []
    for source, taken in found.items():
        for file, _ in taken:
            if file.path.stem in by_bin:
                by_bin[file.path.stem].setdefault(source, []).append(file)
            else:
                ignored.append(str(file.path))
    if ignored:
        log.warning("%s: %d files are no bin of the given edges and ignored, e.g. %s", name, len(ignored), ignored[0])
    shared = {bin_name: _share(parts, sources, step) for bin_name, parts in by_bin.items()}
    sizes = {bin_name: sum(part.quota for part in parts) for bin_name, parts in shared.items()}
    if not any(sizes.values()):
        raise InputError(f"{name}: the bins of its sources have no entries; check the edges and the files")
    weights = training_weights(sizes, skip_empty=step.skip_empty_bins) if step.calc_weights else {}
    plan = tuple(BinPlan(bin_name, tuple(parts), weights.get(bin_name)) for bin_name, parts in shared.items())
    return MergePlan(name, plan, tuple(ignored))


def _share(
    files: Mapping[str, Sequence[BinnedFile]], sources: Mapping[str, SourceConfig], step: MergeStepConfig
) -> list[SourcePlan]:
    """What each source gives to one bin."""
    available = {name: sum(file.entries for file in taken) for name, taken in files.items()}
    quotas = source_quotas(
        [Source(name, sources[name].weight, entries) for name, entries in available.items()],
        effective_size(sum(available.values()), step.max_bin_occupancy),
    )
    choose = spread if step.take == "spread" else first_ones
    plans = []
    for name, taken in files.items():
        shares = choose([file.entries for file in taken], quotas[name])
        picks = tuple(Pick(file, share) for file, share in zip(taken, shares, strict=True) if share)
        plans.append(SourcePlan(name, available[name], quotas[name], sources[name].sample_type, picks))
    return plans


def account(plan: MergePlan) -> dict[str, object]:
    """What a merged file holds, for its side-car.

    Args:
        plan: the plan.

    Returns:
        Entries available and used, bins with and without entries, sum of the weights.
    """
    return {
        "entries": plan.total,
        "available": sum(part.available for part in plan.bins),
        "bins": len(plan.bins),
        "empty_bins": sum(not part.entries for part in plan.bins),
        "weight_sum": plan.weight_sum,
        "by_source": _by_source(plan),
    }


def _by_source(plan: MergePlan) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for part in plan.bins:
        for source in part.sources:
            sums = out.setdefault(source.name, {"available": 0, "entries": 0})
            sums["available"] += source.available
            sums["entries"] += source.quota
    return out
