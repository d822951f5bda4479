"""Features, inputs and constants for tests of networks on cells; importable by benchmarks too."""

from __future__ import annotations

import numpy as np

from taumltools.config.features import CellsConfig, FeatureConfig, FeaturesConfig, GridConfig, ObjectBlock

V2P5_GRIDS = {"inner": GridConfig(11, 11, 0.02), "outer": GridConfig(21, 21, 0.05, cone=0.5)}
V2P5_WIDTHS = {"egamma": 86, "muon": 64, "hadrons": 38}
IDENTITY = {"mean": 0.0, "std": 1.0, "lim_min": -np.inf, "lim_max": np.inf}
WITHOUT_SCALING = {"global": IDENTITY}


def cell_features(grids, widths, taus=43):
    """Features with components of the given widths, one block each, without any meaning."""
    blocks = {name: {f"{name}_{i}": FeatureConfig("tau_pt") for i in range(width)} for name, width in widths.items()}
    return FeaturesConfig(
        taus={f"tau_{i}": FeatureConfig("tau_pt") for i in range(taus)},
        objects={name: ObjectBlock("pfCand", block, max_objects=0) for name, block in blocks.items()},
        cells=CellsConfig(grids, {name: (name,) for name in widths}),
        title="test",
    )


def v2p5_features():
    return cell_features(V2P5_GRIDS, V2P5_WIDTHS)


def phase2_features():
    grids = {**V2P5_GRIDS, "outer": GridConfig(25, 25, 0.042, cone=0.5)}
    return cell_features(grids, {"egamma": 93, "muon": 70, "hadrons": 44})


def tiny_features():
    return cell_features(
        {"inner": GridConfig(3, 3, 0.02), "outer": GridConfig(5, 4, 0.1, cone=0.5)}, {"a": 4, "b": 3}, taus=5
    )


def no_scaling(features):
    return {block: dict.fromkeys(names, WITHOUT_SCALING) for block, names in features.blocks().items()}


def some_scaling(features, seed=3):
    """Other constants for every feature and grid."""
    rng = np.random.default_rng(seed)

    def numbers():
        return {"mean": rng.normal(), "std": rng.uniform(0.5, 2), "lim_min": -1.5, "lim_max": 1.5}

    cones = ["global"] if features.cells is None else list(features.cells.grids)
    return {
        block: {name: {cone: numbers() for cone in (["global"] if block == "taus" else cones)} for name in names}
        for block, names in features.blocks().items()
    }


def random_cells(features, n, filled, seed=1, padding=3):
    """Sparse inputs of n tau candidates with the given mean number of filled cells per grid."""
    rng = np.random.default_rng(seed)
    inputs = {"taus": rng.normal(size=(n, len(features.blocks()["taus"]))).astype(np.float32)}
    for grid, config in features.cells.grids.items():
        chosen = np.flatnonzero(rng.random(n * config.n_cells) < filled[grid] / config.n_cells)
        end = np.full(padding, n * config.n_cells)
        inputs[f"{grid}_cell"] = np.concatenate([rng.permutation(chosen), end]).astype(np.int32)
        for component, blocks in features.cells.components.items():
            width = sum(len(features.blocks()[block]) for block in blocks)
            rows = rng.normal(size=(len(chosen) + padding, width)).astype(np.float32)
            rows[len(chosen) :] = np.nan
            rows[: len(chosen)][rng.random(len(chosen)) < 0.3] = np.nan  # no object of this component
            inputs[f"{grid}_{component}"] = rows
    return inputs


def to_dense(features, inputs):
    """The same inputs as full grids of scaled values, for constants that change nothing."""
    n = len(inputs["taus"])
    dense = {"input_tau": inputs["taus"]}
    for grid, config in features.cells.grids.items():
        for component in features.cells.components:
            rows = inputs[f"{grid}_{component}"]
            cells = np.zeros((n * config.n_cells + 1, rows.shape[1]), np.float32)
            cells[inputs[f"{grid}_cell"]] = np.nan_to_num(rows)
            dense[f"input_{grid}_{component}"] = cells[:-1].reshape(n, config.n_eta, config.n_phi, -1)
    return dense


def to_sparse(features, dense):
    """Sparse inputs from full grids: what is not zero in any component."""
    inputs = {"taus": dense["input_tau"]}
    n = len(inputs["taus"])
    for grid, config in features.cells.grids.items():
        full = {c: dense[f"input_{grid}_{c}"].reshape(n * config.n_cells, -1) for c in features.cells.components}
        filled = np.flatnonzero(np.any([np.any(values != 0, axis=1) for values in full.values()], axis=0))
        inputs[f"{grid}_cell"] = filled.astype(np.int32)
        inputs |= {f"{grid}_{c}": values[filled] for c, values in full.items()}
    return inputs
