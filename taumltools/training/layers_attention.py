"""Layers of the particle transformer: pairwise features, and attention that they bias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from taumltools.training.activations import activation as activation_of
from taumltools.training.activations import gelu

Shape = tuple[int | None, ...]

SMALLEST = 1e-6
"""Added to distances, momenta and masses before the logarithm."""


@keras.saving.register_keras_serializable(package="taumltools")
class PairFeatures(keras.layers.Layer):
    """Logarithms of what two objects have in common (arXiv:2202.03772, eq. 3).

    Distance in eta and phi, kT, the share of the softer one, and the mass of both together; momenta
    are relative to the tau candidate, and objects count as massless.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, kinematics: Any) -> Any:
        """From ``kinematics`` (n, length, 3), raw deta, dphi, rel_pt, to (n, length, length, 4)."""
        eta, phi, pt = (ops.cast(kinematics[..., i], "float32") for i in range(3))
        deta, dphi = (ops.expand_dims(v, 2) - ops.expand_dims(v, 1) for v in (eta, phi))
        pt = ops.maximum(pt, 0.0)
        first, second = ops.expand_dims(pt, 2), ops.expand_dims(pt, 1)
        distance = ops.sqrt(ops.square(deta) + ops.square(dphi) + SMALLEST**2)
        softer = ops.minimum(first, second)
        # 2 sinh^2 and 2 sin^2 instead of cosh - cos, which loses all digits at small distances
        mass = 4.0 * first * second * (ops.square(ops.sinh(0.5 * deta)) + ops.square(ops.sin(0.5 * dphi)))
        pairs = (distance, softer * distance, softer / (first + second + SMALLEST), mass)
        return ops.stack([ops.log(value + SMALLEST) for value in pairs], axis=-1)

    def compute_output_shape(self, kinematics_shape: Shape) -> Shape:
        """(n, length, length, 4)."""
        return (kinematics_shape[0], kinematics_shape[1], kinematics_shape[1], 4)

    def compute_output_spec(self, kinematics: Any) -> Any:
        """Logarithms are taken in float32 under every policy."""
        return keras.KerasTensor(self.compute_output_shape(kinematics.shape), "float32")


@keras.saving.register_keras_serializable(package="taumltools")
class ClassToken(keras.layers.Layer):
    """Put a token of the whole tau candidate in front of the tokens of its objects."""

    def call(self, tokens: Any, whole: Any, present: Any) -> tuple[Any, Any]:
        """Join ``whole`` (n, width) and ``tokens`` (n, length, width), and extend ``present`` (n, length)."""
        joined = ops.concatenate([ops.expand_dims(whole, 1), tokens], axis=1)
        present = ops.cast(present, joined.dtype)
        return joined, ops.pad(present, ((0, 0), (1, 0)), constant_values=1)

    def compute_output_shape(self, tokens_shape: Shape, *others: Shape) -> tuple[Shape, Shape]:  # noqa: ARG002
        """Both are one longer."""
        length = None if tokens_shape[1] is None else tokens_shape[1] + 1
        return (tokens_shape[0], length, tokens_shape[2]), (tokens_shape[0], length)


