"""Tau candidates as the three trees of a TrainingTuple."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

import numpy as np

from taumltools.config.features import GridConfig
from taumltools.errors import ConfigError
from taumltools.features.trainingtuple.cells import fill_tree, find_objects
from taumltools.features.trainingtuple.source import Source, branches_for
from taumltools.features.trainingtuple.table import Column, columns
from taumltools.features.trainingtuple.transform import evaluate
from taumltools.tuples.data import Tuples
from taumltools.tuples.truth import NO_TYPE, TauType, truth_type

TREES = ("taus", "inner_cells", "outer_cells")
"""Names of the trees."""

Trees = dict[str, dict[str, np.ndarray]]
"""Columns by tree and name."""

_NEEDED = frozenset(
    {
        *("tau_pt", "tau_eta", "tau_phi", "tau_mass", "rho", "evt", "sampleType", "trainingWeight", "pfCand_pdgId"),
        *(f"{prefix}_{name}" for prefix in ("pfCand", "ele", "muon") for name in ("pt", "eta", "phi")),
        *(f"lepton_gen_vis_{name}" for name in ("pt", "eta", "phi", "mass")),
    }
)


@dataclass(frozen=True)
class TrainingTupleConfig:
    """What TrainingTupleProducer can be told; the defaults are its own.

    Attributes:
        inner: the grid in the signal cone.
        outer: the grid around it, which includes the signal cone.
        weight_factor: weights are multiplied with the entries of the file and divided by this.
        parity: -1 takes all, 0 even and 1 odd event numbers.
    """

    inner: GridConfig = field(default_factory=lambda: GridConfig(11, 11, 0.02))
    outer: GridConfig = field(default_factory=lambda: GridConfig(21, 21, 0.05, cone=0.5))
    weight_factor: float = 4.0
    parity: int = -1

    def __post_init__(self) -> None:
        for name, grid in (("inner", self.inner), ("outer", self.outer)):
            if grid.n_eta != grid.n_phi or not grid.n_eta % 2:
                raise ConfigError(
                    f"{name}: the TrainingTuple has square grids with an odd number of cells, found "
                    f"{grid.n_eta} x {grid.n_phi}"
                )
        if not self.weight_factor > 0:
            raise ConfigError(f"weight_factor must be positive, found {self.weight_factor}")
        if self.parity not in {-1, 0, 1}:
            raise ConfigError(f"parity must be -1 (all), 0 (even) or 1 (odd), found {self.parity}")


def export_branches(available: Container[str]) -> list[str]:
    """Branches to read from a file of any generation.

    Args:
        available: branches of the file.

    Returns:
        Names of branches.
    """
    formulas = _NEEDED.union(*(column.names for table in ("taus", "cells") for column in columns(table)))  # type: ignore[arg-type]
    return branches_for(formulas - {"type", "tau_energy"}, available)


def make_trees(tuples: Tuples, config: TrainingTupleConfig, entries_in_file: int) -> Trees:
    """Make the rows of all three trees.

    Args:
        tuples: entries with :func:`export_branches`.
        config: grids, weights, parity.
        entries_in_file: entries of the whole input file, for the weights.

    Returns:
        Columns; begin and end of the cells of a tau candidate count from the first row made here.
    """
    if config.parity >= 0:
        tuples = tuples.take(np.flatnonzero(tuples["evt"] % 2 == config.parity))
    source = Source(tuples)
    objects = find_objects(source)
    cells, counts = {}, {}
    for tree, (name, grid) in enumerate((("inner", config.inner), ("outer", config.outer))):
        cells[f"{name}_cells"], counts[name] = fill_tree(source, objects, grid, tree)
    own = _own(tuples, source, config, entries_in_file)
    for name, count in counts.items():
        end = np.cumsum(count)
        own |= {f"{name}Cells_begin": end - count, f"{name}Cells_end": end}
    formulas = {**{n: source[n] for n in _formula_names()}, "type": _types(tuples), "tau_energy": _energy(source)}
    taus = {c.name: _tau_column(c, own, formulas, len(tuples)) for c in columns("taus")}
    return {"taus": taus, **cells}


def _formula_names() -> frozenset[str]:
    return frozenset().union(*(column.names for column in columns("taus"))) - {"type", "tau_energy"}


def _tau_column(column: Column, own: dict[str, np.ndarray], formulas: dict[str, np.ndarray], size: int) -> np.ndarray:
    if column.kind == "own":
        return own[column.name].astype(column.dtype)
    return evaluate(column, formulas, size)


def _types(tuples: Tuples) -> np.ndarray:
    """Truth type in the numbering of 2020: e, mu, tau, jet, 4 embedded, 5 data.

    The tool does not ask whether there is a reconstructed tau.
    """
    types = truth_type(tuples.with_scalars({"tau_index": np.zeros(len(tuples), np.int32)}))
    embedded = (types >= TauType.emb_e) & (types <= TauType.emb_jet)
    return np.select([embedded, types == TauType.data], [4, 5], types)


def _energy(source: Source) -> np.ndarray:
    """Energy of the tau; a vector with pt <= 0 has no momentum (as in ROOT)."""
    pt, eta, mass = (source[f"tau_{name}"].astype(np.float64) for name in ("pt", "eta", "mass"))
    with np.errstate(over="ignore"):
        return np.where(pt > 0, np.hypot(pt * np.cosh(eta), mass), np.abs(mass))


def _own(tuples: Tuples, source: Source, config: TrainingTupleConfig, entries_in_file: int) -> dict[str, np.ndarray]:
    """Columns without formula, but for the ranges of cells."""
    weight = source["trainingWeight"] * np.float32(entries_in_file / config.weight_factor)
    return {"trainingWeight": weight, **_visible_lepton(tuples, source, _types(tuples))}


def _visible_lepton(tuples: Tuples, source: Source, types: np.ndarray) -> dict[str, np.ndarray]:
    """Sum of the visible parts of the generated lepton; 0 for jets, data and where there is none."""
    names = ("pt", "eta", "phi", "mass")
    wanted = (types != TauType.jet) & (types != 5) & (types != NO_TYPE)
    if "lepton_gen_vis" not in tuples.collections:
        return {f"lepton_gen_vis_{n}": np.where(wanted, source[f"lepton_gen_vis_{n}"], 0) for n in names}
    parts = tuples.collections["lepton_gen_vis"]
    pt, eta, phi, mass = (parts.columns[name].astype(np.float64) for name in names)
    momenta = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), np.hypot(pt * np.cosh(eta), mass))
    px, py, pz, energy = (np.bincount(parts.owner, weights=p, minlength=len(parts)) for p in momenta)
    pt_sum = np.hypot(px, py)
    squared = energy**2 - px**2 - py**2 - pz**2
    with np.errstate(divide="ignore", invalid="ignore"):
        sums = {
            "pt": pt_sum,
            "eta": np.where(pt_sum > 0, np.arcsinh(pz / pt_sum), 0),
            "phi": np.arctan2(py, px),
            "mass": np.copysign(np.sqrt(np.abs(squared)), squared),
        }
    return {f"lepton_gen_vis_{name}": np.where(wanted, value, 0) for name, value in sums.items()}
