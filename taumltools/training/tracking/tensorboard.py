"""The curves of all runs of a store for TensorBoard, each under its name."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from taumltools.errors import InputError, StoreError
from taumltools.store.publish import temporary_sibling
from taumltools.training.tracking.importing import origin_of
from taumltools.training.tracking.merge import points_of
from taumltools.training.tracking.scalars import ScalarWriter
from taumltools.training.tracking.stores import TrackingStore

MARK = "made_from_mlflow.txt"
"""File in a folder that was made here, and so may be made anew."""


def make_logdir(store: TrackingStore, directory: Path, experiments: Sequence[str] = ()) -> list[str]:
    """Write the metrics of all runs as TensorBoard reads them: ``<directory>/<run>/train`` and ``.../validation``.

    Args:
        store: the store.
        directory: where to; replaced if it was made here before.
        experiments: names of experiments; empty: all.

    Returns:
        The folders' names.

    Raises:
        InputError: there is no such experiment, or no run with metrics.
        StoreError: the folder holds something else.
    """
    known = store.experiments()
    if absent := [name for name in experiments if name not in known]:
        raise InputError(f"{store.uri} has no experiment '{absent[0]}'; it has {', '.join(sorted(known)) or 'none'}")
    if directory.exists() and any(directory.iterdir()) and not (directory / MARK).is_file():
        raise StoreError(f"{directory} holds something else, which is not replaced: choose another folder (--logdir)")
    runs = list(store.runs([identity for name, identity in known.items() if not experiments or name in experiments]))
    names = folder_names([(run.info.run_name or run.info.run_id, origin_of(run)) for run in runs])
    new, written = temporary_sibling(directory), []
    new.mkdir(parents=True)
    (new / MARK).write_text(f"{store.uri}\n", encoding="utf-8")
    for run, name in zip(runs, names, strict=True):
        points = [point for point in points_of(store, run) if not point.name.startswith("best_")]
        writer = ScalarWriter(new / name)
        for point in sorted(points, key=lambda p: (p.step, p.time)):
            writer.write({point.name: point.value}, point.step, point.time / 1000)
        writer.close()
        written += [name] if points else []
    if not written:
        shutil.rmtree(new)
        raise InputError(f"{store.uri} has no run with metrics; law run ImportRuns imports those of trainings")
    _swap(new, directory)
    return written


def folder_names(runs: Sequence[tuple[str, str]]) -> list[str]:
    """Names of folders for runs, each once.

    Args:
        runs: name and id of each.

    Returns:
        One name per run.

    Examples:
        >>> folder_names([("deepset/a b", "1234567890"), ("cnn", "1111111111"), ("cnn", "2222222222")])
        ['deepset_a_b', 'cnn-11111111', 'cnn-22222222']
    """
    names = [re.sub(r"[^\w.+=-]+", "_", name).strip(".") or "run" for name, _ in runs]
    return [name if names.count(name) == 1 else f"{name}-{runs[place][1][:8]}" for place, name in enumerate(names)]


def _swap(new: Path, directory: Path) -> None:
    """Put a folder in the place of another one."""
    old = temporary_sibling(directory)
    if directory.exists():
        os.rename(directory, old)
    os.rename(new, directory)
    shutil.rmtree(old, ignore_errors=True)
