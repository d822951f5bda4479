"""Making one part of the mixed sample: decide from truth, read what was accepted, permute."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.errors import ConfigError, InputError
from taumltools.progress import progress
from taumltools.sampling.acceptance import AcceptancePlan
from taumltools.sampling.choose import AcceptedYields, Chosen, choose, count_duplicates
from taumltools.sampling.hashing import hash_name
from taumltools.sampling.partition import InputFile, partition
from taumltools.tuples.columns import complete, nearest_names
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples
from taumltools.tuples.schema import tautuple_schema

log = logging.getLogger(__name__)

ADDED = ("tauType", "dataset_id", "dataset_group_id")
"""Branches that sampling fills."""

COPIES = 2.2
"""Memory at the end of a part in units of its size: what was read, its permuted copy, and a chunk."""


@dataclass(frozen=True)
class GatheredPart:
    """One part of the mixed sample.

    Attributes:
        tuples: accepted candidates in random order.
        yields: what was read, accepted and dropped.
    """

    tuples: Tuples
    yields: AcceptedYields


def enabled_branches(disabled: Sequence[str]) -> list[str]:
    """All branches of the schema but the disabled ones.

    Args:
        disabled: regular expressions, matched against whole branch names.

    Returns:
        Branch names in schema order, to be handed to :func:`gather_part`.

    Raises:
        ConfigError: an expression matches no branch, or one that sampling fills.

    Examples:
        >>> len(enabled_branches(["photon_.*", "lostTrack_.*"]))
        574
    """
    names = list(tautuple_schema().branches)
    for pattern in disabled:
        if not any(re.fullmatch(pattern, name) for name in names):
            raise ConfigError(f"sampling.disabled_branches: '{pattern}' matches no branch; it must match a whole name")
        if odd := [name for name in ADDED if re.fullmatch(pattern, name)]:
            raise ConfigError(f"sampling.disabled_branches: '{pattern}' matches {odd}, which sampling itself fills")
    return [name for name in names if not any(re.fullmatch(pattern, name) for pattern in disabled)]


def gather_part(
    inputs: Sequence[InputFile],
    plan: AcceptancePlan,
    *,
    job: int,
    n_jobs: int,
    rng: np.random.Generator,
    branches: Sequence[str] | None = None,
    memory_mb: float = 4000.0,
) -> GatheredPart:
    """Make part ``job`` of ``n_jobs`` of the mixed sample.

    The entries of each dataset, files laid end to end, are split exactly over the parts, so
    that every part holds its share of every dataset.  Of
    its range a part first reads the few truth branches and accepts each candidate with
    probability q · P; only then are chunks with accepted candidates read in full.  The
    result depends on nothing but the arguments: not on chunk sizes, workers or other parts.

    Args:
        inputs: all files of the sample, in the same order for every part.
        plan: the plan.
        job: 0 <= job < n_jobs.
        n_jobs: number of parts.
        rng: random numbers of this part alone.
        branches: branches to copy, see :func:`enabled_branches`; None means all of the schema
            that a file has.  Those that one of the files lacks become missing values.
        memory_mb: largest memory for the part, estimated after its first chunk.

    Returns:
        The accepted candidates in random order with ``tauType``, ``dataset_id`` and
        ``dataset_group_id``, and the account of all entries read.

    Raises:
        ConfigError: the inputs do not fit the plan; the part would need more than ``memory_mb``.
        InputError: a file cannot be read, has another number of entries than stated, or a
            candidate with a type has no finite pt or η.
    """
    _check_inputs(inputs, plan)
    chosen = [
        choose(where, name, plan, rng)
        for name, group in plan.groups.items()
        for dataset in progress(group.datasets, label=f"{name}: deciding", unit="dataset")
        for where in partition([file for file in inputs if file.dataset == dataset], job, n_jobs)
    ]
    yields = AcceptedYields.merge([part.yields for part in chosen], count_duplicates(chosen))
    if yields.duplicates:
        log.warning("part %d: %d candidates occur more than once in their dataset", job, yields.duplicates)
    if not yields.total:
        raise InputError(
            f"part {job} of {n_jobs} accepts none of its {yields.read} entries; use fewer parts (sampling.n_jobs) "
            "or more events"
        )
    wanted = _wanted_branches(chosen, branches)
    tuples = Tuples.concatenate(list(_read_all(chosen, wanted, yields.total, n_jobs, memory_mb)))
    return GatheredPart(tuples.take(rng.permutation(yields.total)), yields)


def _check_inputs(inputs: Sequence[InputFile], plan: AcceptancePlan) -> None:
    planned = {dataset for group in plan.groups.values() for dataset in group.datasets}
    found = {file.dataset for file in inputs}
    if planned != found:
        raise ConfigError(
            f"files and plan do not fit: the plan has the datasets {sorted(planned)}, the files {sorted(found)}; "
            "make the plan again from the spectra of these files"
        )


def _wanted_branches(chosen: Sequence[Chosen], branches: Sequence[str] | None) -> list[str]:
    """Branches to copy that at least one file has, without those that sampling fills."""
    present = {name for part in chosen for name in part.available}
    names = list(tautuple_schema().branches) if branches is None else list(branches)
    known = {*tautuple_schema().branches, *present}
    for name in names:
        if name not in known:
            raise InputError(f"branch '{name}' is neither in the schema nor in a file{nearest_names(name, known)}")
    return [name for name in names if name in present and name not in ADDED]


def _read_all(
    chosen: Sequence[Chosen], wanted: list[str], total: int, n_jobs: int, memory_mb: float
) -> Iterator[Tuples]:
    """Accepted candidates chunk by chunk; stops before the part outgrows its memory."""
    size = entries = 0
    for part in progress(chosen, label="copying", unit="file"):
        for tuples in _read(part, wanted):
            size, entries = size + tuples.nbytes, entries + len(tuples)
            needed = COPIES * total * size / entries / 1e6
            if needed > memory_mb:
                raise ConfigError(
                    f"a part of {total} candidates needs about {needed:.0f} MB, sampling.memory_mb allows "
                    f"{memory_mb:.0f}; set sampling.n_jobs to {math.ceil(n_jobs * needed / memory_mb)} or more"
                )
            yield tuples


def _read(part: Chosen, wanted: list[str]) -> Iterator[Tuples]:
    with open_tuples(part.where.file.path) as file:
        branches = [name for name in wanted if name in part.available]
        for first in range(0, file.entries, file.block):
            low, high = np.searchsorted(part.rows, [first, first + file.block])
            if low == high:
                continue
            rows = part.rows[low:high]
            tuples = file.read(branches, int(rows[0]), int(rows[-1]) + 1).take(rows - rows[0])
            ids = hash_name(part.where.file.dataset), hash_name(part.group)
            yield complete(tuples, wanted).with_scalars(
                {
                    "tauType": part.types[low:high].astype(np.int32),
                    "dataset_id": np.full(len(rows), ids[0], np.uint64),
                    "dataset_group_id": np.full(len(rows), ids[1], np.uint64),
                }
            )
