import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.training.models import build_model
from taumltools.training.split import check_split, split_network
from tests.unit.training.deeptau_case import random_cells, some_scaling, tiny_features
from tests.unit.training.sets_case import set_features
from tests.unit.training.test_deeptau import tiny
from tests.unit.training.test_set_networks import MODELS, plain_scaling


@pytest.fixture
def whole():
    """A network whose normalisations and offsets are no longer at their start."""
    model = build_model(tiny(0.1), tiny_features(), some_scaling(tiny_features()))
    rng = np.random.default_rng(8)
    model.set_weights(
        [
            rng.uniform(0.5, 1.5, w.shape) * (1 if "variance" in v.path else rng.choice([-1, 1], w.shape))
            if w.dtype == np.float32
            else w
            for v, w in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    return model


def test_parts_give_what_the_whole_gives(whole):
    parts = split_network(whole)
    inputs = random_cells(tiny_features(), 20, {"inner": 2, "outer": 4})
    assert check_split(whole, parts, inputs) < 1e-5
    assert {part: sorted(tensor.name for tensor in model.inputs) for part, model in parts.items()} == {
        "inner": ["input_inner_a", "input_inner_b"],
        "outer": ["input_outer_a", "input_outer_b"],
        "core": ["input_inner", "input_outer", "input_tau"],
    }
    assert [t.shape for t in parts["inner"].inputs] in (
        [(None, 1, 1, 4), (None, 1, 1, 3)],
        [(None, 1, 1, 3), (None, 1, 1, 4)],
    )
    assert parts["inner"].output.shape == (None, 1, 1, 4)
    total = sum(model.count_params() for model in parts.values())
    assert total == whole.count_params()


def test_wrong_parts_are_noticed(whole):
    parts = split_network(whole)
    weights = parts["outer"].get_weights()
    parts["outer"].set_weights([-2 * weights[0], *weights[1:]])
    with pytest.raises(InputError, match=r"differ by .* allowed is 0.0001"):
        check_split(whole, parts, random_cells(tiny_features(), 20, {"inner": 2, "outer": 4}))


def test_what_cannot_be_split(whole):
    with pytest.raises(InputError, match="does not see cells"):
        split_network(build_model(MODELS["deepset"], set_features(), plain_scaling(set_features())))
    weights = whole.get_layer("tau_dense_1").get_weights()
    whole.get_layer("tau_dense_1").set_weights([weights[0] * np.nan, weights[1]])
    with pytest.raises(InputError, match=r"weights that are not finite: .*tau_dense_1/kernel"):
        split_network(whole)
