from pathlib import Path

import h5py
import numpy as np
import pytest

from taumltools.config.model import ModelConfig
from taumltools.errors import InputError
from taumltools.training.legacy_weights import read_legacy_weights, set_weights, weights_of
from taumltools.training.models import build_model
from tests.unit.training.deeptau_case import no_scaling, to_sparse, v2p5_features
from tests.unit.training.dense_deeptau import dense_v2p5

ORIGINAL = Path(__file__).parents[2] / "data" / "deeptau_v2p5.npz"
"""The original network of DeepTau v2.5 with random weights, inputs of 12 tau candidates and its output."""


@pytest.fixture(scope="module")
def original():
    with np.load(ORIGINAL) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def network():
    features = v2p5_features()
    return build_model(ModelConfig(name="deeptau"), features, no_scaling(features))


def test_output_equals_the_original(network, original):
    """Sparse and dense implementation against what the original gives with the same weights."""
    weights = read_legacy_weights(ORIGINAL)
    assert set_weights(network, weights) == []
    inputs = {name.removeprefix("input/"): values for name, values in original.items() if name.startswith("input/")}
    sparse = network.predict_on_batch(to_sparse(v2p5_features(), inputs))
    np.testing.assert_allclose(sparse, original["prediction"], atol=1e-5, rtol=0)
    dense = dense_v2p5()
    assert set_weights(dense, weights) == []
    np.testing.assert_allclose(sparse, dense.predict_on_batch(inputs), atol=1e-6, rtol=0)


def test_weights_of_another_network_are_refused(network):
    weights = read_legacy_weights(ORIGINAL)
    before = weights_of(network)
    wider = {**weights, "tau_dense_1": {"kernel": np.zeros((44, 104), np.float32), "bias": np.zeros(104)}}
    with pytest.raises(
        InputError, match=r"tau_dense_1/kernel has the shape \(44, 104\), the network needs \(43, 104\)"
    ):
        set_weights(network, wider, "file.npz")
    with pytest.raises(InputError, match=r"it has no \[\], and too many are \['other'\]"):
        set_weights(network, {**weights, "other": weights["tau_dense_1"]})
    with pytest.raises(InputError, match="too many are"):
        set_weights(network, {n: w for n, w in weights.items() if n != "tau_norm_1"})
    with pytest.raises(InputError, match="layer tau_norm_1 has no moving_variance"):
        set_weights(
            network,
            {**weights, "tau_norm_1": {k: v for k, v in weights["tau_norm_1"].items() if k != "moving_variance"}},
        )
    with pytest.raises(InputError, match="tau_dense_1/bias has values that are not finite"):
        set_weights(network, {**weights, "tau_dense_1": {**weights["tau_dense_1"], "bias": np.full(104, np.nan)}})
    for layer, variables in weights_of(network).items():
        for name, values in variables.items():
            np.testing.assert_array_equal(values, before[layer][name])


def test_layers_of_the_adversarial_head_may_be_missing(network):
    weights = read_legacy_weights(ORIGINAL)
    head = {"final_adv_dense_1": {"kernel": np.zeros((180, 200), np.float32), "bias": np.zeros(200, np.float32)}}
    assert set_weights(network, {**weights, **head}) == ["final_adv_dense_1"]


@pytest.mark.parametrize("group", ["model_weights", ""])
def test_hdf5_of_keras_2(tmp_path, group):
    """Weights of a whole model and weights alone; the optimizer is left behind."""
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file[f"{group}/tau_dense_1/tau_dense_1/kernel:0"] = np.ones((2, 3), np.float32)
        file[f"{group}/tau_dense_1/tau_dense_1/bias:0"] = np.zeros(3, np.float32)
        file["optimizer_weights/Nadam/iter:0"] = 7
    assert {layer: sorted(names) for layer, names in read_legacy_weights(tmp_path / "model.h5").items()} == {
        "tau_dense_1": ["bias", "kernel"]
    }


def test_saved_model_of_tensorflow(tmp_path):
    import tensorflow as tf

    module = tf.train.Checkpoint()
    module.variables = [  # as Keras 2 keeps them
        tf.Variable(np.ones((1, 1, 2, 3), np.float32), name="inner_egamma_conv_1/kernel"),
        tf.Variable(np.zeros(3, np.float32), name="inner_egamma_conv_1/bias"),
        tf.Variable(3, name="Nadam/iter", dtype=tf.int64),
    ]
    tf.saved_model.save(module, str(tmp_path / "saved"))
    found = read_legacy_weights(tmp_path / "saved")
    assert {layer: {k: v.shape for k, v in variables.items()} for layer, variables in found.items()} == {
        "inner_egamma_conv_1": {"kernel": (1, 1, 2, 3), "bias": (3,)}
    }


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"weights.txt: expected weights as .npz"):
        read_legacy_weights(tmp_path / "weights.txt")
    for name in ("broken.npz", "broken.h5"):
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(InputError, match=f"{name}: not a readable"):
            read_legacy_weights(tmp_path / name)
    np.savez(tmp_path / "empty.npz", other=np.zeros(3))
    with pytest.raises(InputError, match="there are no weights of layers in it"):
        read_legacy_weights(tmp_path / "empty.npz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="not a readable SavedModel"):
        read_legacy_weights(tmp_path / "folder")
