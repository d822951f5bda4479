"""Settings of the weights that give all truth types the same spectrum."""

from __future__ import annotations

import itertools
import math
from dataclasses import field

from pydantic import model_validator

from taumltools.config.base import settings


@settings
class WeightBins:
    """Bins of pt that share their bins of |η|.

    Attributes:
        pt: edges in GeV.
        eta: edges in |η|.
    """

    pt: tuple[float, ...]
    eta: tuple[float, ...]

    @model_validator(mode="after")
    def _ascending(self) -> WeightBins:
        for name, edges in (("pt", self.pt), ("eta", self.eta)):
            ascending = all(0 <= a < b < math.inf for a, b in itertools.pairwise(edges))
            if len(edges) < 2 or not ascending:
                raise ValueError(f"{name} needs at least two ascending edges, found {list(edges)}")
        return self


def _v2p5() -> tuple[WeightBins, ...]:
    tenths = tuple(round(0.1 * i, 1) for i in range(26))
    return (
        WeightBins(pt=(*map(float, range(20, 200, 10)), 200.0, 250.0, 300.0), eta=tenths),
        WeightBins(pt=(300.0, 350.0, 400.0, 450.0, 500.0), eta=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.1, 2.5)),
        WeightBins(pt=(500.0, 600.0, 700.0, 1000.0), eta=(0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.5)),
    )


@settings
class SpectraWeights:
    """Weights by truth type, pt and |η|: entries of genuine taus divided by those of the type, bin by bin.

    The defaults are the bins of DeepTau v2.5.

    Attributes:
        input: ROOT file with a TH2D ``eta_pt_hist_<type>`` (x |η|, y pt) of each type; empty: the training sample itself.
        target: ROOT file with ``eta_pt_hist_tau``; empty: the input.
        bins: bins of pt with their bins of |η|; entries outside of all have weight 0.
        weight_thr: largest weight over smallest weight that is accepted.
    """

    input: str = ""
    target: str = ""
    bins: tuple[WeightBins, ...] = field(default_factory=_v2p5)
    weight_thr: float = 1e5

    @model_validator(mode="after")
    def _joined(self) -> SpectraWeights:
        if not self.bins:
            raise ValueError("bins needs at least one entry")
        for low, high in itertools.pairwise(self.bins):
            if low.pt[-1] != high.pt[0]:
                raise ValueError(
                    f"bins must follow each other in pt: {low.pt[-1]} GeV ends one, {high.pt[0]} starts the next"
                )
        if not self.weight_thr >= 1:
            raise ValueError(f"weight_thr must be at least 1, found {self.weight_thr}")
        return self
