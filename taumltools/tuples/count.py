"""How many entries a file has, without reading the descriptions of its hundreds of branches."""

from __future__ import annotations

from pathlib import Path

from taumltools.tuples.io import open_tuples
from taumltools.tuples.schema import TREE
from taumltools.tuples.treeread import read_entries


def count_entries(path: Path) -> int:
    """Number of entries of a tuple file.

    Args:
        path: a ``.root`` or ``.arrow`` file.

    Returns:
        Its entries.

    Raises:
        InputError: as :func:`taumltools.tuples.io.open_tuples`.
    """
    if path.suffix == ".root" and path.is_file():
        entries = read_entries(path, TREE)
        if entries is not None:
            return entries
    with open_tuples(path) as file:
        return file.entries
