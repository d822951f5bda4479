"""Making one part of the mixed sample: decide from truth, then copy what was accepted, shuffled."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import ConfigError, InputError
from taumltools.progress import progress
from taumltools.sampling.acceptance import AcceptancePlan
from taumltools.sampling.choose import AcceptedYields, Chosen, account, choose
from taumltools.sampling.hashing import hash_name
from taumltools.sampling.legacy_part import choose_legacy
from taumltools.sampling.methods import Method, Quota, Spectral, Weighted, training_weight
from taumltools.sampling.partition import FileRange
from taumltools.sampling.sample import Sample, bins_before, distinct
from taumltools.sampling.shuffle import Piece, write_in_order
from taumltools.tuples.generations import GENERATIONS, old_branches
from taumltools.tuples.io import TupleWriter, open_tuples
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import TauType

log = logging.getLogger(__name__)

ADDED = ("tauType", "dataset_id", "dataset_group_id")
"""Branches that sampling fills."""


@dataclass(frozen=True)
class ChosenPart:
    """Which candidates one part holds and in which order, before any of them is copied.

    Attributes:
        plan: the plan it was chosen by.
        chosen: accepted candidates of each range.
        places: place in the output of each, ranges laid end to end, int64.
        yields: what was read, accepted and dropped.
    """

    plan: AcceptancePlan
    chosen: list[Chosen]
    places: np.ndarray
    yields: AcceptedYields


def enabled_branches(disabled: Sequence[str], names: Sequence[str] | None = None) -> list[str]:
    """All branches but the disabled ones.

    Args:
        disabled: regular expressions, matched against whole branch names.
        names: the branches; None means those of the schema.

    Returns:
        Branch names in schema order, to be handed to :func:`write_part`.

    Raises:
        ConfigError: an expression matches no branch, or one that sampling fills.

    Examples:
        >>> len(enabled_branches(["photon_.*", "lostTrack_.*"]))
        574
    """
    names = list(tautuple_schema().branches if names is None else names)
    for pattern in disabled:
        if not any(re.fullmatch(pattern, name) for name in names):
            raise ConfigError(f"sampling.disabled_branches: '{pattern}' matches no branch; it must match a whole name")
        if odd := [name for name in ADDED if re.fullmatch(pattern, name)]:
            raise ConfigError(f"sampling.disabled_branches: '{pattern}' matches {odd}, which sampling itself fills")
    return [name for name in names if not any(re.fullmatch(pattern, name) for pattern in disabled)]


def branches_of(paths: Iterable[Path]) -> list[str]:
    """Branches of a sample that is mixed from these files: those of the schema, or of 2020 if all files are that old.

    Args:
        paths: files, one of each dataset.

    Returns:
        Branch names.  Of a mixture of generations, branches that only the files of 2020 have are left out with a
        warning, since no generation has both.
    """
    found = []
    for path in paths:
        with open_tuples(path) as file:
            found.append((file.generation, set(file.other_branches) & set(old_branches())))
    schema = tautuple_schema()
    if found and all(year == GENERATIONS[0] for year, _ in found):
        shared = set.intersection(*(old for _, old in found))
        names = [name for name, branch in schema.branches.items() if GENERATIONS[0] in branch.generations]
        return [*names, *(name for name in old_branches() if name in shared)]
    if lost := sorted(set().union(*(old for _, old in found))):
        log.warning("%d branches that only the files of 2020 have are left out, e.g. %s", len(lost), lost[0])
    return list(schema.branches)


def choose_part(
    sample: Sample, plan: AcceptancePlan, *, job: int, rng: np.random.Generator, group: str | None = None
) -> ChosenPart:
    """Decide what part ``job`` holds, reading a dozen branches only.

    The entries of each dataset, files laid end to end, are split exactly over the parts, so
    that every part holds its share of every dataset.  The result depends on nothing but the
    arguments: not on chunk sizes, memory, workers or other parts.

    Args:
        sample: what the sample is made from.
        plan: the plan.
        job: 0 <= job < n_jobs.
        rng: random numbers of this part alone.
        group: with ``MergePerEntry`` the group of the part.

    Returns:
        The choice.

    Raises:
        ConfigError: the files do not fit the plan.
        InputError: a file cannot be read, has another number of entries than stated, a
            candidate with a type has no finite pt or η, or nothing is accepted.
    """
    if group is not None:
        plan = plan.only(group)
    if sample.config.rng == "legacy":
        chosen, places, yields = choose_legacy(sample, plan, job=job, group=group)
        return _not_empty(ChosenPart(plan, chosen, places, yields), sample, job)
    ranges = sample.ranges(job, group)
    _check_plan(ranges, plan)
    chosen = []
    for name, found in ranges.items():
        methods = _methods(sample, plan, name, found)
        for where, method in zip(progress(found, label=f"{name}: deciding", unit="file"), methods, strict=True):
            parity, repeated = sample.config.parity, sample.dropped(where)
            chosen.append(choose(where, name, plan, method, rng, repeated=repeated, parity=parity))
    total = sum(map(len, chosen))
    places = rng.permutation(total)
    limit = sample.config.max_entries or total
    if total > limit:
        chosen, places = _limited(chosen, places, limit)
    duplicates = sample.duplicates(distinct(ranges))
    yields = account(chosen, plan, duplicates, surplus=max(total - limit, 0))
    return _not_empty(ChosenPart(plan, chosen, places, yields), sample, job)


def _not_empty(part: ChosenPart, sample: Sample, job: int) -> ChosenPart:
    yields = part.yields
    if yields.duplicates:
        log.warning("part %d: %d entries repeat earlier ones of their dataset", job, yields.duplicates)
    if not yields.total:
        raise InputError(
            f"part {job} of {sample.config.n_jobs} accepts none of its {yields.read} entries; use fewer parts "
            "(sampling.n_jobs) or more events"
        )
    return part


def _check_plan(ranges: Mapping[str, Sequence[FileRange]], plan: AcceptancePlan) -> None:
    for name, found in ranges.items():
        planned = plan.groups[name].datasets if name in plan.groups else ()
        if odd := {where.file.dataset for where in found} - set(planned):
            raise ConfigError(
                f"files and plan do not fit: group '{name}' has the datasets {sorted(planned)} in the plan, but not "
                f"{sorted(odd)}; make the plan again from the spectra of these files"
            )


def _methods(sample: Sample, plan: AcceptancePlan, group: str, ranges: Sequence[FileRange]) -> list[Method]:
    if sample.config.method == "quota":
        return [Quota(plan, group, before, sample.seed) for before in bins_before(sample, group, ranges)]
    return [Weighted() if sample.config.method == "weight" else Spectral(plan, group) for _ in ranges]


def _limited(chosen: list[Chosen], places: np.ndarray, limit: int) -> tuple[list[Chosen], np.ndarray]:
    """Only what goes to one of the first places: a random choice, since the places are random."""
    kept = places < limit
    cuts = np.cumsum([0, *map(len, chosen)])
    out = []
    for part, low, high in zip(chosen, cuts[:-1], cuts[1:], strict=True):
        mine = kept[low:high]
        out.append(replace(part, rows=part.rows[mine], types=part.types[mine], bins=part.bins[mine]))
    return out, places[kept]


def write_part(path: Path, part: ChosenPart, config: SamplingConfig, scratch: Path) -> int:
    """Copy the candidates of one part.

    Args:
        path: the file to write.
        part: what it holds.
        config: the settings: branches, compression, memory.
        scratch: folder for temporary files, needed beyond the memory.

    Returns:
        Number of candidates.

    Raises:
        ConfigError: ``disabled_branches`` does not fit the schema.
        InputError: a file cannot be read, or a value cannot be written.
    """
    examples = {chosen.where.file.dataset: chosen.where.file.path for chosen in part.chosen if len(chosen)}
    branches = enabled_branches(config.disabled_branches, branches_of(examples.values()))
    cuts = np.cumsum([0, *map(len, part.chosen)])
    pieces = [
        Piece(chosen.where.file.path, chosen.rows, part.places[low:high], _columns(chosen, part.plan, config))
        for chosen, low, high in zip(part.chosen, cuts[:-1], cuts[1:], strict=True)
    ]
    with TupleWriter(path, branches, config.compression_algo or None, config.compression_level) as writer:
        write_in_order(writer, pieces, branches, memory_mb=config.memory_mb, scratch=scratch)
    return writer.entries


def _columns(chosen: Chosen, plan: AcceptancePlan, config: SamplingConfig) -> dict[str, np.ndarray]:
    size = len(chosen)
    columns: dict[str, np.ndarray] = {
        "tauType": chosen.types.astype(np.int32),
        "dataset_id": np.full(size, hash_name(chosen.where.file.dataset), np.uint64),
        "dataset_group_id": np.full(size, hash_name(chosen.group), np.uint64),
    }
    if config.method == "weight":
        weight = np.zeros(size, np.float32)
        for name in plan.groups[chosen.group].acceptance:
            mine = chosen.types == TauType[name]
            weight[mine] = training_weight(plan, chosen.group, name)[chosen.bins[mine]]
        columns["trainingWeight"] = weight
    return columns
