"""Spectra: candidates of one file counted by truth type in fine bins of pt and |η|.

They are the side-car from which plans, size lists and file lists are made; a file is
counted once and only its few truth branches are read.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.sampling import SpectraConfig, check_edges
from taumltools.errors import ConfigError, InputError
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples
from taumltools.tuples.truth import NO_TYPE, TRUTH_BRANCHES, TauType, truth_branches, truth_type

STEP = 200_000
"""Entries read at a time: ten columns of them are 8 MB."""

SPECTRA_BRANCHES = ("sampleType", *TRUTH_BRANCHES, "tau_pt")
"""Branches the counting reads of files from 2021 on; see :func:`spectra_branches`."""


@dataclass(frozen=True)
class Spectra:
    """Counts of one file, or of several.

    Attributes:
        binning: the fine bins.
        entries: all entries, with or without a type.
        not_valid: entries without a truth type.
        counts: truth type name to int64 array of shape (pt_bins + 2, eta_bins + 2); the
            first and last row and column are under- and overflow.  Only types that occur.
    """

    binning: SpectraConfig
    entries: int
    not_valid: int
    counts: dict[str, np.ndarray]

    @property
    def entries_by_type(self) -> dict[str, int]:
        """Entries of each type that occurs, under- and overflow included."""
        return {name: int(histogram.sum()) for name, histogram in self.counts.items()}

    def with_flow(self, tau_type: str, pt_edges: Sequence[float], eta_edges: Sequence[float]) -> np.ndarray:
        """Counts in coarse bins, with under- and overflow.

        Args:
            tau_type: truth type name; one that does not occur has zero counts.
            pt_edges: coarse edges in GeV; each must be an edge of the fine bins.
            eta_edges: coarse edges in |η|.

        Returns:
            int64, shape (len(pt_edges) + 1, len(eta_edges) + 1).

        Raises:
            ConfigError: an edge is not one of the fine binning.
        """
        fine = self.counts.get(tau_type)
        rows = _first_fine_bins("pt_edges", pt_edges, self.binning.pt_bins, self.binning.pt_range)
        columns = _first_fine_bins("eta_edges", eta_edges, self.binning.eta_bins, self.binning.eta_range)
        if fine is None:
            return np.zeros((len(rows), len(columns)), np.int64)
        return np.add.reduceat(np.add.reduceat(fine, rows, axis=0), columns, axis=1)

    def rebin(self, tau_type: str, pt_edges: Sequence[float], eta_edges: Sequence[float]) -> np.ndarray:
        """Counts in coarse bins; arguments and errors as for :meth:`with_flow`.

        Returns:
            int64, shape (len(pt_edges) - 1, len(eta_edges) - 1).
        """
        return self.with_flow(tau_type, pt_edges, eta_edges)[1:-1, 1:-1]

    def without(self, other: Spectra) -> Spectra:
        """What is left if entries are taken out.

        Args:
            other: spectra of some of these entries, with the same fine bins.

        Returns:
            The difference.
        """
        counts = {name: n - other.counts[name] if name in other.counts else n for name, n in self.counts.items()}
        counts = {name: n for name, n in counts.items() if n.any()}
        return Spectra(self.binning, self.entries - other.entries, self.not_valid - other.not_valid, counts)

    @staticmethod
    def none(binning: SpectraConfig) -> Spectra:
        """Spectra of nothing."""
        return Spectra(binning, 0, 0, {})

    @staticmethod
    def merge(parts: Sequence[Spectra]) -> Spectra:
        """The sum of spectra.

        Args:
            parts: spectra with the same fine bins.

        Returns:
            Their sum.

        Raises:
            InputError: there are none, or their bins differ.
        """
        if not parts:
            raise InputError("no spectra to merge: the dataset has no files; check its production")
        if odd := [part.binning for part in parts if part.binning != parts[0].binning]:
            raise InputError(f"spectra with different bins cannot be merged: {parts[0].binning} and {odd[0]}")
        names = sorted({name for part in parts for name in part.counts}, key=lambda name: TauType[name])
        counts = {name: sum(part.counts[name] for part in parts if name in part.counts) for name in names}
        return Spectra(parts[0].binning, sum(p.entries for p in parts), sum(p.not_valid for p in parts), counts)  # type: ignore[arg-type]

    @staticmethod
    def fill(binning: SpectraConfig, types: np.ndarray, pt: np.ndarray, abs_eta: np.ndarray) -> Spectra:
        """Count candidates.

        Args:
            binning: the fine bins.
            types: int, shape (n,): values of :class:`TauType`, -1 for no type.
            pt: GeV, shape (n,), finite where there is a type.
            abs_eta: |η|, shape (n,), likewise.

        Returns:
            Their spectra.

        Examples:
            >>> one = Spectra.fill(SpectraConfig(), np.array([2]), np.array([35.0]), np.array([0.7]))
            >>> one.rebin("tau", [20, 30, 40], [0, 0.6, 1.2]).tolist()
            [[0, 0], [0, 1]]
        """
        pt_edges = np.linspace(*binning.pt_range, binning.pt_bins + 1)
        eta_edges = np.linspace(*binning.eta_range, binning.eta_bins + 1)
        shape = (binning.pt_bins + 2, binning.eta_bins + 2)
        rows, columns = (np.searchsorted(e, x, side="right") for e, x in ((pt_edges, pt), (eta_edges, abs_eta)))
        counts = {}
        for tau_type in TauType:
            mine = types == tau_type
            if mine.any():
                flat = np.bincount(rows[mine] * shape[1] + columns[mine], minlength=shape[0] * shape[1])
                counts[tau_type.name] = flat.reshape(shape).astype(np.int64)
        return Spectra(binning, len(types), int(np.count_nonzero(types == NO_TYPE)), counts)

    def save(self, path: Path) -> None:
        """Write JSON; only bins with entries are listed."""
        types = {}
        for name, histogram in self.counts.items():
            bins = np.flatnonzero(histogram)
            types[name] = {"bins": bins.tolist(), "counts": histogram.ravel()[bins].tolist()}
        b = self.binning
        binning = {
            "pt_bins": b.pt_bins,
            "pt_range": b.pt_range,
            "eta_bins": b.eta_bins,
            "eta_range": b.eta_range,
        }
        content = {
            "binning": binning,
            "entries": self.entries,
            "not_valid": self.not_valid,
            "entries_by_type": self.entries_by_type,
            "types": types,
        }
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> Spectra:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file is missing, is no JSON, or is inconsistent.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            binning = SpectraConfig(**content["binning"])
            counts = {name: _dense(sparse, binning) for name, sparse in content["types"].items()}
            spectra = Spectra(binning, content["entries"], content["not_valid"], counts)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise InputError(
                f"{path}: no usable spectra ({type(error).__name__}: {error}); count them again"
            ) from error
        found = sum(spectra.entries_by_type.values()) + spectra.not_valid
        if found != spectra.entries:
            raise InputError(f"{path}: counts add up to {found}, but entries is {spectra.entries}; count them again")
        return spectra


def _dense(sparse: dict[str, Any], binning: SpectraConfig) -> np.ndarray:
    shape = (binning.pt_bins + 2, binning.eta_bins + 2)
    flat = np.zeros(shape[0] * shape[1], np.int64)
    flat[np.asarray(sparse["bins"], np.int64)] = sparse["counts"]
    return flat.reshape(shape)


def _first_fine_bins(key: str, edges: Sequence[float], bins: int, limits: tuple[float, float]) -> np.ndarray:
    """Index of the first fine bin (underflow is 0) of each coarse bin, underflow and overflow included."""
    try:
        check_edges(key, edges, bins, limits)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    width = (limits[1] - limits[0]) / bins
    return np.concatenate([[0], 1 + np.rint((np.asarray(edges) - limits[0]) / width).astype(np.int64)])


def check_finite(tuples: Tuples, types: np.ndarray, path: Path, first: int) -> None:
    """Refuse typed candidates whose pt or η is no number.

    Args:
        tuples: entries with ``tau_pt`` and ``tau_eta``.
        types: their truth types.
        path: the file, for the message.
        first: entry number of the first of them in the file.

    Raises:
        InputError: names the file, the entry and the branch.
    """
    for name in ("tau_pt", "tau_eta"):
        bad = (types != NO_TYPE) & ~np.isfinite(tuples[name])
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise InputError(
                f"{path}: {name} is {tuples[name][row]} in {int(bad.sum())} candidates with a truth type, first in "
                f"entry {first + row}; a reconstructed tau has a finite {name}, so the file must be produced again"
            )


def spectra_branches(available: Container[str], sample_type: str | None = None) -> list[str]:
    """Branches the counting reads of a file, whatever its generation.

    Args:
        available: all branches of the file.
        sample_type: as for :func:`count_spectra`.

    Returns:
        Branch names.
    """
    return list(dict.fromkeys([*truth_branches(available, sample_type), "tau_eta", "tau_pt"]))


def count_spectra(path: Path, config: SpectraConfig, sample_type: str | None = None) -> Spectra:
    """Count the candidates of one file.

    Args:
        path: a tuple file of any generation; some ten of its branches are read, in chunks.
        config: the fine bins.
        sample_type: ``"MC"``, ``"Embedded"`` or ``"Data"``; None: as the branch ``sampleType`` says.

    Returns:
        The spectra.

    Raises:
        InputError: the file cannot be read, or a candidate with a type has no finite pt or η.
    """
    parts = [Spectra(config, 0, 0, {})]
    with open_tuples(path) as file:
        first = 0
        for tuples in file.iterate(spectra_branches({*file.branches, *file.other_branches}, sample_type), STEP):
            types = truth_type(tuples, sample_type)
            check_finite(tuples, types, path, first)
            parts.append(Spectra.fill(config, types, tuples["tau_pt"], np.abs(tuples["tau_eta"])))
            first += len(tuples)
    return Spectra.merge(parts)
