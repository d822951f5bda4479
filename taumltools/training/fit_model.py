"""What is fitted: a network with its loss, on every backend of Keras."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from taumltools.training.batches import Batch, Inputs
from taumltools.training.losses import Loss


class FitModel(keras.Model):
    """Wraps a network for its fit; what is saved afterwards is the network alone.

    One step returns the loss (with what regularises weights) and the probabilities of the batch, from
    which everything else that is followed is computed outside of the compiled step.

    Args:
        network: the network; it shares its weights with this model.
        loss: function (y, p, points) with one value per row; the loss of a batch is the sum of
            weight times value over the number of rows.
        points: thresholds that the loss takes, by name; they can change between steps.

    Attributes:
        followed: figures of a step whose means over an epoch are kept.
    """

    followed: tuple[str, ...] = ("loss",)

    def __init__(self, network: Any, loss: Loss, points: Mapping[str, np.ndarray]) -> None:
        super().__init__(name="fit", dtype="float32")
        self.network = network
        self.row_loss = loss
        # weights of the model, and not constants, so that a compiled step sees when they change
        self.points = {
            name: self.add_weight(
                shape=values.shape, initializer=_constant(values), trainable=False, name=f"points_{name}"
            )
            for name, values in points.items()
        }
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Probabilities.

        Args:
            inputs: arrays by name, see :data:`taumltools.training.batches.Inputs`.
            training: with dropout and statistics of the batch.

        Returns:
            The network's outputs.
        """
        return self.network(inputs, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Loss of one batch.

        Args:
            x: not looked at.
            y: one-hot targets, shape (n, 4).
            y_pred: softmax outputs, shape (n, 4).
            sample_weight: shape (n,); None: 1.
            training: not looked at.

        Returns:
            A scalar, with what regularises weights.
        """
        del x, training
        return self.data_loss(y, y_pred, sample_weight) + self.regularisation()

    def data_loss(self, y: Any, p: Any, weight: Any) -> Any:
        """Sum of weight times loss over the number of rows.

        Args:
            y: one-hot targets, shape (n, 4).
            p: softmax outputs, shape (n, 4).
            weight: shape (n,); None: 1.

        Returns:
            A scalar.
        """
        rows = self.row_loss(y, ops.cast(p, "float32"), self.points)
        return ops.mean(rows if weight is None else rows * ops.cast(weight, "float32"))

    def regularisation(self) -> Any:
        """What layers add to the loss, e.g. for large weights."""
        return sum((ops.sum(ops.cast(loss, "float32")) for loss in self.losses), ops.zeros((), "float32"))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """What a step returns.

        Args:
            x: not looked at.
            y: not looked at.
            y_pred: softmax outputs, shape (n, 4).
            sample_weight: not looked at.

        Returns:
            ``loss`` and ``prediction``.
        """
        del x, y, sample_weight
        return {"loss": self._loss_tracker.result(), "prediction": ops.cast(y_pred, "float32")}

    def fit_batch(self, batch: Batch) -> dict[str, Any]:
        """One step; returns ``prediction``, float32, shape (n, 4), and numbers, among them :attr:`followed`.

        Args:
            batch: inputs, targets and weights.

        Returns:
            The figures by name.
        """
        figures: Any = self.train_on_batch(batch.inputs, batch.target, batch.weight, return_dict=True)
        return dict(figures)

    def outputs_of(self, inputs: Inputs) -> list[np.ndarray]:
        """All outputs of the network for a batch, float32, the probabilities (n, 4) first.

        Args:
            inputs: of a batch, by name.

        Returns:
            One array per output.
        """
        outputs = self.network.predict_on_batch(inputs)
        return [np.asarray(o, np.float32) for o in (outputs if isinstance(outputs, list) else [outputs])]

    def set_points(self, points: Mapping[str, np.ndarray]) -> None:
        """Change the thresholds of the loss.

        Args:
            points: new thresholds by name, of the shapes they have.
        """
        for name, values in points.items():
            self.points[name].assign(values)

    def get_points(self) -> dict[str, np.ndarray]:
        """The thresholds of the loss, float32, by name."""
        return {name: array_of(variable) for name, variable in self.points.items()}


def _constant(values: np.ndarray) -> Any:
    return lambda shape, dtype=None: ops.cast(ops.reshape(ops.convert_to_tensor(values), shape), dtype)


def prepare(model: FitModel, optimizer: Any, *, jit_compile: bool) -> None:
    """Give a model its optimizer, and make the optimizer's variables.

    With half precision the loss is scaled, so that small gradients do not become 0.

    Args:
        model: what is fitted.
        optimizer: of Keras.
        jit_compile: compile the step with XLA.
    """
    if keras.config.dtype_policy().name == "mixed_float16":  # Keras would look at the model, which is float32
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer=optimizer, loss=None, jit_compile=jit_compile)
    model.optimizer.build(model.trainable_variables)  # else the step is built twice


def array_of(variable: Any) -> np.ndarray:
    """The value of a variable of Keras, as an array of its own, on every backend.

    Args:
        variable: a ``keras.Variable``.

    Returns:
        A copy; its dtype is that of the variable.
    """
    value = variable.value
    return np.array(
        value.numpy() if hasattr(value, "numpy") else value
    )  # TensorFlow's have no array protocol of numpy 2


def weights_of(network: Any) -> list[np.ndarray]:
    """All weights of a network, for its ``set_weights``.

    Args:
        network: a ``keras.Model``.

    Returns:
        One array per variable, trainable or not, in Keras' order.
    """
    return [array_of(variable) for variable in network.weights]


def classifier(network: Any) -> Any:
    """The part of a network that gives the four probabilities: without a second head, without optimizer and loss.

    Args:
        network: with one output or two, probabilities first.

    Returns:
        A ``keras.Model`` that shares its layers.
    """
    return keras.Model(network.inputs, network.outputs[:1], name=network.name)


def save_network(network: Any, path: Path) -> None:
    """Write what gives the four probabilities to a ``.keras`` file.

    Args:
        network: with one output or two, probabilities first.
        path: the file to write.
    """
    bare = classifier(network)
    with warnings.catch_warnings():
        # TensorFlow 2.20 variables predate the copy keyword of numpy 2; Keras asks them for arrays.
        warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy keyword")
        bare.save(path)


def variables_of(model: FitModel) -> dict[str, np.ndarray]:
    """Everything that a step changes: weights, states of random layers, thresholds, slots of the optimizer.

    Args:
        model: with its optimizer.

    Returns:
        Arrays by a name that is the same whenever the same model is made.
    """
    return {name: array_of(variable) for name, variable in _named(model).items()}


def set_variables(model: FitModel, values: Mapping[str, np.ndarray]) -> None:
    """Put back what :func:`variables_of` gave.

    Args:
        model: with its optimizer.
        values: of :func:`variables_of`.

    Raises:
        ValueError: names or shapes are those of another model.
    """
    variables = _named(model)
    if set(variables) != set(values):
        raise ValueError(f"variables differ: {sorted(set(variables) ^ set(values))[:5]}")
    for name, variable in variables.items():
        if tuple(variable.shape) != values[name].shape:
            raise ValueError(f"{name} has shape {tuple(variable.shape)}, found {values[name].shape}")
        variable.assign(values[name])


def _named(model: FitModel) -> dict[str, Any]:
    """Variables by their place: paths carry numbers that grow with every model of a process."""
    own = {f"model_{i:04d}": variable for i, variable in enumerate(model.variables)}
    return own | {f"optimizer_{i:04d}": variable for i, variable in enumerate(model.optimizer.variables)}
