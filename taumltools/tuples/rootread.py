"""Reading TauTuples from ROOT TTrees: those of the CMS tools, of every generation, and our own."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.tuples.columns import to_memory
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.reader import TupleReader, check_is_file, place
from taumltools.tuples.schema import TREE, tautuple_schema

BLOCK = 15_000
"""Entries per basket: smaller steps make writing up to five times slower."""


def counter_name(prefix: str) -> str:
    """Name of the branch that counts the objects of a collection (not ``n`` + prefix: ``nsv`` is taken)."""
    return f"n_{prefix}"


def _check_root_header(path: Path) -> None:
    """The first bytes of a ROOT file hold its length, which shows a truncated copy."""
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
        raise InputError(f"{path}: there is no TTree '{TREE}' in it; it holds {found}")
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


class RootReader(TupleReader):
    """Reads TauTuples of the CMS tools (``std::vector`` branches) and of this project alike."""

    block = BLOCK

    def __init__(self, path: Path) -> None:
        import uproot

        self.path = path
        check_is_file(path)
        _check_root_header(path)
        with _readable(path, "reading its list of objects"):
            self._file = uproot.open(path)
        try:
            with _readable(path, "reading the tree's header"):
                self._tree = _find_tree(self._file, path)
                self.entries = int(self._tree.num_entries)
                counters = {counter_name(prefix) for prefix in tautuple_schema().collections}
                self._set_branches([name for name in self._tree.keys(recursive=False) if name not in counters])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _load(self, branches: Sequence[str], start: int, stop: int) -> Tuples:
        if not branches:
            return Tuples({})
        with _readable(self.path, f"reading entries {start} to {stop}"):
            arrays = self._tree.arrays(branches, entry_start=start, entry_stop=stop, library="ak", how=dict)
            scalars: dict[str, np.ndarray] = {}
            jagged: dict[str, tuple[np.ndarray, dict[str, np.ndarray]]] = {}
            for name in branches:
                offsets, values = _flat(arrays[name])
                self._check_kind(name, values.dtype, offsets is not None)
                if offsets is None:
                    scalars[name] = values
                    continue
                prefix, field = place(name)
                first, columns = jagged.setdefault(prefix, (offsets, {}))
                if not np.array_equal(first, offsets):
                    raise InputError(
                        f"{self.path}: '{name}' and '{prefix}_{next(iter(columns))}' of one collection differ in the "
                        f"number of objects, first in entry {start + int(np.argmax(first != offsets)) - 1}"
                    )
                columns[field] = values
        return Tuples(scalars, {prefix: Collection(*parts) for prefix, parts in jagged.items()})

    def _check_kind(self, name: str, dtype: np.dtype, jagged: bool) -> None:
        branch = tautuple_schema().branches.get(name)
        if branch is None or (branch.dtype == dtype and bool(branch.collection) == jagged):
            return
        raise InputError(
            f"{self.path}: branch '{name}' holds {'vectors of' if jagged else 'single'} {dtype}, expected "
            f"{'vectors of' if branch.collection else 'single'} {branch.dtype}; the file follows another schema"
        )


def _flat(array: Any) -> tuple[np.ndarray | None, np.ndarray]:
    """Offsets (None for one value per entry) and values, in memory form, of an awkward array."""
    import awkward as ak

    layout = ak.to_layout(array)
    if layout.is_numpy:
        return None, to_memory(np.asarray(layout.data))
    packed = layout.to_ListOffsetArray64(start_at_zero=True)
    offsets = np.asarray(packed.offsets)
    return offsets, to_memory(np.asarray(packed.content.data)[: offsets[-1]])
