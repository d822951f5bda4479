import dataclasses

import keras
import numpy as np
import pytest

from taumltools.config import load_campaign
from taumltools.config.model import ModelConfig
from taumltools.errors import InputError
from taumltools.features.flat import FlatTuples, make_flat
from taumltools.features.scaling import load_scaling
from taumltools.training.batches import Samples
from taumltools.training.layout import InputLayout
from taumltools.training.models import build_model
from taumltools.training.network import Network, load_network
from taumltools.tuples.data import Collection
from taumltools.tuples.mock import mock_tuples
from tests.unit.training.deeptau_case import some_scaling, tiny_features


@pytest.fixture(scope="module")
def network(features, scaling, model):
    keras.utils.set_random_seed(3)
    return Network.of(build_model(model, features, load_scaling(scaling, features)))


def test_layout_comes_from_the_scaling_layers(network, features):
    assert network.layout == InputLayout.of(features)


def test_sets_of_a_given_size_hold_the_leading_objects(flat, features, scaling, model):
    """The network sees neither more objects nor other places than its settings say, also when it comes from a file."""
    blocks = {name: dataclasses.replace(block, set_size=3) for name, block in features.objects.items()}
    short = dataclasses.replace(features, objects=blocks)
    keras.utils.set_random_seed(3)
    network = Network.of(build_model(model, short, load_scaling(scaling, features)))
    assert network.layout == InputLayout.of(short)
    assert InputLayout.from_dict(network.layout.as_dict()) == network.layout
    batch = next(Samples.of(flat, network.layout).batches(100))
    everything = next(Samples.of(flat, InputLayout.of(features)).batches(100))
    for name in blocks:
        assert batch.inputs[name].shape[1] == 3 < everything.inputs[name].shape[1]
        np.testing.assert_array_equal(batch.inputs[name], everything.inputs[name][:, :3])
        np.testing.assert_array_equal(batch.inputs[f"{name}_mask"], everything.inputs[f"{name}_mask"][:, :3])
    cut = dataclasses.replace(flat, objects={name: _leading(block, 3) for name, block in flat.objects.items()})
    np.testing.assert_allclose(network.predict(flat), network.predict(cut), rtol=1e-5)


def _leading(block, places):
    counts = np.diff(block.offsets)
    keep = np.concatenate([np.arange(n) < places for n in counts])
    offsets = np.append(0, np.cumsum(np.minimum(counts, places)))
    return Collection(offsets, {name: column[keep] for name, column in block.columns.items()})


def test_layout_of_cells_comes_from_the_layers():
    for features in (tiny_features(), load_campaign("tiny", "features=deeptau_v2p5").features):
        model = build_model(ModelConfig(name="deeptau"), features, some_scaling(features))
        assert Network.of(model).layout == InputLayout.of(features, "cells")


@pytest.fixture(scope="module")
def cells():
    """A network on cells, and flat tuples with the features of DeepTau v2.5 made from mock tuples."""
    campaign = load_campaign("tiny", "features=deeptau_v2p5 model=deeptau_narrow")
    keras.utils.set_random_seed(4)
    model = build_model(campaign.model, campaign.features, some_scaling(campaign.features))
    return Network.of(model), make_flat(mock_tuples(60), campaign.features)


def test_cells_from_tuples_to_probabilities(cells):
    network, flat = cells
    expected = network.predict(flat)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(network.predict(flat, 25), expected, rtol=1e-4, atol=1e-6)
    order = np.random.default_rng(1).permutation(len(flat))
    np.testing.assert_allclose(network.predict(flat.take(order)), expected[order], rtol=1e-4, atol=1e-6)


def test_cells_of_other_features_are_refused(cells, flat):
    network, own = cells
    with pytest.raises(InputError, match=r"features .* of block 'taus'|needs the block"):
        network.predict(flat)
    without = dataclasses.replace(own, cells={})
    with pytest.raises(InputError, match=r"needs the grid '(inner|outer)'.*found no such grid"):
        network.predict(without)


def test_only_probabilities_are_predicted(features, scaling, model, flat):
    """The second head of domain adaptation is left out."""
    two = build_model(dataclasses.replace(model, adversarial=True), features, load_scaling(scaling, features))
    assert len(two.outputs) == 2
    assert Network.of(two).predict(flat.slice(0, 5)).shape == (5, 4)


def test_batches_do_not_change_predictions(network, flat):
    part = flat.slice(0, 300)
    np.testing.assert_allclose(network.predict(part, 300), network.predict(part, 77), rtol=1e-4, atol=1e-6)


def test_columns_may_come_in_any_order_and_number(network, flat):
    part = flat.slice(0, 20)
    taus = dict(reversed(list({**part.taus, "more": part.taus["iso"]}.items())))
    np.testing.assert_array_equal(network.predict(FlatTuples(part.index, taus, part.objects)), network.predict(part))


def test_nothing_to_predict(network, flat):
    assert network.predict(flat.slice(0, 0)).shape == (0, 4)


def test_missing_feature_is_named(network, flat):
    less = FlatTuples(flat.index, {"iso": flat.taus["iso"]}, flat.objects)
    with pytest.raises(InputError, match=r"needs the features \['tau_eta'\] of block 'taus'"):
        network.predict(less)


def test_broken_weights_are_noticed(network, flat):
    weights = network.model.get_weights()
    network.model.set_weights([w * np.float32("nan") if w.dtype == np.float32 else w for w in weights])
    with pytest.raises(InputError, match="no finite probability for 20 entries, first in row 0"):
        network.predict(flat.slice(0, 20))
    network.model.set_weights(weights)


def test_foreign_model_is_refused():
    inputs = keras.Input((2,))
    with pytest.raises(InputError, match="no scaling layer for taus"):
        Network.of(keras.Model(inputs, keras.layers.Dense(4)(inputs), name="foreign"))


def test_bad_directories(tmp_path):
    with pytest.raises(InputError, match="no trained network there \\(found no such directory\\)"):
        load_network(tmp_path / "none")
    (tmp_path / "history.json").write_text("{}")
    with pytest.raises(InputError, match=r"found \['history.json'\]"):
        load_network(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"not a zip file")
    with pytest.raises(InputError, match="not a readable Keras model"):
        load_network(tmp_path)
