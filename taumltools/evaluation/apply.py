"""Apply networks to files of candidates: every entry gets a row, in input order."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError
from taumltools.evaluation.models import StoredModel, model_identity, open_model
from taumltools.evaluation.scorers import Scorer
from taumltools.evaluation.sources import Candidates, open_source, steps
from taumltools.evaluation.table import PredictionWriter
from taumltools.evaluation.unseen import count_known, refuse_known
from taumltools.progress import progress
from taumltools.training.trained_on import TrainedOn
from taumltools.tuples.truth import TAU_TYPES, TauType

log = logging.getLogger(__name__)

STEP = 20_000
"""Entries in memory at a time: about 200 MB."""


@dataclass(frozen=True)
class Reading:
    """How files of candidates are read.

    Attributes:
        features: what networks see.
        columns: branches to copy; ``leading_pfCand_<name>`` is that of the leading charged hadron.
        sample_type: ``"MC"``, ``"Embedded"`` or ``"Data"``, for the truth type; None: what the branch ``sampleType``
            says, or else MC.
        step: entries in memory at a time.
    """

    features: FeaturesConfig
    columns: Sequence[str] = ()
    sample_type: str | None = None
    step: int = STEP


def apply_models(
    models: Mapping[str, StoredModel],
    paths: Sequence[Path | str],
    out_paths: Mapping[str, Path],
    reading: Reading,
    *,
    dataset: str = "",
    batch_size: int = 2048,
    allow_training_events: bool = False,
) -> dict[str, Any]:
    """Score every entry of some files with several models, reading and evaluating features once.

    Entries without a reconstructed tau cannot be scored; they are kept as rows marked so.
    Entries without truth type are scored and have no target.

    Args:
        models: by name.
        paths: tuples or flat tuples; their entries follow each other.
        out_paths: prediction file to write of each model.
        reading: how files are read.
        dataset: name of the dataset, kept in the files.
        batch_size: entries per call of a network, at most.
        allow_training_events: score also what a model was trained on.

    Returns:
        ``entries``, ``scored``, ``entries_by_type`` (with ``"none"``), ``files`` (entries by path), ``unchecked`` (models
        of which it is not known what they were trained on), and if they are allowed ``training_events``: by model how
        many candidates it was trained on.

    Raises:
        InputError: a branch is missing, a model was trained on other features or on some of the entries, or gives what
            is no probability.
    """
    account = _Account()
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(PredictionWriter(out_paths[name], dataset, model.identity, _versions()))
            for name, model in models.items()
        }
        for path in paths:
            with open_source(path, reading.features, reading.columns, reading.sample_type) as source:
                chunks = list(steps(source.entries, reading.step))
                account.files[str(path)] = source.entries
                for name, model in models.items():
                    model.check(source.definition, f"{path}, for the model '{name}'")
                label = f"scoring {Path(str(path)).name}"
                for start, stop in progress(iter(chunks), total=len(chunks), label=label, unit="chunk"):
                    chunk = source.read(start, stop)
                    for name, model in models.items():
                        known = count_known(model.trained_on, chunk.flat.index)
                        if known and not allow_training_events:
                            refuse_known(name, model.trained_on, paths, reading.features, reading.step)
                        account.known[name] = account.known.get(name, 0) + known
                        writers[name].append(*score_chunk(chunk, model.scorer, batch_size, str(path)), chunk.columns)
                    account.add(chunk)
    log.info("%s: %d of %d entries scored", dataset or "input", account.scored, sum(account.files.values()))
    unknown = [name for name, model in models.items() if model.trained_on is None]
    if unknown:
        log.info(
            "%s: what it was trained on is not known, so its entries were not checked for that", ", ".join(unknown)
        )
    return account.as_dict(allow_training_events) | {"unchecked": unknown}


class _Account:
    """What was scored so far."""

    def __init__(self) -> None:
        self.scored = 0
        self.files: dict[str, int] = {}
        self.known: dict[str, int] = {}
        self._by_type = np.zeros(len(TAU_TYPES) + 1, np.int64)

    def add(self, chunk: Candidates) -> None:
        """Count the entries of a chunk."""
        targets = one_hot(chunk.types)
        self.scored += len(chunk.rows)
        self._by_type += np.append(targets.sum(axis=0, dtype=np.int64), np.count_nonzero(~targets.any(axis=1)))

    def as_dict(self, allowed: bool) -> dict[str, Any]:
        """The account as :func:`apply_models` returns it, with candidates trained on if those are allowed."""
        names = [*TAU_TYPES, "none"]
        made = {
            "entries": sum(self.files.values()),
            "scored": self.scored,
            "entries_by_type": dict(zip(names, self._by_type.tolist(), strict=True)),
            "files": self.files,
        }
        return made | ({"training_events": self.known} if allowed else {})


def apply_network(
    model_dir: Path,
    tuple_paths: Path | str | Sequence[Path | str],
    out_path: Path,
    features: FeaturesConfig,
    columns: Sequence[str],
    *,
    dataset: str = "",
    sample_type: str | None = None,
    step: int = STEP,
    batch_size: int = 2048,
    network: Scorer | None = None,
    allow_training_events: bool = False,
) -> dict[str, Any]:
    """Score every entry of files with one network of this project; see :func:`apply_models`.

    Args:
        model_dir: folder of the trained network.
        tuple_paths: one file or several; their entries follow each other.
        out_path: HDF5 file to write.
        features: what the network sees.
        columns: branches to copy.
        dataset: name of the dataset, kept in the file.
        sample_type: kind of the sample, see :class:`Reading`.
        step: entries in memory at a time.
        batch_size: entries per call of the network.
        network: used instead of the one in ``model_dir``.
        allow_training_events: score also what it was trained on.

    Returns:
        As :func:`apply_models`.

    Raises:
        InputError: as for :func:`apply_models`.
    """
    paths = [tuple_paths] if isinstance(tuple_paths, str | Path) else list(tuple_paths)
    if network is None:
        model = open_model(model_dir, features)
    else:
        sketch = TrainedOn.find(model_dir) if model_dir.is_dir() else None
        model = StoredModel(network, model_identity(model_dir), trained_on=sketch)
    name = f"the network of {model_dir}"
    reading = Reading(features, columns, sample_type, step)
    return apply_models(
        {name: model},
        paths,
        {name: out_path},
        reading,
        dataset=dataset,
        batch_size=batch_size,
        allow_training_events=allow_training_events,
    )


def score_chunk(
    chunk: Candidates, scorer: Scorer, batch_size: int, path: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs of all entries (NaN where not scored), one-hot targets, and which are scored.

    Args:
        chunk: the entries.
        scorer: the model.
        batch_size: entries per call of it.
        path: the file, for messages.

    Returns:
        float32 (n, 4), uint8 (n, 4), bool (n,).

    Raises:
        InputError: an output is no probability.
    """
    outputs = np.full((len(chunk), len(TAU_TYPES)), np.nan, np.float32)
    known = np.zeros(len(chunk), bool)
    if len(chunk.rows):
        values = np.asarray(scorer.predict(chunk.flat, batch_size=batch_size))
        bad = np.logical_not(np.all((values >= 0) & (values <= 1), axis=1))
        if bad.any():
            first = int(chunk.rows[bad][0])
            event = ", ".join(f"{name}={numbers[first]}" for name, numbers in chunk.numbers.items())
            raise InputError(
                f"{path}: the network gives NaN or values outside of [0, 1] for {int(bad.sum())} of {len(bad)} "
                f"entries, first for {event}: {values[bad][0].tolist()}; check the features of that entry and the training"
            )
        outputs[chunk.rows], known[chunk.rows] = values, True
    return outputs, one_hot(chunk.types), known


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


def _versions() -> dict[str, str]:
    from taumltools.store.provenance import package_versions

    return package_versions()
