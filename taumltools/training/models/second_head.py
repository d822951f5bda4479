"""The second head of domain adaptation: it tells data from simulation, from what all heads share."""

from __future__ import annotations

import keras

from taumltools.config.model import ModelConfig
from taumltools.config.networks import DeepTauConfig
from taumltools.training.models.blocks import dense_stack
from taumltools.training.models.dense import JOINED, dense_layers

SECOND_OUTPUT = "adv_output"
"""Name of the layer that gives the probability of data."""


def add_second_head(network: keras.Model, model: ModelConfig) -> keras.Model:
    """The same network with a second output, of shape (n, 1).

    The new layers are like the dense layers of the first head; they have ``final`` and ``_adv`` in their
    names, and start from ``features_concat``.

    Args:
        network: with one output.
        model: its settings.

    Returns:
        A network with the outputs [probabilities, probability of data]; layers are shared with ``network``.
    """
    joined = network.get_layer(JOINED).output
    if model.name == "deeptau":
        hidden = dense_stack(joined, (model.deeptau or DeepTauConfig()).dense, "final_adv")
    else:
        sizes = getattr(model, model.name, None) or model
        hidden = dense_layers(joined, sizes.dense_units, sizes.activation, "final_adv", sizes.dropout)
    logit = keras.layers.Dense(1, name="final_dense_adv")(hidden)
    data = keras.layers.Activation("sigmoid", dtype="float32", name=SECOND_OUTPUT)(logit)
    return keras.Model(network.input, [network.output, data], name=network.name)
