"""ParticleNet: points that look at their neighbours (arXiv:1902.08570).

The first edge convolution looks for neighbours in eta and phi, later ones in what the layer before
gave.  Means run over the points that there are, not over padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from taumltools.config.features import FeaturesConfig
from taumltools.config.model import ModelConfig
from taumltools.config.networks import ParticleNetConfig
from taumltools.training.layers_sets import Columns, EdgeConvolution, MaskedMean
from taumltools.training.models.dense import classify
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
    sizes = model.particle_net or ParticleNetConfig()
    raw, scaled = tau_input(features, constants)
    points = embed_objects(features, constants, sizes.objects, sizes.width)
    values, place = points.values, Columns([0, 1], name="coordinates")(points.kinematics)
    for k, neighbours in enumerate(sizes.neighbours, start=1):
        values = EdgeConvolution(neighbours, sizes.channels, name=f"edge_{k}")(values, place, points.present)
        place = values
    pooled = MaskedMean(name="objects_pooling")(values, points.present)
    output = classify([pooled, scaled], sizes.dense_units, sizes.activation, sizes.dropout)
    return keras.Model({"taus": raw, **points.inputs}, output, name=model.name)
