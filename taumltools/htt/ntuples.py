"""Reading event ntuples: flat trees with one row per event, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError


@dataclass(frozen=True)
class Chunk:
    """Some consecutive events of a sample.

    Attributes:
        columns: branches by name, shape (n,) each.
        first: position of the first one in the sample: in all of its files, one after the other.
        path: file they are from.
    """

    columns: dict[str, np.ndarray]
    first: int
    path: str

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0


def iterate_events(files: Sequence[str | Path], tree: str, names: Sequence[str], step: int) -> Iterator[Chunk]:
    """Read branches of all events of a sample, in order.

    Args:
        files: ROOT files or addresses, in order.
        tree: name of the tree.
        names: branches.
        step: most events of a chunk.

    Yields:
        Chunks; an empty file gives none.

    Raises:
        InputError: a file, the tree or a branch is missing, or a branch is no plain number per event.
    """
    first = 0
    for path in files:
        with _open(str(path), tree, names) as found:
            for start in range(0, found.num_entries, step):
                stop = min(start + step, found.num_entries)
                columns = found.arrays(names, entry_start=start, entry_stop=stop, library="np")
                for name, values in columns.items():
                    if values.dtype.kind not in "biuf":
                        raise InputError(f"{path}, tree '{tree}': branch '{name}' is not one number per event")
                yield Chunk({name: columns[name] for name in names}, first + start, str(path))
            first += found.num_entries


def count_events(files: Sequence[str | Path], tree: str) -> int:
    """Number of events of a sample.

    Args:
        files: its ntuples.
        tree: name of the tree.

    Raises:
        InputError: a file or the tree is missing.
    """
    total = 0
    for path in files:
        with _open(str(path), tree, ()) as found:
            total += int(found.num_entries)
    return total


@contextmanager
def _open(path: str, tree: str, names: Sequence[str]) -> Iterator[Any]:
    """The tree of a file; errors name the file."""
    import uproot

    try:
        file = uproot.open(path)
    except FileNotFoundError as error:
        hint = "name each file, patterns are not expanded" if set("*?[") & set(path) else "check htt.samples"
        raise InputError(f"{path}: no such file of events; {hint}") from error
    except Exception as error:  # uproot raises whatever broken bytes lead to
        raise InputError(f"{path} cannot be read as a ROOT file: {error}; make or copy it again") from error
    with file:
        trees = file.keys(cycle=False, filter_classname="T*Tree")
        if tree not in trees:
            raise InputError(f"{path} has no tree '{tree}'; it has {trees}; set htt.tree")
        found = file[tree]
        if missing := sorted(set(names) - set(found.keys())):
            raise InputError(
                f"{path}, tree '{tree}': no branch {', '.join(missing)}; name others in htt.preprocess, "
                "or change the cut that needs them"
            )
        yield found
