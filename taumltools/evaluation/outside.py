"""Artefacts from outside the store of products: what tells one from another."""

from __future__ import annotations

import hashlib
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
        return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error}): --compare needs versions, or files performance.json"
        ) from error
