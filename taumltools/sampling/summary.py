"""The tree ``summary`` beside the candidates: what each production job processed."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.schema import TREE

log = logging.getLogger(__name__)

SUMMARY = "summary"
"""Name of the tree, and of the file of all summaries of a splitting."""

COLUMNS = {"exeTime": np.dtype("u4"), "numberOfProcessedEvents": np.dtype("u8")}
"""Branches: seconds that a production job took, and events it has seen before any selection."""


def is_summary(path: Path) -> bool:
    """Whether a ROOT file holds summaries only.

    Args:
        path: a file of tuples or summaries.

    Returns:
        True for a ROOT file with a tree ``summary`` and without a tree ``taus``.

    Raises:
        InputError: it is no readable ROOT file.
    """
    if path.suffix != ".root":
        return False
    trees = _trees(path)
    return SUMMARY in trees and TREE not in trees


def _trees(path: Path) -> list[str]:
    import uproot

    try:
        with uproot.open(path) as file:
            return file.keys(recursive=False, cycle=False)
    except Exception as error:  # whatever decoders raise on damaged bytes
        raise InputError(f"{path}: no readable ROOT file ({type(error).__name__}: {error}); make it again") from error


def read_summary(path: Path) -> dict[str, np.ndarray] | None:
    """The summaries of a file.

    Args:
        path: a file of tuples or summaries.

    Returns:
        The columns of :data:`COLUMNS`; None if the file has no summaries (as Arrow files).

    Raises:
        InputError: the tree is damaged or lacks a column.
    """
    if path.suffix != ".root" or SUMMARY not in _trees(path):
        return None
    import uproot

    try:
        with uproot.open(path) as file:
            arrays = file[SUMMARY].arrays(list(COLUMNS), library="np")
    except Exception as error:
        raise InputError(
            f"{path}: the tree '{SUMMARY}' cannot be read ({type(error).__name__}: {error}); copy the file again"
        ) from error
    return {name: arrays[name].astype(dtype) for name, dtype in COLUMNS.items()}


def collect_summaries(inputs: Sequence[Path], folder: Path, suffix: str) -> int:
    """Append the summaries of all inputs to one file; there is none if no input has summaries.

    Args:
        inputs: files of tuples.
        folder: where ``summary.root`` or ``summary.json`` is written.
        suffix: ``.root``, or ``.arrow`` for a JSON file.

    Returns:
        Number of summaries, which is that of production jobs.

    Raises:
        InputError: see :func:`read_summary`.
    """
    parts = [part for part in map(read_summary, inputs) if part is not None]
    if len(parts) < len(inputs):
        log.info("%d of %d inputs have no tree '%s'", len(inputs) - len(parts), len(inputs), SUMMARY)
    if not parts:
        return 0
    columns = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    if suffix == ".root":
        import uproot

        with uproot.recreate(folder / f"{SUMMARY}.root") as file:
            file.mktree(SUMMARY, COLUMNS).extend(columns)
    else:
        content = {name: column.tolist() for name, column in columns.items()}
        (folder / f"{SUMMARY}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
    return len(columns["exeTime"])
