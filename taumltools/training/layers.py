"""Keras layers of this project; importing this module registers them for ``model.keras`` files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from taumltools.training import layers_attention, layers_cells, layers_norm, layers_sets  # noqa: F401  # register
from taumltools.tuples.schema import FLOAT_MISSING

LARGE = -float(FLOAT_MISSING)
"""Stands for an infinite limit: it is finite, so that configurations stay valid JSON."""


@keras.saving.register_keras_serializable(package="taumltools")
class Scaling(keras.layers.Layer):
    """First layer: raw physical values to network inputs.

    ``clip((value - mean) / std, lim_min, lim_max)`` per feature; NaN, which means "not
    defined", becomes 0, the mean of a standardised feature.

    Args:
        block: name of the block of features.
        features: their names, in the order of the last axis.
        mean: one number per feature.
        std: one positive number per feature.
        lim_min: lower limits; may be minus infinity.
        lim_max: upper limits; may be infinity.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(
        self,
        block: str,
        features: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        lim_min: Sequence[float],
        lim_max: Sequence[float],
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # raw values do not fit into half precision
        self.block = block
        self.features = list(features)
        self.mean, self.std = [float(v) for v in mean], [float(v) for v in std]
        self.lim_min = [max(float(v), -LARGE) for v in lim_min]
        self.lim_max = [min(float(v), LARGE) for v in lim_max]

    @classmethod
    def from_constants(cls, block: str, constants: Mapping[str, Mapping[str, float]], **kwargs: Any) -> Scaling:
        """The layer of one block of :func:`taumltools.features.scaling.load_scaling`.

        Args:
            block: its name.
            constants: by feature: ``mean``, ``std``, ``lim_min`` and ``lim_max``.
            **kwargs: of the layer, e.g. ``name``.

        Returns:
            The layer.
        """
        columns = {key: [c[key] for c in constants.values()] for key in ("mean", "std", "lim_min", "lim_max")}
        return cls(block, list(constants), **columns, **kwargs)

    def call(self, values: Any) -> Any:
        """Scale ``values`` of shape (..., number of features).

        Args:
            values: raw values; NaN is not defined.

        Returns:
            The same shape; 0 where the value was not defined.
        """
        mean, std, low, high = (np.array(v, np.float32) for v in (self.mean, self.std, self.lim_min, self.lim_max))
        values = ops.cast(values, "float32")
        scaled = ops.minimum(ops.maximum((values - mean) / std, low), high)
        return ops.cast(ops.where(ops.isnan(values), 0.0, scaled), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape does not change."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        names = ("block", "features", "mean", "std", "lim_min", "lim_max")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="taumltools")
class ObjectPooling(keras.layers.Layer):
    """From a set of objects to one vector, independent of their order and of padding.

    Joins ``heads`` weighted means (weights learned from the objects), the plain mean and
    the maximum.  An empty set gives zeros.

    The second input is not called mask: Keras keeps that name for its own masks.

    Args:
        heads: number of weighted means.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.score = keras.layers.Dense(heads, name="score", dtype=self.dtype_policy)

    def build(self, objects_shape: tuple[int | None, ...], present_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002
        """Create the weights of the attention scores."""
        self.score.build(objects_shape)

    def call(self, objects: Any, present: Any) -> Any:
        """Pool ``objects`` of shape (n, length, width); ``present`` (n, length) is 1 for objects, 0 for padding.

        Args:
            objects: shape (n, length, width).
            present: shape (n, length).

        Returns:
            Shape (n, (heads + 2) * width).
        """
        present = ops.cast(present, objects.dtype)[:, :, None]
        padding = (present - 1.0) * 3e4  # lower than any value, and in the range of half precision
        weights = ops.softmax(self.score(objects) + padding, axis=1) * present
        means = ops.matmul(ops.transpose(weights, (0, 2, 1)), objects)
        attended = ops.reshape(means, (-1, self.heads * objects.shape[-1]))
        number = ops.sum(present, axis=1)
        mean = ops.sum(objects * present, axis=1) / ops.maximum(number, 1.0)
        highest = ops.max(objects * present + padding, axis=1)
        highest = ops.where(number > 0, highest, 0.0)
        return ops.concatenate([attended, mean, highest], axis=-1)

    def compute_output_shape(
        self,
        objects_shape: tuple[int | None, ...],
        present_shape: tuple[int | None, ...],  # noqa: ARG002
    ) -> tuple[int | None, ...]:
        """(n, (heads + 2) * width)."""
        return (objects_shape[0], (self.heads + 2) * (objects_shape[-1] or 0))

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        return {**super().get_config(), "heads": self.heads}
