"""Bins in type, pt and |η|: their numbers, their file names, and which entry belongs where."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from taumltools.config.binned import parse_requirement
from taumltools.errors import ConfigError, InputError
from taumltools.tuples.data import Tuples
from taumltools.tuples.truth import NO_TYPE, TauType

OTHER = "other"
"""Name of the file of everything that is in no bin."""

_NAME = re.compile(r"(.+)_pt_(\d+)_eta_(\d+\.\d{3})")
_OPERATORS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def bin_name(tau_type: str, pt: float, eta: float) -> str:
    """Name of a bin, as the CMS tools write it.

    Args:
        tau_type: name of the truth type.
        pt: lower edge in GeV; no decimals are kept.
        eta: lower edge in |η|; three decimals are kept.

    Returns:
        The name, which is that of the file without suffix.

    Examples:
        >>> bin_name("tau", 20, 0), bin_name("emb_mu", 225, 1.725)
        ('tau_pt_20_eta_0.000', 'emb_mu_pt_225_eta_1.725')
    """
    return f"{tau_type}_pt_{pt:.0f}_eta_{eta:.3f}"


def split_name(name: str) -> tuple[str, str, str] | None:
    """Type, pt and |η| in the name of a bin; None if it is no such name.

    Args:
        name: file name without suffix.

    Returns:
        Name of the type and the two numbers as written.

    Raises:
        InputError: it reads like a bin, but of an unknown type.

    Examples:
        >>> split_name("emb_tau_pt_20_eta_0.575"), split_name("other")
        (('emb_tau', '20', '0.575'), None)
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    if found[1] not in TauType.__members__:
        known = ", ".join(TauType.__members__)
        raise InputError(f"'{name}' is the name of a bin of the unknown type '{found[1]}'; known types are {known}")
    return found[1], found[2], found[3]


@dataclass(frozen=True)
class Bins:
    """A grid in pt and |η| for every truth type.

    The bin of type t, pt bin i and |η| bin j has the number (t · pt bins + i) · η bins + j.

    Attributes:
        pt_edges: GeV, increasing.
        eta_edges: |η|, increasing.
    """

    pt_edges: tuple[float, ...]
    eta_edges: tuple[float, ...]

    def __post_init__(self) -> None:
        for key, edges, form in (("pt_edges", self.pt_edges, ".0f"), ("eta_edges", self.eta_edges, ".3f")):
            names = [f"{edge:{form}}" for edge in edges[:-1]]
            if twice := [f"{edge:g}" for edge, name in zip(edges, names, strict=False) if names.count(name) > 1]:
                raise ConfigError(
                    f"{key} {', '.join(twice)} would give files of the same name, because names keep "
                    f"{'whole GeV' if form == '.0f' else 'three decimals'}; choose edges that differ when rounded"
                )

    def __len__(self) -> int:
        return len(TauType) * self.per_type

    @property
    def per_type(self) -> int:
        """Number of bins of one type."""
        return (len(self.pt_edges) - 1) * (len(self.eta_edges) - 1)

    def names_of(self, tau_type: str) -> list[str]:
        """Names of all bins of one type, pt by pt.

        Args:
            tau_type: name of the truth type.

        Returns:
            Names in the order of the bin numbers.

        Examples:
            >>> Bins((20, 40, 80), (0, 2.3)).names_of("mu")
            ['mu_pt_20_eta_0.000', 'mu_pt_40_eta_0.000']
        """
        return [bin_name(tau_type, pt, eta) for pt in self.pt_edges[:-1] for eta in self.eta_edges[:-1]]

    @property
    def types(self) -> list[str]:
        """Names of all truth types, in the order of the bin numbers."""
        return [tau_type.name for tau_type in TauType]

    @functools.cached_property
    def names(self) -> list[str]:
        """Names of all bins by number."""
        return [name for tau_type in self.types for name in self.names_of(tau_type)]

    def numbers(self, types: np.ndarray, pt: np.ndarray, abs_eta: np.ndarray) -> np.ndarray:
        """Bin numbers; the lower edges belong to a bin, the upper ones do not.

        Args:
            types: truth types, int, shape (n,); -1 for none.
            pt: GeV, shape (n,).
            abs_eta: |η|, shape (n,).

        Returns:
            int64, shape (n,); -1 for entries in no bin.

        Examples:
            >>> bins = Bins((20, 40, 80), (0, 2.3))
            >>> bins.numbers(np.array([0, 0, 1, 1, -1]), np.array([20, 40, 20, 80, 30]), np.zeros(5)).tolist()
            [0, 1, 2, -1, -1]
        """
        # values are float32 and edges are not: they are compared exactly, in double precision
        rows, columns = (
            np.searchsorted(np.asarray(edges, np.float64), values.astype(np.float64), side="right") - 1
            for edges, values in ((self.pt_edges, pt), (self.eta_edges, abs_eta))
        )
        n_rows, n_columns = len(self.pt_edges) - 1, len(self.eta_edges) - 1
        inside = (rows >= 0) & (rows < n_rows) & (columns >= 0) & (columns < n_columns) & (types != NO_TYPE)
        return np.where(inside, (types.astype(np.int64) * n_rows + rows) * n_columns + columns, -1)


def selected(tuples: Tuples, selection: Sequence[str]) -> np.ndarray:
    """Entries with a reconstructed tau that fulfil all requirements; a missing value fulfils none.

    Args:
        tuples: entries with ``tau_index`` and the branches of the selection.
        selection: requirements, see :func:`taumltools.config.binned.parse_requirement`.

    Returns:
        bool, shape (n,).

    Raises:
        InputError: a branch is missing.

    Examples:
        >>> taus = Tuples({"tau_index": np.array([0, 0, -1]), "tau_dz": np.float32([-0.3, 0.1, 0.1])})
        >>> selected(taus, ["abs(tau_dz) < 0.2"]).tolist()
        [False, True, False]
    """
    passed = tuples["tau_index"] >= 0
    for requirement in selection:
        branch, absolute, sign, number = parse_requirement(requirement)
        values = tuples[branch].astype(np.float64)
        passed &= _OPERATORS[sign](np.abs(values) if absolute else values, number) & ~np.isnan(values)
    return passed
