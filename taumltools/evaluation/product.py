"""What applying models leaves: prediction files, and if wanted friend trees and input tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from taumltools.errors import InputError
from taumltools.evaluation.apply import Reading, apply_models
from taumltools.evaluation.friend import NUMBERS, How, check_files, write_friends
from taumltools.evaluation.legacy import read_any, write_legacy
from taumltools.evaluation.models import StoredModel
from taumltools.evaluation.table import Predictions
from taumltools.evaluation.tensors import choose_entries, export_inputs

FRIENDS, INPUTS = "friends", "inputs"
"""Folders of friend trees and of input tensors."""


@dataclass(frozen=True)
class Wanted:
    """What is made beside scores, and how.

    Attributes:
        layout: ``plain``, that of this project, or ``legacy``, that of the CMS tools.
        friend: friend trees in copies of the files, or in files of their own; None: no friend trees.
        save_inputs: candidates whose input tensors are written.
        allow_training_events: score also what a model was trained on.
    """

    layout: Literal["plain", "legacy"] = "plain"
    friend: How | None = None
    save_inputs: tuple[str, ...] = ()
    allow_training_events: bool = False


@dataclass(frozen=True)
class Sample:
    """What is scored.

    Attributes:
        dataset: name that prediction files keep.
        files: tuples or flat tuples, in order.
        reading: how they are read.
    """

    dataset: str
    files: Sequence[Path | str]
    reading: Reading


def apply_to_file(path: Path, model: StoredModel, name: str, sample: Sample, wanted: Wanted) -> dict[str, Any]:
    """Score a sample with one model into one prediction file.

    Args:
        path: HDF5 file to write.
        model: the model.
        name: of the model, for messages.
        sample: the entries.
        wanted: layout, and whether training events are allowed.

    Returns:
        The account of :func:`taumltools.evaluation.apply.apply_models`.

    Raises:
        InputError: as for that function.
    """
    account = _apply({name: model}, {name: path}, sample, wanted)
    if wanted.layout == "legacy":
        _to_legacy(path)
    return account


def apply_to_folder(folder: Path, models: Mapping[str, StoredModel], sample: Sample, wanted: Wanted) -> dict[str, Any]:
    """Score a sample with several models in one pass: ``<model>.h5`` each, ``friends``, ``inputs/<model>``.

    Args:
        folder: where to write; made if it does not exist.
        models: by name.
        sample: the entries.
        wanted: what else is made.

    Returns:
        The account of :func:`taumltools.evaluation.apply.apply_models`, with the names of friend files.

    Raises:
        ConfigError: a file cannot get a friend tree, or a chosen candidate makes no sense.
        InputError: as for that function.
    """
    files, reading = sample.files, sample.reading
    if wanted.friend:
        check_files(files, wanted.friend)
    chosen = choose_entries(files, wanted.save_inputs, reading.features) if wanted.save_inputs else {}
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.h5" for name in models}
    account = _apply(models, paths, sample, wanted)
    for name, model in models.items() if chosen else ():
        if model.preparation is None:
            raise InputError(f"{name}: it is not known what the inputs of this model are")
        export_inputs(files, chosen, model.preparation, reading.features, folder / INPUTS / name)
    if wanted.friend:
        (folder / FRIENDS).mkdir()
        numbers = [name for name in NUMBERS if name in reading.columns]
        tables = {name: Predictions.read(path, numbers) for name, path in paths.items()}
        account["friends"] = write_friends(tables, account["files"], folder / FRIENDS, wanted.friend)
    if wanted.layout == "legacy":
        for path in paths.values():
            _to_legacy(path)
    return account


def _apply(
    models: Mapping[str, StoredModel], paths: Mapping[str, Path], sample: Sample, wanted: Wanted
) -> dict[str, Any]:
    return apply_models(
        models,
        sample.files,
        paths,
        sample.reading,
        dataset=sample.dataset,
        allow_training_events=wanted.allow_training_events,
    )


def _to_legacy(path: Path) -> None:
    """Replace a prediction file by one in the layout of the CMS tools."""
    predictions = Predictions.read(path, [])
    path.unlink()
    write_legacy(predictions, path)


def check_product(path: Path) -> None:
    """Refuse a product that cannot be read back.

    Args:
        path: a prediction file, or a folder with one for each model.

    Raises:
        InputError: one cannot be read, or there is none.
    """
    files = sorted(path.glob("*.h5")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: there is no prediction file in it")
    for file in files:
        read_any(file)
