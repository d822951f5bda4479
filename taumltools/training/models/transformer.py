"""Particle transformer: attention between objects, biased by what pairs of them have in common.

After arXiv:2202.03772.  The class token starts from the tau-level features, and what it has become in the
last layer is classified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from taumltools.config.features import FeaturesConfig
from taumltools.config.model import ModelConfig
from taumltools.config.networks import TransformerConfig
from taumltools.training.layers_attention import ClassToken, EncoderLayer, PairBias, PairFeatures
from taumltools.training.models.dense import classify, dense_layers
from taumltools.training.models.inputs import tau_input
from taumltools.training.models.points import embed_objects


def build(model: ModelConfig, features: FeaturesConfig, constants: Mapping[str, Any]) -> keras.Model:
    """Make the network.

    Args:
        model: sizes.
        features: what it sees.
        constants: scaling of every feature.

    Returns:
        The untrained network.
    """
    sizes = model.transformer or TransformerConfig()
    raw, scaled = tau_input(features, constants)
    points = embed_objects(features, constants, sizes.objects, sizes.width)
    whole = dense_layers(scaled, (sizes.objects.hidden, sizes.width), sizes.activation, "taus")
    tokens, present = ClassToken(name="class_token")(points.values, whole, points.present)
    extra = []
    if sizes.pair_units:
        pairs = PairFeatures(name="pairs")(points.kinematics)
        extra = [PairBias(sizes.pair_units, sizes.heads, name="pair_bias")(pairs)]
    for k in range(1, sizes.layers + 1):
        layer = EncoderLayer(sizes.heads, sizes.feed_forward, sizes.activation, sizes.dropout, name=f"encoder_{k}")
        tokens = layer(tokens, present, *extra)
    final = keras.layers.LayerNormalization(epsilon=1e-6, name="class_norm")(tokens[:, 0])
    output = classify([final], sizes.dense_units, sizes.activation, sizes.dropout)
    return keras.Model({"taus": raw, **points.inputs}, output, name=model.name)
