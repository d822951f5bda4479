"""Which candidates a network was trained on: a small sketch that is stored with the network.

A candidate is known by run, luminosity section and event number, and by the bits of its pt, eta and phi.  The numbers
alone do not do: simulated samples count their events from one, so that two datasets, or the training and the test
sample of one dataset, have the same numbers for different events.  Nor do names of files: shuffling and merging, and
making flat tuples, write candidates to files of other names.

Of a large sample only the candidates with the smallest hashes are kept (a random choice that is the same for every
sample): a million of them are 8 MB.  Of candidates that are looked up, those in the same range of the hash tell how many
are known.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.eventhash import GOLDEN, event_hash, mix
from taumltools.features.flat import FlatFile
from taumltools.training.stored import beside

log = logging.getLogger(__name__)

TRAINED_ON_FILE = "trained_on.npz"
"""Name of the sketch in the folder of a training or of an export."""

NUMBERS = ("run", "lumi", "evt")
KINEMATICS = ("tau_pt", "tau_eta", "tau_phi")
KEY = (*NUMBERS, *KINEMATICS)
"""Branches that a candidate is known by."""

KEPT = 1_000_000
"""Most candidates that are kept."""

STEP = 1_000_000
"""Entries of a file that are hashed at a time: about 50 MB."""

HIGHEST = np.uint64(2**64 - 1)


def candidate_hash(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """A well-mixed 64-bit number per candidate.

    Args:
        columns: :data:`KEY`, shape (n,) each.

    Returns:
        uint64, shape (n,).

    Examples:
        >>> columns = {name: np.ones(2, np.int64) for name in NUMBERS}
        >>> columns |= {"tau_pt": np.float32([30, 31]), "tau_eta": np.zeros(2), "tau_phi": np.zeros(2)}
        >>> a, b = candidate_hash(columns)
        >>> bool(a == b)
        False
    """
    state = event_hash(*(columns[name] for name in NUMBERS))
    for name in KINEMATICS:
        values = np.asarray(columns[name], np.float32) + np.float32(0)  # -0 and 0 are the same value
        state = mix((state ^ values.view(np.uint32).astype(np.uint64)) + GOLDEN)
    return state


@dataclass(frozen=True)
class TrainedOn:
    """The sketch of a training sample.

    Attributes:
        hashes: hashes that are kept, uint64, ascending, each once.
        limit: all candidates of the sample with a hash up to this one are kept.
        entries: candidates of the sample.
    """

    hashes: np.ndarray
    limit: np.uint64 = HIGHEST
    entries: int = 0

    @staticmethod
    def of(chunks: Iterable[Mapping[str, np.ndarray]], kept: int = KEPT) -> TrainedOn:
        """The sketch of candidates.

        Args:
            chunks: columns :data:`KEY`, chunk after chunk; memory holds one and twice ``kept`` hashes.
            kept: most candidates to keep.

        Examples:
            >>> chunk = {name: np.arange(5) for name in KEY}
            >>> sketch = TrainedOn.of([chunk, chunk])
            >>> len(sketch.hashes), sketch.entries, sketch.share
            (5, 10, 1.0)
        """
        sketch = TrainedOn(np.empty(0, np.uint64))
        for chunk in chunks:
            hashes = candidate_hash(chunk)
            low = np.unique(hashes[hashes <= sketch.limit])
            sketch = sketch.merged(TrainedOn(low, sketch.limit, len(hashes)), kept)
        return sketch

    @staticmethod
    def of_files(paths: Sequence[Path]) -> TrainedOn | None:
        """The sketch of flat tuples; those that do not say which events they are from are left out, with a warning.

        Args:
            paths: files of flat tuples.

        Returns:
            The sketch; None if no file is left.
        """
        known = []
        for path in paths:
            with FlatFile(path) as file:
                lacking = sorted(set(KEY) - set(file.layout()["index"]))
            if lacking:
                log.warning("%s has no %s: that the network was trained on it is not remembered", path, lacking)
            else:
                known.append(path)
        return TrainedOn.of(chunk for path in known for chunk in _columns_of(path)) if known else None

    def merged(self, other: TrainedOn, kept: int = KEPT) -> TrainedOn:
        """The sketch of both samples together."""
        limit = min(self.limit, other.limit)
        hashes = np.union1d(self.hashes, other.hashes)
        hashes = hashes[hashes <= limit]
        if len(hashes) > kept:
            hashes = hashes[:kept]
            limit = hashes[-1]
        return TrainedOn(hashes, np.uint64(limit), self.entries + other.entries)

    @property
    def share(self) -> float:
        """Share of all candidates whose hash is in the range that is kept."""
        return 1.0 if self.limit == HIGHEST else float(self.limit) / 2.0**64

    def known(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which candidates are kept in the sketch, bool, shape (n,); they are :attr:`share` of those in the sample.

        Args:
            columns: :data:`KEY`, shape (n,) each.
        """
        hashes = candidate_hash(columns)
        place = np.searchsorted(self.hashes, hashes)
        there = place < len(self.hashes)
        there[there] = self.hashes[place[there]] == hashes[there]
        return there

    def save(self, path: Path) -> None:
        """Write to an ``.npz`` file."""
        np.savez(path, hashes=self.hashes, limit=self.limit, entries=np.int64(self.entries))

    @staticmethod
    def find(model: Path) -> TrainedOn | None:
        """The sketch beside a stored network; None if there is none.

        Raises:
            InputError: it cannot be read.
        """
        found = beside(model, TRAINED_ON_FILE)
        return TrainedOn.load(found) if found else None

    @staticmethod
    def load(path: Path) -> TrainedOn:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: not readable as such.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return TrainedOn(file["hashes"], np.uint64(file["limit"]), int(file["entries"]))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{path}: what the network was trained on cannot be read ({error}); copy it again, or remove it"
            ) from error


def _columns_of(path: Path) -> Iterable[dict[str, np.ndarray]]:
    with FlatFile(path) as file:
        for start in range(0, file.entries, STEP):
            stop = min(start + STEP, file.entries)
            yield {name: file.column(f"index/{name}", start, stop) for name in KEY}


def remember(flat_paths: Sequence[Path], start_from: str, out_dir: Path) -> None:
    """Store with a network what it was trained on, and what the network was trained on that it began with.

    Args:
        flat_paths: flat tuples of the sample, whose part for validation counts as seen: it chose the best epoch.
        start_from: folder or file of the other network; empty: none.
        out_dir: folder of the training.
    """
    sketch = TrainedOn.of_files(flat_paths)
    before = TrainedOn.find(Path(start_from)) if start_from else None
    if sketch is not None:
        (sketch.merged(before) if before else sketch).save(out_dir / TRAINED_ON_FILE)
