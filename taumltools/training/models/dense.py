"""What all networks end with: everything joined, dense layers, four probabilities.

The names are those of DeepTau: ``features_concat`` is what a second head may start from, and the layers
after it have ``final`` in their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from taumltools.training.activations import activation as activation_of
from taumltools.tuples.truth import TAU_TYPES

JOINED = "features_concat"
"""Name of the layer whose output describes a tau candidate."""

OUTPUT = "main_output"
"""Name of the layer that gives the probabilities."""


def dense_layers(values: Any, units: Sequence[int], activation: str, name: str, dropout: float = 0.0) -> Any:
    """Dense layers, each followed by an activation and dropout.

    Args:
        values: shape (..., width).
        units: widths of the layers.
        activation: after each of them.
        name: first part of their names.
        dropout: rate; 0: no dropout.

    Returns:
        The output of the last one.
    """
    for k, width in enumerate(units, start=1):
        values = keras.layers.Dense(width, activation=activation_of(activation), name=f"{name}_dense_{k}")(values)
        if dropout:
            values = keras.layers.Dropout(dropout, name=f"{name}_dropout_{k}")(values)
    return values


def concatenated(parts: Sequence[Any]) -> Any:
    """Vectors side by side, under the name :data:`JOINED`.

    Args:
        parts: tensors of shape (n, width), at least one.

    Returns:
        Shape (n, sum of widths).
    """
    if len(parts) > 1:
        return keras.layers.Concatenate(name=JOINED)(list(parts))
    return keras.layers.Identity(name=JOINED)(parts[0])


def classify(parts: Sequence[Any], units: Sequence[int], activation: str, dropout: float) -> Any:
    """From vectors that describe a tau candidate to its four probabilities.

    Args:
        parts: tensors of shape (n, width).
        units: widths of the dense layers.
        activation: between them.
        dropout: fraction of units after each.

    Returns:
        Shape (n, 4), in the order e, mu, tau, jet.
    """
    return output_layer(dense_layers(concatenated(parts), units, activation, "final", dropout))


def output_layer(hidden: Any) -> Any:
    """Four probabilities, in full precision under every policy.

    Args:
        hidden: shape (n, width).

    Returns:
        Shape (n, 4), float32.
    """
    logits = keras.layers.Dense(len(TAU_TYPES), name="final_dense_last")(hidden)
    return keras.layers.Activation("softmax", dtype="float32", name=OUTPUT)(logits)
