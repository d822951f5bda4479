"""Which products exist, with one look at each folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def present(paths: Mapping[int, Path]) -> dict[int, tuple[int, int]]:
    """The products that exist.

    Args:
        paths: where the product of each branch would be.

    Returns:
        Bytes and time of change (ns since 1970) by branch, in the order of ``paths``.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "b.txt").write_text("xy")
        >>> [(branch, size) for branch, (size, _) in present({0: folder / "a.txt", 1: folder / "b.txt"}).items()]
        [(1, 2)]
    """
    names: dict[Path, set[str]] = {}
    for path in paths.values():
        names.setdefault(path.parent, set()).add(path.name)
    found = {folder: _listing(folder, wanted) for folder, wanted in names.items()}
    return {branch: found[p.parent][p.name] for branch, p in paths.items() if p.name in found[p.parent]}


def _listing(folder: Path, names: set[str]) -> dict[str, tuple[int, int]]:
    """Bytes and time of change (ns) of those names that are in a folder."""
    found = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in names:  # others, e.g. temporary files, may vanish at any time
                with suppress(FileNotFoundError):  # one that vanishes must not hide those after it
                    known = entry.stat()
                    found[entry.name] = (known.st_size, known.st_mtime_ns)
    return found
