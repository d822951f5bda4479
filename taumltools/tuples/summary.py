"""The tree ``summary`` beside the candidates: what each production job processed."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.store.remote import is_remote
from taumltools.tuples.chain import SUFFIX as CHAIN_SUFFIX
from taumltools.tuples.chain import read_chain
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
        path: a file of tuples or summaries, or a chain of such files.

    Returns:
        The columns of :data:`COLUMNS`; None if the file has no summaries (as Arrow files).

    Raises:
        InputError: the tree is damaged or lacks a column.
    """
    if path.suffix == CHAIN_SUFFIX:
        files = read_chain(path)[0]
        here = [Path(file.path) for file in files if not is_remote(file.path)]
        if len(here) < len(files):
            log.warning("%s: the summaries of %d files on servers are left out", path, len(files) - len(here))
        return read_summaries(here)
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


def read_summaries(paths: Sequence[Path]) -> dict[str, np.ndarray] | None:
    """The summaries of files, one after the other.

    Args:
        paths: files of tuples, or chains of them; what some of them lack is told in the log.

    Returns:
        The columns of :data:`COLUMNS`; None if no file has summaries.

    Raises:
        InputError: see :func:`read_summary`.
    """
    parts = [part for part in map(read_summary, paths) if part is not None]
    if len(parts) < len(paths):
        log.info("%d of %d inputs have no tree '%s'", len(paths) - len(parts), len(paths), SUMMARY)
    return {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS} if parts else None


def append_summary(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Add the tree ``summary`` to a ROOT file of tuples.

    Args:
        path: the file, closed.
        columns: those of :data:`COLUMNS`.
    """
    import uproot

    with uproot.update(path) as file:
        file.mktree(SUMMARY, COLUMNS).extend(dict(columns))


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
    columns = read_summaries(inputs)
    if columns is None:
        return 0
    if suffix == ".root":
        import uproot

        with uproot.recreate(folder / f"{SUMMARY}.root") as file:
            file.mktree(SUMMARY, COLUMNS).extend(columns)
    else:
        write_json(folder, columns)
    return len(columns["exeTime"])


def write_json(folder: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write ``summary.json`` into a folder.

    Args:
        folder: where to.
        columns: those of :data:`COLUMNS`.
    """
    content = {name: column.tolist() for name, column in columns.items()}
    (folder / f"{SUMMARY}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
