"""Scores as friend trees: a tree with the entries of a ROOT file, in their order, in a copy of it or by itself."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np

from taumltools.config.discriminators import FAKE_TYPES
from taumltools.errors import ConfigError
from taumltools.evaluation.scores import vs_score
from taumltools.evaluation.table import Predictions
from taumltools.store.remote import is_remote, local_copy
from taumltools.tuples.truth import TAU_TYPES

FRIEND_TREE = "scores"
"""Name of the tree."""

STEP = 100_000
"""Entries that are written at a time."""

NUMBERS = ("run", "lumi", "evt")
"""Copied into the tree where the predictions have them, so that entries can be checked, or found by index."""

How = Literal["copy", "file"]
"""A tree in a copy of every file, or a file with nothing but the tree."""


def check_files(paths: Sequence[Path | str], how: How) -> None:
    """Refuse files that cannot get a friend tree, before anything is scored.

    Raises:
        ConfigError: a copy is asked of what is no ROOT file.
    """
    for path in paths:
        if how == "copy" and Path(str(path)).suffix != ".root":
            raise ConfigError(
                f"--friend copy: {path} is no ROOT file; use --friend file, whose trees have the same entries in the same order"
            )


def write_friends(
    predictions: Mapping[str, Predictions], files: Mapping[str, int], folder: Path, how: How
) -> list[str]:
    """Write a friend tree for every input file.

    The tree ``scores`` has for every model the branches ``<model>_<type>`` and ``<model>_vs_<type>`` (float), and
    ``<model>_scored``; NaN where there is no score.

    Args:
        predictions: of each model, rows of all files one after the other.
        files: number of entries by path, in the order of the rows.
        folder: where the ROOT files are written; it exists.
        how: into copies of the files, with their names, or files ``<stem>_scores.root``.

    Returns:
        Names of the files.

    Raises:
        ConfigError: see :func:`check_files`.
    """
    check_files(list(files), how)
    names = _names(list(files), how)
    start = 0
    for (path, entries), name in zip(files.items(), names, strict=True):
        _write(folder / name, path if how == "copy" else "", predictions, start, start + entries)
        start += entries
    return names


def _names(paths: Sequence[str], how: How) -> list[str]:
    """A name for each file; files of the same name in several folders are numbered."""
    plain = [Path(path).stem + ("" if how == "copy" else "_scores") for path in paths]
    return [f"{stem}_{i}.root" if plain.count(stem) > 1 else f"{stem}.root" for i, stem in enumerate(plain)]


def _write(target: Path, source: str, predictions: Mapping[str, Predictions], start: int, stop: int) -> None:
    import uproot

    if source:
        with local_copy(source) if is_remote(source) else nullcontext(source) as there:
            shutil.copyfile(there, target)
    with uproot.update(target) if source else uproot.recreate(target) as file:
        types = {name: values.dtype for name, values in _columns(predictions, start, start).items()}
        tree = file.mktree(FRIEND_TREE, types)
        for low in range(start, stop, STEP):
            tree.extend(_columns(predictions, low, min(low + STEP, stop)))


def _columns(predictions: Mapping[str, Predictions], start: int, stop: int) -> dict[str, Any]:
    """Branches of entries start to stop."""
    rows = np.arange(start, stop)
    columns: dict[str, np.ndarray] = {}
    for model, table in predictions.items():
        part = table.take(rows)
        columns |= {name: part.columns[name] for name in NUMBERS if name in part.columns and name not in columns}
        columns |= {f"{model}_{kind}": part.outputs[:, i] for i, kind in enumerate(TAU_TYPES)}
        columns |= {f"{model}_vs_{kind}": vs_score(part.outputs, kind).astype(np.float32) for kind in FAKE_TYPES}
        columns[f"{model}_scored"] = part.scored
    return columns
