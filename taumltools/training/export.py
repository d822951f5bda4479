"""A trained network in the formats others read, each read back and compared before it counts."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import ConfigError, StoreError
from taumltools.training.batches import Inputs
from taumltools.training.network import MODEL_FILE, cell_numbers, load_network
from taumltools.training.preparation import INPUTS_FILE, RUN_FILE, Preparation
from taumltools.training.stored import open_runner
from taumltools.training.trained_on import TRAINED_ON_FILE

log = logging.getLogger(__name__)

TOLERANCE = 1e-5
"""Largest difference of a probability between a network and its export."""

SAVED_MODEL, ONNX_FILE, GRAPH_FILE = "saved_model", "model.onnx", "graph.pb"

WHOLE = ("keras", "saved_model", "onnx")
"""Formats of a whole network."""

PARTS = ("saved_model", "onnx", "graph")
"""Formats of the parts of a network; the CMS software reads frozen graphs and ONNX."""

LENGTH = 9
"""Objects of a set in the inputs that exports are tried with."""

Predict = Callable[[Inputs], np.ndarray]
"""Inputs by name to one array."""


def export_network(model_dir: Path, out_dir: Path) -> dict[str, float]:
    """Write a trained network in all formats; one that sees cells also in parts.

    The whole takes raw values; inputs have the names and shapes of :mod:`taumltools.training.models`, with any
    number of tau candidates and objects.  The parts are those of :mod:`taumltools.training.split`, each in a
    folder of ``split``.  ``inputs.json`` says what the inputs are, with the scaling that parts do not have,
    ``run.json`` how they are computed; what the network was trained on comes along.

    Args:
        model_dir: what a training wrote.
        out_dir: directory to write to; made if it does not exist.

    Returns:
        By format, and ``<part>/<format>``, the largest difference to the network; below :data:`TOLERANCE`.
        ``split`` is that of all parts together to the whole.

    Raises:
        InputError: no network there, or it cannot be split without a difference.
        StoreError: an export does not give what the network gives.
    """
    model = load_network(model_dir).model
    out_dir.mkdir(parents=True, exist_ok=True)
    Preparation.of_network(model).save(out_dir / INPUTS_FILE)
    for name in (TRAINED_ON_FILE, RUN_FILE):
        if (Path(model_dir) / name).is_file():
            shutil.copyfile(Path(model_dir) / name, out_dir / name)
    differences = {name: write_checked(model, name, out_dir) for name in WHOLE}
    if not cell_numbers(model):
        return differences
    from taumltools.training.split import check_split, split_network

    parts = split_network(model)
    differences["split"] = check_split(model, parts, random_inputs(model, 50, seed=3))
    for part, network in parts.items():
        (out_dir / "split" / part).mkdir(parents=True)
        for name in PARTS:
            differences[f"{part}/{name}"] = write_checked(network, name, out_dir / "split" / part, undefined=0.0)
    return differences


def write_checked(model: Any, name: str, out_dir: Path, undefined: float = 0.1) -> float:
    """Write one format, read it back and compare.

    Args:
        model: a ``keras.Model`` with one output.
        name: key of :data:`WRITERS`.
        out_dir: where to write.
        undefined: share of the values it is tried with that are NaN.

    Returns:
        The largest difference, over inputs of different sizes.

    Raises:
        ConfigError: no such format.
        StoreError: the difference is too large.
    """
    if name not in WRITERS:
        raise ConfigError(f"no export format '{name}'; known are {', '.join(WRITERS)}")
    examples = [random_inputs(model, n, seed=n, undefined=undefined) for n in (5, 1, 17)]
    expected = [np.asarray(model.predict_on_batch(inputs)) for inputs in examples]
    with warnings.catch_warnings():
        # TensorFlow 2.20 and tf2onnx predate numpy 2
        warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy keyword")
        warnings.filterwarnings("ignore", message="In the future `np.object`", category=FutureWarning)
        predict = WRITERS[name](model, out_dir)
    differences = [np.abs(predict(x) - p).max() for x, p in zip(examples, expected, strict=True)]
    worst = float(np.max(differences))
    if not worst < TOLERANCE:  # NaN too
        raise StoreError(f"{out_dir}: {name} differs by {worst:.2g} from the network, allowed is {TOLERANCE:g}")
    log.info("%s: %s differs by at most %.1g", out_dir, name, worst)
    return worst


def random_inputs(model: Any, n: int, seed: int, undefined: float = 0.1) -> Inputs:
    """Inputs for a network, with values that are not defined, padding and empty sets.

    Values are spread as in the sample from which the network has its scaling, so that they reach what comes after it;
    networks without scaling get mean 0 and standard deviation 1.

    Args:
        model: a ``keras.Model`` with the inputs of this project.
        n: tau candidates.
        seed: of the values.
        undefined: share of the values that are NaN.

    Returns:
        Arrays by name.
    """
    from taumltools.training.layers import Scaling

    rng = np.random.default_rng(seed)
    cells = cell_numbers(model)
    scaled = {layer.block: layer for layer in model.layers if isinstance(layer, Scaling)}
    filled = {grid: np.flatnonzero(rng.random(n * size) < 0.1) for grid, size in cells.items()}
    inputs: Inputs = {}
    for tensor in model.inputs:
        grid = next((grid for grid in cells if tensor.name.startswith(f"{grid}_")), None)
        if tensor.name.endswith("_mask"):
            length = tensor.shape[1] or LENGTH
            inputs[tensor.name] = (np.arange(length) < rng.integers(0, length, (n, 1))).astype(np.float32)
        elif grid and tensor.name == f"{grid}_cell":
            inputs[tensor.name] = np.append(filled[grid], n * cells[grid]).astype(np.int32)
        else:
            rows = len(filled[grid]) + 1 if grid else n
            shape = (rows, *(LENGTH if size is None else size for size in tensor.shape[1:]))
            values = rng.normal(size=shape)
            if layer := scaled.get(tensor.name):
                values = np.asarray(layer.mean) + np.asarray(layer.std) * values
            inputs[tensor.name] = np.where(rng.random(shape) < undefined, np.nan, values).astype(np.float32)
    return inputs


def _keras(model: Any, out_dir: Path) -> Predict:
    model.save(out_dir / MODEL_FILE)
    return load_network(out_dir).model.predict_on_batch


def _saved_model(model: Any, out_dir: Path) -> Predict:
    model.export(str(out_dir / SAVED_MODEL), verbose=False)
    return open_runner(out_dir / SAVED_MODEL).call


def _onnx(model: Any, out_dir: Path) -> Predict:
    model.export(str(out_dir / ONNX_FILE), format="onnx", verbose=False)
    return open_runner(out_dir / ONNX_FILE).call


def _graph(model: Any, out_dir: Path) -> Predict:
    """A frozen graph of TensorFlow: inputs have the names of the network's."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name) for tensor in model.inputs}
    function = tf.function(lambda **inputs: tf.identity(model(inputs, training=False), name="output"))
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(**specs))
    (out_dir / GRAPH_FILE).write_bytes(frozen.graph.as_graph_def().SerializeToString())
    return open_runner(out_dir / GRAPH_FILE).call


WRITERS: Mapping[str, Callable[[Any, Path], Predict]] = {
    "keras": _keras,
    "saved_model": _saved_model,
    "onnx": _onnx,
    "graph": _graph,
}
"""What writes a format and gives back how to predict with it, by name."""
