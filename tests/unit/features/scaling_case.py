"""Features with two grids and flat tuples to match, made by hand; importable by other tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from taumltools.config.features import (
    CellsConfig,
    FeatureConfig,
    FeaturesConfig,
    GridConfig,
    ObjectBlock,
    ScalingRule,
)
from taumltools.features.cells import Cells
from taumltools.features.table import FlatTuples
from taumltools.tuples.data import Collection

NORMAL = ScalingRule(type="normal")
NEAR = ScalingRule(type="linear", grids={"inner": (-0.1, 0.1), "outer": (-0.5, 0.5)})


def block(collection, extra=()):
    prefix = collection
    features = {
        f"{prefix}_valid": FeatureConfig("1"),
        f"{prefix}_rel_pt": FeatureConfig(f"{prefix}_pt / tau_pt", scaling=NORMAL),
        f"{prefix}_deta": FeatureConfig(f"{prefix}_eta - tau_eta", scaling=NEAR),
        f"{prefix}_dphi": FeatureConfig(f"dphi({prefix}_phi,tau_phi)", scaling=NEAR),
        f"{prefix}_dxy": FeatureConfig(f"{prefix}_dxy", valid=f"{prefix}_dxy_error > 0", scaling=NORMAL),
    }
    return ObjectBlock(collection=collection, features=features, max_objects=0)


def make_config():
    """One block that feeds the cells of two grids, one that does not, values that cells repeat."""
    return FeaturesConfig(
        taus={
            "tau_pt": FeatureConfig(scaling=ScalingRule(type="linear", min=20, max=1000)),
            "tau_mass": FeatureConfig(scaling=NORMAL),
        },
        objects={
            "muon": block("muon"),
            "electron": ObjectBlock("ele", {"ele_rel_pt": FeatureConfig("ele_pt / tau_pt", scaling=NORMAL)}),
        },
        cells=CellsConfig(
            grids={"inner": GridConfig(11, 11, 0.02), "outer": GridConfig(21, 21, 0.05, cone=0.5)},
            components={"muons": ("muon",)},
            features={"rho": FeatureConfig(scaling=NORMAL)},
        ),
    )


def make_flat(n=50, seed=0):
    """Random candidates; each object of the block "muon" fills a cell of a grid with some probability."""
    rng = np.random.default_rng(seed)

    def column(size, scale=1.0, missing=0.0):
        values = rng.normal(3 * scale, scale, size).astype(np.float32)
        values[rng.random(size) < missing] = np.nan
        return values

    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 6, n))]).astype(np.int64)
    size = int(offsets[-1])
    muons = {
        "muon_valid": np.ones(size, np.float32),
        "muon_rel_pt": column(size),
        "muon_deta": rng.uniform(-0.4, 0.4, size).astype(np.float32),
        "muon_dphi": rng.uniform(-0.4, 0.4, size).astype(np.float32),
        "muon_dxy": column(size, 0.1, missing=0.3),
    }
    electrons = Collection(offsets, {"ele_rel_pt": column(size)})
    cells = {name: _cells(offsets, rng, share) for name, share in (("inner", 0.3), ("outer", 0.8))}
    return FlatTuples(
        {"entry": np.arange(n), "tau_pt": rng.uniform(20, 100, n).astype(np.float32)},
        {"tau_pt": column(n, 20), "tau_mass": column(n)},
        {"muon": Collection(offsets, muons), "electron": electrons},
        cell_features={"rho": column(n, 10)},
        cells=cells,
    )


def _cells(offsets, rng, share):
    """Some objects of each candidate in cells 0, 1, 2, ..., and one cell at the end that holds none."""
    lists = [[i for i in range(b - a) if rng.random() < share] for a, b in pairwise(offsets)]
    lists = [[*positions, -1] if i % 7 == 0 else positions for i, positions in enumerate(lists)]
    return Cells(
        np.cumsum([0, *map(len, lists)]),
        np.array([cell for positions in lists for cell in range(len(positions))], np.uint16),
        {"muon": np.array([p for positions in lists for p in positions], np.int32)},
    )


def values_in(flat, grid, name):
    """Slowly: values of a feature of "muon" in the cells of a grid, one candidate and cell after the other."""
    cells, muons, found = flat.cells[grid], flat.objects["muon"], []
    for tau in range(len(flat)):
        for row in range(cells.offsets[tau], cells.offsets[tau + 1]):
            position = cells.objects["muon"][row]
            if position >= 0:
                found.append(muons.columns[name][muons.offsets[tau] + position])
    return np.array(found, np.float32)
