"""Stored networks behind one call: names and shapes of inputs, one output, what is beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.training.stored import beside, open_runner


def write_graph(path: Path, outputs: int = 1) -> Path:
    """A frozen graph made by hand, as programs of TensorFlow 1 leave them: placeholders, constants, no signature."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        taus = tf.compat.v1.placeholder(tf.float32, (None, 3), name="input_tau")
        grid = tf.compat.v1.placeholder(tf.float32, (None, 2, 2, 1), name="input_grid")
        tf.compat.v1.placeholder_with_default(False, (), name="keras_learning_phase")
        joined = tf.concat([taus, tf.reshape(grid, (-1, 4))], axis=1)
        for i in range(outputs):
            weights = tf.constant(np.arange(28, dtype=np.float32).reshape(7, 4) / (28 + i))
            tf.nn.softmax(joined @ weights, name=f"main_output_{i}")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_frozen_graph_of_other_programs(tmp_path: Path):
    runner = open_runner(write_graph(tmp_path / "graph.pb"))
    assert runner.shapes == {"input_tau": (None, 3), "input_grid": (None, 2, 2, 1)}
    rng = np.random.default_rng(1)
    taus, grid = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(5, 2, 2, 1)).astype(np.float32)
    logits = np.concatenate([taus, grid.reshape(5, 4)], axis=1) @ (np.arange(28, dtype=np.float32).reshape(7, 4) / 28)
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    for order in (("input_tau", "input_grid"), ("input_grid", "input_tau")):
        values = {"input_tau": taus, "input_grid": grid}
        found = runner.call({name: values[name] for name in order})
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_graph_with_several_ends_is_refused(tmp_path: Path):
    with pytest.raises(
        InputError, match=r"with one output was expected, this one has 2 \(main_output_0, main_output_1\)"
    ):
        open_runner(write_graph(tmp_path / "graph.pb", outputs=2))


def test_folder_that_only_looks_like_a_saved_model(tmp_path: Path):
    (tmp_path / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a SavedModel with the signature serving_default"):
        open_runner(tmp_path)


def test_what_belongs_to_a_network_is_found_near_it(tmp_path: Path):
    network = tmp_path / "export" / "split" / "core" / "graph.pb"
    network.parent.mkdir(parents=True)
    network.touch()
    assert beside(network, "inputs.json") is None
    for place in (tmp_path / "export", network.parent):
        (place / "inputs.json").touch()
        assert beside(network, "inputs.json") == place / "inputs.json"
        assert beside(network.parent, "inputs.json") == place / "inputs.json"
