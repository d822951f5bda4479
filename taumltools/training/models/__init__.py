"""The networks one can name in ``configs/model``.

A network is a function ``(model, features, constants) -> keras.Model`` with the inputs
``taus`` (n, features) and, per block of objects, ``<block>`` (n, length, features) and
``<block>_mask`` (n, length), all in raw values, and one softmax output of shape (n, 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from taumltools.config.features import FeaturesConfig
from taumltools.config.model import ModelConfig
from taumltools.errors import ConfigError

Constants = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Scaling constants as :func:`taumltools.features.scaling.load_scaling` returns them."""


def _deepset(model: ModelConfig, features: FeaturesConfig, constants: Constants) -> Any:
    from taumltools.training.models.deepset import build

    return build(model, features, constants)


MODELS: dict[str, Callable[[ModelConfig, FeaturesConfig, Constants], Any]] = {"deepset": _deepset}
"""Networks by name; a new one needs a line here."""


def build_model(model: ModelConfig, features: FeaturesConfig, constants: Constants) -> Any:
    """Make an untrained network.

    Args:
        model: which one, and its sizes.
        features: what it sees.
        constants: scaling of every feature.

    Returns:
        A ``keras.Model``.

    Raises:
        ConfigError: no network of that name.
    """
    if model.name not in MODELS:
        raise ConfigError(f"model.name: no network '{model.name}'; known are {', '.join(MODELS)}")
    return MODELS[model.name](model, features, constants)
