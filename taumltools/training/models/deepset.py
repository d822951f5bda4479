"""A network over sets of objects (deep sets with attention pooling).

Each object goes through the same small network; the set is pooled into one vector, joined
with the tau-level features, and classified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from taumltools.config.features import FeaturesConfig
from taumltools.config.model import ModelConfig
from taumltools.training.layers import ObjectPooling
from taumltools.training.models.dense import classify, dense_layers
from taumltools.training.models.inputs import set_blocks, set_inputs, tau_input


def build(model: ModelConfig, features: FeaturesConfig, constants: Mapping[str, Any]) -> keras.Model:
    """Make the network.

    Args:
        model: sizes.
        features: what it sees.
        constants: scaling of every feature.

    Returns:
        The untrained network.
    """
    raw, scaled = tau_input(features, constants)
    inputs = {"taus": raw}
    parts = [dense_layers(scaled, model.tau_units, model.activation, "taus")]
    for name in set_blocks(features):
        own, scaled = set_inputs(features, constants, name)
        inputs |= own
        hidden = dense_layers(scaled, model.object_units, model.activation, name)
        parts.append(ObjectPooling(model.attention_heads, name=f"{name}_pooling")(hidden, own[f"{name}_mask"]))
    output = classify(parts, model.dense_units, model.activation, model.dropout)
    return keras.Model(inputs, output, name=model.name)
