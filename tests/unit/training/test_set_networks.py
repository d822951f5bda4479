"""particle_net, transformer and deepset on the same sets: what must hold for all of them."""

import dataclasses

import keras
import numpy as np
import pytest

from taumltools.config.features import FeatureConfig, FeaturesConfig, ScalingRule
from taumltools.config.model import ModelConfig
from taumltools.config.networks import ObjectsConfig, ParticleNetConfig, TransformerConfig
from taumltools.errors import ConfigError
from taumltools.training.models import build_model
from taumltools.training.models.inputs import GLOBAL, constants_of
from tests.unit.training.deeptau_case import some_scaling, tiny_features
from tests.unit.training.sets_case import longer, random_sets, set_features, shuffled

OBJECTS = ObjectsConfig(hidden=6)
MODELS = {
    "particle_net": ModelConfig(
        name="particle_net",
        particle_net=ParticleNetConfig(objects=OBJECTS, width=5, neighbours=(3, 20), channels=(6, 4), dense_units=(8,)),
    ),
    "transformer": ModelConfig(
        name="transformer",
        transformer=TransformerConfig(
            OBJECTS, width=8, layers=2, heads=2, feed_forward=8, pair_units=(4,), dense_units=(8,)
        ),
    ),
    "deepset": ModelConfig(object_units=(6,), tau_units=(4,), dense_units=(8,), attention_heads=2),
}


def plain_scaling(features):
    numbers = {"mean": 0.1, "std": 0.7, "lim_min": -5.0, "lim_max": 5.0}
    return {block: dict.fromkeys(names, numbers) for block, names in features.blocks().items()}


@pytest.fixture(scope="module", params=MODELS)
def network(request):
    keras.utils.set_random_seed(3)
    return build_model(MODELS[request.param], set_features(), plain_scaling(set_features()))


def test_padding_and_order_do_not_matter(network):
    inputs = random_sets()
    expected = network.predict_on_batch(inputs)
    assert expected.shape == (5, 4)
    np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3  # it does look at its inputs
    np.testing.assert_allclose(network.predict_on_batch(longer(inputs)), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(network.predict_on_batch(shuffled(inputs)), expected, rtol=1e-4, atol=1e-6)


def test_objects_matter(network):
    inputs = random_sets()
    changed = {**inputs, "muon": inputs["muon"] * 0.5}
    assert np.abs(network.predict_on_batch(changed) - network.predict_on_batch(inputs))[1:].max() > 1e-5


@pytest.mark.parametrize("name", ["particle_net", "transformer"])
def test_padding_changes_no_training_step(name):
    """Statistics of normalisations and gradients come from objects only."""

    def trained(inputs):
        keras.utils.set_random_seed(5)
        section = dataclasses.replace(getattr(MODELS[name], name), dropout=0.0)
        model = build_model(ModelConfig(name=name, **{name: section}), set_features(), plain_scaling(set_features()))
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="categorical_crossentropy", jit_compile=False)
        loss = model.train_on_batch(inputs, np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]])
        return [loss, *model.get_weights()]

    for got, expected in zip(trained(longer(random_sets())), trained(random_sets()), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
def test_network_survives_a_file(network, tmp_path):
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    inputs = random_sets()
    np.testing.assert_array_equal(again.predict_on_batch(inputs), network.predict_on_batch(inputs))


def test_bias_of_pairs_is_an_option():
    config = dataclasses.replace(MODELS["transformer"].transformer, pair_units=())
    model = build_model(
        ModelConfig(name="transformer", transformer=config), set_features(), plain_scaling(set_features())
    )
    assert not [layer for layer in model.layers if layer.name == "pair_bias"]
    assert np.isfinite(model.predict_on_batch(random_sets())).all()


@pytest.mark.parametrize("name", ["particle_net", "transformer"])
def test_coordinates_are_found_by_name(name):
    features = set_features()
    odd = dataclasses.replace(getattr(MODELS[name], name), objects=ObjectsConfig(deta="charge"))
    with pytest.raises(ConfigError, match=r"block 'muon' needs one feature 'charge' \(or with a prefix"):
        build_model(ModelConfig(name=name, **{name: odd}), features, plain_scaling(features))
    empty = FeaturesConfig(taus=features.taus, title="nothing around")
    with pytest.raises(ConfigError, match="needs objects, the features 'nothing around' have none"):
        build_model(MODELS[name], empty, plain_scaling(empty))


def test_sets_take_constants_of_the_widest_grid():
    """Features of cells may have constants by grid only; the set holds the objects of the widest grid."""
    features = tiny_features()
    scaling = some_scaling(features)
    layer = build_model(MODELS["deepset"], features, scaling).get_layer("a_scaling")
    assert layer.mean == [numbers["outer"]["mean"] for numbers in scaling["a"].values()]
    measured = dataclasses.replace(
        features, objects=features.objects | {"a": dataclasses.replace(
            features.objects["a"], features={f"a_{i}": FeatureConfig("tau_pt", scaling=ScalingRule("normal")) for i in range(4)})}
    )  # fmt: skip
    with pytest.raises(ConfigError, match="scaling of a: a_0, a_1, a_2, a_3: measured in the cells of grids only"):
        build_model(MODELS["deepset"], measured, scaling)
    both = {"a": {"x": {"outer": 1, GLOBAL: 2}}}
    assert constants_of(both, "a", GLOBAL, "outer") == {"x": 2}
