"""Which entries are evaluated: cuts, sources of each truth type, regions of phase space."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from taumltools.config.evaluation import CutsConfig, EvaluationConfig
from taumltools.errors import InputError
from taumltools.evaluation.scores import EVENT_COLUMNS, TAU
from taumltools.evaluation.table import Predictions
from taumltools.eventhash import in_first_part
from taumltools.tuples.truth import TAU_TYPES


@dataclass(frozen=True)
class Region:
    """A region of phase space.

    Attributes:
        pt: range of tau_pt in GeV; lower edge included.
        abs_eta: range of abs(tau_eta); lower edge included.
        decay_modes: HPS decay modes.
    """

    pt: tuple[float, float]
    abs_eta: tuple[float, float]
    decay_modes: tuple[int, ...]

    def contains(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """True for candidates inside, bool, shape (n,)."""
        pt, eta = columns["tau_pt"], np.abs(columns["tau_eta"])
        inside = (pt >= self.pt[0]) & (pt < self.pt[1]) & (eta >= self.abs_eta[0]) & (eta < self.abs_eta[1])
        return inside & np.isin(columns["tau_decayMode"], self.decay_modes)

    def as_json(self) -> dict[str, list]:
        """Plain JSON types."""
        return {"pt": list(self.pt), "abs_eta": list(self.abs_eta), "decay_modes": list(self.decay_modes)}


def regions(config: EvaluationConfig) -> list[Region]:
    """All combinations of the bins of the settings; the first one is the leading region.

    Examples:
        >>> len(regions(EvaluationConfig()))
        3
    """
    bins = config.regions
    return [Region(*combination) for combination in itertools.product(bins.pt, bins.abs_eta, bins.decay_modes)]


def passes_cuts(columns: dict[str, np.ndarray], cuts: CutsConfig) -> np.ndarray:
    """True for candidates that pass the tau selection, bool, shape (n,)."""
    pt = columns["tau_pt"]
    passed = (pt >= cuts.pt[0]) & (pt < cuts.pt[1]) & (np.abs(columns["tau_eta"]) < cuts.abs_eta)
    passed &= np.abs(columns["tau_dz"]) < cuts.abs_dz
    return passed & ~np.isin(columns["tau_decayMode"], cuts.no_decay_modes)


@dataclass(frozen=True)
class Frame:
    """The entries an evaluation uses.

    Attributes:
        outputs: network outputs, float32, shape (n, 4).
        columns: copied branches, shape (n,) each.
        truth: class index, int8, shape (n,), 0 to 3.
        weight: weights, float64, shape (n,), or None for equal weights.
        derive: bool, shape (n,): entries that define thresholds; the others measure.
        counts: entries in the files, without truth type, cut away, and used by type.
    """

    outputs: np.ndarray
    columns: dict[str, np.ndarray]
    truth: np.ndarray
    weight: np.ndarray | None
    derive: np.ndarray
    counts: dict[str, int]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def is_tau(self) -> np.ndarray:
        """True for genuine taus, bool, shape (n,)."""
        return self.truth == TAU

    def pair(self, vs: str) -> np.ndarray:
        """True for genuine taus and fakes of one type, bool, shape (n,)."""
        return self.is_tau | (self.truth == TAU_TYPES.index(vs))

    def weight_of(self, mask: np.ndarray) -> np.ndarray | None:
        """Weights of the entries of a mask, None for equal weights."""
        return None if self.weight is None else self.weight[mask]


def make_frame(predictions: Predictions, config: EvaluationConfig) -> Frame:
    """Apply cuts and keep what has a truth type from one of its sources.

    Args:
        predictions: entries of all datasets.
        config: settings of the evaluation.

    Returns:
        The entries to evaluate.

    Raises:
        InputError: nothing is left.
    """
    truth, columns = predictions.truth, predictions.columns
    typed, cut = truth >= 0, passes_cuts(columns, config.cuts)
    used = typed & cut & _from_sources(predictions, truth, config)
    counts = {
        "read": len(predictions),
        "without_type": int((~typed).sum()),
        "cut": int((typed & ~cut).sum()),
        "other_source": int((typed & cut & ~used).sum()),
        **{name: int((used & (truth == i)).sum()) for i, name in enumerate(TAU_TYPES)},
    }
    if not used.any():
        raise InputError(f"no entry is left to evaluate ({counts}): check evaluation.cuts and the test datasets")
    kept = predictions.take(used)
    run, lumi, evt = (kept.columns[name] for name in EVENT_COLUMNS)
    return Frame(
        outputs=kept.outputs,
        columns=kept.columns,
        truth=truth[used],
        weight=kept.columns[config.weight].astype(np.float64) if config.weight else None,
        derive=in_first_part(run, lumi, evt, config.working_points.fraction),
        counts=counts,
    )


def _from_sources(predictions: Predictions, truth: np.ndarray, config: EvaluationConfig) -> np.ndarray:
    allowed = np.ones(len(truth), bool)
    for name, sources in config.sources.items():
        unknown = sorted(set(sources) - set(predictions.datasets))
        if unknown:
            found = ", ".join(predictions.datasets)
            raise InputError(f"evaluation.sources.{name}: no predictions of {', '.join(unknown)}, only of {found}")
        codes = [predictions.datasets.index(source) for source in sources]
        allowed &= (truth != TAU_TYPES.index(name)) | np.isin(predictions.dataset, codes)
    return allowed
