"""Where candidates come from: tuples of any kind, or flat tuples; read chunk by chunk, with their features."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError, nearest_names
from taumltools.evaluation.columns import branches_of, column_of
from taumltools.features.agreement import read_definition
from taumltools.features.flat import FlatFile, FlatTuples, make_flat, required_branches
from taumltools.store.remote import is_remote
from taumltools.training.trained_on import KEY
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_one, open_tuples
from taumltools.tuples.listing import list_inputs
from taumltools.tuples.truth import NO_TYPE, truth_branches, truth_type

log = logging.getLogger(__name__)

FLAT_SUFFIXES = (".h5", ".hdf5")
"""Suffixes of flat tuples."""

CHAIN_SUFFIX = ".json"

PLACE = (*KEY, "tau_index")
"""What says which candidate an entry is."""


@dataclass(frozen=True)
class Candidates:
    """Some entries of a source.

    Attributes:
        flat: features of those that can be scored.
        rows: their positions among all entries of the chunk.
        types: truth type of every entry, -1 for none, shape (n,).
        columns: copied columns, shape (n,) each.
        numbers: run, lumi and evt of every entry.
    """

    flat: FlatTuples
    rows: np.ndarray
    types: np.ndarray
    columns: dict[str, np.ndarray]
    numbers: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.types)


class Source(Protocol):
    """An open file of candidates, as a context manager."""

    entries: int

    @property
    def definition(self) -> FeaturesConfig | None:
        """What features are made with; None if that is not known."""
        ...

    def read(self, start: int, stop: int) -> Candidates:
        """Entries start to stop (exclusive) with their features."""
        ...

    def place(self, start: int, stop: int) -> Mapping[str, np.ndarray]:
        """Columns :data:`PLACE` of entries start to stop (exclusive)."""
        ...

    def take(self, entry: int) -> FlatTuples:
        """Features of one entry; none if it has no reconstructed tau."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class TupleSource:
    """Tuples of any generation and format.

    Args:
        path: file, chain of files, or address.
        features: what networks see.
        columns: branches to copy; ``leading_pfCand_<name>`` is that of the leading charged hadron.
        sample_type: ``"MC"``, ``"Embedded"`` or ``"Data"``; None: what the branch ``sampleType`` says, or else MC.
    """

    def __init__(
        self, path: Path | str, features: FeaturesConfig, columns: Sequence[str], sample_type: str | None
    ) -> None:
        self._reader = open_one(path) if is_remote(path) else open_tuples(path)
        self._columns = columns
        self.definition = features
        self.entries = self._reader.entries
        known = {*self._reader.branches, *self._reader.other_branches}
        self._kind = sample_type or (None if "sampleType" in known else "MC")
        truth = [] if self._kind == "Data" else truth_branches(known, self._kind)
        uses = {
            "the network's features": required_branches(features, truth=False, keep="reconstructed"),
            "the truth type": truth,
            "columns to copy, which evaluation.columns lists": branches_of(columns),
        }
        _refuse_missing(path, uses, known)
        self._branches = list(dict.fromkeys(name for names in uses.values() for name in names))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._reader.close()

    def read(self, start: int, stop: int) -> Candidates:
        """Entries start to stop (exclusive) with their features."""
        chunk = self._reader.read(self._branches, start, stop)
        flat = self._flat(chunk)
        types = np.full(len(chunk), NO_TYPE) if self._kind == "Data" else truth_type(chunk, self._kind)
        columns = {name: column_of(chunk, name) for name in self._columns}
        return Candidates(flat, flat.index["entry"], types, columns, {name: chunk[name] for name in KEY[:3]})

    def place(self, start: int, stop: int) -> Mapping[str, np.ndarray]:
        """Columns :data:`PLACE` of entries start to stop (exclusive)."""
        chunk = self._reader.read(PLACE, start, stop)
        return {name: chunk[name] for name in PLACE}

    def take(self, entry: int) -> FlatTuples:
        """Features of one entry; none if it has no reconstructed tau."""
        return self._flat(self._reader.take(self._branches, np.array([entry])))

    def _flat(self, chunk: Tuples) -> FlatTuples:
        return make_flat(chunk, self.definition, keep="reconstructed", sample_type=self._kind)


