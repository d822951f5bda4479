"""Which entries are evaluated: cuts, sources of each truth type, regions of phase space."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

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
        datasets: name of the choice of datasets, empty for all.
        sources: truth type to the datasets it is taken from; other types are taken from all.
    """

    pt: tuple[float, float]
    abs_eta: tuple[float, float]
    decay_modes: tuple[int, ...]
    datasets: str = ""
    sources: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def contains(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """True for candidates inside, whatever dataset they are of; bool, shape (n,)."""
        pt, eta = columns["tau_pt"], np.abs(columns["tau_eta"])
        inside = (pt >= self.pt[0]) & (pt < self.pt[1]) & (eta >= self.abs_eta[0]) & (eta < self.abs_eta[1])
        return inside & np.isin(columns["tau_decayMode"], self.decay_modes)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON types; ``datasets`` only where they are chosen."""
        found = {"pt": list(self.pt), "abs_eta": list(self.abs_eta), "decay_modes": list(self.decay_modes)}
        return found | ({"datasets": self.datasets} if self.datasets else {})


def regions(config: EvaluationConfig) -> list[Region]:
    """All combinations of the bins of the settings; the first one is the leading region.

    Examples:
        >>> len(regions(EvaluationConfig()))
        3
    """
    bins = config.regions
    chosen = [(name, tuple(sources.items())) for name, sources in bins.datasets.items()] or [("", ())]
    products = itertools.product(chosen, bins.pt, bins.abs_eta, bins.decay_modes)
    return [Region(pt, abs_eta, modes, name, sources) for (name, sources), pt, abs_eta, modes in products]


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
        dataset: index into ``datasets``, int32, shape (n,).
        datasets: names of the datasets.
        counts: entries in the files, without truth type, cut away, and used by type.
    """

    outputs: np.ndarray
    columns: dict[str, np.ndarray]
    truth: np.ndarray
    weight: np.ndarray | None
    derive: np.ndarray
    dataset: np.ndarray
    datasets: tuple[str, ...]
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

    def inside(self, region: Region) -> np.ndarray:
        """True for candidates of a region and its datasets, bool, shape (n,)."""
        where = f"regions.datasets.{region.datasets}"
        return region.contains(self.columns) & from_sources(
            self.truth, self.dataset, self.datasets, region.sources, where
        )

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
        InputError: nothing is left, or a weight is negative or not finite.
    """
    truth, columns = predictions.truth, predictions.columns
    typed, cut = truth >= 0, passes_cuts(columns, config.cuts)
    wanted = from_sources(truth, predictions.dataset, predictions.datasets, config.sources.items(), "sources")
    used = typed & cut & wanted
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
        weight=_weights(kept, config.weight),
        derive=in_first_part(run, lumi, evt, config.working_points.fraction),
        dataset=kept.dataset,
        datasets=kept.datasets,
        counts=counts,
    )


def _weights(kept: Predictions, branch: str) -> np.ndarray | None:
    """The weights of entries, refused if an efficiency is not defined with them; None for equal weights."""
    if not branch:
        return None
    weight = kept.columns[branch].astype(np.float64)
    bad = ~(weight >= 0) | np.isinf(weight)
    if bad.any():
        names = ", ".join(kept.datasets[code] for code in np.unique(kept.dataset[bad]))
        raise InputError(
            f"evaluation.weight: {int(bad.sum())} of {len(weight)} entries have a {branch} that is negative or not finite "
            f"(first {weight[bad][0]:g}; datasets {names}); an efficiency is not defined with them: use equal weights "
            "(evaluation.weight='') or another branch"
        )
    return weight


def from_sources(
    truth: np.ndarray,
    dataset: np.ndarray,
    datasets: tuple[str, ...],
    sources: Iterable[tuple[str, Iterable[str]]],
    where: str,
) -> np.ndarray:
    """True for entries of the datasets that their truth type is taken from.

    Args:
        truth: class index, shape (n,).
        dataset: index into ``datasets``, shape (n,).
        datasets: names of the datasets.
        sources: truth types with the datasets they are taken from; others are taken from all.
        where: key of the settings, for messages.

    Returns:
        bool, shape (n,).

    Raises:
        InputError: there is no such dataset.
    """
    allowed = np.ones(len(truth), bool)
    for name, wanted in sources:
        unknown = sorted(set(wanted) - set(datasets))
        if unknown:
            found = ", ".join(datasets)
            raise InputError(f"evaluation.{where}.{name}: no predictions of {', '.join(unknown)}, only of {found}")
        codes = [datasets.index(source) for source in wanted]
        allowed &= (truth != TAU_TYPES.index(name)) | np.isin(dataset, codes)
    return allowed
