"""Layers over sets of objects, written so that padding never changes a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from taumltools.training.layers_norm import WeightedNormalization

Shape = tuple[int | None, ...]

FAR = 1e9
"""Squared distance to padding, and minus the attention score of padding in full precision."""


@keras.saving.register_keras_serializable(package="taumltools")
class Columns(keras.layers.Layer):
    """Some features of each object, in raw values; what is not defined becomes 0.

    Args:
        columns: positions of the features on the last axis.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, columns: Sequence[int], **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.columns = [int(column) for column in columns]

    def call(self, raw: Any) -> Any:
        """The columns of ``raw`` (n, length, features), float32."""
        values = ops.stack([raw[..., column] for column in self.columns], axis=-1)
        return ops.where(ops.isnan(values), 0.0, values)

    def compute_output_shape(self, raw_shape: Shape) -> Shape:
        """(n, length, columns)."""
        return (*raw_shape[:-1], len(self.columns))

    def compute_output_spec(self, raw: Any) -> Any:
        """Raw values stay float32 under every policy."""
        return keras.KerasTensor(self.compute_output_shape(raw.shape), "float32")

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        return {**super().get_config(), "columns": self.columns}


@keras.saving.register_keras_serializable(package="taumltools")
class Kind(keras.layers.Layer):
    """Append a learned vector that tells which block an object is of.

    Args:
        units: length of the vector.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, objects_shape: Shape) -> None:  # noqa: ARG002
        """Create the vector."""
        self.vector = self.add_weight(name="vector", shape=(self.units,), initializer="random_normal")

    def call(self, objects: Any) -> Any:
        """Append to ``objects`` (n, length, features)."""
        same = ops.broadcast_to(self.vector, (*ops.shape(objects)[:-1], self.units))
        return ops.concatenate([objects, same], axis=-1)

    def compute_output_shape(self, objects_shape: Shape) -> Shape:
        """(n, length, features + units)."""
        return (*objects_shape[:-1], (objects_shape[-1] or 0) + self.units)

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="taumltools")
class MaskedMean(keras.layers.Layer):
    """Mean over the objects that there are; 0 for an empty set."""

    def call(self, objects: Any, present: Any) -> Any:
        """From ``objects`` (n, length, width) and ``present`` (n, length) to (n, width)."""
        weight = ops.expand_dims(ops.cast(present, objects.dtype), -1)
        return ops.sum(objects * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)

    def compute_output_shape(self, objects_shape: Shape, present_shape: Shape) -> Shape:  # noqa: ARG002
        """(n, width)."""
        return (objects_shape[0], objects_shape[-1])


@keras.saving.register_keras_serializable(package="taumltools")
class EdgeConvolution(keras.layers.Layer):
    """Dynamic edge convolution (arXiv:1801.07829, as in ParticleNet, arXiv:1902.08570).

    Every point looks at its nearest neighbours: a small network reads ``[x_i, x_j - x_i]`` for each of
    them, the outputs are averaged over the neighbours that there are, and a linear shortcut of ``x_i``
    is added.  A point is not its own neighbour.

    Args:
        neighbours: how many nearest points are looked at.
        channels: widths of the small network; the last is the width of the output.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, neighbours: int, channels: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.neighbours, self.channels = neighbours, [int(width) for width in channels]
        self.convolutions = [
            keras.layers.Dense(width, use_bias=False, name=f"conv_{k}") for k, width in enumerate(self.channels, 1)
        ]
        self.norms = [WeightedNormalization(name=f"norm_{k}") for k in range(1, len(self.channels) + 1)]
        self.shortcut = keras.layers.Dense(self.channels[-1], use_bias=False, name="shortcut")
        self.shortcut_norm = WeightedNormalization(name="shortcut_norm")

    def build(self, points_shape: Shape, coordinates_shape: Shape, present_shape: Shape) -> None:  # noqa: ARG002
        """Create all weights."""
        edges: Shape = (None, None, None, 2 * (points_shape[-1] or 0))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            convolution.build(edges)
            edges = (*edges[:-1], convolution.units)
            norm.build(edges, edges[:-1])
        self.shortcut.build(points_shape)
        self.shortcut_norm.build((*points_shape[:-1], self.channels[-1]), present_shape)

    def call(self, points: Any, coordinates: Any, present: Any, training: bool = False) -> Any:
        """Convolve.

        Args:
            points: shape (n, length, width).
            coordinates: in which neighbours are looked for, shape (n, length, dimensions).
            present: 0 for padding, shape (n, length).
            training: Keras sets it.

        Returns:
            Shape (n, length, channels).
        """
        nearest, known = self._nearest(coordinates, present)
        edges = self._first(points, nearest)
        for k, norm in enumerate(self.norms):
            edges = ops.relu(norm(self.convolutions[k](edges) if k else edges, known, training=training))
        weight = ops.expand_dims(ops.cast(known, edges.dtype), -1)
        mean = ops.sum(edges * weight, axis=2) / ops.maximum(ops.sum(weight, axis=2), 1.0)
        return ops.relu(mean + self.shortcut_norm(self.shortcut(points), present, training=training))

    def _first(self, points: Any, nearest: Any) -> Any:
        """The first convolution of ``[x_i, x_j - x_i]``, shape (n, length, neighbours, channels).

        It is linear, so that it is applied to points, of which there are fewer than edges: a_i - b_i + b_j.
        """
        length, number = ops.shape(points)[1], nearest.shape[-1]
        kernel = ops.cast(self.convolutions[0].kernel, points.dtype)
        own, other = ops.split(kernel, 2, axis=0)
        around = ops.reshape(ops.matmul(points, other), (-1, self.channels[0]))
        sets = ops.expand_dims(ops.arange(ops.shape(points)[0]) * length, (1, 2))
        rows = ops.reshape(ops.cast(nearest, "int32") + ops.cast(sets, "int32"), (-1,))
        edges = ops.reshape(ops.take(around, rows, axis=0), (-1, length, number, self.channels[0]))
        return edges + ops.expand_dims(ops.matmul(points, own - other), 2)

    def _nearest(self, coordinates: Any, present: Any) -> tuple[Any, Any]:
        """Positions of the neighbours, and 1 where there is one; both of shape (n, length, neighbours)."""
        place, present = ops.cast(coordinates, "float32"), ops.cast(present, "float32")
        number, length = self.neighbours, ops.shape(place)[1]
        square = _squared_distances(place)
        excluded = ops.maximum(ops.expand_dims(1.0 - present, 1), ops.eye(length))  # padding, and the point itself
        distance = ops.where(excluded > 0, FAR, square)
        # a set may be shorter than the number of neighbours
        distance = ops.pad(distance, ((0, 0), (0, 0), (0, number)), constant_values=FAR)
        score, nearest = ops.top_k(-distance, number)
        known = ops.cast(score > -FAR / 2, "float32") * ops.expand_dims(present, -1)
        return ops.minimum(nearest, length - 1), known

    def compute_output_shape(self, points_shape: Shape, *others: Shape) -> Shape:  # noqa: ARG002
        """(n, length, channels)."""
        return (*points_shape[:-1], self.channels[-1])

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        return {**super().get_config(), "neighbours": self.neighbours, "channels": self.channels}


def _squared_distances(place: Any) -> Any:
    """Between all points of a set, from (n, length, dimensions) to (n, length, length).

    In the plane by differences, which tell close points apart; of many dimensions, where the differences would fill
    the memory, by |a|² + |b|² - 2ab.
    """
    if place.shape[-1] <= 4:
        return ops.sum(ops.square(ops.expand_dims(place, 2) - ops.expand_dims(place, 1)), axis=-1)
    square = ops.sum(ops.square(place), axis=-1)
    mixed = ops.matmul(place, ops.transpose(place, (0, 2, 1)))
    return ops.maximum(ops.expand_dims(square, 2) + ops.expand_dims(square, 1) - 2.0 * mixed, 0.0)