@keras.saving.register_keras_serializable(package="taumltools")
class EncoderLayer(keras.layers.Layer):
    """Attention and a feed-forward network, each with a shortcut and normalised before.

    The first token is the class token: it has no partner in pairwise features, so it gets no bias.

    Args:
        heads: of the attention.
        feed_forward: width of the inner layer.
        activation: of the inner layer.
        dropout: rate.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, heads: int, feed_forward: int, activation: str, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.feed_forward, self.activation, self.dropout = heads, feed_forward, activation, dropout
        self.norms = [keras.layers.LayerNormalization(epsilon=1e-6, name=f"norm_{k}") for k in (1, 2)]
        self.drops = [keras.layers.Dropout(dropout, name=f"dropout_{k}") for k in (1, 2, 3)]

    def build(self, tokens_shape: Shape, *others: Shape) -> None:  # noqa: ARG002
        """Create all weights."""
        width = tokens_shape[-1] or 0
        self.project = keras.layers.Dense(3 * width, name="query_key_value")
        self.combine = keras.layers.Dense(width, name="attention_output")
        self.inner = keras.layers.Dense(self.feed_forward, activation=activation_of(self.activation), name="inner")
        self.outer = keras.layers.Dense(width, name="outer")
        for layer in (self.project, self.combine, self.inner, *self.norms):
            layer.build(tokens_shape)
        self.outer.build((*tokens_shape[:-1], self.feed_forward))

    def call(self, tokens: Any, present: Any, bias: Any = None, training: bool = False) -> Any:
        """One layer of the encoder.

        Args:
            tokens: shape (n, length, width).
            present: 0 for padding, shape (n, length).
            bias: added to the scores of all pairs but those of the first token, (n, length - 1, length - 1, heads).
            training: Keras sets it.

        Returns:
            Shape (n, length, width).
        """
        mixed = self._attend(self.norms[0](tokens), present, bias, training)
        tokens = tokens + self.drops[0](mixed, training=training)
        hidden = self.drops[1](self.inner(self.norms[1](tokens)), training=training)
        return tokens + self.drops[2](self.outer(hidden), training=training)

    def _attend(self, tokens: Any, present: Any, bias: Any, training: bool) -> Any:  # noqa: ARG002
        length, width = ops.shape(tokens)[1], tokens.shape[-1]
        parts = ops.reshape(self.project(tokens), (-1, length, 3, self.heads, width // self.heads))
        query, key, value = (ops.transpose(parts[:, :, i], (0, 2, 1, 3)) for i in range(3))
        score = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        score = ops.cast(score, "float32") / (width // self.heads) ** 0.5
        if bias is not None:
            moved = ops.transpose(ops.cast(bias, "float32"), (0, 3, 1, 2))
            score = score + ops.pad(moved, ((0, 0), (0, 0), (1, 0), (1, 0)))
        score = score + (ops.cast(present, "float32")[:, None, None, :] - 1.0) * 1e9
        weights = ops.cast(ops.softmax(score, axis=-1), value.dtype)
        mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return self.combine(ops.reshape(mixed, (-1, length, width)))

    def compute_output_shape(self, tokens_shape: Shape, *others: Shape) -> Shape:  # noqa: ARG002
        """The shape does not change."""
        return tokens_shape

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        names = ("heads", "feed_forward", "activation", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="taumltools")
class PairBias(keras.layers.Layer):
    """A small network that turns features of pairs into one bias per attention head.

    Args:
        units: widths of its inner layers.
        heads: attention heads.
        **kwargs: of ``keras.layers.Layer``.
    """

    def __init__(self, units: Sequence[int], heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.heads = [int(width) for width in units], heads
        self.inner = [keras.layers.Dense(width, activation=gelu, name=f"dense_{k}") for k, width in enumerate(units, 1)]
        self.last = keras.layers.Dense(heads, name="bias")

    def build(self, pairs_shape: Shape) -> None:
        """Create all weights."""
        for layer in (*self.inner, self.last):
            layer.build(pairs_shape)
            pairs_shape = (*pairs_shape[:-1], layer.units)

    def call(self, pairs: Any) -> Any:
        """From (n, length, length, features) to (n, length, length, heads)."""
        values = pairs * 0.1  # logarithms reach from -14 to a few
        for layer in self.inner:
            values = layer(values)
        return self.last(values)

    def compute_output_shape(self, pairs_shape: Shape) -> Shape:
        """(n, length, length, heads)."""
        return (*pairs_shape[:-1], self.heads)

    def get_config(self) -> dict[str, Any]:
        """Everything needed to make the layer again."""
        return {**super().get_config(), "units": self.units, "heads": self.heads}
