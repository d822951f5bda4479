"""Networks saved with TensorFlow give the same with JAX, and DeepTau learns the same."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from taumltools.training.models import build_model
from tests.unit.training.deeptau_case import random_cells, some_scaling, tiny_features
from tests.unit.training.sets_case import random_sets, set_features
from tests.unit.training.test_deeptau import tiny
from tests.unit.training.test_set_networks import MODELS, plain_scaling

ROOT = Path(__file__).parents[3]
TARGET = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 2, 0]]
OTHER_BACKEND = """
import sys
import numpy as np
import taumltools.training.layers
import keras
assert keras.backend.backend() == "jax"
for name in sys.argv[2:]:
    model = keras.saving.load_model(f"{sys.argv[1]}/{name}.keras")
    with np.load(f"{sys.argv[1]}/{name}.npz") as file:
        inputs = {key: file[key] for key in file.files}
    figures = {"before": np.asarray(model.predict_on_batch(inputs))}
    if name == "deeptau":
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="categorical_crossentropy")
        figures["loss"] = model.train_on_batch(inputs, np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 2, 0]])
        figures["after"] = np.asarray(model.predict_on_batch(inputs))
    np.savez(f"{sys.argv[1]}/{name}_out.npz", **figures)
"""


def networks():
    """Without dropout, whose random numbers differ between backends."""
    import dataclasses

    yield "deeptau", build_model(tiny(), tiny_features(), some_scaling(tiny_features()))
    for name, config in MODELS.items():
        section = getattr(config, name, None)
        still = {name: dataclasses.replace(section, dropout=0.0)} if section else {"dropout": 0.0}
        config = dataclasses.replace(config, **still)
        yield name, build_model(config, set_features(), plain_scaling(set_features()))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
def test_jax_gives_what_tensorflow_gives(tmp_path):
    expected = {}
    for name, model in networks():
        inputs = random_cells(tiny_features(), 6, {"inner": 2, "outer": 4}) if name == "deeptau" else random_sets(6)
        model.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", **inputs)
        expected[name] = {"before": np.asarray(model(inputs))}
        if name == "deeptau":  # the gradient through cells is where backends could differ
            model.compile(optimizer=keras.optimizers.SGD(0.1), loss="categorical_crossentropy", run_eagerly=True)
            expected[name]["loss"] = model.train_on_batch(inputs, TARGET)
            expected[name]["after"] = np.asarray(model(inputs))
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", OTHER_BACKEND, str(tmp_path), *expected]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for name, figures in expected.items():
        with np.load(tmp_path / f"{name}_out.npz") as file:
            for key, values in figures.items():
                np.testing.assert_allclose(file[key], values, rtol=1e-3, atol=1e-5, err_msg=f"{name}: {key}")
