"""Which entries of which files one part of the mixed sample covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taumltools.errors import ConfigError, InputError


@dataclass(frozen=True)
class InputFile:
    """A tuple file to take candidates from.

    Attributes:
        path: the file.
        entries: number of entries in it (from its spectra).
        dataset: name of the dataset it belongs to.
        sample_type: ``"MC"``, ``"Embedded"`` or ``"Data"``; None: as the branch ``sampleType`` says.
    """

    path: Path
    entries: int
    dataset: str
    sample_type: str | None = None


@dataclass(frozen=True)
class FileRange:
    """Entries start to stop (exclusive, start < stop) of one file."""

    file: InputFile
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def job_range(total: int, job: int, n_jobs: int) -> tuple[int, int]:
    """Entries ``[job * total // n_jobs, (job + 1) * total // n_jobs)``: nothing lost, nothing twice.

    Args:
        total: number of entries of all files together.
        job: 0 <= job < n_jobs.
        n_jobs: number of parts.

    Returns:
        First entry and one past the last; the sizes of the parts differ by one at most.

    Raises:
        ConfigError: ``job`` is not one of the parts.

    Examples:
        >>> [job_range(22, job, 4) for job in range(4)]
        [(0, 5), (5, 11), (11, 16), (16, 22)]
    """
    if not 0 <= job < n_jobs:
        raise ConfigError(f"part {job} of {n_jobs} was asked for; parts are counted from 0 to n_jobs - 1")
    return job * total // n_jobs, (job + 1) * total // n_jobs


def partition(files: Sequence[InputFile], job: int, n_jobs: int) -> list[FileRange]:
    """The ranges of one part over the files laid end to end.

    Args:
        files: files of one group, in a fixed order.
        job: 0 <= job < n_jobs.
        n_jobs: number of parts.

    Returns:
        Non-empty ranges, in the order of the files.

    Raises:
        ConfigError: ``job`` is not one of the parts.
        InputError: a file is listed twice, or has a negative number of entries.
    """
    if len({file.path for file in files}) < len(files):
        paths = [str(file.path) for file in files]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        raise InputError(f"input files are listed more than once: {', '.join(twice[:5])}; list each file once")
    if negative := [file for file in files if file.entries < 0]:
        raise InputError(f"{negative[0].path}: {negative[0].entries} entries; count its spectra again")
    return cut(files, *job_range(sum(file.entries for file in files), job, n_jobs))


def cut(files: Sequence[InputFile], first: int, last: int) -> list[FileRange]:
    """Some consecutive entries of files laid end to end.

    Args:
        files: the files.
        first: number of the first entry.
        last: number of the one past the last.

    Returns:
        Non-empty ranges, in the order of the files.
    """
    ranges, offset = [], 0
    for file in files:
        start, stop = max(first - offset, 0), min(last - offset, file.entries)
        if start < stop:
            ranges.append(FileRange(file, start, stop))
        offset += file.entries
    return ranges


def dataset_ranges(files: Sequence[InputFile], job: int, n_jobs: int) -> list[FileRange]:
    """The ranges of one part; each dataset is split over the parts by itself.

    So every part holds its share of every dataset, and with that of every type.

    Args:
        files: files of one group, in a fixed order.
        job: 0 <= job < n_jobs.
        n_jobs: number of parts.

    Returns:
        Non-empty ranges, by dataset in the order of their first file.

    Raises:
        ConfigError: ``job`` is not one of the parts.
        InputError: see :func:`partition`.
    """
    datasets = dict.fromkeys(file.dataset for file in files)
    return [
        where
        for dataset in datasets
        for where in partition([file for file in files if file.dataset == dataset], job, n_jobs)
    ]
