"""Experiments of a store of files under another path, id or name: changed in place, without mlflow.

mlflow writes absolute paths into a store of files.  Before stores of several people are copied together
(``rsync``), each experiment is told where it will be, and gets an id that is free there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taumltools.errors import ConfigError, InputError, StoreError

META = "meta.yaml"
RESERVED = {"tags", "datasets", "traces", "models"}
"""Folders of an experiment that are no runs."""

EXPERIMENT_ID = re.compile(r"^[a-zA-Z0-9][\w\-]{0,63}$")
"""What mlflow takes for the id of an experiment."""


@dataclass(frozen=True)
class Relocation:
    """What was changed.

    Attributes:
        folder: the folder of the experiment now.
        runs: number of its runs.
        experiment_id: its id now.
        name: its name now.
        location: where its artefacts are said to be.
    """

    folder: Path
    runs: int
    experiment_id: str
    name: str
    location: str


def relocate(
    root: Path, experiment_id: str, *, new_root: Path | None = None, new_id: str = "", new_name: str = ""
) -> Relocation:
    """Tell an experiment and its runs where they are, and give it another id or name.

    Each file is replaced at once, and the folder is renamed last: after an interruption the same call completes it.

    Args:
        root: the store of files, usually called ``mlruns``.
        experiment_id: which experiment.
        new_root: where the store will be; None: where it is, which mends a store that was moved.
        new_id: another id; empty: the same.
        new_name: another name; empty: the same.

    Returns:
        What it is now.

    Raises:
        InputError: there is no such experiment, or a folder in it is no run.
        ConfigError: the id is none that mlflow takes.
        StoreError: the id or the name is taken.
    """
    root = root.expanduser().absolute()
    folder = _find(root, experiment_id)
    new_root = (new_root or root).expanduser().absolute()
    new_id = new_id or experiment_id
    _refuse_taken(root, new_root, folder, new_id, new_name)
    location = f"{new_root.as_uri()}/{new_id}"
    runs = _run_folders(folder)
    for run in runs:
        _change(run / META, artifact_uri=f"{location}/{run.name}/artifacts", experiment_id=new_id)
    for model in sorted(folder.glob(f"models/*/{META}")):
        _change(model, artifact_location=f"{location}/models/{model.parent.name}/artifacts", experiment_id=new_id)
    changes = {"name": new_name} if new_name else {}
    meta = _change(folder / META, artifact_location=location, experiment_id=new_id, **changes)
    if new_id != experiment_id:
        folder = folder.rename(root / new_id)
    return Relocation(folder, len(runs), new_id, str(meta["name"]), str(meta["artifact_location"]))


def experiments(root: Path) -> Iterator[tuple[str, str]]:
    """Id and name of every experiment of a store of files.

    Args:
        root: of the store.

    Yields:
        (id, name), sorted by id as text.
    """
    for path in sorted(root.glob(f"*/{META}")):
        yield path.parent.name, str(_read(path).get("name", ""))


def _find(root: Path, experiment_id: str) -> Path:
    if not root.is_dir():
        raise InputError(f"there is no folder {root}: expected a store of files of mlflow, usually called mlruns")
    folder = root / experiment_id
    if not experiment_id or not (folder / META).is_file():
        known = ", ".join(f"{identity} ({name})" for identity, name in experiments(root)) or "none"
        raise InputError(f"{root} has no experiment '{experiment_id}'; it has {known}")
    return folder


def _refuse_taken(root: Path, new_root: Path, folder: Path, new_id: str, new_name: str) -> None:
    if not EXPERIMENT_ID.match(new_id):
        raise ConfigError(f"'{new_id}' is no id of an experiment: expected letters, digits, - and _, at most 64")
    for place in {root, new_root}:
        if new_id != folder.name and ((place / new_id).exists() or (place / ".trash" / new_id).exists()):
            raise StoreError(f"{place} has an experiment '{new_id}' already: choose another --new-exp-id")
        for identity, name in experiments(place):
            if new_name and name == new_name and identity not in {folder.name, new_id}:
                raise StoreError(
                    f"{place} has an experiment of the name '{new_name}' already ({identity}): choose another"
                )


def _run_folders(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in RESERVED)
    if odd := [path.name for path in found if not (path / META).is_file()]:
        raise InputError(f"{folder} has folders without {META}, which are no runs: {', '.join(odd)}; move them away")
    return found


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is empty or no mapping: expected what mlflow writes")
    return content


def _change(path: Path, **changes: str) -> dict[str, Any]:
    """Change entries of a YAML file at once; places on servers (s3://, ...) stay, since they do not move with it."""
    import yaml

    content = _read(path)
    for name in ("artifact_uri", "artifact_location"):
        old = str(content.get(name, ""))
        if name in changes and "://" in old and not old.startswith("file:"):
            del changes[name]
    if content | changes != content:
        content |= changes
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(yaml.safe_dump(content), encoding="utf-8")
        os.replace(temporary, path)
    return content
