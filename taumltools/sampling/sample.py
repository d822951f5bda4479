"""What a mixed sample is made from, and what its parts know of each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from taumltools.config.sampling import SamplingConfig
from taumltools.progress import progress
from taumltools.sampling.acceptance import AcceptancePlan, make_plan
from taumltools.sampling.counted import CountedFile, count_range
from taumltools.sampling.groups import assign, groups_of
from taumltools.sampling.legacy_mix import legacy_ranges
from taumltools.sampling.partition import FileRange, InputFile, dataset_ranges
from taumltools.sampling.spectra import Spectra

BinCounts = Mapping[str, np.ndarray]
"""Candidates by type: int64, shape (pt bins * eta bins,)."""


@dataclass(frozen=True)
class Sample:
    """What a mixed sample is made from, the same for all of its parts.

    Attributes:
        files: all files, in a fixed order.
        config: the settings.
        repeated: entry numbers of each file, ascending, that repeat an earlier entry of its
            dataset; files without any may be left out.
        bin_counts: candidates of each file by type and bin, see :func:`bin_counts`; only needed
            for the method ``quota``.
        seed: of what the parts decide in common (method ``quota``).
    """

    files: Sequence[InputFile]
    config: SamplingConfig
    repeated: Mapping[Path, np.ndarray] = field(default_factory=dict)
    bin_counts: Mapping[Path, BinCounts] = field(default_factory=dict)
    seed: int = 0

    def members(self, group: str | None = None) -> dict[str, list[InputFile]]:
        """Files by group; with a name, of that group alone."""
        return self._members if group is None else {group: self._members[group]}

    @cached_property
    def _members(self) -> dict[str, list[InputFile]]:
        return assign(self.files, self.config)

    def ranges(self, job: int, group: str | None = None) -> dict[str, list[FileRange]]:
        """The ranges of one part, by group; with a name, of that group alone."""
        config, members = self.config, self.members(group)
        if config.rng == "legacy":
            return {
                name: legacy_ranges(files, job, config.n_jobs, overflow_job=config.overflow_job)
                for name, files in members.items()
            }
        return {name: dataset_ranges(files, job, config.n_jobs) for name, files in members.items()}

    def dropped(self, where: FileRange) -> np.ndarray | None:
        """Entries of a file to leave out because they repeat earlier ones; None if there are none."""
        return None if self.config.duplicates == "keep" else self.repeated.get(where.file.path)

    def duplicates(self, ranges: Iterable[FileRange]) -> int:
        """How many entries of some ranges repeat earlier ones."""
        none = np.zeros(0, np.int64)
        cuts = [np.searchsorted(self.repeated.get(r.file.path, none), [r.start, r.stop]) for r in ranges]
        return int(sum(high - low for low, high in cuts))


def distinct(ranges: Mapping[str, Sequence[FileRange]]) -> list[FileRange]:
    """Ranges of several groups without what they share: a dataset may belong to more than one.

    Args:
        ranges: by group, of one part.

    Returns:
        Ranges that do not overlap and cover the same entries, file by file.

    Examples:
        >>> file = InputFile(Path("a.root"), 10, "a")
        >>> [(r.start, r.stop) for r in distinct({"x": [FileRange(file, 0, 10)], "y": [FileRange(file, 0, 5)]})]
        [(0, 10)]
    """
    joined: list[FileRange] = []
    for where in sorted((r for found in ranges.values() for r in found), key=lambda r: (str(r.file.path), r.start)):
        last = joined[-1] if joined else None
        if last is not None and last.file.path == where.file.path and where.start <= last.stop:
            joined[-1] = replace(last, stop=max(last.stop, where.stop))
        else:
            joined.append(where)
    return joined


def count_used(where: FileRange, sample: Sample) -> Spectra:
    """Spectra of the entries of a range that are to be used.

    Args:
        where: entries of one file.
        sample: the sample.

    Returns:
        Their spectra.

    Raises:
        InputError: the file cannot be read.
    """
    spectra, dropped = count_range(where, sample.config.spectra), sample.dropped(where)
    return spectra if dropped is None else spectra.without(count_range(where, sample.config.spectra, dropped))


def plan_of_part(sample: Sample, job: int, group: str | None = None) -> AcceptancePlan:
    """The plan made from the entries of one part alone (``refill_spectrum``).

    Args:
        sample: the sample.
        job: number of the part.
        group: with ``MergePerEntry`` the group of the part.

    Returns:
        The plan.

    Raises:
        ConfigError: see :func:`taumltools.sampling.acceptance.make_plan`.
        InputError: a file cannot be read.
    """
    config = sample.config
    if group is not None:
        types = groups_of(config)[group].types
        ratio = {name: value for name, value in config.tau_ratio.items() if name in types}
        only = {group: groups_of(config)[group]}
        config = replace(config, groups=only, tau_ratio=ratio, unused_datasets="ignore")
    users: dict[FileRange, list[str]] = {}  # groups may read different stretches of one file
    for name, found in sample.ranges(job, group).items():
        for where in found:
            users.setdefault(where, []).append(name)
    counting = progress(iter(users), total=len(users), label="counting", unit="file")
    counted = (CountedFile(where.file, count_used(where, sample), tuple(users[where])) for where in counting)
    return make_plan(counted, config)


def bin_counts(counted: Iterable[CountedFile], config: SamplingConfig) -> dict[Path, BinCounts]:
    """Candidates of each file by type and bin of the plan.

    Args:
        counted: files with spectra; read once, one at a time.
        config: the settings.

    Returns:
        By file; 8 bytes for each type and bin.
    """
    return {
        item.file.path: {t: item.spectra.rebin(t, config.pt_edges, config.eta_edges).ravel() for t in config.tau_ratio}
        for item in counted
    }


def bins_before(sample: Sample, group: str, ranges: Sequence[FileRange]) -> list[BinCounts]:
    """Candidates of a group that come before each range, in the order of the sample's files.

    Args:
        sample: the sample, with ``bin_counts``.
        group: name of the group.
        ranges: ranges of the group.

    Returns:
        For each range the counts of all earlier files and of the entries before its start.

    Raises:
        InputError: a file cannot be read.
    """
    config = sample.config
    sums: dict[str, np.ndarray] = {}
    until: dict[Path, dict[str, np.ndarray]] = {}
    for file in sample.members(group)[group]:
        until[file.path] = dict(sums)
        for name, counts in sample.bin_counts[file.path].items():
            sums[name] = sums[name] + counts if name in sums else counts
    out: list[BinCounts] = []
    none = np.zeros((len(config.pt_edges) - 1) * (len(config.eta_edges) - 1), np.int64)
    for where in ranges:
        before = {name: until[where.file.path].get(name, none) for name in config.tau_ratio}
        if where.start:
            head = count_used(FileRange(where.file, 0, where.start), sample)
            before = {t: n + head.rebin(t, config.pt_edges, config.eta_edges).ravel() for t, n in before.items()}
        out.append(before)
    return out
