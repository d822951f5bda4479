"""Activations of Keras in a form that every export format has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="taumltools")
def gelu(x: Any) -> Any:
    """Gaussian error linear unit by the error function; that of Keras takes its complement, which ONNX lacks."""
    return 0.5 * x * (1.0 + ops.erf(x * 0.5**0.5))


def activation(name: str) -> str | Callable[[Any], Any]:
    """The activation of that name, for ``keras.layers.Dense``."""
    return gelu if name == "gelu" else name
