"""Validation of a shuffled sample: are its parts, and the pieces of each part, alike?

Parts are compared with the rest of the sample and with the next part, chunks of a part with
the rest of that part and with the next chunk; the order inside of a part is compared with that
of a random permutation.  All tests together let an honest sample fail with a set probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from taumltools.config.validation import ValidationConfig
from taumltools.errors import InputError
from taumltools.progress import progress
from taumltools.sampling.hashing import hash_name
from taumltools.sampling.validation_counts import count_part
from taumltools.sampling.validation_events import KEYS_OF_SAMPLE, EventSample, togetherness
from taumltools.sampling.validation_series import Series, compare_order, compare_positions, compare_rows
from taumltools.sampling.validation_tables import ENTRIES, Cell, Counts, SampleCounter
from taumltools.sampling.validation_verdict import Verdict, share_error

__all__ = ["Verdict", "names_by_hash", "validate_counts", "validate_sample"]


def names_by_hash(names: Iterable[str]) -> dict[int, str]:
    """Names of datasets and groups by the number stored in the tuples.

    Args:
        names: all names.

    Returns:
        Name by hash.

    Examples:
        >>> names_by_hash(["DY"])
        {10918959937480734963: 'DY'}
    """
    return {hash_name(name): name for name in names}


def validate_sample(paths: Sequence[Path], config: ValidationConfig, names: Iterable[str] = ()) -> Verdict:
    """Validate the files of a shuffled sample.

    Each file is read once, in blocks, a dozen scalar branches of it; the memory needed does
    not depend on the number of entries.

    Args:
        paths: the parts, in order.
        config: chunks, bins, error probability.
        names: names of datasets and groups; a number that belongs to none is shown as it is.

    Returns:
        The verdict.

    Raises:
        InputError: no parts, a part cannot be read, or there are too few entries for any test.
    """
    files = [Path(path) for path in paths]
    labels = [file.name for file in files]
    labels = labels if len(set(labels)) == len(labels) else [str(file) for file in files]
    if len(set(labels)) < len(labels):
        raise InputError(
            f"a part is listed twice: {sorted({x for x in labels if labels.count(x) > 1})}; list each once"
        )
    named = zip(files, labels, strict=True)
    parts = (
        count_part(one[0], config, one[1]) for one in progress(named, total=len(files), label="validating", unit="part")
    )
    return validate_counts(parts, config, names_by_hash(names))


def validate_counts(parts: Iterable[Counts], config: ValidationConfig, names: Mapping[int, str]) -> Verdict:
    """Validate a sample from the counts of its parts.

    Args:
        parts: counts of each part by chunk; they are used one after the other and not kept.
        config: chunks, bins, error probability.
        names: names of datasets and groups by their hash.

    Returns:
        The verdict.

    Raises:
        InputError: there are no parts, or too few entries for any test.
    """
    series: list[Series] = []
    entries: dict[str, int] = {}
    counter = SampleCounter()
    chunks: list[tuple[tuple[Cell, ...], np.ndarray]] = []
    events: list[EventSample] = []
    notes: list[str] = []
    for part in parts:
        # without a permutation, the candidates of an event are in one chunk
        together = 0.0 if config.order else 1.0
        series += compare_rows(part, config, names, level="chunk", part=part.name, together=together)
        if part.order is not None:
            series += compare_order(part.order, part.events, part.name)
        notes += _empty(part)
        chunks.append((part.cells, part.tables[ENTRIES].counts[:, :, 0]))
        events.append(part.events.thinned(KEYS_OF_SAMPLE))
        entries[part.name] = part.entries
        counter.add(part)
    if not entries:
        raise InputError("there are no parts to validate; name the files of the shuffled sample")
    sample = counter.result()
    together = togetherness(events, sample.row_entries)
    series += compare_rows(sample, config, names, level="part", together=together)
    series += compare_positions(sample, _in_a_line(sample, chunks), config, names, together)
    families = share_error(series, config.family_wise_error)
    if not any(family.tests for family in families.values()):
        raise InputError(
            f"the sample has {sample.entries} entries in {len(entries)} parts, too few for any test; "
            "validate a larger sample, or set validation.min_expected and validation.min_entries lower"
        )
    return Verdict(config, tuple(series), families, entries, tuple(notes), sample)


def _empty(part: Counts) -> list[str]:
    """What is to be said about chunks without entries."""
    if not part.entries:
        return [f"{part.name} has no entries: nothing of it was tested"]
    empty = np.flatnonzero(part.row_entries == 0)
    return [f"{part.name}: {len(empty)} of {len(part.row_entries)} chunks have no entries"] if len(empty) else []


def _in_a_line(sample: Counts, chunks: Sequence[tuple[tuple[Cell, ...], np.ndarray]]) -> np.ndarray:
    """Entries by chunk and cell, chunks of all parts one after the other."""
    place = {cell: number for number, cell in enumerate(sample.cells)}
    rows = []
    for cells, counts in chunks:
        row = np.zeros((len(counts), len(sample.cells)), np.int64)
        row[:, [place[cell] for cell in cells]] = counts
        rows.append(row)
    return np.concatenate(rows)
