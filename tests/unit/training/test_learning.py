"""Does the fit find what can be found?  A problem whose best answer is known, and the seams of the loader."""

import itertools
import math

import numpy as np
import pytest

from taumltools.config.features import FeatureConfig, FeaturesConfig, ObjectBlock, ScalingRule
from taumltools.config.model import ModelConfig
from taumltools.config.training import TrackingConfig, TrainingConfig
from taumltools.errors import InputError
from taumltools.eventhash import in_first_part
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.features.scaling import FeatureSums, make_scaling, sum_features
from taumltools.training import scan as loading
from taumltools.training.fit import train
from taumltools.training.loader import Loader
from taumltools.training.metrics import discriminator_aucs
from taumltools.training.network import load_network
from taumltools.tuples.data import Collection

NORMAL = ScalingRule(type="normal")
X_SHIFT = np.array([-1.2, 0.4, 1.2, -0.4])
OBJECT_MEAN = np.array([0.6, -0.6, 0.3, -0.9])
N_OBJECTS = 4

FEATURES = FeaturesConfig(
    taus={"x": FeatureConfig(expression="tau_dxy", scaling=NORMAL), "id": FeatureConfig(expression="tau_pt")},
    objects={
        "pf": ObjectBlock(collection="pfCand", features={"y": FeatureConfig(expression="pfCand_dxy", scaling=NORMAL)})
    },
)
TRAINING = TrainingConfig(
    epochs=6,
    batch_size=128,
    learning_rate=1e-2,
    loss="categorical_crossentropy",
    class_weights="none",
    validation_fraction=0.2,
    tracking=TrackingConfig(enabled=False),
)


def gauss(n, seed):
    """Four types with equal numbers; x of the tau and y of four objects are Gaussian with unit width around the type's mean."""
    rng = np.random.default_rng(seed)
    types = rng.integers(0, 4, n).astype(np.int8)
    y = rng.normal(np.repeat(OBJECT_MEAN[types], N_OBJECTS)).astype(np.float32)
    index = {
        "run": np.ones(n, np.uint32),
        "lumi": np.full(n, seed, np.uint32),
        "evt": np.arange(n, dtype=np.uint64),
        "tau_type": types,
    }
    taus = {"x": rng.normal(X_SHIFT[types]).astype(np.float32), "id": np.zeros(n, np.float32)}
    return FlatTuples(index, taus, {"pf": Collection(np.arange(n + 1) * N_OBJECTS, {"y": y})})


def best_probability(flat):
    """Bayes: no classifier can do better."""
    y = flat.objects["pf"].columns["y"].reshape(-1, N_OBJECTS, 1).astype(float)
    log = -0.5 * (flat.taus["x"][:, None].astype(float) - X_SHIFT) ** 2 - 0.5 * ((y - OBJECT_MEAN) ** 2).sum(axis=1)
    p = np.exp(log - log.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def cross_entropy(p, types):
    return float(-np.log(p[np.arange(len(types)), types]).mean())


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("gauss") / "train.h5"
    write_flat(path, [gauss(6000, seed=1)], config=FEATURES)
    scaling = make_scaling(FeatureSums.merge([sum_features(path, FEATURES)]), FEATURES)
    return path, scaling


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, sample):
    path, scaling = sample
    out = tmp_path_factory.mktemp("model")
    network = ModelConfig(object_units=(16,), tau_units=(8,), dense_units=(32,), attention_heads=1, dropout=0.0)
    return out, train([path], scaling, FEATURES, network, TRAINING, out, seed=5)


@pytest.fixture(scope="module")
def unseen():
    return gauss(4000, seed=99)


def test_fit_comes_close_to_the_best_possible(fitted, unseen):
    types = unseen.index["tau_type"]
    best, p = best_probability(unseen), load_network(fitted[0]).predict(unseen)
    chance, optimum, found = math.log(4), cross_entropy(best, types), cross_entropy(p, types)
    assert optimum < 0.75 * chance  # the problem is worth learning
    assert optimum - 0.02 < found < optimum + 0.05 * (chance - optimum) + 0.02
    assert np.mean(p.argmax(1) == types) == pytest.approx(np.mean(best.argmax(1) == types), abs=0.03)
    target = np.eye(4)[types]
    for name, value in discriminator_aucs(best, target).items():
        assert discriminator_aucs(p, target)[name] == pytest.approx(value, abs=0.01), name


