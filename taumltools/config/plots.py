"""Settings of plots of an evaluation: bins, axis ranges, texts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import field
from typing import Annotated

from pydantic import AfterValidator, model_validator

from taumltools.config.base import settings


def _range(value: tuple[float, float]) -> tuple[float, float]:
    """Refuse a range that holds nothing: every plot behind it would be empty without a word."""
    if not value[0] < value[1]:
        raise ValueError(f"a range needs its lower end first, found {list(value)}")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_range)]
"""Lower and upper end."""


@settings
class BinningConfig:
    """A variable against which efficiencies are shown: bins with edges, or single values.

    Attributes:
        edges: bin edges; a bin contains its lower edge. Left out where there are ``values``.
        label: axis label with unit.
        log: logarithmic axis.
        values: values of a variable that takes only few, such as the decay mode; a bin each.
        names: what the axis shows for each of ``values``; empty for the values themselves.
        efficiency: range of the axis of genuine taus, null to choose it by the content.
        misid: range of the (logarithmic) axis of fakes, null to choose it by the content.
    """

    edges: tuple[float, ...] = ()
    label: str = ""
    log: bool = False
    values: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    efficiency: Range | None = None
    misid: Range | None = None

    @model_validator(mode="after")
    def _bins(self) -> BinningConfig:
        if self.values:
            if self.edges or self.log:
                raise ValueError("values have a bin each: leave out edges and log")
            if len(set(self.values)) < len(self.values):
                raise ValueError(f"values are repeated: {list(self.values)}")
            if self.names and len(self.names) != len(self.values):
                raise ValueError(f"needs a name for each of {len(self.values)} values, found {len(self.names)}")
        elif len(self.edges) < 2 or any(b <= a for a, b in itertools.pairwise(self.edges)):
            raise ValueError(f"needs two or more strictly increasing edges, found {list(self.edges)}")
        elif self.names:
            raise ValueError("names are those of values, which are missing")
        return self

    @property
    def ticks(self) -> tuple[str, ...]:
        """Names of the bins of single values; empty with edges."""
        return self.names or tuple(str(value) for value in self.values)

    @property
    def bounds(self) -> tuple[float, ...]:
        """Edges of the axis: the bins of single values have the width one and begin at 0."""
        return tuple(float(i) for i in range(len(self.values) + 1)) if self.values else self.edges


@settings
class AxesConfig:
    """Axis ranges of the ROC plot of one fake type.

    Attributes:
        efficiency: range of the genuine-tau efficiency.
        misid: range of the misidentification probability (log axis).
        ratio: range of the ratio to the reference.
        ratio_log: logarithmic ratio axis.
    """

    efficiency: Range = (0.0, 1.0)
    misid: Range = (1e-4, 1.0)
    ratio: Range = (0.0, 1.5)
    ratio_log: bool = False


@settings
class StyleConfig:
    """Texts and ranges of plots.

    Attributes:
        experiment: name at the upper left, in bold.
        label: text beside it.
        energy: text at the upper right, with unit.
        axes: fake type to axis ranges.
        formats: file formats of plots.
        points: fake type to names of the working points that efficiency plots draw; of a type that is not named, and
            of a discriminator that has none of them, all are drawn. The numbers beside a plot are of all.
    """

    experiment: str = "CMS"
    label: str = "Simulation"
    energy: str = "13.6 TeV"
    axes: dict[str, AxesConfig] = field(default_factory=dict)
    formats: tuple[str, ...] = ("pdf", "png")
    points: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def axes_of(self, vs: str) -> AxesConfig:
        """Axis ranges of one fake type; the defaults where the settings name none."""
        return self.axes.get(vs, AxesConfig())

    def points_of(self, vs: str, known: Sequence[str]) -> list[str]:
        """Those of some working points that efficiency plots of a fake type draw, in their order.

        Examples:
            >>> style = StyleConfig(points={"jet": ("Loose", "Tight")})
            >>> style.points_of("jet", ["Loose", "Medium", "Tight"]), style.points_of("jet", ["95%"])
            (['Loose', 'Tight'], ['95%'])
        """
        chosen = [name for name in known if name in self.points.get(vs, known)]
        return chosen or list(known)
