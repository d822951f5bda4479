import dataclasses

import numpy as np
import pytest

from taumltools.config.features import CellsConfig, FeatureConfig, FeaturesConfig, GridConfig, ObjectBlock, ScalingRule
from taumltools.config.model import ModelConfig
from taumltools.config.training import TrackingConfig, TrainingConfig
from taumltools.features.cells import Cells
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.features.scaling import make_scaling, sum_features
from taumltools.tuples.data import Collection

NORMAL = ScalingRule(type="normal")


@pytest.fixture(scope="session")
def features():
    return FeaturesConfig(
        taus={
            "iso": FeatureConfig(expression="tau_chargedIsoPtSum", valid="tau_chargedIsoPtSum >= 0", scaling=NORMAL),
            "tau_eta": FeatureConfig(scaling=ScalingRule(type="linear", min=-2.5, max=2.5)),
        },
        objects={
            "pf": ObjectBlock(
                collection="pfCand",
                features={
                    "pt": FeatureConfig(expression="pfCand_pt", scaling=NORMAL),
                    "kind": FeatureConfig(expression="pfCand_particleType"),
                },
            )
        },
    )


def toy_flat(n, seed):
    """Entries whose type can be learned: from isolation (jets) and from the kind of their objects (e, mu)."""
    rng = np.random.default_rng(seed)
    types = rng.integers(0, 4, n).astype(np.int8)
    counts = rng.integers(0, 12, n)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    kind = np.where(rng.random(offsets[-1]) < 0.8, np.float32([2, 3, 1, 4])[np.repeat(types, counts)], 1)
    iso = rng.exponential(np.where(types == 3, 20.0, 2.0)).astype(np.float32)
    iso[rng.random(n) < 0.1] = np.nan
    index = {
        "run": np.ones(n, np.uint32),
        "lumi": np.full(n, seed, np.uint32),
        "evt": (np.arange(n) // 2).astype(np.uint64),
        "entry": np.arange(n),
        "tau_type": types,
    }
    objects = {"pt": rng.exponential(5, offsets[-1]).astype(np.float32), "kind": kind.astype(np.float32)}
    taus = {"iso": iso, "tau_eta": rng.uniform(-2.4, 2.4, n).astype(np.float32)}
    return FlatTuples(index, taus, {"pf": Collection(offsets, objects)})


@pytest.fixture(scope="session")
def flat():
    return toy_flat(1200, seed=1)


@pytest.fixture(scope="session")
def paths(tmp_path_factory, features, flat):
    """The same entries in two files."""
    directory = tmp_path_factory.mktemp("flat")
    write_flat(directory / "a.h5", [flat.slice(0, 700)], config=features)
    write_flat(directory / "b.h5", [flat.slice(700, 1200)], config=features)
    return [directory / "a.h5", directory / "b.h5"]


@pytest.fixture(scope="session")
def grid_features(features):
    """Two grids with cells of one or two blocks of objects."""
    lepton = ObjectBlock(collection="ele", max_objects=0, features={"e": FeatureConfig(expression="ele_pt")})
    pf = dataclasses.replace(features.objects["pf"], max_objects=0)
    cells = CellsConfig(
        grids={
            "inner": GridConfig(n_eta=3, n_phi=3, size=0.02),
            "outer": GridConfig(n_eta=5, n_phi=4, size=0.1, cone=0.5),
        },
        components={"leptons": ("ele", "pf"), "hadrons": ("pf",)},
        features={"rho": FeatureConfig(scaling=NORMAL)},
    )
    return dataclasses.replace(features, objects={"pf": pf, "ele": lepton}, cells=cells)


def toy_cells(flat, n_cells, seed):
    """Some cells of each entry, filled with some of its objects."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, len(flat))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    owner = np.repeat(np.arange(len(flat)), counts)
    cell = [np.sort(rng.choice(n_cells, n, replace=False)) for n in counts]
    references = {}
    for name, block in flat.objects.items():
        any_object = rng.integers(-1, np.maximum(block.counts, 1)[owner])
        references[name] = np.where(block.counts[owner] > 0, any_object, -1).astype(np.int32)
    return Cells(offsets, np.concatenate(cell).astype(np.uint16), references)


@pytest.fixture(scope="session")
def grid_flat():
    """Entries with numbers of their own (``iso``), a rare and a common block, and two grids."""
    flat = toy_flat(700, seed=2)
    rng = np.random.default_rng(5)
    offsets = np.concatenate([[0], np.cumsum(rng.random(700) < 0.2)])
    ele = Collection(offsets, {"e": rng.random(offsets[-1]).astype(np.float32)})
    taus = {**flat.taus, "iso": np.arange(700, dtype=np.float32)}
    flat = dataclasses.replace(flat, taus=taus, objects={**flat.objects, "ele": ele})
    cells = {"inner": toy_cells(flat, 9, 3), "outer": toy_cells(flat, 20, 4)}
    return dataclasses.replace(flat, cell_features={"rho": rng.random(700).astype(np.float32)}, cells=cells)


@pytest.fixture(scope="session")
def grid_paths(tmp_path_factory, grid_flat):
    """The same entries in three files of uneven size."""
    directory = tmp_path_factory.mktemp("grids")
    for number, (start, stop) in enumerate([(0, 250), (250, 260), (260, 700)]):
        write_flat(directory / f"{number}.h5", [grid_flat.slice(start, stop)])
    return sorted(directory.iterdir())


@pytest.fixture(scope="session")
def scaling(tmp_path_factory, features, flat):
    path = tmp_path_factory.mktemp("scaling") / "all.h5"
    write_flat(path, [flat])
    return make_scaling(sum_features(path, features), features)


@pytest.fixture(scope="session")
def model():
    return ModelConfig(object_units=(8,), tau_units=(8,), dense_units=(16,), attention_heads=1, dropout=0.1)


@pytest.fixture(scope="session")
def training():
    return TrainingConfig(
        epochs=3,
        batch_size=64,
        learning_rate=1e-2,
        validation_fraction=0.25,
        window=512,
        tracking=TrackingConfig(enabled=False),
    )


@pytest.fixture
def replace():
    return dataclasses.replace
