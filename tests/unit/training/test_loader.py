import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taumltools.errors import ConfigError, InputError
from taumltools.eventhash import in_first_part
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.training import scan as module
from taumltools.training.loader import Loader, LoaderState


def iso(batches):
    return np.concatenate([b.inputs["taus"][:, 0] for b in batches])


def same(some, others):
    some, others = list(some), list(others)
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        assert a.inputs.keys() == b.inputs.keys()
        for name in a.inputs:
            np.testing.assert_array_equal(a.inputs[name], b.inputs[name])
        np.testing.assert_array_equal(a.target, b.target)
        np.testing.assert_array_equal(a.weight, b.weight)
    return True


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
    batches = list(loader.validation_batches())
    np.testing.assert_array_equal(iso(batches), flat.taus["iso"][validation])
    assert {len(b) for b in batches[:-1]} == {training.batch_size}


def test_order_follows_the_seed_and_the_epoch(loader):
    first, again = (iso(loader.train_batches(3, 1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for seed, epoch in ((4, 1), (3, 2)):
        assert not np.array_equal(first, iso(loader.train_batches(seed, epoch)), equal_nan=True)


def test_the_last_batch_is_filled_with_entries_of_no_weight(loader):
    *full, last = loader.train_batches(1)
    assert loader.steps == len(full) + 1
    assert all((b.weight > 0).all() and not b.filled for b in full)
    assert not last.weight[len(last) - last.filled :].any()
    assert (last.weight > 0).sum() == loader.entries - len(full) * loader.batch_size
    assert last.target.any(axis=1).all()


def test_balanced_weights_give_types_equal_sums(loader):
    batches = list(loader.train_batches(0))
    per_type = sum(b.weight @ b.target for b in batches)
    np.testing.assert_allclose(per_type, per_type.mean(), rtol=1e-5)
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


# ---- any worker, any start


@pytest.mark.parametrize("form", ["sets", "cells"])
@pytest.mark.parametrize("cache_mb", [100, 0], ids=["cached", "streamed"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_batches_depend_neither_on_workers_nor_on_interruptions(
    monkeypatch, grid_paths, grid_features, training, replace, cache_mb, form, data
):
    draw = data.draw
    monkeypatch.setattr(module, "READ_BLOCK", draw(st.integers(80, 250)))
    settings = {"batch_size": draw(st.integers(9, 90)), "window": draw(st.integers(1, 600)), "cache_mb": cache_mb}
    if draw(st.booleans()):
        settings["composition"] = (1, 0.5, 2, 1)
    seed, epoch, workers = draw(st.integers(0, 2**64)), draw(st.integers(0, 9)), draw(st.integers(1, 3))
    alone = Loader(grid_paths, grid_features, replace(training, **settings), form)
    threads = Loader(grid_paths, grid_features, replace(training, workers=workers, **settings), form)
    batches = list(alone.train_batches(seed, epoch))
    assert len(batches) == alone.steps
    assert {len(b) for b in batches} == {alone.batch_size}
    assert same(batches, threads.train_batches(seed, epoch))
    start = draw(st.integers(0, alone.steps))
    assert same(batches[start:], threads.resume(alone.state(seed, epoch, start)))
    assert same(alone.validation_batches(), threads.validation_batches())
    weight = np.concatenate([b.weight for b in batches])
    counted = iso(batches)[weight > 0]
    assert len(counted) == len(np.unique(counted)) == alone.entries == sum(alone.counts["train"].values())


def test_a_loader_that_is_left_early_stops_its_threads(grid_paths, grid_features, training, replace):
    import threading

    config = replace(training, workers=2, cache_mb=0)
    batches = Loader(grid_paths, grid_features, config).train_batches(1)
    next(batches)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("loader")]


def test_state_survives_json_and_refuses_another_sample(paths, features, training, replace):
    import json

    loader = Loader(paths, features, training)
    state = loader.state(7, 2, 3).as_dict()
    assert same(loader.resume(json.loads(json.dumps(state))), loader.train_batches(7, 2, 3))
    assert LoaderState(**state).step == 3
    for other in (
        Loader(paths[:1], features, training),
        Loader(paths[::-1], features, training),
        Loader(paths, features, replace(training, batch_size=65)),
        Loader(paths, features, replace(training, class_weights="none")),
        Loader(paths, features, replace(training, cache_mb=0, window=100)),
    ):
        with pytest.raises(InputError, match="another sample or other batches"):
            other.resume(state)
    with pytest.raises(InputError, match="step 1000 of an epoch with"):
        loader.train_batches(1, 1, 1000)


# ---- composition


@pytest.mark.parametrize("cache_mb", [100, 0], ids=["cached", "streamed"])
def test_composition_draws_other_entries_in_every_epoch(monkeypatch, paths, features, training, replace, cache_mb):
    monkeypatch.setattr(module, "READ_BLOCK", 200)
    shares = {"e": 1.0, "mu": 1.0, "tau": 2.0, "jet": 0.5}
    everything = Loader(paths, features, training).counts["train"]
    loader = Loader(
        paths, features, replace(training, composition=tuple(shares.values()), cache_mb=cache_mb, class_weights="none")
    )
    counts = loader.counts["train"]
    scale = min(everything[name] / share for name, share in shares.items())
    assert counts == {name: pytest.approx(scale * share, abs=1) for name, share in shares.items()}
    assert counts["tau"] == everything["tau"]
    epochs = []
    for epoch in (1, 2):
        batches = list(loader.train_batches(5, epoch))
        np.testing.assert_array_equal(sum(b.weight @ b.target for b in batches), list(counts.values()))
        epochs.append(set(np.concatenate([b.inputs["taus"][b.weight > 0, 1] for b in batches]).tolist()))
    assert len(epochs[0]) == len(epochs[1]) == loader.entries
    assert epochs[0] != epochs[1]


# ---- what is refused


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


def test_a_file_without_a_feature_is_named(tmp_path, features, training, flat, paths):
    without = FlatTuples(flat.index, {"tau_eta": flat.taus["tau_eta"]}, flat.objects)
    write_flat(tmp_path / "old.h5", [without])
    with pytest.raises(InputError, match=r"old.h5: .* features \['iso'\] of block 'taus'"):
        Loader([*paths, tmp_path / "old.h5"], features, training)


def test_a_file_without_grids_is_named(paths, grid_features, training):
    with pytest.raises(InputError, match="the network needs"):
        Loader(paths, grid_features, training, "cells")


def test_cells_of_features_without_grids(paths, features, training):
    with pytest.raises(ConfigError, match=r"features.cells: the model takes the cells of grids"):
        Loader(paths, features, training, "cells")


def test_nan_above_the_limit_is_named_with_its_numbers_in_all_files(tmp_path, features, training, replace, flat):
    """Each file alone may be above or below: files together are what the network is fitted to."""
    for name, start, stop, nan in (("a", 0, 700, 600), ("b", 700, 1200, 0)):
        part = dataclasses.replace(flat.slice(start, stop), nan={"taus.iso": nan, "taus.switched_off": stop - start})
        write_flat(tmp_path / f"{name}.h5", [part])
    paths = sorted(tmp_path.iterdir())
    Loader(paths, replace(features, nan_limit=0.5), training)
    with pytest.raises(
        InputError, match=r"a.h5 and 1 other files: NaN .*nan_limit = 0.4 .*: taus.iso: 600 of 1200\. Say"
    ):
        Loader(paths, replace(features, nan_limit=0.4), training)
    with pytest.raises(InputError, match=r"a.h5: NaN .*nan_limit = 0.5 .*: taus.iso: 600 of 700\."):
        Loader(paths[:1], features, training)


def test_infinite_values_are_named(tmp_path, features, training, flat):
    eta = flat.taus["tau_eta"].copy()
    eta[[3, 5]] = np.inf, -np.inf
    write_flat(tmp_path / "a.h5", [FlatTuples(flat.index, {**flat.taus, "tau_eta": eta}, flat.objects)])
    with pytest.raises(InputError, match=r"infinite values, by feature: \{'taus.tau_eta': 2\}"):
        Loader([tmp_path / "a.h5"], features, training)
