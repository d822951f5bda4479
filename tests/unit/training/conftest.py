import dataclasses

import numpy as np
import pytest

from taumltools.config.features import FeatureConfig, FeaturesConfig, ObjectBlock, ScalingRule
from taumltools.config.model import ModelConfig
from taumltools.config.training import TrackingConfig, TrainingConfig
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.features.scaling import make_scaling, sum_features
from taumltools.tuples.data import Collection

NORMAL = ScalingRule(type="normal")


@pytest.fixture(scope="session")
def features():
    return FeaturesConfig(
        taus={
            "iso": FeatureConfig(expression="tau_chargedIsoPtSum", scaling=NORMAL),
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
