"""A network over sets of objects (deep sets with attention pooling).

Each object goes through the same small network; the set is pooled into one vector, joined
with the tau-level features, and classified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from taumltools.config.features import FeaturesConfig
from taumltools.config.model import ModelConfig
from taumltools.training.layers import ObjectPooling, Scaling
from taumltools.tuples.truth import TAU_TYPES


def build(
    model: ModelConfig, features: FeaturesConfig, constants: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> keras.Model:
    """Make the network.

    Args:
        model: sizes.
        features: what it sees.
        constants: scaling of every feature.

    Returns:
        The untrained network.
    """
    tau_input = keras.Input((len(features.taus),), name="taus")
    inputs = {"taus": tau_input}
    scaled = Scaling.from_constants("taus", constants["taus"], name="taus_scaling")(tau_input)
    parts = [_dense(scaled, model.tau_units, model, "taus")]
    for name, block in features.objects.items():
        objects = keras.Input((None, len(block.features)), name=name)
        mask = keras.Input((None,), name=f"{name}_mask")
        inputs |= {name: objects, f"{name}_mask": mask}
        scaled = Scaling.from_constants(name, constants[name], name=f"{name}_scaling")(objects)
        hidden = _dense(scaled, model.object_units, model, name)
        parts.append(ObjectPooling(model.attention_heads, name=f"{name}_pooling")(hidden, mask))
    joined = keras.layers.Concatenate(name="joined")(parts) if len(parts) > 1 else parts[0]
    hidden = _dense(joined, model.dense_units, model, "final", dropout=model.dropout)
    output = keras.layers.Dense(len(TAU_TYPES), activation="softmax", name="probability")(hidden)
    return keras.Model(inputs, output, name=model.name)


def _dense(values: Any, units: Sequence[int], model: ModelConfig, name: str, dropout: float = 0.0) -> Any:
    for i, width in enumerate(units):
        values = keras.layers.Dense(width, activation=model.activation, name=f"{name}_dense_{i}")(values)
        if dropout:
            values = keras.layers.Dropout(dropout, name=f"{name}_dropout_{i}")(values)
    return values
