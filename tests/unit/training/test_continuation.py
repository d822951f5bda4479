import json
import logging

import keras
import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.training.continuation import begin_with, run_of

# TensorFlow 2.20 and numpy 2, when Keras writes a model
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def network(width=3, names=("one", "two")):
    inputs = keras.Input((2,), name="x")
    hidden = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(width, name=names[0])(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, name=names[1])(hidden), name="toy")


@pytest.fixture
def trained(tmp_path):
    model = network()
    model.get_layer("norm").set_weights([np.full(3, value, np.float32) for value in (1.5, 0.5, 2.0, 3.0)])
    (tmp_path / "model").mkdir()
    model.save(tmp_path / "model" / "model.keras")
    return tmp_path / "model", model


def test_weights_are_taken_by_name_with_moving_means(trained):
    folder, old = trained
    for start in (folder, folder / "model.keras"):
        new = network()
        assert begin_with(new, start) == 8
        x = np.ones((4, 2), np.float32)
        np.testing.assert_array_equal(new.predict_on_batch(x), old.predict_on_batch(x))


def test_weights_that_are_not_there_stay_random_and_are_named(trained, caplog):
    with caplog.at_level(logging.WARNING):
        assert begin_with(network(names=("one", "other")), trained[0]) == 6
    assert "other/kernel" in caplog.text


def test_networks_that_do_not_fit_are_refused(trained, tmp_path):
    with pytest.raises(InputError, match=r"'one/kernel' has the shape \(2, 3\) in .*, here it is \(2, 5\)"):
        begin_with(network(width=5), trained[0])
    inputs = keras.Input((2,))
    other = keras.Model(inputs, keras.layers.Dense(1, name="z")(inputs), name="other")
    with pytest.raises(InputError, match=r"no weight of .* has a name that the network 'other' knows"):
        begin_with(other, trained[0])
    with pytest.raises(InputError, match=r"expected the folder of a training, or a .keras file"):
        begin_with(network(), tmp_path / "none")


def test_run_that_trained_a_network(tmp_path):
    assert run_of(tmp_path) == ""
    (tmp_path / "run.json").write_text(json.dumps({"mlflow": {"run_id": "abc"}}))
    assert run_of(tmp_path) == run_of(tmp_path / "model.keras") == "abc"
    snapshot = tmp_path / "snapshots" / "epoch_002.keras"
    snapshot.parent.mkdir()
    snapshot.touch()
    assert run_of(snapshot) == "abc"
    (tmp_path / "run.json").write_text(json.dumps({"mlflow": {}}))
    assert run_of(tmp_path) == ""
