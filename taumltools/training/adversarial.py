"""Domain adaptation: a network that separates types of taus and cannot tell data from simulation.

A second head learns to tell the rows of a control region in data from simulated ones; the layers that
both heads share learn to make that impossible (Ganin and others, 2016, arXiv:1505.07818).  With the
gradients of the two losses, shared layers follow ``k1 g_class - k2 g_adv``, the head of the classes
``g_class``, and the second head ``g_adv`` with an optimizer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from taumltools.errors import ConfigError
from taumltools.training.batches import Batch
from taumltools.training.fit_model import FitModel, prepare
from taumltools.training.losses import EPSILON, Loss
from taumltools.training.two_optimizers import TwoOptimizers

COMMON, CLASSES, ADVERSARIAL = "common", "classes", "adversarial"


def group_of(path: str) -> str:
    """Which part of the network a variable belongs to, by the names of its layers.

    Args:
        path: of a variable in Keras, ``<layer>/<name>``.

    Returns:
        :data:`COMMON`, :data:`CLASSES` or :data:`ADVERSARIAL`.

    Examples:
        >>> group_of("tau_dense_1/kernel"), group_of("final_dense_2/bias"), group_of("final_adv_dense_1/kernel")
        ('common', 'classes', 'adversarial')
    """
    if "final" not in path:
        return COMMON
    return ADVERSARIAL if "_adv" in path else CLASSES


class AdversarialModel(FitModel):
    """A network with two outputs, probabilities (n, 4) and the probability of data (n, 1), and the rule of its fit.

    Targets and weights of a step are dictionaries with ``classes`` (one-hot, (n, 4); weights (n,)) and
    ``adversarial`` (1 for data, 0 for simulation, (n,); weights (n,)).  Rows of the control region have no
    class, all 0, and weight 0 in ``classes``; ordinary rows have weight 0 in ``adversarial``.  Both losses are
    sums of weight times loss over the number of rows of their kind.

    Args:
        network: the network; layers of the heads have ``final`` in their names, and those of the second
            head ``_adv`` too.
        loss: of the classes, see :class:`taumltools.training.fit_model.FitModel`.
        points: thresholds that the loss takes.
        factors: k1 and k2.

    Raises:
        ConfigError: the network does not have these parts, or the backend is neither TensorFlow nor JAX.
    """

    followed = ("loss", "adv_loss", "adv_accuracy", "mean_grad_class", "mean_grad_adv")

    def __init__(
        self, network: Any, loss: Loss, points: Mapping[str, np.ndarray], factors: tuple[float, float] = (1.0, 10.0)
    ) -> None:
        super().__init__(network, loss, points)
        self.factors = factors
        self.groups = [group_of(variable.path) for variable in network.trainable_variables]
        missing = sorted({COMMON, CLASSES, ADVERSARIAL} - set(self.groups))
        if len(network.outputs) != 2 or missing:
            raise ConfigError(
                f"domain adaptation needs a network with two outputs, this one has {len(network.outputs)}, and lacks "
                f"layers of {', '.join(missing) or 'no kind'}: set model.adversarial, if the network knows it"
            )
        if keras.backend.backend() not in {"tensorflow", "jax"}:
            raise ConfigError(f"domain adaptation runs with TensorFlow and JAX, not with {keras.backend.backend()}")

    def prepare(self, main: Any, second: Any, *, jit_compile: bool = False) -> None:
        """Give the model its optimizers.

        Args:
            main: of the shared layers and of the head of the classes.
            second: of the second head.
            jit_compile: compile the step with XLA.
        """
        chosen = [group == ADVERSARIAL for group in self.groups]
        prepare(self, TwoOptimizers(main, second, chosen), jit_compile=jit_compile)

    def fit_batch(self, batch: Batch) -> dict[str, Any]:
        """One step with a batch of ordinary rows and rows of the control region; see :attr:`followed` for its figures.

        Args:
            batch: with ``adversarial``.

        Returns:
            The figures by name.
        """
        target = {CLASSES: batch.target, ADVERSARIAL: batch.adversarial["target"]}
        weight = {CLASSES: batch.weight, ADVERSARIAL: batch.adversarial["weight"]}
        figures: Any = self.train_on_batch(batch.inputs, target, weight, return_dict=True)
        return dict(figures)

    def losses_of(self, outputs: Sequence[Any], y: Mapping[str, Any], weight: Mapping[str, Any]) -> tuple[Any, Any]:
        """Loss of the classes and adversarial loss.

        Args:
            outputs: probabilities (n, 4) and probability of data (n, 1).
            y: targets by head.
            weight: weights by head.

        Returns:
            Two scalars, without what regularises weights.
        """
        p, q = (ops.cast(output, "float32") for output in outputs)
        ordinary = self._ordinary(y)
        n_ordinary = ops.maximum(ops.sum(ordinary), 1.0)
        n_control = ops.maximum(ops.sum(1.0 - ordinary), 1.0)
        classes = ops.sum(self.row_loss(y[CLASSES], p, self.points) * weight[CLASSES]) / n_ordinary
        q = ops.clip(q[:, 0], EPSILON, 1.0 - EPSILON)
        rows = -y[ADVERSARIAL] * ops.log(q) - (1.0 - y[ADVERSARIAL]) * ops.log(1.0 - q)
        return classes, ops.sum(rows * weight[ADVERSARIAL]) / n_control

    def combined(self, of_classes: Sequence[Any], of_adversary: Sequence[Any]) -> list[Any]:
        """The gradient that each variable follows.

        Args:
            of_classes: gradients of the loss of the classes, by variable.
            of_adversary: gradients of the adversarial loss, by variable.

        Returns:
            One gradient per variable.
        """
        k1, k2 = self.factors
        rules = {
            COMMON: lambda a, b: k1 * a - k2 * b,
            CLASSES: lambda a, _: a,
            ADVERSARIAL: lambda _, b: b,
        }
        pairs = zip(self.groups, of_classes, of_adversary, strict=True)
        return [rules[group](a, b) for group, a, b in pairs]

    def train_step(self, *arguments: Any) -> Any:
        """One step; Keras calls it with what its backend needs."""
        return (_jax_step if keras.backend.backend() == "jax" else _tensorflow_step)(self, *arguments)

    def figures(
        self, outputs: Sequence[Any], y: Mapping[str, Any], losses: Sequence[Any], gradients: Sequence[Sequence[Any]]
    ) -> dict[str, Any]:
        """What a step returns: losses, accuracy of the second head, mean |gradient| of both losses in shared layers.

        Args:
            outputs: of the network.
            y: targets by head.
            losses: both losses.
            gradients: of both losses, by variable.

        Returns:
            Scalars and ``prediction`` by name.
        """
        control = 1.0 - self._ordinary(y)
        right = ops.cast((ops.cast(outputs[1][:, 0], "float32") > 0.5) == (y[ADVERSARIAL] > 0.5), "float32")
        return {
            "loss": losses[0],
            "adv_loss": losses[1],
            "adv_accuracy": ops.sum(right * control) / ops.maximum(ops.sum(control), 1.0),
            "mean_grad_class": self._mean_size(gradients[0]),
            "mean_grad_adv": self._mean_size(gradients[1]),
            "prediction": ops.cast(outputs[0], "float32"),
        }

    def _mean_size(self, gradients: Sequence[Any]) -> Any:
        """Mean of |gradient| over all weights of shared layers."""
        shared = [ops.abs(g) for g, group in zip(gradients, self.groups, strict=True) if group == COMMON]
        return sum(ops.sum(g) for g in shared) / sum(int(np.prod(g.shape)) for g in shared)

    @staticmethod
    def _ordinary(y: Mapping[str, Any]) -> Any:
        """1 for rows that have a class, 0 for those of the control region."""
        return ops.cast(ops.sum(y[CLASSES], axis=1) > 0, "float32")


def _tensorflow_step(model: AdversarialModel, data: Any) -> dict[str, Any]:
    import tensorflow as tf

    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(x, training=True)
        classes, adversary = model.losses_of(outputs, y, weight)
        total = classes + model.regularisation()
    variables = [variable.value for variable in model.trainable_variables]
    of_classes = tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    of_adversary = tape.gradient(adversary, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    model.optimizer.apply(model.combined(of_classes, of_adversary), model.trainable_variables)
    return model.figures(outputs, y, (total, adversary), (of_classes, of_adversary))


def _jax_step(model: AdversarialModel, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
    import jax

    trainable, others, slots, metrics = state
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)

    def losses(trainable: Any) -> Any:
        outputs, new, extra = model.stateless_call(trainable, others, x, training=True, return_losses=True)
        with keras.StatelessScope(state_mapping=list(zip(model.non_trainable_variables, others, strict=True))):
            classes, adversary = model.losses_of(outputs, y, weight)
        total = classes + sum((ops.sum(loss) for loss in extra), ops.zeros((), "float32"))
        return (total, adversary), (outputs, new)

    values, pull, (outputs, others) = jax.vjp(losses, trainable, has_aux=True)
    zero, one = ops.zeros((), "float32"), ops.ones((), "float32")
    of_classes, of_adversary = pull((one, zero))[0], pull((zero, one))[0]
    combined = model.combined(of_classes, of_adversary)
    trainable, slots = model.optimizer.stateless_apply(slots, combined, trainable)
    return model.figures(outputs, y, values, (of_classes, of_adversary)), (trainable, others, slots, metrics)
