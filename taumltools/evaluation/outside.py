"""Predictions and artefacts from outside the store of products: what tells one from another."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from taumltools.errors import InputError


def digest(path: Path) -> str:
    """A digest of a performance file, so that plots of a changed file are made anew.

    Args:
        path: the JSON file, or the folder that has it as ``performance.json``.

    Returns:
        12 hex digits.

    Raises:
        InputError: there is no such file.
    """
    file = path / "performance.json" if path.is_dir() else path
    try:
        return content_of(file)
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error}): --compare needs versions, or files performance.json"
        ) from error


def prediction_files(items: Sequence[str]) -> list[Path]:
    """Prediction files by name or pattern.

    Args:
        items: absolute names, or patterns.

    Returns:
        The files, those of a pattern sorted.

    Raises:
        InputError: there is none of a name, or one is named twice.
    """
    found: list[Path] = []
    for item in items:
        matching = sorted(Path(name) for name in glob(item, recursive=True) if Path(name).is_file())
        if not matching:
            raise InputError(
                f"--predictions: {item}: there is no such file; expected prediction files (.h5) of ApplyTraining"
            )
        if twice := set(found).intersection(matching):
            raise InputError(f"--predictions: {min(twice)} is named twice: its entries would count twice")
        found += matching
    return found


def content_of(path: Path) -> str:
    """A digest of a file, so that what was made of a changed file is made anew.

    Args:
        path: the file.

    Returns:
        12 hex digits.
    """
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _digest(path: Path, _size: int, _changed: int) -> str:
    """Read once for all branches; size and time of change only tell whether it has to be read again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
