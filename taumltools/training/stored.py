"""Networks as other programs store them: SavedModel, ONNX and frozen graphs, each behind one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.training.batches import Inputs

SAVED_MODEL_FILE = "saved_model.pb"
"""What makes a folder a SavedModel."""

NO_OUTPUT = ("Placeholder", "PlaceholderWithDefault", "Const", "NoOp", "Assert")
"""Operations at the end of a graph that are no output."""


@dataclass(frozen=True)
class Runner:
    """A stored network.

    Attributes:
        path: the file or folder.
        shapes: shape of each input by name; None where any size goes.
        call: inputs by name to the output, float32.
    """

    path: Path
    shapes: dict[str, tuple[int | None, ...]]
    call: Callable[[Inputs], np.ndarray]


def beside(model: Path, name: str) -> Path | None:
    """A file that belongs to a stored network: in its folder, beside it, or up to two folders above; None if there is none."""
    places = (model / name, *(folder / name for folder in model.absolute().parents[:3]))
    return next((place for place in places if place.is_file()), None)


def open_runner(path: Path) -> Runner:
    """Open a stored network.

    Args:
        path: folder of a SavedModel, ``.onnx`` file or frozen graph ``.pb``.

    Returns:
        How to call it.

    Raises:
        InputError: not there, of another kind, or not readable.
    """
    openers = {".onnx": _onnx, ".pb": _graph}
    opener = _saved_model if (path / SAVED_MODEL_FILE).is_file() else openers.get(path.suffix)
    if opener is None or not path.exists():
        raise InputError(
            f"{path}: no stored network there; expected the folder of a SavedModel, an .onnx file or a frozen graph (.pb)"
        )
    return opener(path)


def _saved_model(path: Path) -> Runner:
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
        function = loaded.signatures["serving_default"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a SavedModel with the signature serving_default ({error})") from error
    specs = function.structured_input_signature[1]

    def call(inputs: Inputs) -> np.ndarray:
        assert loaded is not None  # the signature keeps no reference to its variables
        values = {name: tf.constant(inputs[name], dtype=spec.dtype) for name, spec in specs.items()}
        return next(iter(function(**values).values())).numpy()

    return Runner(path, {name: tuple(spec.shape) for name, spec in specs.items()}, call)


def _onnx(path: Path) -> Runner:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # the classes of onnxruntime have no base of their own
        raise InputError(f"{path}: not a readable ONNX file ({error})") from error
    tensors = session.get_inputs()
    shapes = {one.name: tuple(size if isinstance(size, int) else None for size in one.shape) for one in tensors}
    return Runner(path, shapes, lambda inputs: session.run(None, {name: inputs[name] for name in shapes})[0])


def _graph(path: Path) -> Runner:
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise InputError(f"{path}: not a frozen graph of TensorFlow ({error})") from error
    shapes = {node.name: _shape(node) for node in definition.node if node.op == "Placeholder"}
    output = _output(path, definition)
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=""), [])
    names = list(shapes)
    function = wrapped.prune([f"{name}:0" for name in names], f"{output}:0")
    types = {name: wrapped.graph.get_tensor_by_name(f"{name}:0").dtype for name in names}

    def call(inputs: Inputs) -> np.ndarray:
        return function(*(tf.constant(inputs[name], dtype=types[name]) for name in names)).numpy()

    return Runner(path, shapes, call)


def _shape(node: Any) -> tuple[int | None, ...]:
    return tuple(None if dim.size < 0 else int(dim.size) for dim in node.attr["shape"].shape.dim)


def _output(path: Path, definition: Any) -> str:
    """The only operation whose result nothing uses."""
    used = {name.lstrip("^").partition(":")[0] for node in definition.node for name in node.input}
    ends = [node.name for node in definition.node if node.name not in used and node.op not in NO_OUTPUT]
    if len(ends) != 1:
        shown = ", ".join(ends[:5]) or "none"
        raise InputError(f"{path}: a frozen graph with one output was expected, this one has {len(ends)} ({shown})")
    return ends[0]
