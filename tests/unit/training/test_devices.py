"""What can be said of devices on a machine without GPU; the rest is for a machine with one."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from taumltools.errors import ConfigError
from taumltools.features.scaling import load_scaling
from taumltools.training.devices import Devices, computing
from taumltools.training.fit import train
from taumltools.training.fit_model import FitModel, array_of, prepare, set_variables, variables_of
from taumltools.training.loader import Loader
from taumltools.training.losses import WORKING_POINTS, make_loss
from taumltools.training.models import build_model
from taumltools.training.network import load_network


def test_nothing_asked_nothing_done():
    Devices().apply()
    assert Devices().distribution(64) is None


@pytest.mark.parametrize(
    ("devices", "form", "message"),
    [(3, "sets", "batches of 64 rows cannot be shared among 3 devices"), (8, "sets", ""), (8, "cells", ""),
     (5, "cells", "filled cells come in multiples of 64 and cannot be shared among 5 devices")],
)  # fmt: skip
def test_what_cannot_be_shared_evenly_is_refused(monkeypatch, devices, form, message):
    """Of JAX with several devices; what Keras makes of them is tested with two, in test_jax.py."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: [f"gpu:{n}" for n in range(devices)])
    monkeypatch.setattr(keras.distribution, "DataParallel", lambda devices: devices)
    if message:
        with pytest.raises(ConfigError, match=message):
            Devices().distribution(64 if devices == 3 else 320, form)
    else:
        assert len(Devices().distribution(64, form)) == devices


@pytest.mark.parametrize("wish", [{"gpu": 97}, {"gpu": -1}, {"gpu": 97, "gpu_memory_mb": 7000}])
def test_a_gpu_that_is_not_there(wish):
    with pytest.raises(ConfigError, match=r"GPU -?\d+: TensorFlow sees \d+ GPUs here"):
        Devices(**wish).apply()


def test_too_late_to_choose():
    keras.ops.zeros(1)
    with pytest.raises(ConfigError, match="cannot be chosen any more"):
        Devices(threads=1).apply()


def test_threads_are_set_in_a_new_process():
    code = (
        "from taumltools.training.devices import Devices; Devices(threads=1).apply();"
        "import tensorflow as tf; print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": "tensorflow"}
    )
    assert done.stdout.strip() == "1", done.stderr[-2000:]


def test_precision_holds_inside_and_not_beyond(features, scaling, model):
    before = keras.config.dtype_policy().name
    with computing("mixed_bfloat16", deterministic=False):
        network = build_model(model, features, load_scaling(scaling, features))
    dense = next(layer for layer in network.layers if hasattr(layer, "kernel"))
    assert (dense.compute_dtype, dense.kernel.dtype) == ("bfloat16", "float32")
    assert keras.config.dtype_policy().name == before


@pytest.mark.parametrize(
    "changes", [{"precision": "mixed_float16"}, {"precision": "mixed_bfloat16"}, {"jit_compile": True}]
)
def test_fits_with_options_learn_what_others_learn(
    tmp_path, paths, features, scaling, model, training, replace, flat, changes
):
    result = train(paths, scaling, features, model, replace(training, **changes), tmp_path, seed=7)
    assert result.history["loss"][-1] < 0.8 * result.history["loss"][0]
    assert result.metrics["val_auc_jet"] > 0.9
    p = load_network(tmp_path).predict(flat)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert json.loads((tmp_path / "metrics.json").read_text())["val_loss"] == result.metrics["val_loss"]


def test_small_gradients_survive_half_precision(features, scaling, model, paths, training):
    """Without a scaled loss, gradients below 6e-8 are 0 in float16, and hidden layers do not move at all."""
    keras.utils.set_random_seed(3)
    with computing("mixed_float16", deterministic=False):
        network = build_model(model, features, load_scaling(scaling, features))
        points = {name: np.float32(values) for name, values in WORKING_POINTS.items()}
        fitted = FitModel(network, make_loss("tau_crossentropy_v2"), points)
        prepare(fitted, keras.optimizers.Adam(1e-3, epsilon=1e-30), jit_compile=False)
        batch = next(iter(Loader(paths, features, training).train_batches(1)))
        before = [array_of(v) for v in network.trainable_variables]
        fitted.optimizer.learning_rate = 1e-2
        fitted.train_on_batch(batch.inputs, batch.target, np.full(len(batch), 1e-8, np.float32))
        moved = [bool((array_of(v) != old).any()) for v, old in zip(network.trainable_variables, before, strict=True)]
    assert all(moved), [v.path for v, yes in zip(network.trainable_variables, moved, strict=True) if not yes]
    assert float(fitted.optimizer.learning_rate) == pytest.approx(1e-2)
    state = variables_of(fitted)
    assert len(state) > len(fitted.variables) + 2 * len(before)  # the scale, and the slots of the optimizer inside
    set_variables(fitted, state)
