"""Settings of network inputs: the one definition file of all features.

``configs/features/<name>.yaml`` drives evaluation, scaling, the layout of flat tuples,
the loader and the first layer of the network.  What expressions may contain is in
:mod:`taumltools.features.expression`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import model_validator

from taumltools.config.base import settings

ScalingType = Literal["none", "linear", "normal", "categorical"]

CELL_FEATURES = "cell_features"
"""Name of the block of values that all filled cells of a tau candidate repeat."""


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
        set_size: how many of them a network on sets sees, the leading ones; 0: all, as many places as a batch needs.
        features: features by name.
    """

    collection: str
    features: dict[str, FeatureConfig]
    select: str = ""
    order: str = ""
    max_objects: int = 40
    set_size: int = 0

    @model_validator(mode="after")
    def _content(self) -> ObjectBlock:
        for name in ("max_objects", "set_size"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")
        if not _enabled(self.features):
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

    def check(self, objects: Mapping[str, ObjectBlock]) -> None:
        """Refuse components of unknown or shortened blocks, and grids without an unknown grid.

        Args:
            objects: the blocks of objects.

        Raises:
            ValueError: what is wrong, by name.
        """
        if not self.grids or not self.components or not all(self.components.values()):
            raise ValueError("cells need at least one grid and one component, and components at least one block")
        for component, blocks in self.components.items():
            for name in blocks:
                if name not in objects:
                    raise ValueError(f"component '{component}': no block '{name}'; known are {', '.join(objects)}")
                if objects[name].max_objects:
                    raise ValueError(
                        f"component '{component}': set max_objects of '{name}' to 0, cells see all objects"
                    )
        for name, grid in self.grids.items():
            if grid.without and (grid.without not in self.grids or grid.without == name):
                raise ValueError(f"grid '{name}': without names no other grid, found '{grid.without}'")

    @property
    def blocks(self) -> tuple[str, ...]:
        """Blocks that feed cells, in the order in which components name them, each once."""
        return tuple(dict.fromkeys(name for blocks in self.components.values() for name in blocks))


TypeName = Literal["e", "mu", "tau", "jet", "emb_e", "emb_mu", "emb_tau", "emb_jet", "data"]


@settings
class SelectionConfig:
    """Which entries are there for training.

    Attributes:
        types: truth types to keep.
        require: what entries with a type must fulfil, a condition on tau-level branches, e.g.
            ``tau_byDeepTau2017v2p1VSjetraw > -1``; empty: nothing.
        unmatched: keep entries with a reconstructed tau that have no truth type; they have no label and no weight.
        types_from: ``generator`` computes the truth type from generated particles; ``stored`` takes the branch ``tauType``
            of entries that have a type by these particles, or are data.
    """

    types: tuple[TypeName, ...] = ("e", "mu", "tau", "jet")
    require: str = ""
    unmatched: bool = False
    types_from: Literal["generator", "stored"] = "generator"

    @model_validator(mode="after")
    def _types(self) -> SelectionConfig:
        if not self.types or len(set(self.types)) != len(self.types):
            raise ValueError(f"types needs at least one truth type, each once, found {list(self.types)}")
        return self


@settings
class FeaturesConfig:
    """What the network sees (``configs/features``).

    Attributes:
        title: what people read.
        taus: features with one value per tau candidate, by name.
        objects: blocks with one row per object, by block name.
        cells: what cells of grids hold; None: there are no grids.
        selection: which entries are there for training.
        infinite: ``refuse`` stops where a feature is infinite; ``keep`` leaves it to the limits of the scaling
            (features without limits are still refused).
        nan_limit: largest fraction of NaN among the values of a feature, where its condition holds or without one;
            1: no limit.
    """

    taus: dict[str, FeatureConfig]
    objects: dict[str, ObjectBlock] = field(default_factory=dict)
    title: str = ""
    cells: CellsConfig | None = None
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    infinite: Literal["refuse", "keep"] = "refuse"
    nan_limit: float = 0.5

    @model_validator(mode="after")
    def _names(self) -> FeaturesConfig:
        if not _enabled(self.taus):
            raise ValueError("taus needs at least one feature")
        if not 0 <= self.nan_limit <= 1:
            raise ValueError(f"nan_limit must be between 0 and 1, found {self.nan_limit}")
        names = [*self.taus, *self.objects, *(f for block in self.objects.values() for f in block.features)]
        if self.cells is not None:
            names += [*self.cells.grids, *self.cells.components, *self.cells.features]
            self.cells.check(self.objects)
        for name in names:
            if not name.isidentifier():
                raise ValueError(f"'{name}' is not a name: use letters, digits and underscores")
        for reserved in ("taus", CELL_FEATURES, "cell", "offsets"):
            if reserved in self.objects:
                raise ValueError(f"a block of objects cannot be called '{reserved}'")
        _check_ranges_of_grids(self)
        return self

    def blocks(self) -> dict[str, dict[str, FeatureConfig]]:
        """All enabled features by block.

        Returns:
            ``taus`` (one value per tau candidate), ``cell_features`` (repeated by every filled cell)
            if there are any, and every block of objects.
        """
        cells = _enabled(self.cells.features) if self.cells is not None else {}
        return {
            "taus": _enabled(self.taus),
            **({CELL_FEATURES: cells} if cells else {}),
            **{name: _enabled(block.features) for name, block in self.objects.items()},
        }

    def grids_of(self, block: str) -> tuple[str, ...]:
        """Grids whose cells hold features of a block; empty for a block that feeds no cells.

        Args:
            block: a name among :meth:`blocks`.
        """
        if self.cells is None:
            return ()
        return tuple(self.cells.grids) if block in {*self.cells.blocks, CELL_FEATURES} else ()


def _enabled(features: dict[str, FeatureConfig]) -> dict[str, FeatureConfig]:
    return {name: feature for name, feature in features.items() if feature.enabled}


def _check_ranges_of_grids(config: FeaturesConfig) -> None:
    """Ranges by grid are of blocks that feed cells, and are given for every grid."""
    for block, features in config.blocks().items():
        for name, feature in features.items():
            grids = feature.scaling.grids
            if grids and set(grids) != set(config.grids_of(block)):
                raise ValueError(
                    f"{block}.{name}: scaling by grid names {sorted(grids)}, "
                    f"the grids of this block are {sorted(config.grids_of(block)) or 'none'}"
                )
