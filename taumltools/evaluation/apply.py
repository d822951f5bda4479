"""Apply a trained network to tuple files: every entry gets a row, in input order."""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError
from taumltools.evaluation.columns import branches_of, column_of
from taumltools.evaluation.table import PredictionWriter
from taumltools.features.flat import FlatTuples, make_flat, required_branches
from taumltools.progress import progress
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples
from taumltools.tuples.truth import NO_TYPE, TAU_TYPES, TRUTH_BRANCHES, TauType, truth_type

logger = logging.getLogger(__name__)

SHARED_OBJECT = re.compile(rb'"shared_object_id": \d+')
"""Addresses in the memory of the process that saved a model, which Keras writes into its file."""


class Scorer(Protocol):
    """What can score: a trained network, or a stand-in with the same method."""

    def predict(self, flat: FlatTuples, batch_size: int = ...) -> np.ndarray:
        """Outputs in class order, float32, shape (n, 4)."""
        ...


def apply_network(
    model_dir: Path,
    tuple_paths: Path | Sequence[Path],
    out_path: Path,
    features: FeaturesConfig,
    columns: Sequence[str],
    *,
    dataset: str = "",
    sample_type: str = "MC",
    step: int = 20_000,
    batch_size: int = 2048,
    network: Scorer | None = None,
) -> dict[str, Any]:
    """Score every entry of tuple files and write a prediction file.

    Entries without a reconstructed tau cannot be scored; they are kept as rows marked so.
    Entries without truth type are scored and have no target.

    Args:
        model_dir: folder of the trained network.
        tuple_paths: one file or several; their entries follow each other.
        out_path: HDF5 file to write.
        features: what the network sees.
        columns: branches to copy; ``leading_pfCand_<name>`` is that of the leading charged hadron.
        dataset: name of the dataset, kept in the file.
        sample_type: ``"MC"``, ``"Embedded"`` or ``"Data"``, for the truth type.
        step: entries in memory at a time; 20,000 need about 200 MB.
        batch_size: entries per call of the network.
        network: used instead of the one in ``model_dir``.

    Returns:
        ``entries``, ``scored`` and ``entries_by_type`` (with ``"none"``).

    Raises:
        InputError: a branch is missing, or the network gives something that is no probability.
    """
    paths = [tuple_paths] if isinstance(tuple_paths, str | Path) else list(tuple_paths)
    truth = sample_type != "Data"
    needed = required_branches(features, truth=truth, keep="reconstructed")
    wanted = [*needed, *(TRUTH_BRANCHES if truth else ()), *branches_of(columns)]
    branches = list(dict.fromkeys(wanted))
    network = network or _load(model_dir)
    scored = 0
    by_type = np.zeros(len(TAU_TYPES) + 1, np.int64)
    with PredictionWriter(out_path, dataset, model_identity(model_dir), _versions()) as writer:
        for path in paths:
            with open_tuples(path) as reader:
                total = -(-reader.entries // step)
                # Without entries there still is a table, so that the file gets all its columns.
                chunks = reader.iterate(branches, step) if total else [reader.read(branches)]
                for chunk in progress(chunks, total=total, label=f"scoring {path.name}", unit="chunk"):
                    outputs, known = _score(chunk, features, network, sample_type, batch_size, path)
                    types = truth_type(chunk, sample_type) if truth else np.full(len(chunk), NO_TYPE)
                    targets = one_hot(types)
                    writer.append(outputs, targets, known, {name: column_of(chunk, name) for name in columns})
                    scored += int(known.sum())
                    by_type += np.append(targets.sum(axis=0, dtype=np.int64), np.count_nonzero(~targets.any(axis=1)))
        entries = writer.rows
    logger.info("%s: %d of %d entries scored", out_path.name, scored, entries)
    names = [*TAU_TYPES, "none"]
    return {"entries": entries, "scored": scored, "entries_by_type": dict(zip(names, by_type.tolist(), strict=True))}


def _load(model_dir: Path) -> Scorer:
    from taumltools.training.network import load_network

    return load_network(model_dir)


def _score(
    chunk: Tuples, features: FeaturesConfig, network: Scorer, sample_type: str, batch_size: int, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of all entries of a chunk (NaN where not scored), and which are scored."""
    flat = make_flat(chunk, features, keep="reconstructed", sample_type=sample_type)
    rows = flat.index["entry"]
    outputs = np.full((len(chunk), len(TAU_TYPES)), np.nan, np.float32)
    known = np.zeros(len(chunk), bool)
    if len(rows):
        values = np.asarray(network.predict(flat, batch_size=batch_size))
        bad = np.logical_not(np.all((values >= 0) & (values <= 1), axis=1))
        if bad.any():
            first = chunk.slice(int(rows[bad][0]), int(rows[bad][0]) + 1)
            event = ", ".join(f"{name}={first[name][0]}" for name in ("run", "lumi", "evt"))
            raise InputError(
                f"{path}: the network gives NaN or values outside of [0, 1] for {int(bad.sum())} of {len(bad)} "
                f"entries, first for {event}: {values[bad][0].tolist()}; check the features of that entry and the training"
            )
        outputs[rows], known[rows] = values, True
    return outputs, known


def one_hot(types: np.ndarray) -> np.ndarray:
    """One-hot targets in class order.

    Args:
        types: truth types (values of ``TauType``, -1 for none), shape (n,). Embedded types
            count as the type they stand for; data and none give zeros.

    Returns:
        uint8, shape (n, 4).

    Examples:
        >>> one_hot(np.array([2, -1, 6])).tolist()
        [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    """
    types = np.asarray(types)
    embedded = (types >= TauType.emb_e) & (types <= TauType.emb_jet)
    simple = np.where(embedded, types - TauType.emb_e, types)
    return (simple[:, None] == np.arange(len(TAU_TYPES))).astype(np.uint8)


def model_identity(model_dir: Path) -> str:
    """What tells one network from another: a digest of its weights and structure.

    The date in a model file and the addresses of objects in the memory of the process that
    wrote it do not enter: a repeated training gives the same identity.

    Args:
        model_dir: folder of a training.

    Returns:
        12 hex digits; the folder's name if there is no model file of Keras in it.
    """
    import hashlib

    model = Path(model_dir) / "model.keras"
    if not zipfile.is_zipfile(model):
        return Path(model_dir).name
    digest = hashlib.sha256()
    with zipfile.ZipFile(model) as archive:
        for name in sorted(set(archive.namelist()) - {"metadata.json"}):
            digest.update(name.encode() + SHARED_OBJECT.sub(b"", archive.read(name)))
    return digest.hexdigest()[:12]


def _versions() -> dict[str, str]:
    from taumltools.store.provenance import package_versions

    return package_versions()
