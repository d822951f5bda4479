"""Settings of network inputs: the one definition file of all features.

``configs/features/<name>.yaml`` drives evaluation, scaling, the layout of flat tuples,
the loader and the first layer of the network.  What expressions may contain is in
:mod:`taumltools.features.expression`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pydantic import model_validator

from taumltools.config.base import settings

ScalingType = Literal["none", "linear", "normal", "categorical"]


@settings
class ScalingRule:
    """How a raw value becomes a network input.

    Attributes:
        type: ``none`` and ``categorical`` leave it, ``linear`` maps [min, max] to [-1, 1],
            ``normal`` subtracts the measured mean and divides by the measured standard deviation.
        min: lower end of ``linear``.
        max: upper end of ``linear``.
        lo: lower clip of ``normal``, in standard deviations (5 is the choice of DeepTau v2.5).
        hi: upper clip of ``normal``, in standard deviations.
        grids: of ``linear``, [min, max] by grid where cells of different grids have different ranges.
    """

    type: ScalingType = "none"
    min: float | None = None
    max: float | None = None
    lo: float = -5.0
    hi: float = 5.0
    grids: dict[str, tuple[float, float]] = field(default_factory=dict)

    @model_validator(mode="after")
    def _limits(self) -> ScalingRule:
        has_range = self.min is not None and self.max is not None
        if self.grids and (self.type != "linear" or has_range):
            raise ValueError("grids belong to linear scaling without min and max")
        for name, (low, high) in self.grids.items():
            if not low < high:
                raise ValueError(f"linear scaling of grid '{name}' needs min < max, found {low}, {high}")
        if self.type == "linear" and not self.grids and not (has_range and self.min < self.max):  # type: ignore[operator]
            raise ValueError(f"linear scaling needs min < max, found min={self.min}, max={self.max}")
        if self.type != "linear" and (self.min is not None or self.max is not None):
            raise ValueError(f"min and max belong to linear scaling, found type={self.type}")
        if not self.lo < self.hi:
            raise ValueError(f"normal scaling needs lo < hi, found lo={self.lo}, hi={self.hi}")
        return self


@settings
class FeatureConfig:
    """One number the network sees.

    Attributes:
        expression: formula over TauTuple branches; empty means the branch of the feature's name.
        valid: condition; where it is false the feature is not defined (NaN). Empty: always defined.
        scaling: how the network scales it.
        enabled: False keeps the definition and leaves the feature out of everything else.
    """

    expression: str = ""
    valid: str = ""
    scaling: ScalingRule = field(default_factory=ScalingRule)
    enabled: bool = True


@settings
class ObjectBlock:
    """Features of each object of one collection around the tau candidate.

    Attributes:
        collection: prefix of the collection, e.g. ``pfCand``.
        select: condition on objects, e.g. ``pfCand_particleType == 1``; empty keeps all.
        order: expression to sort by, largest first; empty means transverse momentum.
        max_objects: how many objects of one tau candidate are kept at most; 0 keeps all, which cells need.
        features: features by name.
    """

    collection: str
    features: dict[str, FeatureConfig]
    select: str = ""
    order: str = ""
    max_objects: int = 40

    @model_validator(mode="after")
    def _content(self) -> ObjectBlock:
        if self.max_objects < 0:
            raise ValueError(f"max_objects must not be negative, found {self.max_objects}")
        if not self.features:
            raise ValueError("a block needs at least one feature")
        return self


@settings
class GridConfig:
    """A grid of cells around the tau candidate.

    Attributes:
        n_eta: cells in η.
        n_phi: cells in φ.
        size: width of a cell in η and in φ (rad).
        cone: radius in which objects enter; 0 means the signal cone, max(3 / max(pt, 30), 0.05) with pt in GeV.
        without: a grid whose cone is left out of this one; empty: none.
    """

    n_eta: int
    n_phi: int
    size: float
    cone: float = 0.0
    without: str = ""

    @model_validator(mode="after")
    def _sizes(self) -> GridConfig:
        if min(self.n_eta, self.n_phi) < 1 or not self.size > 0 or not self.cone >= 0:
            raise ValueError(f"a grid needs cells of positive size and number, found {self}")
        if self.n_eta * self.n_phi > 65535:
            raise ValueError(f"a grid has at most 65535 cells, found {self.n_eta * self.n_phi}")
        return self

    @property
    def n_cells(self) -> int:
        """Cells of the grid."""
        return self.n_eta * self.n_phi


@settings
class CellsConfig:
    """What cells of grids hold: of each block the object with the highest transverse momentum.

    Attributes:
        grids: the grids, by name.
        components: blocks whose features a network sees together, by name, in the order of their features.
        features: values of the tau candidate that every filled cell repeats, in front of those of the blocks.
    """

    grids: dict[str, GridConfig]
    components: dict[str, tuple[str, ...]]
    features: dict[str, FeatureConfig] = field(default_factory=dict)


@settings
class FeaturesConfig:
    """What the network sees (``configs/features``).

    Attributes:
        title: what people read.
        taus: features with one value per tau candidate, by name.
        objects: blocks with one row per object, by block name.
        cells: what cells of grids hold; None: there are no grids.
    """

    taus: dict[str, FeatureConfig]
    objects: dict[str, ObjectBlock] = field(default_factory=dict)
    title: str = ""
    cells: CellsConfig | None = None

    @model_validator(mode="after")
    def _names(self) -> FeaturesConfig:
        if not self.taus:
            raise ValueError("taus needs at least one feature")
        names = [*self.taus, *self.objects, *(f for block in self.objects.values() for f in block.features)]
        for name in names:
            if not name.isidentifier():
                raise ValueError(f"'{name}' is not a name: use letters, digits and underscores")
        if "taus" in self.objects:
            raise ValueError("a block of objects cannot be called 'taus'")
        return self

    def blocks(self) -> dict[str, dict[str, FeatureConfig]]:
        """All features by block; the block of tau-level features is ``taus``."""
        return {"taus": self.taus, **{name: block.features for name, block in self.objects.items()}}
