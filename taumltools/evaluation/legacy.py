"""Predictions in the layout of the CMS tools: HDF5 with the pandas groups ``predictions`` and ``targets``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.evaluation.table import NODES, Predictions
from taumltools.frames import write_frames

GROUPS = ("predictions", "targets")


def write_legacy(predictions: Predictions, path: Path) -> None:
    """Write the columns node_e, node_mu, node_tau, node_jet as the CMS tools do.

    Entries without score are NaN here and in the group ``scored``, where the CMS tools write zeros, which look like
    a score.  Their targets are zero in both.

    Args:
        predictions: the entries.
        path: HDF5 file to write; it needs 72 bytes of memory an entry.
    """
    write_frames(
        path,
        {
            "predictions": {node: predictions.outputs[:, i].astype(np.float64) for i, node in enumerate(NODES)},
            "targets": {node: predictions.targets[:, i].astype(np.int64) for i, node in enumerate(NODES)},
            "scored": {"scored": predictions.scored},
        },
    )


def read_legacy(path: Path) -> Predictions:
    """Read predictions in the layout of the CMS tools, of this project or of theirs.

    Args:
        path: HDF5 file.

    Returns:
        The entries, without copied columns; rows of zeros count as not scored.

    Raises:
        InputError: not readable, or without the two groups.
    """
    import pandas

    try:
        with pandas.HDFStore(path, "r") as store:
            outputs, targets = (store[group][list(NODES)].to_numpy() for group in GROUPS)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: expected the pandas groups {', '.join(GROUPS)} with {NODES} ({error})") from error
    scored = np.isfinite(outputs).all(axis=1) & (outputs != 0).any(axis=1)
    return Predictions(
        np.where(scored[:, None], outputs, np.nan).astype(np.float32),
        targets.astype(np.uint8),
        scored,
        {},
        np.zeros(len(outputs), np.int32),
        (path.stem,),
        path.name,
    )


def is_legacy(path: Path) -> bool:
    """Whether an HDF5 file has the layout of the CMS tools, not that of this project.

    Raises:
        InputError: not readable as HDF5.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return "predictions" in file and "block0_values" in file["predictions"]
    except OSError as error:
        raise InputError(f"{path} cannot be read as HDF5 ({error})") from error


def read_any(path: Path) -> Predictions:
    """Predictions in either layout.

    Raises:
        InputError: the file is of neither kind.
    """
    return read_legacy(path) if is_legacy(path) else Predictions.read(path)
