"""Entries that repeat earlier ones of their dataset: searching, keeping and leaving them out."""

from __future__ import annotations

import itertools
import logging
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import InputError
from taumltools.sampling.counted import CountedFile, count_range
from taumltools.sampling.duplicates import repeated_rows
from taumltools.sampling.partition import FileRange, InputFile

log = logging.getLogger(__name__)


def find_in_dataset(files: Sequence[InputFile], memory_mb: float, scratch: Path) -> dict[Path, np.ndarray]:
    """Entries of a dataset that repeat earlier ones.

    Args:
        files: all files of one dataset, in their order.
        memory_mb: memory to use, in MB.
        scratch: folder for temporary files, needed beyond the memory.

    Returns:
        Entry numbers by file, int64, ascending; only files that have some.

    Raises:
        InputError: a file cannot be read or has another number of entries than stated.
    """
    ranges = [FileRange(file, 0, file.entries) for file in files if file.entries]
    found = zip(ranges, repeated_rows(ranges, memory_mb, scratch), strict=True)
    repeated = {where.file.path: rows for where, rows in found if len(rows)}
    if repeated:
        path, rows = next(iter(repeated.items()))
        log.warning(
            "dataset '%s': %d entries in %d files repeat earlier ones, first in %s, entry %d",
            files[0].dataset, sum(map(len, repeated.values())), len(repeated), path, rows[0],
        )  # fmt: skip
    return repeated


def save_repeated(path: Path, repeated: Mapping[Path, np.ndarray]) -> None:
    """Write entry numbers by file, as an ``.npz`` archive."""
    rows = np.concatenate([np.zeros(0, np.int64), *repeated.values()])
    offsets = np.cumsum([0, *map(len, repeated.values())], dtype=np.int64)
    np.savez_compressed(path, paths=np.array([str(p) for p in repeated], np.str_), rows=rows, offsets=offsets)


def load_repeated(path: Path) -> dict[Path, np.ndarray]:
    """Read what :func:`save_repeated` wrote.

    Raises:
        InputError: the file is missing or is no such archive.
    """
    try:
        with path.open("rb") as file, np.load(file) as content:
            paths, rows, offsets = content["paths"].tolist(), content["rows"], content["offsets"].tolist()
        cuts = itertools.pairwise(offsets)
        return {Path(name): rows[low:high] for name, (low, high) in zip(paths, cuts, strict=True)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: no usable list of repeated entries ({type(error).__name__}: {error})") from error


def without_repeated(
    counted: Iterable[CountedFile], repeated: Mapping[Path, np.ndarray], config: SamplingConfig
) -> Iterator[CountedFile]:
    """Files with the spectra of the entries that are to be used.

    Args:
        counted: files with the spectra of all of their entries.
        repeated: entries that repeat earlier ones, by file.
        config: the settings; with ``duplicates: keep`` nothing is left out.

    Yields:
        The same files; of those with repeated entries the truth branches are read again.

    Raises:
        InputError: a file cannot be read.
    """
    for item in counted:
        rows = repeated.get(item.file.path)
        if rows is None or not len(rows) or config.duplicates == "keep":
            yield item
        else:
            out = count_range(FileRange(item.file, 0, item.file.entries), config.spectra, rows)
            yield CountedFile(item.file, item.spectra.without(out))
