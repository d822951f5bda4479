"""Reading what decides about candidates: their truth type, pt and η, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.config.sampling import SpectraConfig
from taumltools.errors import InputError
from taumltools.sampling.partition import FileRange, InputFile
from taumltools.sampling.spectra import STEP, Spectra, check_finite
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples
from taumltools.tuples.truth import truth_branches, truth_type


@dataclass(frozen=True)
class CountedFile:
    """A file and its candidates by type, pt and |η|.

    Attributes:
        file: the file.
        spectra: of its entries; of those that are to be used, if duplicates are dropped.
        groups: names of the groups that these entries are for; None: of all that the file belongs to.
    """

    file: InputFile
    spectra: Spectra
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TypedChunk:
    """Consecutive entries of a file with their truth types.

    Attributes:
        first: entry number of the first of them.
        tuples: the columns that were read.
        types: values of :class:`taumltools.tuples.truth.TauType`, int8, shape (n,).
        available: branches of the file that the schema knows.
    """

    first: int
    tuples: Tuples
    types: np.ndarray
    available: frozenset[str]


def typed_chunks(where: FileRange, extra: Sequence[str] = (), step: int = STEP) -> Iterator[TypedChunk]:
    """Truth types of a range, in chunks, so that memory does not grow with the range.

    Args:
        where: entries of one file.
        extra: further branches to read.
        step: entries per chunk.

    Yields:
        Chunks in order; one without entries for an empty range.

    Raises:
        InputError: the file cannot be read or has another number of entries than stated, or
            a candidate with a type has no finite pt or η.
    """
    with open_tuples(where.file.path) as file:
        if file.entries != where.file.entries:
            raise InputError(
                f"{where.file.path}: has {file.entries} entries, its spectra say {where.file.entries}; the file has "
                "changed since, count its spectra again"
            )
        available = frozenset(file.branches)
        names = [*truth_branches({*file.branches, *file.other_branches}, where.file.sample_type), "tau_pt", *extra]
        for first in range(where.start, max(where.stop, where.start + 1), step):
            tuples = file.read(list(dict.fromkeys(names)), first, min(first + step, where.stop))
            types = truth_type(tuples, where.file.sample_type)
            check_finite(tuples, types, where.file.path, first)
            yield TypedChunk(first, tuples, types, available)


def count_range(where: FileRange, binning: SpectraConfig, rows: np.ndarray | None = None) -> Spectra:
    """Spectra of a range, or of some of its entries.

    Args:
        where: entries of one file.
        binning: the fine bins.
        rows: entry numbers to count, ascending; None counts all.

    Returns:
        Their spectra.

    Raises:
        InputError: see :func:`typed_chunks`.
    """
    parts = [Spectra.none(binning)]
    for chunk in typed_chunks(where):
        pt, abs_eta, types = chunk.tuples["tau_pt"], np.abs(chunk.tuples["tau_eta"]), chunk.types
        if rows is not None:
            low, high = np.searchsorted(rows, [chunk.first, chunk.first + len(types)])
            mine = rows[low:high] - chunk.first
            pt, abs_eta, types = pt[mine], abs_eta[mine], types[mine]
        parts.append(Spectra.fill(binning, types, pt, abs_eta))
    return Spectra.merge(parts)
