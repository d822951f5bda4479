"""Reading NanoAOD: events as flat columns, whatever the version of the format.

NanoAOD is one TTree ``Events`` with one number per event, or one per object and a counter
(``nTau``, ``Tau_pt``).  Branches come and go between versions, so a reader says what it needs and
what it would like to have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.progress import progress
from taumltools.store.remote import local_copy
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.kinds import NANO_TREE as TREE
from taumltools.tuples.kinds import advice, is_arrow, told
from taumltools.tuples.rootread import check_root_header

log = logging.getLogger(__name__)

STEP = 5_000
"""Events that are read at a time: some 100 columns are 30 MB."""

Wanted = Mapping[str, Sequence[str]]
"""Fields by collection; single numbers of the event under the empty name, by their full name."""

Check = Callable[[Path, Mapping[str, str]], None]
"""What else a file must fulfil: is given its path and the titles of the branches that were found, and raises InputError."""


def full_name(collection: str, field: str) -> str:
    """Name of a branch.

    Examples:
        >>> full_name("Tau", "pt"), full_name("", "PV_x")
        ('Tau_pt', 'PV_x')
    """
    return f"{collection}_{field}" if collection else field


def names(wanted: Wanted) -> list[str]:
    """All branches of a table of fields."""
    return [full_name(collection, field) for collection, fields in wanted.items() for field in fields]


class NanoFile:
    """An open NanoAOD file, as a context manager.

    Attributes:
        path: the file.
        entries: number of events.
        titles: titles of the branches that were found, by name; they say how numbers are coded.
        candidates_unused: whether it has particle-flow candidates that are not among the needed branches.
    """

    def __init__(self, path: Path, needed: Wanted, optional: Wanted, check: Check | None = None) -> None:
        """Open, and find the branches.

        Args:
            path: the file.
            needed: branches without which nothing can be done.
            optional: branches that are read if the file has them.
            check: what else is asked of the branches that were found.

        Raises:
            InputError: no such file, no NanoAOD, or needed branches are missing: the message names them.
        """
        import uproot

        self.path = path
        if path.is_file() and not is_arrow(path):
            check_root_header(path)
        try:
            self._file = uproot.open(path)
        except Exception as error:
            more = told("a file of TauTuples", "tautuple") if is_arrow(path) else ""
            raise InputError(
                f"{path}: cannot be read as a ROOT file ({type(error).__name__}: {error}){more}"
            ) from error
        try:
            if TREE not in self._file:
                holds = ", ".join(self._file.keys()) + advice(self._file, "")
                raise InputError(f"{path}: there is no tree '{TREE}' in it; it holds {holds}")
            self._tree = self._file[TREE]
            self.entries = int(self._tree.num_entries)
            present = set(self._tree.keys())
            if missing := [name for name in names(needed) if name not in present]:
                better = advice(self._file, "pfnano" if "PFCands" in needed else "nanoaod")
                raise InputError(
                    f"{path}: lacks the branches {', '.join(missing)}, without which no tau candidates can be made"
                    + (better or "; is it NanoAOD with taus and, for simulation, generated particles?")
                )
            self.candidates_unused = "PFCands" not in needed and "PFCands_pt" in present
            self._fields: dict[str, list[str]] = {}
            for wanted in (needed, optional):
                for collection, fields in wanted.items():
                    found = [field for field in fields if full_name(collection, field) in present]
                    have = self._fields.setdefault(collection, [])
                    have.extend(field for field in found if field not in have)
            self.titles = {name: str(self._tree[name].title) for name in names(self._fields)}
            if check:
                check(path, self.titles)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> NanoFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def iterate(self, stop: int | None = None, step: int = STEP) -> Iterator[Tuples]:
        """The events in chunks.

        Args:
            stop: number of events to read; None means all.
            step: events in a chunk.

        Yields:
            Tables with one row per event; collections have the names of NanoAOD.

        Raises:
            InputError: the file is damaged.
        """
        end = self.entries if stop is None else min(stop, self.entries)
        for start in range(0, end, step):
            yield self._read(start, min(start + step, end))

    def _read(self, start: int, stop: int) -> Tuples:
        try:
            arrays = self._tree.arrays(names(self._fields), entry_start=start, entry_stop=stop, library="ak", how=dict)
        except Exception as error:
            where = f"events {start} to {stop}"
            raise InputError(
                f"{self.path}: damaged, reading {where} failed ({type(error).__name__}: {error})"
            ) from error
        scalars = {name: _numbers(arrays[name]) for name in self._fields.get("", ())}
        collections = {}
        for prefix, fields in self._fields.items():
            if not prefix or not fields:
                continue
            offsets = _offsets(arrays[full_name(prefix, fields[0])])
            columns = {field: _content(arrays[full_name(prefix, field)]) for field in fields}
            if odd := [field for field, column in columns.items() if len(column) != offsets[-1]]:
                raise InputError(
                    f"{self.path}: {prefix}_{odd[0]} and {prefix}_{fields[0]} differ in their number of objects"
                )
            collections[prefix] = Collection(offsets, columns)
        return Tuples(scalars, collections)


def read_events(
    files: Sequence[str | Path],
    needed: Wanted,
    optional: Wanted,
    *,
    events: int | None,
    step: int,
    label: str,
    check: Check | None = None,
) -> Iterator[tuple[Tuples, dict[str, str]]]:
    """The events of several files, in chunks.

    Args:
        files: paths or URLs; a remote file is copied while it is read.
        needed: see :class:`NanoFile`.
        optional: see there.
        events: largest number of events that are read; None for all.
        step: events in a chunk.
        label: what a progress bar says.
        check: see :class:`NanoFile`.

    Yields:
        Tables, and the titles of their branches.

    Raises:
        InputError: a file cannot be read or lacks branches.
        StoreError: a server does not answer.
    """
    left = events
    for number, path in enumerate(progress(list(files), label=label, unit="file")):
        if left == 0:
            return
        with local_copy(path) as copy, NanoFile(copy, needed, optional, check) as file:
            if file.candidates_unused and number == 0:
                log.warning("%s is PFNano: its particle-flow candidates are used by source: pfnano only", path)
            for table in file.iterate(left, step):
                yield table, file.titles
            left = None if left is None else left - min(left, file.entries)


def _list(array: Any) -> Any:
    import awkward as ak

    return ak.to_layout(array).to_ListOffsetArray64(start_at_zero=True)


def _numbers(array: Any) -> np.ndarray:
    import awkward as ak

    return np.asarray(ak.to_numpy(array))


def _offsets(array: Any) -> np.ndarray:
    return np.asarray(_list(array).offsets, np.int64)


def _content(array: Any) -> np.ndarray:
    layout = _list(array)
    return np.asarray(layout.content.data)[: int(layout.offsets[-1])]
