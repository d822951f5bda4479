"""How likely a candidate of a given type, pt and |η| enters the mixed sample.

Per group g and type t the acceptance P(pt, |η|) makes the spectrum flat; the type
probability q(t) sets the composition.  A candidate is accepted with q(t) · P.
Formulas: docs/sampling.md; they are those of the spectral shuffle-and-merge of CMS.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.config.sampling import TAKE_ALL, SamplingConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.spectra import Spectra

log = logging.getLogger(__name__)

ALL = "all"
"""Name of the group that is made when the settings list none."""


@dataclass(frozen=True)
class GroupPlan:
    """One group of datasets.

    Attributes:
        datasets: names of its datasets, sorted.
        counts: type name to candidates per bin, int64, shape (pt bins, eta bins).
        acceptance: type name to P per bin, float64, same shape; without type probability.
    """

    datasets: tuple[str, ...]
    counts: dict[str, np.ndarray]
    acceptance: dict[str, np.ndarray]

    def yields(self, tau_type: str) -> np.ndarray:
        """Candidates that pass P in each bin on average, shape (pt bins, eta bins)."""
        return self.counts[tau_type] * self.acceptance[tau_type]


@dataclass(frozen=True)
class AcceptancePlan:
    """What is accepted, known before anything is copied.

    Attributes:
        pt_edges: GeV, ascending.
        eta_edges: |η|, ascending.
        groups: groups by name.
        type_probability: type name to q(t), 0 < q <= 1.
    """

    pt_edges: tuple[float, ...]
    eta_edges: tuple[float, ...]
    groups: dict[str, GroupPlan]
    type_probability: dict[str, float]

    def expected(self, tau_type: str) -> np.ndarray:
        """Average number of accepted candidates of a type per bin, all groups together.

        Args:
            tau_type: truth type name.

        Returns:
            float64, shape (pt bins, eta bins).
        """
        parts = [group.yields(tau_type) for group in self.groups.values() if tau_type in group.acceptance]
        return self.type_probability[tau_type] * np.sum(parts, axis=0)

    @property
    def expected_total(self) -> dict[str, float]:
        """Average number of accepted candidates by type."""
        return {name: float(self.expected(name).sum()) for name in self.type_probability}

    def bins(self, pt: np.ndarray, abs_eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bin numbers of candidates; the lower edge belongs to a bin, the upper one does not.

        Args:
            pt: GeV, shape (n,).
            abs_eta: |η|, shape (n,).

        Returns:
            pt bin, eta bin (int64), and whether the candidate is inside of both axes.
        """
        rows = np.searchsorted(self.pt_edges, pt, side="right") - 1
        columns = np.searchsorted(self.eta_edges, abs_eta, side="right") - 1
        inside = (rows >= 0) & (rows < len(self.pt_edges) - 1) & (columns >= 0) & (columns < len(self.eta_edges) - 1)
        return rows, columns, inside

    def probability(self, tau_type: str, pt: np.ndarray, abs_eta: np.ndarray, group: str | None = None) -> np.ndarray:
        """Probability q · P to accept candidates of one type; 0 outside of the edges.

        Args:
            tau_type: truth type name.
            pt: GeV, shape (n,).
            abs_eta: |η|, shape (n,).
            group: name of the group; may be left out if only one has the type.

        Returns:
            float64, shape (n,).

        Raises:
            ConfigError: the group is unknown, does not have the type, or must be named.
        """
        having = [name for name, part in self.groups.items() if tau_type in part.acceptance]
        if group is None and len(having) == 1:
            group = having[0]
        if group not in having:
            raise ConfigError(f"type '{tau_type}' is planned in the groups {having}; name one of them, found {group!r}")
        rows, columns, inside = self.bins(pt, abs_eta)
        out = np.zeros(len(rows))
        out[inside] = self.groups[group].acceptance[tau_type][rows[inside], columns[inside]]
        return self.type_probability[tau_type] * out

    def save(self, path: Path) -> None:
        """Write JSON, numbers in full precision."""
        groups = {
            name: {
                "datasets": group.datasets,
                "counts": {t: x.tolist() for t, x in group.counts.items()},
                "acceptance": {t: x.tolist() for t, x in group.acceptance.items()},
            }
            for name, group in self.groups.items()
        }
        content = {
            "pt_edges": self.pt_edges,
            "eta_edges": self.eta_edges,
            "type_probability": self.type_probability,
            "expected_total": self.expected_total,
            "groups": groups,
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> AcceptancePlan:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file is missing or is no plan.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            groups = {
                name: GroupPlan(
                    tuple(part["datasets"]),
                    {t: np.array(x, np.int64) for t, x in part["counts"].items()},
                    {t: np.array(x, np.float64) for t, x in part["acceptance"].items()},
                )
                for name, part in content["groups"].items()
            }
            edges = tuple(content["pt_edges"]), tuple(content["eta_edges"])
            return AcceptancePlan(*edges, groups, dict(content["type_probability"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: no usable plan ({type(error).__name__}: {error}); make it again") from error


def acceptance_map(counts: np.ndarray, config: SamplingConfig, eta_underflow: float = 0.0) -> np.ndarray:
    """P of one group and type: the rarest bin of the flat part fixes the level of the others.

    With L the bins made flat (without the last pt bin if ``lastbin_takeall``) and n_min their
    smallest count above zero: P = n_min / n.  With ``lastbin_takeall`` P = s · n_min / n and
    1 in the last pt bin, where s = min(1, D · S / (|L| · n_min)), D is ``lastbin_disbalance``
    and S the number of candidates in the last *two* pt bins, |η| underflow included (as the
    CMS tool does).

    Args:
        counts: candidates per bin, shape (pt bins, eta bins), at least one in L.
        config: the settings.
        eta_underflow: candidates of the last two pt bins below the first |η| edge.

    Returns:
        float64, same shape, values 0 to 1.

    Raises:
        ValueError: nothing can be scaled; the message says why.

    Examples:
        >>> config = SamplingConfig(pt_edges=(20, 50, 100, 1000), eta_edges=(0, 1.2, 2.4))
        >>> acceptance_map(np.array([[1000, 500], [100, 50], [10, 5]]), config).tolist()
        [[0.005, 0.01], [0.05, 0.1], [0.5, 1.0]]
    """
    flat = slice(None, -1) if config.lastbin_takeall else slice(None)
    populated = counts[flat] > 0
    if not populated.any():
        raise ValueError("has no candidate in the bins that are made flat")
    rarest = counts[flat][populated].min()
    out = np.zeros(counts.shape)
    np.divide(rarest, counts[flat], out=out[flat], where=populated)
    if not config.lastbin_takeall:
        return out
    last_two = float(counts[-2:].sum()) + eta_underflow
    if last_two <= 0:
        raise ValueError("has no candidate in the last two pt bins, which set the scale with lastbin_takeall")
    out *= min(1.0, config.lastbin_disbalance * last_two / (populated.size * rarest))
    out[-1] = 1.0
    return out


def make_plan(spectra: Mapping[str, Spectra], config: SamplingConfig) -> AcceptancePlan:
    """Plan the mixed sample.

    Args:
        spectra: spectra by dataset, all files of the sample merged.
        config: the settings.

    Returns:
        The plan.

    Raises:
        ConfigError: groups and datasets do not fit together; a type does not occur; a bin is
            empty and ``enable_emptybin`` is off.
    """
    groups = {}
    for name, (datasets, types) in _members(spectra, config).items():
        merged = Spectra.merge([spectra[dataset] for dataset in datasets])
        groups[name] = _plan_group(name, datasets, types, merged, config)
    return AcceptancePlan(config.pt_edges, config.eta_edges, groups, _type_probabilities(groups, config))


def _members(spectra: Mapping[str, Spectra], config: SamplingConfig) -> dict[str, tuple[tuple[str, ...], list[str]]]:
    """Datasets and types of each group; every dataset is somewhere, no candidate is twice."""
    if not config.groups:
        return {ALL: (tuple(sorted(spectra)), list(config.tau_ratio))}
    members = {}
    owner: dict[tuple[str, str], str] = {}
    for name, group in sorted(config.groups.items()):
        datasets = tuple(sorted(group.datasets or spectra))
        for dataset in datasets:
            if dataset not in spectra:
                raise ConfigError(f"group '{name}' names the dataset '{dataset}'; the sample has {sorted(spectra)}")
            for tau_type in group.types:
                if other := owner.get((dataset, tau_type)):
                    raise ConfigError(
                        f"the groups '{other}' and '{name}' both take '{tau_type}' from '{dataset}': its candidates "
                        "would appear twice; leave the dataset or the type to one of them"
                    )
                owner[dataset, tau_type] = name
        members[name] = (datasets, list(group.types))
    if unused := sorted(set(spectra) - {dataset for dataset, _ in owner}):
        raise ConfigError(f"the datasets {unused} are in no group; add them to one, or take them out of the sample")
    return members


def _plan_group(
    name: str, datasets: tuple[str, ...], types: list[str], spectra: Spectra, config: SamplingConfig
) -> GroupPlan:
    counts, acceptance = {}, {}
    for tau_type in types:
        with_flow = spectra.with_flow(tau_type, config.pt_edges, config.eta_edges)
        counts[tau_type] = with_flow[1:-1, 1:-1]
        where = f"group '{name}' ({', '.join(datasets)}): type '{tau_type}'"
        if not counts[tau_type].any():
            raise ConfigError(
                f"{where} does not occur inside of the edges; take it out of the group's types"
                f" (the group has {spectra.entries_by_type or 'no typed candidates'})"
            )
        _check_empty_bins(counts[tau_type], where, config)
        try:
            acceptance[tau_type] = acceptance_map(counts[tau_type], config, float(with_flow[-3:-1, 0].sum()))
        except ValueError as error:
            raise ConfigError(f"{where} {error}; choose other pt_edges, or take it out of the group's types") from error
    return GroupPlan(datasets, counts, acceptance)


def _check_empty_bins(counts: np.ndarray, where: str, config: SamplingConfig) -> None:
    flat = counts[:-1] if config.lastbin_takeall else counts
    empty = [
        f"pt {config.pt_edges[i]:g} to {config.pt_edges[i + 1]:g} GeV, |η| {config.eta_edges[j]:g} to "
        f"{config.eta_edges[j + 1]:g}"
        for i, j in np.argwhere(flat == 0)
    ]
    if not empty:
        return
    text = f"{where} has {len(empty)} empty bins, e.g. {'; '.join(empty[:3])}"
    if not config.enable_emptybin:
        raise ConfigError(f"{text}; choose wider bins, add candidates, or set sampling.enable_emptybin=true")
    log.warning("%s; they stay empty in the mixed sample (enable_emptybin)", text)


def _type_probabilities(groups: Mapping[str, GroupPlan], config: SamplingConfig) -> dict[str, float]:
    """q(t) = r(t) / A(t), divided by its largest value; 1 for types outside of the balance."""
    raw = {}
    for name, ratio in config.tau_ratio.items():
        if ratio != TAKE_ALL:
            raw[name] = ratio / sum(float(g.yields(name).sum()) for g in groups.values() if name in g.acceptance)
    largest = max(raw.values(), default=1.0)
    return {name: raw[name] / largest if name in raw else 1.0 for name in config.tau_ratio}