def test_probabilities_are_probabilities(fitted, unseen):
    """Of the entries scored with 70%, seven of ten are of that type."""
    p, target = load_network(fitted[0]).predict(unseen), np.eye(4)[unseen.index["tau_type"]]
    edges = np.linspace(0, 1, 6)
    for low, high in itertools.pairwise(edges):
        inside = (p >= low) & (p < high)
        assert inside.sum() > 50
        assert target[inside].mean() == pytest.approx(p[inside].mean(), abs=0.05)


def test_figures_of_the_fit_are_those_of_the_kept_network(fitted, sample):
    """The validation figures in the files are what the network on disk gives on the validation sample."""
    out, result = fitted
    flat = gauss(6000, seed=1)
    side = in_first_part(*(flat.index[n] for n in ("run", "lumi", "evt")), TRAINING.validation_fraction)
    held_out = flat.take(np.flatnonzero(side))
    p, types = load_network(out).predict(held_out), held_out.index["tau_type"]
    assert result.metrics["val_loss"] == pytest.approx(cross_entropy(p, types), rel=1e-4)
    assert result.metrics["val_accuracy"] == pytest.approx(np.mean(p.argmax(1) == types), abs=1e-6)
    for name, value in discriminator_aucs(p, np.eye(4)[types]).items():
        assert result.metrics[f"val_{name}"] == pytest.approx(value, abs=1e-5)
    assert sum(result.metrics["entries"]["validation"].values()) == len(held_out)


def test_a_file_of_one_type_has_nothing_to_separate(tmp_path):
    flat = gauss(400, seed=2)
    write_flat(tmp_path / "tau.h5", [flat.take(np.flatnonzero(flat.index["tau_type"] == 2))])
    with pytest.raises(InputError, match=r"no entries of type e, mu, jet in the train sample .*'tau': \d+"):
        Loader([tmp_path / "tau.h5"], FEATURES, TRAINING)


def test_a_type_in_training_only_cannot_be_validated(tmp_path):
    flat = gauss(400, seed=2)
    side = in_first_part(*(flat.index[n] for n in ("run", "lumi", "evt")), TRAINING.validation_fraction)
    write_flat(tmp_path / "a.h5", [flat.take(np.flatnonzero(~side | (flat.index["tau_type"] != 1)))])
    with pytest.raises(InputError, match="no entries of type mu in the validation sample"):
        Loader([tmp_path / "a.h5"], FEATURES, TRAINING)


@pytest.mark.parametrize("cache_mb", [100, 0], ids=["cached", "streamed"])
@pytest.mark.parametrize("batch_size", [1, 37, 100])
def test_an_epoch_is_the_whole_sample(tmp_path, monkeypatch, cache_mb, batch_size):
    """Three files of uneven size in small blocks: each entry once, rows stay together; what fills up has no weight."""
    monkeypatch.setattr(loading, "READ_BLOCK", 64)
    flat = gauss(400, seed=3)
    numbered = FlatTuples(flat.index, {**flat.taus, "id": np.arange(400, dtype=np.float32)}, flat.objects)
    for k, (start, stop) in enumerate([(0, 150), (150, 170), (170, 400)]):
        write_flat(tmp_path / f"{k}.h5", [numbered.slice(start, stop)])
    config = TrainingConfig(**{**vars(TRAINING), "batch_size": batch_size, "cache_mb": cache_mb, "window": 128})
    loader = Loader(sorted(tmp_path.iterdir()), FEATURES, config)
    side = in_first_part(*(flat.index[n] for n in ("run", "lumi", "evt")), config.validation_fraction)
    orders = []
    for seed in (1, 2):
        batches = list(loader.train_batches(seed))
        assert {len(b) for b in batches} == {batch_size}
        number = np.concatenate([b.inputs["taus"][:, 1] for b in batches]).astype(int)
        assert len(batches) == loader.steps
        counted = number[np.concatenate([b.weight for b in batches]) > 0]
        np.testing.assert_array_equal(np.sort(counted), np.flatnonzero(~side))
        assert len(number) < len(counted) + batch_size
        assert not side[number].any()
        y = np.concatenate([b.inputs["pf"][:, :N_OBJECTS, 0] for b in batches])
        np.testing.assert_array_equal(y, flat.objects["pf"].columns["y"].reshape(-1, N_OBJECTS)[number])
        target = np.concatenate([b.target for b in batches])
        np.testing.assert_array_equal(target.argmax(axis=1), flat.index["tau_type"][number])
        orders.append(number)
    assert not np.array_equal(*orders)
    held_out = np.concatenate([b.inputs["taus"][:, 1] for b in loader.validation_batches()]).astype(int)
    np.testing.assert_array_equal(held_out, np.flatnonzero(side))
