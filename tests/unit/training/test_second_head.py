import numpy as np
import pytest

from taumltools.training.models import build_model
from taumltools.training.models.dense import JOINED
from tests.unit.training.deeptau_case import no_scaling, phase2_features, v2p5_features
from tests.unit.training.sets_case import random_sets, set_features
from tests.unit.training.test_deeptau import counts, shipped
from tests.unit.training.test_set_networks import MODELS, plain_scaling


@pytest.mark.parametrize(
    ("name", "case", "trainable", "total"),
    [
        ("deeptau_v2p5", v2p5_features, 1_310_779, 1_322_287),
        ("deeptau_phase2", phase2_features, 624_590, 633_450),
    ],
)
def test_number_of_parameters_with_second_head(name, case, trainable, total, replace):
    features = case()
    network = build_model(replace(shipped(name), adversarial=True), features, no_scaling(features))
    assert counts(network) == (trainable, total)
    heads = {layer.name for layer in network.layers if "final" in layer.name and layer.weights}
    adversarial = {name for name in heads if "_adv" in name}
    assert {"final_adv_dense_1", "final_adv_norm_4", "final_dense_adv"} <= adversarial
    assert {"final_dense_1", "final_norm_4", "final_dense_last"} <= heads - adversarial
    assert [output.shape for output in network.outputs] == [(None, 4), (None, 1)]


@pytest.mark.parametrize("name", MODELS)
def test_second_head_changes_nothing_of_the_first(name, replace):
    """Both start from the same vector; the first output is that of the network without second head."""
    config = replace(MODELS[name], adversarial=True)
    network = build_model(config, set_features(), plain_scaling(set_features()))
    plain = build_model(MODELS[name], set_features(), plain_scaling(set_features()))
    for layer in plain.layers:
        layer.set_weights(network.get_layer(layer.name).get_weights())
    probability, data = network.predict_on_batch(random_sets())
    np.testing.assert_allclose(probability, plain.predict_on_batch(random_sets()), rtol=1e-6)
    assert ((data > 0) & (data < 1)).all()
    assert network.get_layer(JOINED).output.shape == plain.get_layer(JOINED).output.shape
