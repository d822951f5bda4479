"""Reading TauTuples from ROOT TTrees: those of the CMS tools, of every generation, and our own."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.basketread import BasketReader
from taumltools.tuples.columns import to_memory
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.generations import CONVERTED, expected_type
from taumltools.tuples.kinds import advice
from taumltools.tuples.reader import TupleReader, check_is_file, place
from taumltools.tuples.schema import TREE, tautuple_schema
from taumltools.tuples.treeread import read_tree

BLOCK = 15_000
"""Entries per basket: smaller steps make writing up to five times slower."""


def counter_name(prefix: str) -> str:
    """Name of the branch that counts the objects of a collection (not ``n`` + prefix: ``nsv`` is taken)."""
    return f"n_{prefix}"


def check_root_header(path: Path) -> None:
    """Refuse what is no ROOT file, or not all of one: its first bytes hold its length.

    Args:
        path: a local file.

    Raises:
        InputError: it is something else, or truncated.
    """
    with path.open("rb") as file:
        head = file.read(20)
    if head[:4] != b"root":
        raise InputError(f"{path}: not a ROOT file (it begins with {head[:4]!r}, expected b'root')")
    if len(head) == 20:
        version, end32 = struct.unpack(">i4xi", head[4:16])
        end = struct.unpack(">q", head[12:20])[0] if version >= 1_000_000 else end32
        if (size := path.stat().st_size) >= end:
            return
        raise InputError(f"{path}: truncated, it has {size} bytes and its header says {end}; copy it again")
    raise InputError(f"{path}: truncated, only {len(head)} bytes long; copy it again")


def _find_tree(file: Any, path: Path) -> Any:
    classes = {name.partition(";")[0]: kind for name, kind in file.classnames(recursive=False).items()}
    found = ", ".join(f"{name} ({kind})" for name, kind in classes.items()) or "nothing"
    if TREE not in classes:
        raise InputError(f"{path}: there is no TTree '{TREE}' in it; it holds {found}{advice(file, 'tautuple')}")
    if classes[TREE] != "TTree":
        raise InputError(f"{path}: '{TREE}' is a {classes[TREE]}, expected a TTree; convert the file to a TTree")
    return file[TREE]


@contextlib.contextmanager
def _readable(path: Path, doing: str) -> Iterator[None]:
    """Turn what decoders raise on damaged bytes (anything but InputError) into an InputError."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(f"{path}: damaged, {doing} failed ({type(error).__name__}: {error}); copy it again") from error


@contextlib.contextmanager
def _same_classes() -> Iterator[None]:
    """Undo what a file adds to uproot's table of classes, which all files of the process share.

    Where uproot has no class for a version number it makes one from the description inside the file, so that one
    damaged number would spoil every file that is opened later.
    """
    import uproot

    classes = dict(uproot.classes)
    tables = [kind.known_versions for kind in classes.values() if hasattr(kind, "known_versions")]
    versions = [dict(table) for table in tables]
    try:
        yield
    finally:
        for table, before in [(uproot.classes, classes), *zip(tables, versions, strict=True)]:
            table.clear()
            table.update(before)


def _without_counters(names: Iterable[str]) -> list[str]:
    counters = {counter_name(prefix) for prefix in tautuple_schema().collections}
    return [name for name in names if name not in counters]


class RootReader(TupleReader):
    """Reads TauTuples of the CMS tools (``std::vector`` branches) and of this project alike."""

    block = BLOCK

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None
        self._closed = False
        check_is_file(path)
        check_root_header(path)
        header = read_tree(path, TREE)
        if header is None:
            self._open_with_uproot()
            return
        self.entries = header.entries
        self._set_branches(_without_counters(header.branches))
        self._baskets = BasketReader(path, None, header.branches)

    def _open_with_uproot(self) -> None:
        import uproot

        with _readable(self.path, "reading its list of objects"):
            self._file = uproot.open(self.path, array_cache=None)
        try:
            with _same_classes(), _readable(self.path, "reading the tree's header"):
                tree = _find_tree(self._file, self.path)
                self.entries = int(tree.num_entries)
                self._set_branches(_without_counters(tree.keys(recursive=False)))
                self._baskets = BasketReader(self.path, tree)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        if self._file is not None:
            self._file.close()

    def _load(self, branches: Sequence[str], start: int, stop: int) -> Tuples:
        return self._take(branches, np.arange(start, stop))

    def _take(self, branches: Sequence[str], rows: np.ndarray) -> Tuples:
        if self._closed:
            raise InputError(f"{self.path}: the file is closed; read inside the 'with' block")
        if not branches:
            return Tuples({})
        where = f"entries {rows[0]} to {rows[-1]}" if len(rows) else "no entries"
        with _readable(self.path, f"reading {where}"):
            return self._assemble(branches, rows)

    def _assemble(self, branches: Sequence[str], rows: np.ndarray) -> Tuples:
        scalars: dict[str, np.ndarray] = {}
        jagged: dict[str, tuple[np.ndarray, dict[str, np.ndarray]]] = {}
        for name, offsets, values in self._baskets.columns(branches, rows):
            values = self._checked(name, to_memory(values), offsets is not None)
            if offsets is None:
                scalars[name] = values
                continue
            prefix, field = place(name)
            first, columns = jagged.setdefault(prefix, (offsets, {}))
            if first is not offsets and not np.array_equal(first, offsets):
                entry = rows[int(np.argmax(np.diff(first) != np.diff(offsets)))]
                raise InputError(
                    f"{self.path}: '{name}' and '{prefix}_{next(iter(columns))}' of one collection differ in the "
                    f"number of objects, first in entry {entry}"
                )
            columns[field] = values
        return Tuples(scalars, {prefix: Collection(*parts) for prefix, parts in jagged.items()})

    def _checked(self, name: str, values: np.ndarray, jagged: bool) -> np.ndarray:
        """Values of a branch in the type of its schema, which a few older files have differently."""
        expected = expected_type(name)
        if expected is None or (expected[0] == values.dtype and expected[1] == jagged):
            return values
        dtype, vectors = expected
        if vectors == jagged and (name, values.dtype.name) in CONVERTED:
            return values.astype(dtype)
        raise InputError(
            f"{self.path}: branch '{name}' holds {'vectors of' if jagged else 'single'} {values.dtype}, expected "
            f"{'vectors of' if vectors else 'single'} {dtype}; the file follows another schema"
        )
