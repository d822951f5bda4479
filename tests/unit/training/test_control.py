"""Rows of a control region: which ones a batch has, that they can be found again, and what is refused."""

import itertools

import numpy as np
import pytest

from taumltools.config.adversarial import AdversarialConfig, ControlSample
from taumltools.errors import ConfigError, InputError
from taumltools.eventhash import in_first_part
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.training import scan as module
from taumltools.training.control import control_files
from taumltools.training.loader import Loader
from taumltools.training.loader_adversarial import AdversarialLoader

ROWS = {"data": 7, "dy": 5, "ttbar": 2}
KIND = {"data": 1.0, "dy": 0.0, "ttbar": 0.0}
WEIGHT = {"data": 1.0, "dy": 1.5, "ttbar": 0.5}
STARTS = {"data": 1000, "dy": 2000, "ttbar": 3000}


def numbered(flat, start):
    """Entries whose feature ``iso`` says who they are."""
    return FlatTuples(flat.index, {**flat.taus, "iso": start + np.arange(len(flat), dtype=np.float32)}, flat.objects)


@pytest.fixture(scope="module")
def region(tmp_path_factory, flat):
    """Three samples, one of them in two files."""
    folder = tmp_path_factory.mktemp("control")
    data = numbered(flat.slice(0, 90), STARTS["data"])
    write_flat(folder / "data_0.h5", [data.slice(0, 60)])
    write_flat(folder / "data_1.h5", [data.slice(60, 90)])
    write_flat(folder / "dy.h5", [numbered(flat.slice(200, 300), STARTS["dy"])])
    write_flat(folder / "ttbar.h5", [numbered(flat.slice(300, 320), STARTS["ttbar"])])
    files = {"data": "data_*.h5", "dy": "dy.h5", "ttbar": "ttbar.h5"}
    samples = {
        name: ControlSample(data=KIND[name] > 0, files=(str(folder / pattern),), rows=ROWS[name], weight=WEIGHT[name])
        for name, pattern in files.items()
    }
    return AdversarialConfig(samples=samples)


@pytest.fixture
def make(region, tmp_path, features, training, replace, flat):
    path = tmp_path / "ordinary.h5"
    write_flat(path, [numbered(flat.slice(0, 400), 0)])

    def make(**changes):
        form = changes.pop("form", "sets")
        config = replace(training, **({"adversarial": region} | changes))
        return AdversarialLoader([path], control_files(region), features, config, form)

    return make


def test_batches_are_ordinary_rows_and_then_a_fixed_mixture(make, tmp_path, features, training):
    loader = make()
    ordinary = Loader([tmp_path / "ordinary.h5"], features, training)
    assert (loader.steps, loader.entries, loader.counts) == (ordinary.steps, ordinary.entries, ordinary.counts)
    for batch, alone in zip(loader.train_batches(4), ordinary.train_batches(4), strict=True):
        n = len(alone)
        assert len(batch) == n + sum(ROWS.values())
        np.testing.assert_array_equal(batch.inputs["taus"][:n], alone.inputs["taus"])
        np.testing.assert_array_equal(batch.target[:n], alone.target)
        np.testing.assert_array_equal(batch.weight[:n], alone.weight)
        assert not batch.target[n:].any()
        assert not batch.weight[n:].any()
        assert not batch.adversarial["weight"][:n].any()
        edges = n + np.cumsum([0, *ROWS.values()])
        for name, start, stop in zip(ROWS, edges, edges[1:], strict=False):
            number = batch.inputs["taus"][start:stop, 0]
            assert ((number >= STARTS[name]) & (number < STARTS[name] + 1000)).all()
            assert (batch.adversarial["target"][start:stop] == KIND[name]).all()
            assert set(batch.adversarial["weight"][start:stop].tolist()) <= {0.0, WEIGHT[name]}  # 0: fills up
        longest = batch.inputs["pf_mask"].sum(axis=1)
        assert (longest[:n] == alone.inputs["pf_mask"].sum(axis=1)).all()


@pytest.mark.parametrize("cache_mb", [100, 0], ids=["cached", "streamed"])
def test_each_sample_is_gone_through_again_and_again(make, monkeypatch, flat, training, cache_mb):
    """In 200 batches, i.e. over many epochs of the ordinary sample, every training entry comes equally often."""
    monkeypatch.setattr(module, "READ_BLOCK", 16)
    loader = make(cache_mb=cache_mb, window=32, workers=1)
    portions = itertools.islice(loader.control.portions(seed=3, start=0), 200)
    seen = [[p.taken() for p in portion] for portion in portions]
    index = flat.slice(200, 300).index
    validates = in_first_part(index["run"], index["lumi"], index["evt"], training.validation_fraction)
    of_dy = np.concatenate([step[1].taus[step[1].weights > 0, 0] for step in seen]) - STARTS["dy"]
    entries, times = np.unique(of_dy, return_counts=True)
    np.testing.assert_array_equal(entries, np.flatnonzero(~validates))
    assert times.max() - times.min() <= 1
    assert loader.control.counts["train"]["dy"] == len(entries)
    assert loader.control.counts["validation"]["dy"] == validates.sum()
    firsts = [tuple(step[1].taus[:, 0]) for step in seen[:40]]
    assert len(set(firsts)) == 40  # another order each time


