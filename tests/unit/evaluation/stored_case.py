"""A small DeepTau on mock tuples, stored in every format; importable by tests of tasks too."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from taumltools.config.features import CellsConfig, FeatureConfig, FeaturesConfig, GridConfig, ObjectBlock, ScalingRule
from taumltools.features.flat import make_flat
from taumltools.training.export import WRITERS, export_network
from taumltools.training.legacy_weights import set_weights, weights_of
from taumltools.training.models import build_model
from taumltools.training.network import MODEL_FILE
from taumltools.tuples.mock import mock_tuples
from tests.unit.training.deeptau_case import some_scaling
from tests.unit.training.dense_deeptau import dense_deeptau
from tests.unit.training.test_deeptau import tiny

RULE = ScalingRule("normal", lo=-1.5, hi=1.5)
"""That of the constants of :func:`tests.unit.training.deeptau_case.some_scaling`."""

WIDTHS = {"tau": [6, 4], "a": [8, 4], "b": [6, 3], "merge": [7, 4], "dense": [8, 8]}
"""Of the layers that :func:`tests.unit.training.test_deeptau.tiny` gives with these features."""


def objects(name: str, expressions: list[str], select: str) -> ObjectBlock:
    features = {f"{name}_{i}": FeatureConfig(text, scaling=RULE) for i, text in enumerate(expressions)}
    return ObjectBlock("pfCand", features, select=select, max_objects=0)


def cell_case(cells: bool = True) -> FeaturesConfig:
    """Features that differ from candidate to candidate, and are undefined for some."""
    hadrons = ["pfCand_pt / tau_pt", "pfCand_eta - tau_eta", "pfCand_phi - tau_phi", "pfCand_puppiWeight"]
    grids = {"inner": GridConfig(3, 3, 0.1, cone=0.5), "outer": GridConfig(5, 4, 0.2, cone=0.5)}
    return FeaturesConfig(
        taus={
            "pt": FeatureConfig("tau_pt / 50", scaling=RULE),
            "eta": FeatureConfig("tau_eta", scaling=RULE),
            "mass": FeatureConfig("tau_mass", scaling=RULE),
            "dz": FeatureConfig("tau_dz", valid="tau_pt > 30", scaling=RULE),
            "iso": FeatureConfig("tau_chargedIsoPtSum / 10", scaling=RULE),
        },
        objects={
            "a": objects("a", hadrons, "pfCand_particleType == 1"),
            "b": objects("b", hadrons[:3], "pfCand_particleType == 4"),
        },
        cells=CellsConfig(grids, {"a": ("a",), "b": ("b",)}) if cells else None,
        title="stored",
    )


def small_network(cells: bool = True) -> keras.Model:
    """A network whose weights are all random, so that nothing that is left out could go unnoticed."""
    from taumltools.config.model import ModelConfig

    keras.utils.set_random_seed(4)
    features = cell_case(cells)
    config = tiny() if cells else ModelConfig(object_units=(6,), tau_units=(4,), dense_units=(8,), attention_heads=2)
    model = build_model(config, features, some_scaling(features))
    rng = np.random.default_rng(5)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            weight.assign(np.asarray(weight) + rng.uniform(0.01, 0.3, weight.shape))
    return model


def store(folder: Path, cells: bool = True) -> Path:
    """A training's folder with the network, and its export beside it."""
    trained = folder / "trained"
    trained.mkdir(parents=True)
    small_network(cells).save(trained / MODEL_FILE)
    export_network(trained, folder / "export")
    return folder


def write_dense_graph(folder: Path) -> Path:
    """The same network as the CMS tools have it: full grids of scaled values, as a frozen graph."""
    grids = {name: (grid.n_eta, grid.n_phi) for name, grid in cell_case().cells.grids.items()}
    dense = dense_deeptau(grids, {"a": 4, "b": 3}, 5, WIDTHS, drop=0.2)
    assert set_weights(dense, weights_of(small_network())) == []
    folder.mkdir(parents=True)
    WRITERS["graph"](dense, folder)
    return folder / "graph.pb"


def candidates(n: int = 60, seed: int = 2):
    """Flat tuples of mock candidates with these features."""
    return make_flat(mock_tuples(n, seed=seed), cell_case(), keep="reconstructed")
