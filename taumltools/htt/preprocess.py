"""From event ntuples to fold files: selection, split, weights, transformation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.htt import HttConfig, PreprocessConfig
from taumltools.config.identity import plain
from taumltools.htt.foldfile import write_foldfile
from taumltools.htt.pandasfile import write_pandas
from taumltools.htt.selection import Account, Files, select_prediction, select_training
from taumltools.htt.split import event_key, fold_rows, train_rows
from taumltools.htt.table import EventTable
from taumltools.htt.transform import UNKNOWN, Transform, fit_transform
from taumltools.htt.weights import class_imbalance, cp_weights

TRANSFORM = "transform.json"
ACCOUNT = "account.json"
SAMPLES = ("train", "test")
FOLD_SALT = 0xF01D
"""So that folds of a file are independent of the split into training and test."""


def preprocess_training(config: HttConfig, files: Files, folder: Path) -> dict[str, Any]:
    """Make the training and the test sample and fit the transformation.

    Writes ``train.hdf5`` and ``test.hdf5`` (fold files), ``transform.json``, ``account.json`` (events by sample, process
    and class), ``config.yaml``, and by option ``train.h5`` and ``test.h5`` for pandas.

    Args:
        config: settings.
        files: event ntuples by sample.
        folder: where to write; made.

    Returns:
        The account.

    Raises:
        InputError: events cannot be used, or a process or class has none.
    """
    events, selected = select_training(config, files)
    weights = _cp(events, config.preprocess)
    key = event_key(events["run"], events["evt"], config.preprocess.seed)
    train = train_rows(events["target"], key, config.preprocess.train_size)
    parts = {"train": np.flatnonzero(train), "test": np.flatnonzero(~train)}
    transform = fit_transform(events.take(parts["train"]), config.preprocess)
    folder.mkdir(parents=True, exist_ok=True)
    account: dict[str, Any] = {"selected": selected, "classes": {}, "unknown": {}}
    for name, rows in parts.items():
        part = events.take(rows)
        columns = {"w_class_imbalance": class_imbalance(part["target"], len(config.classes))}
        columns |= {column: values[rows] for column, values in weights.items()}
        done = transform.apply(part.having(columns))
        write_sample(folder / name, done, transform, config.preprocess)
        account["classes"][name] = _by_class(done, config)
        account["unknown"][name] = _unknown(done, transform)
    transform.save(folder / TRANSFORM)
    _write_account(folder, account, config)
    return account


def preprocess_prediction(
    config: HttConfig, sample: str, files: Sequence[str | Path], transform: Transform, path: Path
) -> dict[str, Any]:
    """Make the fold file of a sample that is to be scored: all of its events, transformed as in training.

    Args:
        config: settings.
        sample: its name.
        files: its event ntuples, in order.
        transform: as fitted to the training sample.
        path: fold file to write; it has one fold, and its events are in their order.

    Returns:
        How many events there are, and values of categories that the training sample did not have.

    Raises:
        InputError: events cannot be used.
    """
    events = transform.apply(select_prediction(config, sample, files))
    write_foldfile(
        path,
        events,
        np.zeros(len(events), np.int64),
        cont_features=transform.outputs,
        cat_features=transform.cat_features,
        categories=transform.categories,
    )
    return {"events": len(events), "unknown": _unknown(events, transform)}


def write_sample(path: Path, events: EventTable, transform: Transform, config: PreprocessConfig) -> None:
    """Write transformed events to ``<path>.hdf5``, and by option to ``<path>.h5`` for pandas.

    Args:
        path: without suffix.
        events: transformed, with ``target``, ``run`` and ``evt``.
        transform: names its outputs and categories.
        config: number of folds, seed, whether pandas shall read it.
    """
    key = event_key(events["run"], events["evt"], config.seed ^ FOLD_SALT)
    fold = fold_rows(events["target"], key, config.n_folds)
    write_foldfile(
        path.with_suffix(".hdf5"),
        events,
        fold,
        cont_features=transform.outputs,
        cat_features=transform.cat_features,
        categories=transform.categories,
    )
    if config.pandas:
        write_pandas(path.with_suffix(".h5"), events, transform.outputs, transform.cat_features)


def read_account(folder: Path) -> dict[str, Any]:
    """What :func:`preprocess_training` returned."""
    content: dict[str, Any] = json.loads((folder / ACCOUNT).read_text(encoding="utf-8"))
    return content


def _cp(events: EventTable, config: PreprocessConfig) -> dict[str, np.ndarray]:
    return {"w_cp": cp_weights(events[config.weight], events["target"])} if config.compute_w_cp else {}


def _by_class(events: EventTable, config: HttConfig) -> dict[str, int]:
    counts = np.bincount(events["target"], minlength=len(config.classes))
    return {config.classes[number].name: int(count) for number, count in enumerate(counts)}


def _unknown(events: EventTable, transform: Transform) -> dict[str, int]:
    """Events by categorical feature whose value the training sample does not have."""
    counts = {name: int((events[name] == UNKNOWN).sum()) for name in transform.cat_features}
    return {name: count for name, count in counts.items() if count}


def _write_account(folder: Path, account: dict[str, Account], config: HttConfig) -> None:
    import yaml

    (folder / ACCOUNT).write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")
    used = {name: plain(getattr(config, name)) for name in ("source", "tree", "samples", "classes", "preprocess")}
    text = yaml.safe_dump(used, sort_keys=False, allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
