"""Settings of the networks that need more than :class:`taumltools.config.model.ModelConfig` has of its own."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pydantic import model_validator

from taumltools.config.base import settings

CellActivation = Literal["PReLU", "relu", "tanh", "selu"]
Activation = Literal["relu", "gelu", "silu", "tanh"]

Width = int | str
"""A number of units, or a formula of ``n`` (number of inputs) and ``drop`` (dropout rate)."""


def _between(low: float, high: float, **values: float) -> None:
    for name, value in values.items():
        if not low <= value < high:
            raise ValueError(f"{name} must be in [{low:g}, {high:g}), found {value}")


def _positive(**values: int | tuple[int, ...]) -> None:
    for name, value in values.items():
        widths = value if isinstance(value, tuple) else (value,)
        if not widths or min(widths) < 1:
            raise ValueError(f"{name} must be positive, found {value}")


@settings
class StackConfig:
    """Layers whose widths follow a rule (:func:`taumltools.training.models.widths.layer_widths`).

    Attributes:
        first: width of the first layer; a number or a formula of n and drop, rounded up.
        last: width of the last layer, in the same way.
        reduction: each layer is that factor narrower than the one before.
        dropout: fraction of units dropped after each layer while training.
        min_layers: with fewer layers, the last width is repeated.
        max_layers: that layer gets the last width in any case; 0: no limit.
        activation: between layers; selu comes without normalisation and with its own dropout.
        regularizer: of all kernels, e.g. ``L2,1e-4``; empty: none.
    """

    first: Width
    last: Width
    reduction: float = 1.6
    dropout: float = 0.2
    min_layers: int = 0
    max_layers: int = 0
    activation: CellActivation = "PReLU"
    regularizer: str = ""

    @model_validator(mode="after")
    def _ranges(self) -> StackConfig:
        if not self.reduction >= 1.0:
            raise ValueError(f"reduction must be at least 1, found {self.reduction}")
        if min(self.min_layers, self.max_layers) < 0:
            raise ValueError("min_layers and max_layers must not be negative")
        _between(0.0, 1.0, dropout=self.dropout)
        return self


@settings
class WindowsConfig:
    """Convolutions without padding over a grid, until one cell is left.

    Attributes:
        size: cells of a window in each direction.
        reduction: None keeps the number of channels; a number divides it by so much per window, apart from the growth
            that makes up for the cells that are lost.
        dropout: fraction of channels' values dropped after each window while training.
        activation: after each window.
        pooling: by grid, the position of a maximum pooling among its windows, counted from 1.
        regularizer: of all kernels, e.g. ``L2,1e-4``; empty: none.
    """

    size: int = 3
    reduction: float | None = None
    dropout: float = 0.2
    activation: CellActivation = "PReLU"
    pooling: dict[str, int] = field(default_factory=dict)
    regularizer: str = ""

    @model_validator(mode="after")
    def _ranges(self) -> WindowsConfig:
        if self.size < 2:
            raise ValueError(f"size must be at least 2, found {self.size}")
        if self.reduction is not None and not self.reduction > 0:
            raise ValueError(f"reduction must be positive, found {self.reduction}")
        _between(0.0, 1.0, dropout=self.dropout)
        return self


@settings
class DeepTauConfig:
    """Sizes of the network ``deeptau``; the defaults are those of DeepTau v2.5.

    Attributes:
        tau: layers that see tau-level features.
        component: layers of each component of a cell (e gamma, muon, hadrons).
        merge: layers of each cell after its components are joined.
        windows: convolutions over each grid.
        dense: layers after everything is joined, also of the adversarial head.
        first_layer_reg: of the first layer of ``tau`` and of every ``component``, e.g. ``L1,1e-4``; empty: none.
        empty_cells: how many cells stand for all empty ones in a training step, each with its own dropout.
    """

    tau: StackConfig = field(default_factory=lambda: StackConfig("2*n*(1+drop)", "n*(1+drop)", reduction=1.4))
    component: StackConfig = field(default_factory=lambda: StackConfig("2*n*(1+drop)", "n*(1+drop)"))
    merge: StackConfig = field(default_factory=lambda: StackConfig("n", 64))
    windows: WindowsConfig = field(default_factory=WindowsConfig)
    dense: StackConfig = field(default_factory=lambda: StackConfig(200, 200, reduction=1.0, min_layers=4))
    first_layer_reg: str = ""
    empty_cells: int = 32

    @model_validator(mode="after")
    def _ranges(self) -> DeepTauConfig:
        _positive(empty_cells=self.empty_cells)
        return self


@settings
class ObjectsConfig:
    """How objects of different blocks become points of one set.

    Attributes:
        hidden: width of the layer that reads the features of an object.
        kind_units: length of the learned vector that tells the blocks apart.
        activation: of the layers that embed.
        deta: feature of each block that is the distance in pseudorapidity; blocks may put a prefix before it.
        dphi: feature that is the distance in azimuth.
        rel_pt: feature that is the transverse momentum divided by that of the tau candidate.
    """

    hidden: int = 256
    kind_units: int = 2
    activation: Activation = "gelu"
    deta: str = "deta"
    dphi: str = "dphi"
    rel_pt: str = "rel_pt"

    @model_validator(mode="after")
    def _ranges(self) -> ObjectsConfig:
        _positive(hidden=self.hidden, kind_units=self.kind_units)
        return self


@settings
class ParticleNetConfig:
    """Sizes of ``particle_net``; the defaults are those of the reference network.

    Attributes:
        objects: how objects become points.
        width: channels of a point.
        neighbours: nearest points that each edge convolution looks at.
        channels: widths of the layers of every edge convolution.
        dense_units: widths of the layers after pooling.
        activation: between layers.
        dropout: fraction of units dropped after the layers of ``dense_units`` while training.
    """

    objects: ObjectsConfig = field(default_factory=ObjectsConfig)
    width: int = 64
    neighbours: tuple[int, ...] = (16, 12, 8)
    channels: tuple[int, ...] = (160, 128, 96)
    dense_units: tuple[int, ...] = (192, 160, 128, 96, 64)
    activation: Activation = "relu"
    dropout: float = 0.1

    @model_validator(mode="after")
    def _ranges(self) -> ParticleNetConfig:
        _positive(width=self.width, neighbours=self.neighbours, channels=self.channels, dense_units=self.dense_units)
        _between(0.0, 1.0, dropout=self.dropout)
        return self


@settings
class TransformerConfig:
    """Sizes of ``transformer``; the defaults are those of the reference network.

    Attributes:
        objects: how objects become tokens.
        width: length of a token; a multiple of ``heads``.
        layers: encoder layers.
        heads: attention heads.
        feed_forward: width of the inner layer of each encoder layer.
        pair_units: widths of the layers that turn pairwise features into one bias per head; empty: no bias.
        dense_units: widths of the layers after the class token.
        activation: between layers.
        dropout: fraction dropped inside the encoder and after the layers of ``dense_units`` while training.
    """

    objects: ObjectsConfig = field(default_factory=ObjectsConfig)
    width: int = 64
    layers: int = 6
    heads: int = 8
    feed_forward: int = 256
    pair_units: tuple[int, ...] = (16,)
    dense_units: tuple[int, ...] = (256, 128)
    activation: Activation = "gelu"
    dropout: float = 0.1

    @model_validator(mode="after")
    def _ranges(self) -> TransformerConfig:
        _positive(layers=self.layers, heads=self.heads, feed_forward=self.feed_forward, dense_units=self.dense_units)
        if self.pair_units:
            _positive(pair_units=self.pair_units)
        if self.width < 1 or self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, found {self.width} and {self.heads}")
        _between(0.0, 1.0, dropout=self.dropout)
        return self
