"""A first look at a training sample: which entries train, which validate, and how many of each type there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.eventhash import in_first_part
from taumltools.features.flat import FlatFile
from taumltools.training.batches import known_types
from taumltools.training.layout import InputLayout
from taumltools.training.reading import Block, blocks_of
from taumltools.training.spectra import Binning
from taumltools.tuples.truth import TAU_TYPES

SAMPLES = ("train", "validation")


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
        """Entries of a sample by type, int, shape (4,)."""
        return np.array([np.bincount(k[k >= 0], minlength=len(TAU_TYPES)) for k in self.kinds[sample]]).sum(axis=0)


def scan(
    paths: Sequence[Path],
    layout: InputLayout,
    validation_fraction: float,
    block_size: int,
    binning: Binning | None = None,
) -> Scan:
    """Look at the files of a sample.

    Args:
        paths: files of flat tuples.
        layout: what the network takes.
        validation_fraction: share of events that validate, by hash of run, lumi and evt.
        block_size: entries per block.
        binning: bins in which spectra are counted; None: not counted.

    Raises:
        InputError: no file, an unreadable one, one without a feature, or a sample without one of the types.
    """
    if not paths:
        raise InputError("no flat tuples to train on")
    blocks: list[Block] = []
    kinds: dict[str, list[np.ndarray]] = {sample: [] for sample in SAMPLES}
    spectra = None if binning is None else np.zeros((len(TAU_TYPES), len(binning)))
    for path in paths:
        with FlatFile(path) as file:
            layout.check(file.layout(), str(path))
            found = blocks_of(file, layout, block_size)
            index = _index(file, binning is not None)
        types = known_types(index["tau_type"])
        validates = in_first_part(index["run"], index["lumi"], index["evt"], validation_fraction)
        for sample, side in zip(SAMPLES, (~validates, validates), strict=True):
            of_file = np.where(side, types, np.int8(-1))
            kinds[sample] += [of_file[block.start : block.stop] for block in found]
        if binning is not None and spectra is not None:
            spectra += binning.count(np.where(validates, np.int8(-1), types), index["tau_pt"], index["tau_eta"])
        blocks += found
    result = Scan(blocks, kinds, spectra)
    _refuse_empty_types(result)
    return result


def _index(file: FlatFile, with_pt: bool) -> dict[str, np.ndarray]:
    wanted = ["tau_type", "run", "lumi", "evt", *(("tau_pt", "tau_eta") if with_pt else ())]
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
