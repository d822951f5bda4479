"""One part of a sample chosen draw by draw as the CMS tool does (``rng: legacy``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from taumltools.sampling.acceptance import AcceptancePlan
from taumltools.sampling.choose import AcceptedYields, Chosen, Losses, account
from taumltools.sampling.counted import typed_chunks
from taumltools.sampling.legacy_mix import LegacyColumns, LegacyMix, legacy_mix, legacy_types
from taumltools.sampling.legacy_stream import DEFAULT_SEED
from taumltools.sampling.partition import FileRange
from taumltools.sampling.sample import Sample, distinct
from taumltools.tuples.truth import NO_TYPE, TauType


def choose_legacy(
    sample: Sample, plan: AcceptancePlan, *, job: int, group: str | None = None
) -> tuple[list[Chosen], np.ndarray, AcceptedYields]:
    """Choose what one job of the CMS tool would.

    Args:
        sample: the sample; its seed is that of the settings, or the one of the CMS tool.
        plan: the plan.
        job: 0 <= job < n_jobs.
        group: with ``MergePerEntry`` the group of the part.

    Returns:
        Accepted candidates of each range, the place of each in the output, and the account.

    Raises:
        ConfigError: there are more jobs than entries.
        InputError: a file cannot be read.
    """
    config, ranges = sample.config, sample.ranges(job, group)
    columns = {name: _columns(found) for name, found in ranges.items()}
    codes = {name: [TauType[t] for t in plan.groups[name].acceptance] for name in ranges}
    if config.refill_spectrum:
        weights = {name: int(np.isin(columns[name].types, codes[name]).sum()) for name in ranges}
    else:
        weights = {name: plan.groups[name].entries for name in ranges}
    mix = legacy_mix(
        columns,
        plan if group is None else plan.only(group),
        weights,
        lastbin_takeall=config.lastbin_takeall,
        seed=DEFAULT_SEED if config.seed is None else config.seed,
        max_entries=config.max_entries or None,
        parity=config.parity,
    )
    chosen, places = [], []
    for number, name in enumerate(mix.groups):
        found = _chosen(name, ranges[name], columns[name], codes[name], plan, mix, number)
        chosen += [part for part, _ in found]
        places += [place for _, place in found]
    duplicates = sample.duplicates(distinct(ranges))
    yields = account(chosen, plan if group is None else plan.only(group), duplicates)
    other = mix.accepted - len(mix.entry)
    losses = replace(yields.losses, rejected=yields.losses.rejected - other, other_parity=other)
    return chosen, np.concatenate([np.zeros(0, np.int64), *places]), replace(yields, losses=losses)


def _columns(ranges: Sequence[FileRange]) -> LegacyColumns:
    types, pt, abs_eta, evt = [], [], [], []
    for where in ranges:
        for chunk in typed_chunks(where, ("evt",)):
            types.append(legacy_types(chunk.tuples, chunk.types, where.file.sample_type))
            pt.append(chunk.tuples["tau_pt"])
            abs_eta.append(np.abs(chunk.tuples["tau_eta"]))
            evt.append(chunk.tuples["evt"])
    return LegacyColumns(*(np.concatenate(parts) for parts in (types, pt, abs_eta, evt)))


def _chosen(
    name: str,
    ranges: Sequence[FileRange],
    columns: LegacyColumns,
    codes: list[TauType],
    plan: AcceptancePlan,
    mix: LegacyMix,
    number: int,
) -> list[tuple[Chosen, np.ndarray]]:
    """What was taken from each range of a group, in the order of its file, with the places."""
    places = np.flatnonzero(mix.group == number)
    entries = mix.entry[places]
    order = np.argsort(entries)
    entries, places = entries[order], places[order]
    rows, bins_eta, inside = plan.bins(columns.pt, columns.abs_eta)
    flat = (rows * plan.shape[1] + bins_eta).astype(np.int32)
    out, first = [], 0
    for where in ranges:
        low, high = np.searchsorted(entries, [first, first + len(where)])
        mine = entries[low:high]
        looked = slice(first, max(min(first + len(where), mix.read[name]), first))
        types = columns.types[looked]
        wanted, valid = np.isin(types, codes), types != NO_TYPE
        losses = Losses(
            not_valid=int(np.count_nonzero(~valid)),
            other_type=int(np.count_nonzero(valid & ~wanted)),
            outside=int(np.count_nonzero(wanted & ~inside[looked])),
            rejected=int(np.count_nonzero(wanted & inside[looked])) - len(mine),
            not_read=len(where) - len(types),
        )
        part = Chosen(where, name, mine - first + where.start, columns.types[mine], flat[mine], losses)
        out.append((part, places[low:high]))
        first += len(where)
    return out
