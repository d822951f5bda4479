"""Bins of pt and |η| for weights, and the spectra counted in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.weights import WeightBins
from taumltools.errors import InputError
from taumltools.tuples.truth import TAU_TYPES


class Binning:
    """Bins of pt, each with its own bins of |η|, in one row of numbers.

    Args:
        bins: of :class:`taumltools.config.weights.SpectraWeights`.

    Attributes:
        edges: per bin (pt low, pt high, |η| low, |η| high), float64, shape (bins, 4).

    Examples:
        >>> binning = Binning([WeightBins((20, 30), (0, 1, 2)), WeightBins((30, 100), (0, 2.5))])
        >>> binning.number(np.array([25.0, 25.0, 30.0, 100.0]), np.array([-0.5, 2.2, 2.2, 0.0])).tolist()
        [0, -1, 2, -1]
        >>> binning.name(1)
        'pt 20 to 30 GeV, |η| 1 to 2'
    """

    def __init__(self, bins: Sequence[WeightBins]) -> None:
        self._pt = np.array([bins[0].pt[0], *(edge for group in bins for edge in group.pt[1:])])
        self._eta = np.unique(np.concatenate([group.eta for group in bins]))
        rows: list[np.ndarray] = []
        edges: list[tuple[float, ...]] = []
        for group in bins:
            for low, high in zip(group.pt, group.pt[1:], strict=False):
                # the bins of |η| of this row, seen from the edges of all rows; -1 outside
                inside = np.searchsorted(group.eta, self._eta[:-1], side="right") - 1
                outside = inside >= len(group.eta) - 1
                rows.append(np.where((inside < 0) | outside, -1, inside + len(edges)))
                edges += [(low, high, *eta) for eta in zip(group.eta, group.eta[1:], strict=False)]
        self.edges = np.array(edges)
        self._number = np.full((len(rows) + 1, len(self._eta)), -1)  # the last row and column are outside
        self._number[:-1, :-1] = rows

    def __len__(self) -> int:
        return len(self.edges)

    def name(self, number: int) -> str:
        """A bin in words.

        Args:
            number: of the bin, from 0.

        Returns:
            For messages.
        """
        low, high, eta_low, eta_high = self.edges[number]
        return f"pt {low:g} to {high:g} GeV, |η| {eta_low:g} to {eta_high:g}"

    def number(self, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Bin of each entry.

        Args:
            pt: in GeV, shape (n,).
            eta: with or without sign, shape (n,).

        Returns:
            int, shape (n,); -1 outside of all bins and where something is not a number.
        """
        row = _position(self._pt, np.asarray(pt, np.float64))
        column = _position(self._eta, np.abs(np.asarray(eta, np.float64)))
        return self._number[row, column]

    def count(self, types: np.ndarray, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Entries by type and bin.

        Args:
            types: 0 to 3, others are not counted; shape (n,).
            pt: in GeV, shape (n,).
            eta: shape (n,).

        Returns:
            float64, shape (4, bins).
        """
        number = self.number(pt, eta)
        counted = (number >= 0) & (types >= 0) & (types < len(TAU_TYPES))
        place = types[counted].astype(np.int64) * len(self) + number[counted]
        return np.bincount(place, minlength=len(TAU_TYPES) * len(self)).reshape(len(TAU_TYPES), -1).astype(np.float64)

    def rebin(self, contents: np.ndarray, eta_edges: np.ndarray, pt_edges: np.ndarray, what: str) -> np.ndarray:
        """Sum a fine histogram in these bins.

        Args:
            contents: shape (|η| bins, pt bins).
            eta_edges: fine edges in |η|.
            pt_edges: fine edges in GeV.
            what: the histogram, for messages.

        Returns:
            float64, shape (bins,).

        Raises:
            InputError: an edge is not one of the fine edges.
        """
        sums = np.zeros((contents.shape[0] + 1, contents.shape[1] + 1))
        sums[1:, 1:] = contents.cumsum(axis=0).cumsum(axis=1)
        y0, y1 = (_edge(pt_edges, self.edges[:, i], f"{what}: pt") for i in (0, 1))
        x0, x1 = (_edge(eta_edges, self.edges[:, i], f"{what}: |η|") for i in (2, 3))
        return sums[x1, y1] - sums[x0, y1] - sums[x1, y0] + sums[x0, y0]


def _position(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Bin of each value; -1, the last one, for what is outside or not a number."""
    with np.errstate(invalid="ignore"):
        inside = (values >= edges[0]) & (values < edges[-1])
    return np.where(inside, np.searchsorted(edges, values, side="right") - 1, -1)


def _edge(fine: np.ndarray, coarse: np.ndarray, what: str) -> np.ndarray:
    position = np.clip(np.searchsorted(fine, coarse), 1, len(fine) - 1)
    position -= np.abs(fine[position - 1] - coarse) < np.abs(fine[position] - coarse)
    odd = np.abs(fine[position] - coarse) > 1e-6 * (fine[-1] - fine[0])
    if odd.any():
        raise InputError(
            f"{what}: {coarse[odd][0]:g} is no edge of its {len(fine) - 1} bins from {fine[0]:g} to {fine[-1]:g}: "
            "choose edges that are, or make the spectra with finer bins"
        )
    return position


def read_spectra(path: Path | str, types: Sequence[str], binning: Binning) -> np.ndarray:
    """Spectra of a ROOT file, as ``CreateSpectralHists`` of the CMS tools and this project write them.

    Args:
        path: file with a TH2D ``eta_pt_hist_<type>`` (x |η|, y pt in GeV) of each type.
        types: which types.
        binning: the bins wanted.

    Returns:
        float64, shape (types, bins).

    Raises:
        InputError: the file is not readable, lacks a type, or has too coarse bins.
    """
    from taumltools.sampling.roothist import edges_of, read_histograms

    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; expected a ROOT file with spectra (training.spectra)")
    histograms: dict[str, Any] = read_histograms(Path(path))
    spectra = []
    for name in types:
        key = f"eta_pt_hist_{name}"
        if key not in histograms:
            raise InputError(f"{path}: no histogram {key}, found {', '.join(histograms) or 'none'}")
        histogram = histograms[key]
        edges = [edges_of(histogram.member(axis)) for axis in ("fXaxis", "fYaxis")]
        spectra.append(binning.rebin(np.asarray(histogram.values()), edges[0], edges[1], f"{path}: {key}"))
    return np.array(spectra)
