"""The same fit with JAX, on one device and shared among two; only where JAX is installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")

CODE = """
import json, sys
from pathlib import Path
from pydantic import TypeAdapter
from taumltools.config.features import FeaturesConfig
from taumltools.config.model import ModelConfig
from taumltools.config.training import TrackingConfig, TrainingConfig
from taumltools.training.fit import train
import keras

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
features = TypeAdapter(FeaturesConfig).validate_python(json.loads((folder / "features.json").read_text()))
model = ModelConfig(object_units=(8,), tau_units=(8,), dense_units=(16,), attention_heads=1, dropout=0.0)
config = TrainingConfig(epochs=1, batch_size=128, learning_rate=1e-2, optimizer="nadam",
                        validation_fraction=0.25, tracking=TrackingConfig(enabled=False))
scaling = json.loads((folder / "scaling.json").read_text())
train(sorted(folder.glob("*.h5")), scaling, features, model, config, out, seed=7)
print(keras.backend.backend(), len(keras.distribution.list_devices()) if keras.backend.backend() == "jax" else 1)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, flat, features, scaling):
    from taumltools.config.identity import plain
    from taumltools.features.flat import write_flat

    directory = tmp_path_factory.mktemp("jax")
    write_flat(directory / "a.h5", [flat], config=features)
    (directory / "features.json").write_text(json.dumps(plain(features)))
    (directory / "scaling.json").write_text(json.dumps(scaling))
    return directory


def fit(folder, name, backend, devices):
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-c", CODE, str(folder), str(folder / name)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-2:] == [backend, str(devices)]
    return json.loads((folder / name / "history.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_devices_fit_what_one_does(folder):
    one, two = (fit(folder, f"on {devices}", "jax", devices) for devices in (1, 2))
    for name in ("loss", "val_loss", "val_auc_jet"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4)
    assert one["val_loss"][0] > 0
