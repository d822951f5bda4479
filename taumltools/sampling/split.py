"""CreateBinnedTuples: one file per truth type, pt and |η|, with all branches as they are."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from taumltools.config.binned import BinnedConfig
from taumltools.errors import InputError
from taumltools.progress import progress
from taumltools.sampling.bin_files import BinFiles
from taumltools.sampling.bins import OTHER, Bins, selected
from taumltools.sampling.duplicates import repeated_rows
from taumltools.sampling.partition import FileRange, InputFile
from taumltools.sampling.runs import SortedRuns
from taumltools.tuples.columns import complete
from taumltools.tuples.compression import choose_compression
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples
from taumltools.tuples.reader import TupleReader
from taumltools.tuples.summary import collect_summaries
from taumltools.tuples.truth import NO_TYPE, truth_type

log = logging.getLogger(__name__)

ACCOUNT = "account.json"
"""File with the account, beside the binned files."""

_ENTRY_BYTES = 12_000
_READ_COPIES = 10  # a chunk while it is read: buffers, decoded columns, their joined form


@dataclass
class SplitAccount:
    """Where every entry went: read = binned + other + duplicates.

    Attributes:
        read: entries of all inputs.
        binned: entries in the files of bins.
        other: entries in ``other`` = not_selected + outside + no_type.
        duplicates: entries that occurred before in their dataset and were dropped.
        not_selected: entries without reconstructed tau, or that fail the selection.
        outside: of the selected ones, those outside of the edges.
        no_type: of these inside, those without a truth type.
        summaries: production jobs listed in the summary file.
        files: entries by file name.
    """

    read: int = 0
    binned: int = 0
    other: int = 0
    duplicates: int = 0
    not_selected: int = 0
    outside: int = 0
    no_type: int = 0
    summaries: int = 0
    files: dict[str, int] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse an account that does not add up, which would mean lost entries.

        Raises:
            InputError: shows the numbers.
        """
        reasons = self.not_selected + self.outside + self.no_type
        if self.read != self.binned + self.other + self.duplicates or self.other != reasons:
            raise InputError(f"entries were lost: {asdict(self)}; an input may have changed while it was read")
        if sum(self.files.values()) != self.binned + self.other:
            raise InputError(f"files hold {sum(self.files.values())} entries, expected {self.binned + self.other}")

    def save(self, path: Path) -> None:
        """Write JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> SplitAccount:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file is missing or is no account.
        """
        try:
            return SplitAccount(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: no usable account ({type(error).__name__}: {error}); split again") from error


def split(
    inputs: Sequence[InputFile], config: BinnedConfig, folder: Path, *, scratch: Path | None = None
) -> SplitAccount:
    """Sort all entries of some files into one file per bin.

    An entry with a reconstructed tau that fulfils the selection, has a truth type and lies inside
    of the edges goes to ``<type>_pt_<pt>_eta_<eta>.<format>``; any other one to ``other.<format>``.
    All branches are copied, and the order of the inputs is kept in every file.  A bin without
    entries has no file.  The files do not depend on the memory.

    Args:
        inputs: files with the same branches, in a fixed order; duplicates are searched among
            those of one dataset.
        config: the settings.
        folder: where the files are made; it is created.
        scratch: folder for temporary files, about as large as the inputs uncompressed; needed
            beyond ``config.memory_mb``; None means the system's folder for such files.

    Returns:
        The account, which is also in ``account.json`` in the folder.

    Raises:
        InputError: a file cannot be read, has another number of entries or other branches than
            expected, or holds an infinite value.
        ConfigError: two bins have the same name.
    """
    bins, account = Bins(config.pt_edges, config.eta_edges), SplitAccount()
    suffix = f".{config.format}"
    compression = choose_compression(suffix, config.compression_algo or None, config.compression_level)
    folder.mkdir(exist_ok=True)
    with SortedRuns(len(bins) + 1, config.memory_mb, scratch) as runs:
        for tuples, keys in _routed(inputs, config, bins, account, scratch):
            runs.add(tuples, keys)
        if runs.runs:
            log.info("%d entries are merged from %d runs on disk", account.read, runs.runs)
        with BinFiles(folder, [*bins.names, OTHER], suffix, compression) as files:
            for keys, table in runs.tables():
                files.append(keys, table)
    account.files = dict(sorted(files.entries.items()))
    account.summaries = collect_summaries([file.path for file in inputs], folder, suffix)
    account.check()
    account.save(folder / ACCOUNT)
    return account


def _routed(
    inputs: Sequence[InputFile], config: BinnedConfig, bins: Bins, account: SplitAccount, scratch: Path | None
) -> Iterator[tuple[Tuples, np.ndarray]]:
    """Entries to write with the position of their file, chunk by chunk."""
    dropped = _repeated(inputs, config, scratch)
    expected: list[str] | None = None
    for file, repeated in progress(list(zip(inputs, dropped, strict=True)), label="splitting", unit="file"):
        with open_tuples(file.path) as reader:
            expected = _same_branches(reader, file, expected)
            step = min(reader.block, max(500, int(config.memory_mb * 1e6 / _ENTRY_BYTES / _READ_COPIES)))
            for first in range(0, reader.entries, step):
                stop = min(first + step, reader.entries)
                low, high = np.searchsorted(repeated, [first, stop])
                tuples = complete(reader.read(expected, first, stop), expected)
                account.read += len(tuples)
                account.duplicates += int(high - low)
                if low < high:
                    tuples = tuples.take(np.delete(np.arange(len(tuples)), repeated[low:high] - first))
                yield tuples, _route(tuples, file, config, bins, account)


def _repeated(inputs: Sequence[InputFile], config: BinnedConfig, scratch: Path | None) -> list[np.ndarray]:
    """Rows to drop of every input."""
    rows = [np.empty(0, np.int64) for _ in inputs]
    if config.duplicates == "keep":
        return rows
    for dataset in dict.fromkeys(file.dataset for file in inputs):
        mine = [i for i, file in enumerate(inputs) if file.dataset == dataset]
        ranges = [FileRange(inputs[i], 0, inputs[i].entries) for i in mine]
        for i, repeated in zip(mine, repeated_rows(ranges, config.memory_mb, scratch), strict=True):
            rows[i] = repeated
    if total := sum(map(len, rows)):
        log.warning("%d entries occurred before in their dataset and are dropped", total)
    return rows


def _same_branches(reader: TupleReader, file: InputFile, expected: list[str] | None) -> list[str]:
    if reader.entries != file.entries:
        raise InputError(
            f"{file.path}: has {reader.entries} entries, expected are {file.entries}; the file has changed since it "
            "was counted, count it again"
        )
    found = [*reader.branches, *reader.other_branches]
    if expected is not None and set(found) != set(expected):
        odd = sorted(set(found) ^ set(expected))
        raise InputError(
            f"{file.path}: its branches are not those of the first input, they differ in {len(odd)}, e.g. "
            f"{', '.join(odd[:5])}; split files of different productions separately"
        )
    return expected or found


def _route(tuples: Tuples, file: InputFile, config: BinnedConfig, bins: Bins, account: SplitAccount) -> np.ndarray:
    """Position of the file of every entry: the number of its bin, or that of ``other``."""
    types = truth_type(tuples, file.sample_type)
    good = selected(tuples, config.selection)
    pt, abs_eta = tuples["tau_pt"], np.abs(tuples["tau_eta"])
    inside = bins.numbers(np.zeros(len(types), np.int8), pt, abs_eta) >= 0
    keys = np.where(good, bins.numbers(types, pt, abs_eta), -1)
    binned = keys >= 0
    account.binned += int(np.count_nonzero(binned))
    account.other += int(np.count_nonzero(~binned))
    account.not_selected += int(np.count_nonzero(~good))
    account.outside += int(np.count_nonzero(good & ~inside))
    account.no_type += int(np.count_nonzero(good & inside & (types == NO_TYPE)))
    return np.where(binned, keys, len(bins))
