"""Batch normalisation with weights: for cells that stand for many, and for sets with padding."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Shape = tuple[int | None, ...]

TINY = 1e-12
"""Instead of a sum of weights that is zero."""


@keras.saving.register_keras_serializable(package="taumltools")
class WeightedNormalization(keras.layers.Layer):
    """Batch normalisation of rows that count differently.

    A row that stands for many cells counts as often, padding not at all.  Variables, defaults and
    moving averages are those of ``keras.layers.BatchNormalization``.

    Args:
        momentum: of the moving averages.
        epsilon: added to the variance.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, rows_shape: Shape, weights_shape: Shape) -> None:  # noqa: ARG002
        """Create scale, offset and moving averages, one of each per channel."""
        self.gamma = self._per_channel("gamma", "ones", rows_shape)
        self.beta = self._per_channel("beta", "zeros", rows_shape)
        self.moving_mean = self._per_channel("moving_mean", "zeros", rows_shape, trainable=False)
        self.moving_variance = self._per_channel("moving_variance", "ones", rows_shape, trainable=False)

    def _per_channel(self, name: str, start: str, rows_shape: Shape, trainable: bool = True) -> Any:
        return self.add_weight(
            name=name, shape=(rows_shape[-1],), initializer=start, trainable=trainable, autocast=False
        )

    def call(self, rows: Any, weights: Any, training: bool = False) -> Any:
        """Normalise ``rows`` (..., channels), of which those with a larger weight (...) count more."""
        values = ops.cast(rows, "float32")
        if training and self.trainable:
            share = ops.reshape(ops.cast(weights, "float32"), (1, -1))
            share = share / ops.maximum(ops.sum(share), TINY)
            mean = self._sum(share, values)
            variance = self._sum(share, ops.square(values - mean))
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        return ops.cast(values * scale + (self.beta - mean * scale), self.compute_dtype)

    def _sum(self, share: Any, values: Any) -> Any:
        return ops.squeeze(ops.matmul(share, ops.reshape(values, (-1, values.shape[-1]))), 0)

    def _move(self, average: Any, value: Any) -> None:
        average.assign(average * self.momentum + ops.stop_gradient(value) * (1.0 - self.momentum))

    def compute_output_shape(self, rows_shape: Shape, weights_shape: Shape) -> Shape:  # noqa: ARG002
        """The shape does not change."""
        return rows_shape

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}