def _refuse_missing(path: Path | str, uses: Mapping[str, Sequence[str]], known: Collection[str]) -> None:
    """Name all branches that a file lacks, and what each is needed for."""
    lacking = {use: [name for name in names if name not in known] for use, names in uses.items()}
    told = [f"{', '.join(dict.fromkeys(names))} (for {use})" for use, names in lacking.items() if names]
    if told:
        hints = "".join(dict.fromkeys(nearest_names(name, known) for names in lacking.values() for name in names))
        raise InputError(f"{path} lacks branches to score it: {'; '.join(told)}{hints}")


class FlatSource:
    """Flat tuples: all of their entries can be scored.

    Args:
        path: HDF5 file.
        columns: columns of the index or features of the tau candidate to copy; those it lacks are left out, which
            a warning tells.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._file = FlatFile(path)
        self.entries = self._file.entries
        self.definition = read_definition(self._file.features, str(path))
        layout = self._file.layout()
        self._places = {name: f"index/{name}" for name in columns if name in layout["index"]}
        self._places |= {n: f"taus/{n}" for n in columns if n in layout["taus"] and n not in self._places}
        if left := [name for name in columns if name not in self._places]:
            log.warning("%s: flat tuples have no %s: these columns are left out", path, ", ".join(left))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def read(self, start: int, stop: int) -> Candidates:
        """Entries start to stop (exclusive) with their features."""
        flat = self._file.read(start, stop)
        columns = {name: self._file.column(place, start, stop) for name, place in self._places.items()}
        numbers = {name: flat.index[name] for name in KEY[:3]}
        return Candidates(flat, np.arange(len(flat)), flat.index["tau_type"], columns, numbers)

    def place(self, start: int, stop: int) -> Mapping[str, np.ndarray]:
        """Columns :data:`PLACE` of entries start to stop (exclusive)."""
        return {name: self._file.column(f"index/{name}", start, stop) for name in PLACE}

    def take(self, entry: int) -> FlatTuples:
        """Features of one entry."""
        return self._file.read(entry, entry + 1)


def is_flat(path: Path | str) -> bool:
    """Whether a file is one of flat tuples, by its suffix."""
    return Path(str(path)).suffix in FLAT_SUFFIXES


def open_source(
    path: Path | str, features: FeaturesConfig, columns: Sequence[str] = (), sample_type: str | None = None
) -> Source:
    """Open a file of candidates.

    Args:
        path: tuples, a chain of them, an address, or flat tuples (``.h5``).
        features: what networks see; flat tuples have to have been made with them.
        columns: columns to copy.
        sample_type: kind of the sample, see :class:`TupleSource`.

    Returns:
        The open file.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    return FlatSource(Path(path), columns) if is_flat(path) else TupleSource(path, features, columns, sample_type)


def steps(entries: int, step: int) -> Iterator[tuple[int, int]]:
    """First entry and one past the last of each chunk; without entries one empty chunk, which still has columns.

    Examples:
        >>> list(steps(5, 2)), list(steps(0, 2))
        ([(0, 2), (2, 4), (4, 5)], [(0, 0)])
    """
    if step < 1:
        raise InputError(f"chunks of {step} entries were asked for; use 1 or more")
    for start in range(0, max(entries, 1), step):
        yield start, min(start + step, entries)


def list_sources(item: str) -> list[str]:
    """Files that an item of ``--input`` names.

    Args:
        item: a file, a folder, a pattern, a list of files, or an address; flat tuples as file or pattern ``*.h5``.

    Returns:
        Paths and addresses; of a folder or pattern sorted by name.

    Raises:
        InputError: there is none.
    """
    if is_flat(item) or item.endswith(CHAIN_SUFFIX):
        files = sorted(glob(str(Path(item).expanduser()), recursive=True))
        if not files:
            raise InputError(f"{item}: there is no such file")
        return files
    return [file.path for file in list_inputs(item if is_remote(item) else str(Path(item).expanduser()))]
