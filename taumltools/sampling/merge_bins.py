"""ShuffleMerge: binned files become one file in which every stretch has the composition of the whole."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from taumltools.config.binned import BinnedConfig, MergeStepConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.bins import split_name
from taumltools.sampling.legacy_merge import LegacyDraws, legacy_places
from taumltools.sampling.legacy_stream import LegacyStream
from taumltools.sampling.merge_plan import BinPlan, MergePlan, SourcePlan, account
from taumltools.sampling.merge_read import Head, chunks_of
from taumltools.sampling.merge_sources import BinnedFile
from taumltools.sampling.shuffle import write_chunks_in_order
from taumltools.tuples.io import TupleWriter, open_tuples
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import SAMPLE_TYPES, TauType

log = logging.getLogger(__name__)

WEIGHT = "trainingWeight"
TAU_TYPE = "tauType"
SAMPLE_TYPE = "sampleType"


def merge(
    plan: MergePlan,
    step: MergeStepConfig,
    config: BinnedConfig,
    path: Path,
    *,
    rng: np.random.Generator,
    scratch: Path | None = None,
    before: Sequence[MergePlan] = (),
) -> dict[str, object]:
    """Write one merged file.

    Args:
        plan: what it takes, from :func:`taumltools.sampling.merge_plan.plan_merge`.
        step: the settings of the step.
        config: settings of the procedure: compression and memory.
        path: where; the suffix decides the format (``step.format``).
        rng: random numbers of this file alone; not used with ``order: legacy``.
        scratch: folder for temporary files, needed beyond ``config.memory_mb``; None means
            the system's folder for such files.
        before: only for ``order: legacy``: plans of the outputs of the same step that come
            before, because the CMS tool makes all of them with one random stream.

    Returns:
        The account: entries available, planned and written, bins, sum of the weights.

    Raises:
        ConfigError: a disabled branch exists nowhere.
        InputError: a file cannot be read, has other entries than its size list says, or lacks
            branches that no default is known for.
    """
    found = _found_branches(plan)
    branches = _branches(plan, step, found)
    heads = list(_heads(plan, _places(plan, step, rng, before), branches, found))
    written = sum(map(len, heads))
    if written < plan.total:
        log.warning(
            "%s: %d of %d entries are written, the first bin is exhausted then (order: legacy, ensure_uniformity)",
            plan.name, written, plan.total,
        )  # fmt: skip
    folder = scratch or Path(tempfile.gettempdir())
    with TupleWriter(path, branches, config.compression_algo or None, config.compression_level) as writer:
        chunks = chunks_of(heads, branches)
        write_chunks_in_order(writer, chunks, written, memory_mb=config.memory_mb, scratch=folder)
    if writer.entries != written:
        raise InputError(f"{plan.name}: {writer.entries} entries were written, expected {written}")
    return account(plan) | {"written": written}


def _places(
    plan: MergePlan, step: MergeStepConfig, rng: np.random.Generator, before: Sequence[MergePlan]
) -> list[list[np.ndarray]]:
    """Places in the output of the entries of every bin and source."""
    quotas = [[source.quota for source in part.sources] for part in plan.bins]
    if step.order == "legacy":
        draws = LegacyDraws(LegacyStream(step.seed))
        for earlier in before:
            passed = [[source.quota for source in part.sources] for part in earlier.bins]
            legacy_places(passed, stop_early=step.ensure_uniformity, draws=draws)
        return legacy_places(quotas, stop_early=step.ensure_uniformity, draws=draws)
    order = rng.permutation(plan.total)
    cuts = np.cumsum([quota for sources in quotas for quota in sources])[:-1]
    parts = iter(np.split(order, cuts))
    return [[next(parts) for _ in sources] for sources in quotas]


def _heads(
    plan: MergePlan,
    places: Sequence[Sequence[np.ndarray]],
    branches: Sequence[str],
    found: Mapping[str, Mapping[str, None]],
) -> Iterator[Head]:
    for part, of_bin in zip(plan.bins, places, strict=True):
        for source, mine in zip(part.sources, of_bin, strict=True):
            values, first = _values(source, part), 0
            for pick in source.picks:
                here = found[pick.file.dataset]
                stored = tuple(name for name in branches if name in here and name not in values)
                yield Head(pick.file.path, stored, mine[first : first + pick.entries], values)
                first += pick.entries


def _values(source: SourcePlan, part: BinPlan) -> dict[str, np.number]:
    """Branches that merging sets: the type that the bin's name says, weight and type of sample as wanted."""
    kind, _, _ = split_name(part.name) or ("", "", "")
    values: dict[str, np.number] = {TAU_TYPE: np.int32(TauType[kind])}
    if part.weight is not None:
        values[WEIGHT] = np.float32(part.weight)
    if source.sample_type is not None:
        values[SAMPLE_TYPE] = np.int32(SAMPLE_TYPES.index(source.sample_type))
    return values


def _branches(plan: MergePlan, step: MergeStepConfig, found: Mapping[str, Mapping[str, None]]) -> list[str]:
    """Branches of the merged file: all of its inputs but the disabled ones, and those that are set."""
    names = list(dict.fromkeys(name for branches in found.values() for name in branches))
    schema = tautuple_schema()
    for pattern in step.disabled_branches:
        if not any(re.fullmatch(pattern, name) for name in (*names, *schema.branches)):
            raise ConfigError(f"disabled_branches: '{pattern}' matches no branch; it must match a whole name")
    kept = [name for name in names if not any(re.fullmatch(pattern, name) for pattern in step.disabled_branches)]
    for dataset, branches in found.items():
        lacking = sorted(set(kept) - set(branches))
        if odd := [name for name in lacking if name not in schema]:
            raise InputError(
                f"{plan.name}: the files of '{dataset}' lack the branches {odd[:5]} ({len(odd)} in total), which other "
                "datasets have, and the schema knows no value for them; disable them, or merge the datasets separately"
            )
        if lacking:
            log.warning(
                "%s: '%s' lacks %d branches, e.g. %s: missing values", plan.name, dataset, len(lacking), lacking[0]
            )
    if not any(re.fullmatch(pattern, TAU_TYPE) for pattern in step.disabled_branches):
        kept.append(TAU_TYPE)
    if any(part.weight is not None for part in plan.bins):
        kept.append(WEIGHT)
    if any(source.sample_type is not None for part in plan.bins for source in part.sources):
        kept.append(SAMPLE_TYPE)
    return list(dict.fromkeys(kept))


def _found_branches(plan: MergePlan) -> dict[str, dict[str, None]]:
    """Branches by dataset; files of one dataset were made by one splitting and have the same ones."""
    examples: dict[str, BinnedFile] = {}
    for part in plan.bins:
        for source in part.sources:
            for pick in source.picks:
                examples.setdefault(pick.file.dataset, pick.file)
    found = {}
    for dataset, example in sorted(examples.items()):
        with open_tuples(example.path) as file:
            found[dataset] = dict.fromkeys([*file.branches, *file.other_branches])
    return found
