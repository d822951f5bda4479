"""Choosing entries exactly as ShuffleMergeSpectral of the CMS tools does, to repeat old samples.

One stream of random numbers decides on one candidate after the other, so the outcome depends on
the order of files and on the seed alone.  Its shortcomings are repeated too: the remainder of
the partition is lost, the first group that runs out ends the job, and entries stay in order
within a group.  Use it to reproduce a sample, not to make a new one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from taumltools.errors import ConfigError
from taumltools.sampling.acceptance import AcceptancePlan
from taumltools.sampling.choose import ALL_PARITIES
from taumltools.sampling.legacy_stream import DEFAULT_SEED, LegacyStream, cumulative_probabilities
from taumltools.sampling.partition import FileRange, InputFile, cut, job_range, partition
from taumltools.tuples.data import Tuples
from taumltools.tuples.truth import NO_TYPE, SAMPLE_TYPES, TauType

_NO_MATCH = np.array([TauType.data, TauType.jet, TauType.emb_jet], np.int8)
"""Type of an entry with a generated jet and no generated lepton, by the code of ``sampleType``."""

_REJECT, _ACCEPT = -1.0, 2.0
"""Stand for P where the second random number is not drawn."""

_BLOCK = 10_000
"""Candidates or random numbers made into Python numbers at a time."""


@dataclass(frozen=True)
class LegacyColumns:
    """Truth of the entries of one group in one job, files laid end to end.

    Attributes:
        types: values of :class:`TauType` by the rule of :func:`legacy_types`, shape (n,).
        pt: tau pt in GeV, NaN without reconstructed tau, shape (n,).
        abs_eta: |η| of the tau, shape (n,).
        evt: event numbers, shape (n,).
    """

    types: np.ndarray
    pt: np.ndarray
    abs_eta: np.ndarray
    evt: np.ndarray


@dataclass(frozen=True)
class LegacyMix:
    """What one job writes.

    Attributes:
        groups: names of the groups in the order of their numbers.
        group: number of the group of each written entry, in the order of writing, int64.
        entry: its entry in the columns of the group, int64.
        accepted: accepted entries, of any parity.
        read: entries of each group that were looked at, skipped ones included.
        exhausted: the group that ran out and ended the job; None if ``max_entries`` did.
    """

    groups: tuple[str, ...]
    group: np.ndarray
    entry: np.ndarray
    accepted: int
    read: dict[str, int]
    exhausted: str | None


def legacy_ranges(files: Sequence[InputFile], job: int, n_jobs: int, *, overflow_job: bool = False) -> list[FileRange]:
    """Ranges of one job by the rule of the CMS tool: floor(total / n_jobs) entries for each.

    Args:
        files: files of one group, in the order of the list.
        job: 0 <= job < n_jobs.
        n_jobs: number of jobs.
        overflow_job: the last job also takes the remainder; otherwise it is lost.

    Returns:
        Non-empty ranges, in the order of the files.

    Raises:
        ConfigError: ``job`` is not one of the jobs, or there are more jobs than entries.
        InputError: see :func:`partition`.

    Examples:
        >>> from pathlib import Path
        >>> files = [InputFile(Path(name), entries, "DY") for name, entries in (("a", 10), ("b", 7), ("c", 5))]
        >>> [(str(part.file.path), part.start, part.stop) for part in legacy_ranges(files, 3, 4)]
        [('b', 5, 7), ('c', 0, 3)]
    """
    job_range(0, job, n_jobs)  # refuses what is no job
    total = sum(len(where) for where in partition(files, 0, 1))
    step = total // n_jobs
    if not step:
        raise ConfigError(f"{total} entries cannot be split into {n_jobs} jobs; use fewer jobs (n_jobs)")
    return cut(files, job * step, total if overflow_job and job == n_jobs - 1 else (job + 1) * step)


def legacy_types(tuples: Tuples, types: np.ndarray, sample_type: str | None = None) -> np.ndarray:
    """Truth types as the CMS tool sees them, with the two cases in which it differs.

    An entry with a generated jet and without generated lepton and reconstructed tau is a jet (it
    costs random numbers and counts for the choice of the group, before its pt rejects it), and
    data without generated jet has no type.

    Args:
        tuples: entries with ``tau_index``, ``genLepton_index``, ``genJet_index``; files of 2020 have neither of the
            latter, nor the difference.
        types: their types by :func:`taumltools.tuples.truth.truth_type`.
        sample_type: ``"MC"``, ``"Embedded"`` or ``"Data"``; None: as the branch ``sampleType`` says.

    Returns:
        int8, shape (n,).
    """
    codes = tuples["sampleType"] if sample_type is None else np.full(len(types), SAMPLE_TYPES.index(sample_type))
    out = types.astype(np.int8)
    if "genJet_index" not in tuples:
        return out
    has_jet = tuples["genJet_index"] >= 0
    lost_jet = has_jet & (tuples["genLepton_index"] < 0) & (tuples["tau_index"] < 0)
    out[lost_jet] = _NO_MATCH[codes[lost_jet]]
    out[(out == TauType.data) & ~has_jet] = NO_TYPE
    return out


def legacy_mix(
    groups: Mapping[str, LegacyColumns],
    plan: AcceptancePlan,
    weights: Mapping[str, int],
    *,
    lastbin_takeall: bool = False,
    seed: int = DEFAULT_SEED,
    max_entries: int | None = None,
    parity: int = ALL_PARITIES,
) -> LegacyMix:
    """Choose the entries of one job.

    Again and again a group is drawn with probability proportional to its weight (no draw if
    there is only one), its next entry of a wanted type is taken, and accepted if u1 < q, if
    it is inside of the edges (pt above the first one; |η| has no lower one), and if u2 <= P.  With
    ``lastbin_takeall`` u2 is not drawn in the last pt bin.

    Args:
        groups: the entries of the job by group.
        plan: the plan, with all these groups.
        weights: the number N of each group: entries of its types, over all pt and |η|, of the
            whole datasets (their spectra) or, with a refilled spectrum, of this job's range.
        lastbin_takeall: as the plan was made.
        seed: seed of the stream; the CMS tool uses the same for all jobs.
        max_entries: stop after so many accepted entries; None: no limit.
        parity: of the accepted entries 0 writes even event numbers, 1 odd ones, 3 all.

    Returns:
        The written entries in order, and what was read.

    Raises:
        ConfigError: groups, plan and weights do not fit together, or ``parity`` is unknown.
    """
    names = tuple(sorted(groups))
    _check(names, plan, weights, max_entries, parity)
    rows, decisions = zip(
        *(_decisions(groups[n], plan, n, lastbin_takeall=lastbin_takeall) for n in names), strict=True
    )
    chosen, taken, exhausted = _choose(
        [_in_python(*columns) for columns in decisions], [weights[name] for name in names], seed, max_entries
    )
    pairs = np.array(chosen, np.int64).reshape(-1, 2)
    entry = np.empty(len(pairs), np.int64)
    written = np.ones(len(pairs), bool)
    for number, name in enumerate(names):
        mine = pairs[:, 0] == number
        entry[mine] = rows[number][pairs[mine, 1]]
        if parity != ALL_PARITIES:
            written[mine] = groups[name].evt[entry[mine]] % 2 == parity
    read = {name: int(rows[i][n - 1]) + 1 if n else 0 for i, (name, n) in enumerate(zip(names, taken, strict=True))}
    if exhausted is not None:
        read[names[exhausted]] = len(groups[names[exhausted]].types)
    ended_by = None if exhausted is None else names[exhausted]
    return LegacyMix(names, pairs[written, 0], entry[written], len(pairs), read, ended_by)


def _check(
    names: Sequence[str], plan: AcceptancePlan, weights: Mapping[str, int], max_entries: int | None, parity: int
) -> None:
    if not names or any(set(names) != set(other) for other in (plan.groups, weights)):
        raise ConfigError(f"groups {list(names)}, plan {sorted(plan.groups)} and weights {sorted(weights)} do not fit")
    if not any(weights.values()) or min(weights.values()) < 0:
        raise ConfigError(f"groups are drawn by their numbers of candidates, found {dict(weights)}; count them again")
    if parity not in (0, 1, ALL_PARITIES):
        raise ConfigError(f"parity {parity} is unknown; use 0 (even event numbers), 1 (odd ones) or 3 (all)")
    if max_entries is not None and max_entries < 1:
        raise ConfigError(f"max_entries is {max_entries}; use 1 or more, or leave it out")


def _decisions(
    columns: LegacyColumns, plan: AcceptancePlan, group: str, *, lastbin_takeall: bool
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Entries of wanted types, and for each q and P (or what stands for it)."""
    part = plan.groups[group]
    rows = np.flatnonzero(np.isin(columns.types, [TauType[name] for name in part.acceptance]))
    types = columns.types[rows]
    # In double precision, as the C++ comparison of a float with an edge: 2.3f < 2.3.
    pt, abs_eta = columns.pt[rows].astype(np.float64), columns.abs_eta[rows].astype(np.float64)
    pt_bin, eta_bin, inside = plan.bins(pt, abs_eta)
    q, p = np.empty(len(rows)), np.zeros(len(rows))
    for name, acceptance in part.acceptance.items():
        mine = types == TauType[name]
        q[mine] = part.type_probability[name]
        binned = mine & inside
        p[binned] = acceptance[pt_bin[binned], eta_bin[binned]]
    if lastbin_takeall:
        p[pt >= plan.pt_edges[-2]] = _ACCEPT
    kept = (pt > plan.pt_edges[0]) & (pt < plan.pt_edges[-1]) & (abs_eta < plan.eta_edges[-1])
    p[~kept] = _REJECT
    return rows, (q, p)