@pytest.mark.parametrize("cache_mb", [100, 0], ids=["cached", "streamed"])
def test_an_epoch_can_be_entered_anywhere(make, cache_mb):
    loader = make(cache_mb=cache_mb, window=32, batch_size=40)
    batches = list(loader.train_batches(seed=1, epoch=3))
    rest = list(make(cache_mb=cache_mb, window=32, batch_size=40, workers=2).resume(loader.state(1, 3, 4).as_dict()))
    assert len(rest) == len(batches) - 4
    for a, b in zip(batches[4:], rest, strict=True):
        np.testing.assert_array_equal(a.inputs["taus"], b.inputs["taus"])
        for name in ("target", "weight"):
            np.testing.assert_array_equal(a.adversarial[name], b.adversarial[name])


def test_a_checkpoint_of_another_control_region_is_refused(make, region, replace):
    state = make().state(1, 1, 1)
    other = replace(region, samples={**region.samples, "dy": replace(region.samples["dy"], weight=2.0)})
    with pytest.raises(InputError, match="the checkpoint was made with another sample"):
        make(adversarial=other).resume(state)
    assert make().state(1, 1, 1) == state


def test_cells_are_joined_too(tmp_path, grid_flat, grid_features, grid_paths, training, replace):
    write_flat(tmp_path / "a.h5", [grid_flat.slice(0, 80)])
    samples = {name: ControlSample(data=name == "data", files=("/a",), rows=3) for name in ("data", "dy")}
    config = replace(training, adversarial=AdversarialConfig(samples=samples), batch_size=10)
    paths = {name: [tmp_path / "a.h5"] for name in samples}
    loader = AdversarialLoader(grid_paths, paths, grid_features, config, "cells")
    batch = next(iter(loader.train_batches(1)))
    cells = batch.inputs["inner_cell"]
    assert len(batch) == 16
    assert cells.max() == 16 * 9  # one past the last: rows that fill up
    filled = grid_flat.cells["inner"]
    for row, number in enumerate(batch.inputs["taus"][:, 0].astype(int)):
        own = cells[(cells >= row * 9) & (cells < (row + 1) * 9)] - row * 9
        expected = filled.cell[filled.offsets[number] : filled.offsets[number + 1]]
        np.testing.assert_array_equal(np.sort(own), expected)


def test_files_that_are_not_there_are_named_with_their_sample(region, replace):
    lost = {**region.samples, "dy": replace(region.samples["dy"], files=("/nowhere/dy_*.h5",))}
    with pytest.raises(InputError, match=r"training.adversarial.samples.dy.files: nothing is called /nowhere/dy_\*.h5"):
        control_files(replace(region, samples=lost))
    with pytest.raises(
        InputError, match=r"samples.dy.files: nothing is called root://host//dy.h5; .*this machine sees"
    ):
        control_files(replace(region, samples={**lost, "dy": replace(lost["dy"], files=("root://host//dy.h5",))}))


def test_samples_with_too_few_rows_are_named(make, region, replace, flat, tmp_path):
    greedy = {**region.samples, "ttbar": replace(region.samples["ttbar"], rows=19)}
    with pytest.raises(
        InputError, match=r"samples.ttbar: \d+ entries to train on .*expected at least the 19 of a batch"
    ):
        make(adversarial=replace(region, samples=greedy))


def test_a_control_region_without_a_feature_is_named(region, tmp_path, features, paths, training, replace, flat):
    taus = {name: values for name, values in flat.taus.items() if name != "iso"}
    write_flat(tmp_path / "poor.h5", [FlatTuples(flat.index, taus, flat.objects)])
    control = control_files(region) | {"dy": [tmp_path / "poor.h5"]}
    with pytest.raises(InputError, match=r"poor.h5: the network needs the features \['iso'\] of block 'taus'"):
        AdversarialLoader(paths, control, features, replace(training, adversarial=region))
    with pytest.raises(InputError, match=r"training.adversarial.samples.ttbar: it has no files"):
        AdversarialLoader(paths, control_files(region) | {"ttbar": []}, features, replace(training, adversarial=region))


def test_infinite_values_of_the_control_region_are_named(region, tmp_path, features, paths, training, replace, flat):
    taus = {**flat.taus, "tau_eta": np.full(len(flat), np.inf, np.float32)}
    write_flat(tmp_path / "bad.h5", [FlatTuples(flat.index, taus, flat.objects)])
    control = control_files(region) | {"dy": [tmp_path / "bad.h5"]}
    with pytest.raises(InputError, match=r"infinite values, by feature: \{'taus.tau_eta'"):
        AdversarialLoader(paths, control, features, replace(training, adversarial=region))


def test_settings_without_a_control_region_are_refused(paths, features, training):
    with pytest.raises(ConfigError, match="a network with a second head needs a control region"):
        AdversarialLoader(paths, {}, features, training)
