"""Half precision and XLA with every network, not only with the small one of the demo."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from taumltools.training.batches import Batch
from taumltools.training.devices import computing
from taumltools.training.fit_model import FitModel, prepare
from taumltools.training.losses import WORKING_POINTS, make_loss
from taumltools.training.models import build_model
from tests.unit.training.deeptau_case import no_scaling, random_cells, tiny_features
from tests.unit.training.sets_case import random_sets, set_features
from tests.unit.training.test_deeptau import tiny
from tests.unit.training.test_set_networks import MODELS, plain_scaling

ROWS = 32
TARGET = np.eye(4, dtype=np.float32)[np.arange(ROWS) % 4]
CASES = [
    ("deeptau", "mixed_float16", False),
    ("deeptau", "mixed_bfloat16", False),
    ("deeptau", "float32", True),
    ("particle_net", "mixed_bfloat16", False),
    ("transformer", "mixed_bfloat16", False),
]


def network_and_inputs(name):
    keras.utils.set_random_seed(5)
    if name == "deeptau":
        features = tiny_features()
        inputs = random_cells(features, ROWS, {"inner": 2, "outer": 4})
        return build_model(tiny(), features, no_scaling(features)), inputs
    return build_model(MODELS[name], set_features(), plain_scaling(set_features())), random_sets(ROWS)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision", "jit_compile"), CASES)
def test_steps_learn_and_stay_near_those_of_single_precision(name, precision, jit_compile):
    reference, inputs = network_and_inputs(name)
    expected = np.asarray(reference.predict_on_batch(inputs))
    with computing(precision, deterministic=False):
        network, _ = network_and_inputs(name)
        np.testing.assert_allclose(np.asarray(network.predict_on_batch(inputs)), expected, atol=0.03)
        points = {key: np.float32(values) for key, values in WORKING_POINTS.items()}
        fitted = FitModel(network, make_loss("tau_crossentropy_v2"), points)
        prepare(fitted, keras.optimizers.Nadam(3e-3), jit_compile=jit_compile)
        batch = Batch(inputs, TARGET, np.ones(ROWS, np.float32))
        losses = [float(fitted.fit_batch(batch)["loss"]) for _ in range(30)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.9 * losses[0], losses
    assert all(weight.dtype == "float32" for weight in network.trainable_weights)