def _in_python(*columns: np.ndarray) -> Iterator[tuple[float, float]]:
    """Rows as Python floats, which are several times faster one by one than those of numpy."""
    size = len(columns[0])
    blocks = ([column[i : i + _BLOCK].tolist() for column in columns] for i in range(0, size, _BLOCK))
    return chain.from_iterable(zip(*block, strict=True) for block in blocks)


def _uniform(seed: int) -> Iterator[float]:
    stream = LegacyStream(seed)
    while True:
        yield from stream.uniform(_BLOCK).tolist()


def _choose(
    sources: Sequence[Iterator[tuple[float, float]]], weights: Sequence[int], seed: int, max_entries: int | None
) -> tuple[array[int], list[int], int | None]:
    """The loop of the CMS tool.

    Args:
        sources: q and P of the candidates of each group, in order.
        weights: of the groups.
        seed: of the random numbers.
        max_entries: accepted entries after which to stop.

    Returns:
        Group and candidate of the accepted ones, flat; candidates taken of each group; the group
        that ran out.
    """
    draw = _uniform(seed).__next__
    cumulative = cumulative_probabilities(weights).tolist()
    several = len(sources) > 1
    chosen, taken, group = array("q"), [0] * len(sources), 0
    while max_entries is None or len(chosen) < 2 * max_entries:
        if several:
            group = bisect_left(cumulative, draw())
        candidate = next(sources[group], None)
        if candidate is None:
            return chosen, taken, group
        number = taken[group]
        taken[group] = number + 1
        q, p = candidate
        if draw() >= q or p == _REJECT:
            continue
        if p == _ACCEPT or draw() <= p:
            chosen.extend((group, number))
    return chosen, taken, None
