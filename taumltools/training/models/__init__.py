"""The networks one can name in ``configs/model``.

A network is a function ``(model, features, constants) -> keras.Model`` with one softmax output of shape
(n, 4).  All inputs are raw values: ``taus`` (n, features), and what the form of the network names:

- ``sets``: per block of objects ``<block>`` (n, length, features) and ``<block>_mask`` (n, length);
- ``cells``: per grid and component ``<grid>_<component>`` (K, width), the filled cells of the whole batch, and
  per grid ``<grid>_cell`` (K,), int32, ``tau * n_cells + cell``; rows of padding are NaN and have ``n * n_cells``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from taumltools.config.features import FeaturesConfig
from taumltools.config.model import ModelConfig
from taumltools.errors import ConfigError
from taumltools.training.layout import Form

Constants = Mapping[str, Any]
"""Scaling constants as :func:`taumltools.features.scaling.load_scaling` returns them."""


@dataclass(frozen=True)
class NetworkKind:
    """A network that can be named.

    Attributes:
        build: makes it.
        form: inputs it takes.
    """

    build: Callable[[ModelConfig, FeaturesConfig, Constants], Any]
    form: Form = "sets"

    def __call__(self, model: ModelConfig, features: FeaturesConfig, constants: Constants) -> Any:
        """Make the network."""
        return self.build(model, features, constants)


def _builder(name: str) -> Callable[[ModelConfig, FeaturesConfig, Constants], Any]:
    """The function ``build`` of the module ``name``, which is imported when it is first needed."""

    def build(model: ModelConfig, features: FeaturesConfig, constants: Constants) -> Any:
        return importlib.import_module(f"{__name__}.{name}").build(model, features, constants)

    return build


MODELS: dict[str, NetworkKind] = {
    "deepset": NetworkKind(_builder("deepset")),
    "deeptau": NetworkKind(_builder("deeptau"), form="cells"),
    "particle_net": NetworkKind(_builder("particle_net")),
    "transformer": NetworkKind(_builder("transformer")),
}
"""Networks by name; a new one needs a line here."""


def build_model(model: ModelConfig, features: FeaturesConfig, constants: Constants) -> Any:
    """Make an untrained network.

    Args:
        model: which one, and its sizes.
        features: what it sees.
        constants: scaling of every feature.

    Returns:
        A ``keras.Model``; with ``model.adversarial`` its outputs are [probabilities, probability of data].

    Raises:
        ConfigError: no network of that name.
    """
    if model.name not in MODELS:
        raise ConfigError(f"model.name: no network '{model.name}'; known are {', '.join(MODELS)}")
    network = MODELS[model.name](model, features, constants)
    if not model.adversarial:
        return network
    from taumltools.training.models.second_head import add_second_head

    return add_second_head(network, model)
