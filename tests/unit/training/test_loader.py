import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.eventhash import in_first_part
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.training import loader as module
from taumltools.training.loader import Loader


def iso(batches):
    return np.concatenate([b.inputs["taus"][:, 0] for b in batches])


@pytest.fixture(params=["cached", "streamed"])
def loader(request, monkeypatch, paths, features, training, replace):
    monkeypatch.setattr(module, "READ_BLOCK", 200)
    config = training if request.param == "cached" else replace(training, cache_mb=0)
    loader = Loader(paths, features, config)
    assert loader.cached == (request.param == "cached")
    return loader


def test_split_is_exact_and_by_event(loader, flat, training):
    validation = in_first_part(*(flat.index[n] for n in ("run", "lumi", "evt")), training.validation_fraction)
    types = flat.index["tau_type"]
    assert list(loader.counts["train"].values()) == np.bincount(types[~validation]).tolist()
    assert list(loader.counts["validation"].values()) == np.bincount(types[validation]).tolist()
    np.testing.assert_array_equal(iso(loader.validation_batches()), flat.taus["iso"][validation])


def test_an_epoch_has_each_entry_at_most_once_in_full_batches(loader, flat, training):
    batches = list(loader.train_batches(np.random.default_rng(0)))
    assert len(batches) == loader.steps == sum(loader.counts["train"].values()) // training.batch_size
    assert {len(b) for b in batches} == {training.batch_size}
    eta = np.concatenate([b.inputs["taus"][:, 1] for b in batches])
    validation = in_first_part(*(flat.index[n] for n in ("run", "lumi", "evt")), training.validation_fraction)
    assert len(np.unique(eta)) == len(eta)
    assert set(eta) <= set(flat.taus["tau_eta"][~validation])


def test_order_follows_the_generator(loader):
    first, again = (iso(loader.train_batches(np.random.default_rng(3))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, iso(loader.train_batches(np.random.default_rng(4))), equal_nan=True)


def test_balanced_weights_give_types_equal_sums(loader):
    batches = list(loader.train_batches(np.random.default_rng(0)))
    per_type = sum(b.weight @ b.target for b in batches)
    np.testing.assert_allclose(per_type, per_type.mean(), rtol=0.1)
    counts = np.array(list(loader.counts["train"].values()))
    weights = np.array([max(b.weight[b.target[:, t] > 0].max() for b in batches) for t in range(4)])
    np.testing.assert_allclose(weights, counts.sum() / (4 * counts), rtol=1e-6)


def test_without_class_weights_all_count_one(paths, features, training, replace):
    loader = Loader(paths, features, replace(training, class_weights="none"))
    assert all((b.weight == 1).all() for b in loader.validation_batches())


def test_small_samples_make_smaller_batches(paths, features, training, replace):
    loader = Loader(paths, features, replace(training, batch_size=100_000))
    assert loader.batch_size == sum(loader.counts["train"].values())
    assert loader.steps == 1


def test_missing_type_is_refused(tmp_path, features, training, flat):
    no_muons = flat.take(np.flatnonzero(flat.index["tau_type"] != 1))
    write_flat(tmp_path / "a.h5", [no_muons])
    with pytest.raises(InputError, match="no entries of type mu in the train sample"):
        Loader([tmp_path / "a.h5"], features, training)


def test_entries_of_no_type_are_left_out(tmp_path, features, training, flat):
    types = np.where(np.arange(len(flat)) % 2, flat.index["tau_type"], np.int8(-1)).astype(np.int8)
    half = FlatTuples({**flat.index, "tau_type": types}, flat.taus, flat.objects)
    write_flat(tmp_path / "a.h5", [half])
    counts = Loader([tmp_path / "a.h5"], features, training).counts
    assert sum(counts["train"].values()) + sum(counts["validation"].values()) == 600


def test_no_files(features, training):
    with pytest.raises(InputError, match="no flat tuples"):
        Loader([], features, training)
