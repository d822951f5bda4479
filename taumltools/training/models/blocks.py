"""The building block of DeepTau: linear layer, normalisation, activation, dropout.

Layers are named ``{stack}_{dense|conv}_{k}``, ``{stack}_norm_{k}``, ``{stack}_activation_{k}`` and
``{stack}_dropout_{k}``, k from 1, as in the original: weights are found by these names.
"""

from __future__ import annotations

from typing import Any

import keras

from taumltools.config.networks import StackConfig, WindowsConfig
from taumltools.errors import ConfigError
from taumltools.training.layers_norm import WeightedNormalization
from taumltools.training.models.widths import layer_widths

INITIALIZERS = {"selu": "lecun_normal"}
"""Of kernels, by activation; of all others it is he_uniform."""


def regularizer(text: str) -> Any:
    """A regulariser from ``NAME,value``.

    Args:
        text: for example ``L1,1e-4``; empty: none.

    Returns:
        A ``keras.regularizers.Regularizer``, or None.

    Raises:
        ConfigError: not of that form.
    """
    if not text:
        return None
    name, _, value = text.partition(",")
    try:
        return {"L1": keras.regularizers.L1, "L2": keras.regularizers.L2}[name.strip().upper()](float(value))
    except (KeyError, ValueError) as error:
        raise ConfigError(f"regularizer '{text}': expected L1 or L2 and a number, such as 'L1,1e-4'") from error


def finish(
    values: Any, stack: StackConfig | WindowsConfig, name: str, k: int, weights: Any = None, shared: bool = False
) -> Any:
    """Normalisation, activation and dropout after a linear layer.

    Args:
        values: its output.
        stack: settings.
        name: of the stack.
        k: number of the layer.
        weights: of rows that stand for different numbers of cells; None: all count once.
        shared: slopes of PReLU are shared over a grid.

    Returns:
        The output of the block.
    """
    if stack.activation == "selu":
        values = keras.layers.Activation("selu", name=f"{name}_activation_{k}")(values)
        rate = keras.layers.AlphaDropout(stack.dropout, name=f"{name}_dropout_{k}")
        return rate(values) if stack.dropout else values
    if weights is None:
        values = keras.layers.BatchNormalization(name=f"{name}_norm_{k}")(values)
    else:
        values = WeightedNormalization(name=f"{name}_norm_{k}")(values, weights)
    if stack.activation == "PReLU":
        slopes = keras.layers.PReLU(shared_axes=[1, 2] if shared else None, name=f"{name}_activation_{k}")
        values = slopes(values)
    else:
        values = keras.layers.Activation(stack.activation, name=f"{name}_activation_{k}")(values)
    return keras.layers.Dropout(stack.dropout, name=f"{name}_dropout_{k}")(values) if stack.dropout else values


def dense_stack(values: Any, stack: StackConfig, name: str, weights: Any = None, first_layer_reg: str = "") -> Any:
    """Blocks of dense layers, on tau candidates or on rows of cells.

    Args:
        values: shape (rows, width).
        stack: settings.
        name: of the stack.
        weights: of rows of cells; their layers are called conv, because on a dense grid they are convolutions.
        first_layer_reg: regulariser of the first kernel.

    Returns:
        The output of the last block.
    """
    kind = "dense" if weights is None else "conv"
    for k, width in enumerate(layer_widths(stack, values.shape[-1]), start=1):
        layer = keras.layers.Dense(
            width,
            kernel_initializer=INITIALIZERS.get(stack.activation, "he_uniform"),
            kernel_regularizer=regularizer(first_layer_reg if k == 1 and first_layer_reg else stack.regularizer),
            name=f"{name}_{kind}_{k}",
        )
        values = finish(layer(values), stack, name, k, weights)
    return values
