"""Weights of training entries: by truth type, or by truth type, pt and |η|."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from taumltools.config.weights import SpectraWeights
from taumltools.errors import InputError
from taumltools.training.spectra import Binning, read_spectra
from taumltools.tuples.truth import TAU_TYPES, TauType


class Weights(Protocol):
    """What gives every entry its weight.

    Attributes:
        columns: columns of the index that are looked at, beside the type.
    """

    columns: tuple[str, ...]

    def of(self, types: np.ndarray, index: Mapping[str, np.ndarray]) -> np.ndarray:
        """Weights, float32, shape (n,), of types -1 to 3 (-1 has weight 0) and the columns.

        Args:
            types: 0 to 3, or -1; int, shape (n,).
            index: the columns by name, shape (n,).

        Returns:
            The weights.
        """


class EqualWeights:
    """The same weight for all entries, of whatever type.

    Args:
        weight: that one.
    """

    columns: tuple[str, ...] = ()

    def __init__(self, weight: float) -> None:
        self._weight = weight

    def of(self, types: np.ndarray, index: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: ARG002
        """See :class:`Weights`."""
        return np.full(len(types), self._weight, np.float32)


class TypeWeights:
    """One weight per truth type.

    Args:
        weights: of e, mu, tau, jet.

    Examples:
        >>> TypeWeights.balanced([10, 10, 60, 20]).of(np.array([0, 2, -1]), {}).tolist()
        [2.5, 0.4166666567325592, 0.0]
    """

    columns: tuple[str, ...] = ()

    def __init__(self, weights: Sequence[float] = (1.0,) * len(TAU_TYPES)) -> None:
        self._weights = np.array([*weights, 0.0], np.float32)

    @staticmethod
    def balanced(counts: Sequence[int]) -> TypeWeights:
        """Weights that give types with these numbers of entries equal sums; their mean over entries is 1.

        Args:
            counts: entries of e, mu, tau, jet, all positive.

        Returns:
            The weights.
        """
        return TypeWeights([sum(counts) / (len(counts) * n) for n in counts])

    def of(self, types: np.ndarray, index: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: ARG002
        """See :class:`Weights`."""
        return self._weights[types]


class SpectrumWeights:
    """Weights that give every type the spectrum and the yield of the target, bin by bin.

    Args:
        binning: bins of pt and |η|.
        spectra: entries by type and bin, float, shape (4, bins).
        target: entries of genuine taus by bin, float, shape (bins,).
        weight_thr: largest weight over smallest weight that is accepted.

    Attributes:
        table: weights, float64, shape (4, bins).

    Raises:
        InputError: a bin is empty, by name, or the weights differ by more than ``weight_thr``.
    """

    columns: tuple[str, ...] = ("tau_pt", "tau_eta")

    def __init__(self, binning: Binning, spectra: np.ndarray, target: np.ndarray, weight_thr: float) -> None:
        self._binning = binning
        _refuse_empty(binning, dict(zip(TAU_TYPES, spectra, strict=True)), "spectrum of type")
        _refuse_empty(binning, {"tau": target}, "target spectrum of type")
        self.table = target / spectra
        ratio = self.table.max() / self.table.min()
        if ratio > weight_thr:
            (type_high, high), (type_low, low) = (
                np.unravel_index(i, self.table.shape) for i in (self.table.argmax(), self.table.argmin())
            )
            raise InputError(
                f"weights differ by a factor {ratio:.3g}, more than weight_thr {weight_thr:g}: {self.table.max():.3g} for "
                f"{TAU_TYPES[type_high]} in {binning.name(int(high))}, {self.table.min():.3g} for "
                f"{TAU_TYPES[type_low]} in {binning.name(int(low))}; use wider bins, or raise training.spectra.weight_thr"
            )
        self._table = np.zeros((len(TAU_TYPES) + 1, len(binning) + 1), np.float32)  # outside: 0
        self._table[:-1, :-1] = self.table

    def of(self, types: np.ndarray, index: Mapping[str, np.ndarray]) -> np.ndarray:
        """See :class:`Weights`."""
        return self._table[types, self._binning.number(index["tau_pt"], index["tau_eta"])]


def spectrum_weights(config: SpectraWeights, binning: Binning, sample: np.ndarray) -> SpectrumWeights:
    """Weights as the settings say.

    Args:
        config: files, or the sample itself; the limit.
        binning: that of ``config.bins``.
        sample: spectra of the training sample, shape (4, bins); used where no file is named.

    Returns:
        The weights.

    Raises:
        InputError: see :class:`SpectrumWeights` and :func:`taumltools.training.spectra.read_spectra`.
    """
    spectra = read_spectra(config.input, TAU_TYPES, binning) if config.input else sample
    target = read_spectra(config.target, ["tau"], binning)[0] if config.target else spectra[TauType.tau]
    return SpectrumWeights(binning, spectra, target, config.weight_thr)


def _refuse_empty(binning: Binning, spectra: Mapping[str, np.ndarray], what: str) -> None:
    for name, spectrum in spectra.items():
        empty = np.flatnonzero(~(spectrum > 0))
        if len(empty):
            others = f" and {len(empty) - 1} other bins" if len(empty) > 1 else ""
            raise InputError(
                f"{what} {name}: no entries with {binning.name(int(empty[0]))}{others} of {len(binning)}: "
                "its weight would be infinite; use wider bins (training.spectra.bins), or more events"
            )
