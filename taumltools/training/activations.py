"""Activations of Keras in a form that every export format has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="taumltools")
def gelu(x: Any) -> Any:
    """Gaussian error linear unit by the error function; that of Keras takes its complement, which ONNX lacks.

    Args:
        x: a tensor.

    Returns:
        x Phi(x), of the same shape.
    """
    return 0.5 * x * (1.0 + ops.erf(x * 0.5**0.5))


def activation(name: str) -> str | Callable[[Any], Any]:
    """The activation of that name, for ``keras.layers.Dense``.

    Args:
        name: of Keras.

    Returns:
        The function, or the name for Keras.
    """
    return gelu if name == "gelu" else name
