"""The products that a job reads, in one file, for schedulers that keep the input of jobs themselves.

Spooled files lose their folders, and two products of the same name would be one.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path

from taumltools.store import publish

INPUTS = "inputs_{branch}.tar"
"""Name of the file for a branch."""


def pack_inputs(path: Path, root: Path, names: Iterable[str]) -> None:
    """Write products into one file, below their paths in the store.

    Args:
        path: where, absolute; a file that is there is replaced.
        root: the store.
        names: files and folders, relative to it; none gives an empty archive.

    Raises:
        StoreError: the disk is full or cannot be written to.
        FileNotFoundError: a product is gone.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.txt").write_text("x")
        >>> pack_inputs(folder / "inputs_0.tar", folder, ["a.txt"])
        >>> with tarfile.open(folder / "inputs_0.tar") as tar:
        ...     tar.getnames()
        ['a.txt']
    """
    with publish(path, replace=True) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            tar.add(root / name, arcname=name)


def remove_inputs(folder: Path) -> None:
    """Remove what was packed for submissions, once the scheduler has it.

    Args:
        folder: of the submissions of a workflow; it may not exist.
    """
    for path in folder.glob("*/*/" + INPUTS.format(branch="*")):
        path.unlink(missing_ok=True)
