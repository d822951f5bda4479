"""A first look at a training sample: which entries train, which validate, and how many of each type there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.config.features import FeaturesConfig
from taumltools.errors import InputError
from taumltools.eventhash import in_first_part
from taumltools.features.agreement import read_definition
from taumltools.features.flat import FlatFile
from taumltools.features.produce import refuse_nan, rows_of_blocks
from taumltools.training.batches import known_types
from taumltools.training.layout import InputLayout
from taumltools.training.reading import Block, blocks_of
from taumltools.training.spectra import Binning
from taumltools.tuples.truth import TAU_TYPES

SAMPLES = ("train", "validation")

READ_BLOCK = 16_384
"""Entries read at once: one chunk of the files."""


@dataclass(frozen=True)
class Scan:
    """What is known of a sample before its features are read.

    Attributes:
        blocks: the stretches in which it is read.
        kinds: by sample and block, the truth type of its entries and -1 for all others; one byte per entry and sample.
        spectra: entries of the training sample by type and bin, shape (4, bins); None without bins.
    """

    blocks: list[Block]
    kinds: dict[str, list[np.ndarray]]
    spectra: np.ndarray | None

    def counts(self, sample: str) -> np.ndarray:
        """Entries of a sample by type, int, shape (4,).

        Args:
            sample: ``train`` or ``validation``.

        Returns:
            In the order e, mu, tau, jet.
        """
        return np.array([np.bincount(k[k >= 0], minlength=len(TAU_TYPES)) for k in self.kinds[sample]]).sum(axis=0)


@dataclass(frozen=True)
class Look:
    """What a first look at one file tells.

    Attributes:
        blocks: the stretches in which it is read.
        index: run, lumi and evt, and what else was asked for, of all entries.
        validates: which entries validate, bool.
    """

    blocks: list[Block]
    index: dict[str, np.ndarray]
    validates: np.ndarray

    def sides(self) -> dict[str, np.ndarray]:
        """Which entries are in a sample, bool, by sample."""
        return dict(zip(SAMPLES, (~self.validates, self.validates), strict=True))


def look_at(
    paths: Sequence[Path], layout: InputLayout, features: FeaturesConfig, fraction: float, columns: Sequence[str] = ()
) -> Iterator[Look]:
    """Look at files before their features are read, one after the other.

    Args:
        paths: files of flat tuples.
        layout: what the network takes.
        features: the features, with the limit on undefined values.
        fraction: share of events that validate, by hash of run, lumi and evt.
        columns: further columns of the index.

    Yields:
        One for each file.

    Raises:
        InputError: an unreadable file, one without a feature or with another formula for it, or features that are NaN too often in all files together.
    """
    nan: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for path in paths:
        with FlatFile(path) as file:
            layout.check(file.layout(), str(path))
            layout.check_definition(features, read_definition(file.features, str(path)), str(path))
            index = _index(file, ("run", "lumi", "evt", *columns))
            blocks = blocks_of(file, layout, READ_BLOCK)
            nan.update(file.nan)
            rows.update(rows_of_blocks(file))
        yield Look(blocks, index, in_first_part(index["run"], index["lumi"], index["evt"], fraction))
    others = f" and {len(paths) - 1} other files" if len(paths) > 1 else ""
    refuse_nan(nan, rows, features, f"{paths[0]}{others}")


def scan(
    paths: Sequence[Path],
    layout: InputLayout,
    features: FeaturesConfig,
    validation_fraction: float,
    binning: Binning | None = None,
) -> Scan:
    """Look at the files of a sample.

    Args:
        paths: files of flat tuples.
        layout: what the network takes.
        features: the features, with the limit on undefined values.
        validation_fraction: share of events that validate, by hash of run, lumi and evt.
        binning: bins in which spectra are counted; None: not counted.

    Returns:
        Blocks, types by sample, and spectra.

    Raises:
        InputError: no file, one that :func:`look_at` refuses, or a sample without one of the types.
    """
    if not paths:
        raise InputError("no flat tuples to train on")
    blocks: list[Block] = []
    kinds: dict[str, list[np.ndarray]] = {sample: [] for sample in SAMPLES}
    spectra = None if binning is None else np.zeros((len(TAU_TYPES), len(binning)))
    columns = ("tau_type", *(() if binning is None else ("tau_pt", "tau_eta")))
    for look in look_at(paths, layout, features, validation_fraction, columns):
        types = known_types(look.index["tau_type"])
        for sample, side in look.sides().items():
            of_file = np.where(side, types, np.int8(-1))
            kinds[sample] += [of_file[block.start : block.stop] for block in look.blocks]
        if binning is not None and spectra is not None:
            trained = np.where(look.validates, np.int8(-1), types)
            spectra += binning.count(trained, look.index["tau_pt"], look.index["tau_eta"])
        blocks += look.blocks
    result = Scan(blocks, kinds, spectra)
    _refuse_empty_types(result)
    return result


def _index(file: FlatFile, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    missing = set(wanted) - set(file.layout()["index"])
    if missing:
        raise InputError(f"{file.path}: index columns {sorted(missing)} are missing; make the flat tuples again")
    return {name: file.column(f"index/{name}", 0, file.entries) for name in wanted}


def _refuse_empty_types(found: Scan) -> None:
    for sample in SAMPLES:
        by_type = dict(zip(TAU_TYPES, found.counts(sample).tolist(), strict=True))
        empty = [name for name, n in by_type.items() if not n]
        if empty:
            raise InputError(
                f"no entries of type {', '.join(empty)} in the {sample} sample (found {by_type}): the network "
                "separates four types and needs all of them; add datasets or events"
            )
    if found.spectra is not None:
        outside = [name for name, spectrum in zip(TAU_TYPES, found.spectra, strict=True) if not spectrum.any()]
        if outside:
            raise InputError(
                f"all entries of type {', '.join(outside)} lie outside of the bins of training.spectra, so that they "
                "have weight 0; choose bins that cover the sample"
            )
