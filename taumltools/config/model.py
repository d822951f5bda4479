"""Settings of the network."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from pydantic import model_validator

from taumltools.config.base import settings
from taumltools.config.networks import DeepTauConfig, ParticleNetConfig, TransformerConfig

SECTIONS: dict[str, type[Any]] = {
    "deeptau": DeepTauConfig,
    "particle_net": ParticleNetConfig,
    "transformer": TransformerConfig,
}
"""Networks that take their sizes from a section of their name, and from nothing else."""


@settings
class ModelConfig:
    """Which network, and its sizes (``configs/model``).

    Attributes:
        name: a network of :data:`taumltools.training.models.MODELS`.
        object_units: widths of the layers shared by all objects of a block.
        tau_units: widths of the layers that see tau-level features.
        dense_units: widths of the layers after everything is joined.
        attention_heads: weighted means over the objects; each head learns its own weights.
        activation: between layers; relu is the fastest on a CPU.
        dropout: fraction of units dropped after the layers of ``dense_units`` while training.
        adversarial: add a second output that tells two samples apart, for domain adaptation.
        deeptau: sizes of the network ``deeptau``, which takes nothing else from here; None: those of DeepTau v2.5.
        particle_net: sizes of the network ``particle_net``, in the same way.
        transformer: sizes of the network ``transformer``, in the same way.
    """

    name: str = "deepset"
    object_units: tuple[int, ...] = (64, 64)
    tau_units: tuple[int, ...] = (64,)
    dense_units: tuple[int, ...] = (128, 64)
    attention_heads: int = 4
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    dropout: float = 0.05
    adversarial: bool = False
    deeptau: DeepTauConfig | None = None
    particle_net: ParticleNetConfig | None = None
    transformer: TransformerConfig | None = None

    @model_validator(mode="after")
    def _sizes(self) -> ModelConfig:
        for name in ("object_units", "tau_units", "dense_units"):
            widths = getattr(self, name)
            if not widths or min(widths) < 1:
                raise ValueError(f"{name} needs at least one positive width, found {widths}")
        if self.attention_heads < 1:
            raise ValueError(f"attention_heads must be at least 1, found {self.attention_heads}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), found {self.dropout}")
        return self

    @model_validator(mode="after")
    def _of_this_network(self) -> ModelConfig:
        """Settings that the network does not read are refused, not passed over."""
        if self.name not in {"deepset", *SECTIONS}:
            return self  # of a developer, who reads what he likes
        for section in SECTIONS:
            if section != self.name and getattr(self, section) is not None:
                raise ValueError(f"model.{section} is of the network {section}, which {self.name} does not read")
        if self.name == "deepset":
            return self
        common = {"name", "adversarial", *SECTIONS}
        for setting in dataclasses.fields(self):
            if setting.name not in common and getattr(self, setting.name) != setting.default:
                raise ValueError(
                    f"model.{setting.name} is of the network deepset; {self.name} reads nothing but its own section "
                    f"model.{self.name}, which has {', '.join(f.name for f in dataclasses.fields(SECTIONS[self.name]))}"
                )
        return self
