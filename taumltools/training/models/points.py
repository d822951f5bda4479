"""From blocks of objects with different features to one set of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from taumltools.config.features import FeaturesConfig
from taumltools.config.networks import ObjectsConfig
from taumltools.errors import ConfigError
from taumltools.training.activations import activation
from taumltools.training.layers_sets import Columns, Kind
from taumltools.training.models.inputs import set_blocks, set_inputs


@dataclass(frozen=True)
class Points:
    """Objects of all blocks, one after the other.

    Attributes:
        inputs: of the network, by name.
        values: embedded features, shape (n, length, width).
        kinematics: raw deta, dphi and rel_pt, shape (n, length, 3).
        present: 0 for padding, shape (n, length).
    """

    inputs: dict[str, Any]
    values: Any
    kinematics: Any
    present: Any


def embed_objects(features: FeaturesConfig, constants: Mapping[str, Any], config: ObjectsConfig, width: int) -> Points:
    """Embed the objects of every block by two layers of its own, and join them.

    Args:
        features: what the network sees.
        constants: scaling of every feature.
        config: settings.
        width: channels of a point.

    Returns:
        The points.

    Raises:
        ConfigError: no block of objects, or a block without coordinates.
    """
    inputs: dict[str, Any] = {}
    values, kinematics, present = [], [], []
    for block, names in set_blocks(features).items():
        own, scaled = set_inputs(features, constants, block)
        inputs |= own
        scaled = Kind(config.kind_units, name=f"{block}_kind")(scaled)
        hidden = keras.layers.Dense(config.hidden, activation=activation(config.activation), name=f"{block}_dense_1")(
            scaled
        )
        values.append(
            keras.layers.Dense(width, activation=activation(config.activation), name=f"{block}_dense_2")(hidden)
        )
        columns = [column_of(block, names, wanted) for wanted in (config.deta, config.dphi, config.rel_pt)]
        kinematics.append(Columns(columns, name=f"{block}_kinematics")(own[block]))
        present.append(own[f"{block}_mask"])
    if not values:
        raise ConfigError(f"this network needs objects, the features '{features.title}' have none")
    return Points(
        inputs, _joined(values, "objects"), _joined(kinematics, "kinematics"), _joined(present, "objects_mask")
    )


def column_of(block: str, names: Sequence[str], wanted: str) -> int:
    """Position of the one feature called ``wanted``, or that with a prefix.

    Args:
        block: for the message.
        names: features of the block, in order.
        wanted: the name, without prefix.

    Returns:
        The position, from 0.

    Examples:
        >>> column_of("muon", ["muon_valid", "muon_rel_pt", "muon_deta"], "deta")
        2
    """
    found = [name for name in names if name == wanted] or [name for name in names if name.endswith(f"_{wanted}")]
    if len(found) != 1:
        raise ConfigError(
            f"block '{block}' needs one feature '{wanted}' (or with a prefix, such as {block}_{wanted}) for this "
            f"network, found {found or 'none'} among {list(names)}; other names: model.<network>.objects"
        )
    return list(names).index(found[0])


def _joined(parts: Sequence[Any], name: str) -> Any:
    """Objects of all blocks along one axis."""
    return keras.layers.Concatenate(axis=1, name=f"all_{name}")(list(parts)) if len(parts) > 1 else parts[0]
