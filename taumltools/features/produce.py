"""Flat tuples of a file of tau candidates: chunk by chunk, with an account of what was left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError
from taumltools.features.definition import define
from taumltools.features.evaluate import make_flat, required_branches
from taumltools.features.hdf5 import FlatFile, write_flat
from taumltools.features.table import FlatTuples
from taumltools.tuples.io import open_tuples
from taumltools.tuples.reader import TupleReader

STEP = 5_000
"""Entries in memory at a time."""

SAMPLE_TYPE = "sampleType"
"""Branch that says what kind of sample an entry is from; files without it are simulated."""


def produce_flat(
    source: Path | str,
    target: Path | str,
    config: FeaturesConfig,
    *,
    start: int = 0,
    stop: int | None = None,
    step: int = STEP,
    report: Callable[[Iterator[FlatTuples]], Iterator[FlatTuples]] | None = None,
) -> dict[str, Any]:
    """Write the flat tuples of one file; memory holds one chunk at a time.

    Args:
        source: tuples of any format.
        target: the HDF5 file to write.
        config: the features.
        start: first entry.
        stop: one past the last entry; None, or more than there are: to the end.
        step: entries of a chunk.
        report: wraps the chunks, to show how far it is.

    Returns:
        ``entries`` written, ``input_entries`` looked at, ``dropped`` by reason, and ``nan``: by feature how often
        it is NaN although its condition holds.

    Raises:
        InputError: a branch is missing, there are no such entries, or a feature is NaN more often than
            ``nan_limit`` allows.
    """
    with open_tuples(source) as reader:
        first, last = entry_range(reader, start, stop)
        chunks = _chunks(reader, config, first, last, step)
        entries = write_flat(target, report(chunks) if report else chunks, config=config)
    with FlatFile(target) as file:
        check_nan(file, config)
        return {"entries": entries, "input_entries": last - first, "dropped": file.dropped, "nan": file.nan}


def entry_range(reader: TupleReader, start: int, stop: int | None) -> tuple[int, int]:
    """Check a range of entries against a file.

    Args:
        reader: the file.
        start: first entry.
        stop: one past the last; None, or more than there are: to the end.

    Returns:
        First entry and one past the last.

    Raises:
        InputError: the range has no entries in the file.
    """
    last = reader.entries if stop is None else min(stop, reader.entries)
    if start < 0 or (start >= last and (start, stop) != (0, None)):
        end = "the end" if stop is None else stop
        raise InputError(f"{reader.path}: entries {start} to {end} were asked for, the file has {reader.entries}")
    return start, last


def _chunks(reader: TupleReader, config: FeaturesConfig, start: int, stop: int, step: int) -> Iterator[FlatTuples]:
    known = SAMPLE_TYPE in reader.branches
    definition = define(config)
    branches = [*required_branches(config), *([SAMPLE_TYPE] if known else [])]
    for first in range(start, stop, step) or (start,):  # without entries there still is a table, with all its columns
        chunk = reader.read(branches, first, min(first + step, stop))
        kind = None if known else "MC"
        yield make_flat(chunk, config, first_entry=first, sample_type=kind, definition=definition)


def rows_of_blocks(file: FlatFile) -> Mapping[str, int]:
    """Number of values of each feature, by block.

    Args:
        file: flat tuples.

    Returns:
        ``taus``, ``cell_features`` and every block of objects.
    """
    return {"taus": file.entries, "cell_features": file.entries, **file.object_counts()}


def check_nan(file: FlatFile, config: FeaturesConfig) -> None:
    """Refuse features of one file that are NaN too often although their condition holds.

    Args:
        file: flat tuples.
        config: the features, with the limit.

    Raises:
        InputError: the features, each with its numbers.
    """
    refuse_nan(file.nan, rows_of_blocks(file), config, str(file.path))


def refuse_nan(nan: Mapping[str, int], rows: Mapping[str, int], config: FeaturesConfig, where: str) -> None:
    """The same for numbers that were added up over files.

    Args:
        nan: how often a feature is NaN although its condition holds, by ``<block>.<feature>``; those that the
            definition does not have, or not enabled, are passed over.
        rows: number of values of each feature, by block.
        config: the features, with the limit.
        where: what was looked at, for the message.

    Raises:
        InputError: the features, each with its numbers.
    """
    enabled = {f"{block}.{name}" for block, names in config.blocks().items() for name in names}
    bad = [
        f"{label}: {count} of {total}"
        for label, count in nan.items()
        if label in enabled and count > config.nan_limit * (total := rows[label.partition(".")[0]])
    ]
    if bad:
        raise InputError(
            f"{where}: NaN where the feature should be defined, more often than features.nan_limit = "
            f"{config.nan_limit} allows: {'; '.join(bad)}. Say with a condition (valid) where it is defined, "
            "or leave the feature out (enabled: false)"
        )
