"""Nadam with the momentum schedule that DeepTau was trained with.

Keras 3 fixes how fast the momentum rises (``schedule_decay`` 1: it is 0.9 after some hundred
steps).  DeepTau v2.5 used 1e-4, with which it is 0.45 at first and 0.6 after 100,000 steps.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

DECAY_BASE = 0.96
"""Of the momentum schedule (Dozat, 2016, "Incorporating Nesterov Momentum into Adam")."""


@keras.saving.register_keras_serializable(package="taumltools")
class Nadam(keras.optimizers.Optimizer):
    """Adam with Nesterov momentum, as Keras had it up to TensorFlow 2.10.

    With gradient g at step t = 1, 2, ..., ``mu_t = beta_1 (1 - 0.5 * 0.96^(d t))`` and
    ``M_t = mu_1 mu_2 ... mu_t``::

        m_t = beta_1 m_(t-1) + (1 - beta_1) g        v_t = beta_2 v_(t-1) + (1 - beta_2) g^2
        m'  = mu_(t+1) m_t / (1 - M_(t+1)) + (1 - mu_t) g / (1 - M_t)
        x  -= learning_rate * m' / (sqrt(v_t / (1 - beta_2^t)) + epsilon)

    Args:
        learning_rate: size of a step.
        schedule_decay: d; it shapes the momentum only, the learning rate does not decay.
        beta_1: momentum that is approached.
        beta_2: memory of the squared gradient.
        epsilon: keeps the step finite.
        **kwargs: of ``keras.optimizers.Optimizer``, e.g. ``global_clipnorm``.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        schedule_decay: float = 1e-4,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.schedule_decay = float(schedule_decay)
        self.beta_1, self.beta_2, self.epsilon = float(beta_1), float(beta_2), float(epsilon)

    def build(self, variables: Any) -> None:
        """Make the momenta, the mean squares and the product of all mu so far.

        Args:
            variables: what is updated.
        """
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])
        self._mu_product = self.add_variable((), initializer="ones", dtype="float32", name="mu_product")

    def momentum(self, step: Any) -> Any:
        """The momentum mu at a step, counted from 1.

        Args:
            step: number of the step, from 1.

        Returns:
            mu, a scalar.
        """
        power = ops.power(DECAY_BASE, self.schedule_decay * ops.cast(step, "float32"))
        return self.beta_1 * (1.0 - 0.5 * power)

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        self.assign(self._mu_product, self._mu_product * self.momentum(self.iterations + 1))
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable.

        Args:
            gradient: of the loss.
            variable: what is updated.
            learning_rate: of this step.
        """
        dtype = variable.dtype
        rate, gradient = ops.cast(learning_rate, dtype), ops.cast(gradient, dtype)
        step = ops.cast(self.iterations + 1, "float32")
        mu, mu_next = self.momentum(step), self.momentum(step + 1)
        product = ops.convert_to_tensor(self._mu_product)
        of_momentum = ops.cast(mu_next / (1.0 - product * mu_next), dtype)
        of_gradient = ops.cast((1.0 - mu) / (1.0 - product), dtype)
        correction = ops.cast(1.0 - ops.power(self.beta_2, step), dtype)
        m = self._momentums[self._get_variable_index(variable)]
        v = self._velocities[self._get_variable_index(variable)]
        self.assign_add(m, (gradient - m) * (1.0 - self.beta_1))
        self.assign_add(v, (ops.square(gradient) - v) * (1.0 - self.beta_2))
        direction = of_momentum * m + of_gradient * gradient
        self.assign_sub(variable, rate * direction / (ops.sqrt(v / correction) + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the optimizer again."""
        names = ("schedule_decay", "beta_1", "beta_2", "epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
