"""Which events are used: cuts per process, classes, an account of what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from taumltools.config.htt import HttConfig, PreprocessConfig
from taumltools.errors import InputError
from taumltools.features.expression import Expression, parse
from taumltools.htt.checks import refuse_not_finite
from taumltools.htt.ntuples import Chunk, iterate_events
from taumltools.htt.table import NO_CLASS, EventTable, joined

Files = Mapping[str, Sequence[str | Path]]
"""Files by sample."""

Account = dict[str, dict[str, dict[str, int]]]
"""Events read and selected, by sample and process."""


def select_training(config: HttConfig, files: Files) -> tuple[EventTable, Account]:
    """Events of all processes that have a class.

    Args:
        config: samples, classes, cuts, branches.
        files: event ntuples by sample.

    Returns:
        Events with the branches of the settings, ``target``, ``group_name`` (the process) and ``entry``; and how many
        were read and selected.

    Raises:
        InputError: a process or a class has no events, or a value is NaN or infinite.
    """
    parts: list[EventTable] = []
    account: Account = {}
    for name, sample in config.samples.items():
        if not sample.processes:
            continue
        account[name] = {process: {"read": 0, "selected": 0} for process in sample.processes}
        for chunk in iterate_events(files[name], config.tree, _needed(config, name), config.preprocess.step):
            parts += _of_processes(config, name, chunk, account[name])
        for process, counts in account[name].items():
            if counts["selected"] == 0:
                raise InputError(
                    f"sample '{name}', process '{process}': none of {counts['read']} events passes "
                    f"common_cut and '{sample.processes[process].cut}'; loosen the cuts, or add events"
                )
    if not parts:
        raise InputError("htt.samples: no sample has processes, so there is nothing to train on")
    return joined(parts), account


def select_prediction(config: HttConfig, name: str, files: Sequence[str | Path]) -> EventTable:
    """All events of a sample, without cuts, in order.

    Args:
        config: branches.
        name: of the sample.
        files: its event ntuples.

    Returns:
        Events with the branches of the settings and ``entry``; ``target`` is :data:`NO_CLASS`, ``group_name`` the sample.

    Raises:
        InputError: there are no events, or a value is NaN or infinite.
    """
    branches = config.preprocess.branches()
    parts = [
        _kept(config.preprocess, chunk, np.arange(len(chunk)), NO_CLASS, name, name)
        for chunk in iterate_events(files, config.tree, branches, config.preprocess.step)
    ]
    if not parts:
        raise InputError(f"sample '{name}' has no events in {', '.join(map(str, files))}")
    return joined(parts)


def _needed(config: HttConfig, name: str) -> list[str]:
    """Branches that the cuts and the features of a sample need."""
    cuts = [config.preprocess.common_cut, *(process.cut for process in config.samples[name].processes.values())]
    needed = {branch for cut in cuts if cut for branch in _cut(cut, name).names}
    return sorted(needed | set(config.preprocess.branches()))


def _cut(text: str, name: str) -> Expression:
    return parse(text, where=f"cut of sample '{name}'")


def _passing(text: str, name: str, chunk: Chunk) -> np.ndarray:
    if not text:
        return np.ones(len(chunk), bool)
    return np.broadcast_to(np.asarray(_cut(text, name).evaluate(chunk.columns)).astype(bool), len(chunk))


def _of_processes(
    config: HttConfig, name: str, chunk: Chunk, account: dict[str, dict[str, int]]
) -> Iterator[EventTable]:
    common = _passing(config.preprocess.common_cut, name, chunk)
    for process, how in config.samples[name].processes.items():
        rows = np.flatnonzero(common & _passing(how.cut, name, chunk))
        account[process]["read"] += len(chunk)
        account[process]["selected"] += len(rows)
        yield _kept(config.preprocess, chunk, rows, how.target, process, name)


def _kept(config: PreprocessConfig, chunk: Chunk, rows: np.ndarray, target: int, group: str, sample: str) -> EventTable:
    """Some events of a chunk; values are checked and clipped."""
    columns = {name: chunk.columns[name][rows] for name in config.branches()}
    refuse_not_finite(columns, f"sample '{sample}', process '{group}', {chunk.path}", rows + chunk.first)
    for name in config.cont_features:
        columns[name] = columns[name].astype(np.float32)
    refuse_not_finite(columns, f"sample '{sample}', process '{group}', {chunk.path}, as float32", rows + chunk.first)
    for name, (low, high) in config.clip.items():
        columns[name] = np.clip(
            columns[name], np.asarray(low, columns[name].dtype), np.asarray(high, columns[name].dtype)
        )
    columns["target"] = np.full(len(rows), target, np.int64)
    columns["group_name"] = np.full(len(rows), group.encode(), "S64")
    columns["entry"] = rows + chunk.first
    return EventTable(columns)
