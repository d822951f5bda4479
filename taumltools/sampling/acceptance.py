"""How likely a candidate of a given type, pt and |η| enters the mixed sample.

Per group g and type t the acceptance P(pt, |η|) makes the spectrum flat; the type
probability q(t) sets the composition.  A candidate is accepted with q(t) · P.
Formulas: docs/sampling.md; they are those of the spectral shuffle-and-merge of CMS.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.sampling import TAKE_ALL, SamplingConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.counted import CountedFile
from taumltools.sampling.groups import check_members, groups_of, matching
from taumltools.sampling.spectra import Spectra
from taumltools.tuples.truth import TauType

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GroupPlan:
    """One group of datasets.

    Attributes:
        datasets: names of its datasets, sorted.
        counts: type name to candidates per bin, int64, shape (pt bins, eta bins).
        acceptance: type name to P per bin, float64, same shape; without type probability.
        type_probability: type name to q(t), 0 < q <= 1.
        entries: candidates of its types, those outside of the edges included.
    """

    datasets: tuple[str, ...]
    counts: dict[str, np.ndarray]
    acceptance: dict[str, np.ndarray]
    type_probability: dict[str, float]
    entries: int

    def yields(self, tau_type: str) -> np.ndarray:
        """Candidates that pass P in each bin on average, shape (pt bins, eta bins)."""
        return self.counts[tau_type] * self.acceptance[tau_type]

    def expected(self, tau_type: str) -> np.ndarray:
        """Candidates that pass q · P in each bin on average, shape (pt bins, eta bins)."""
        return self.type_probability[tau_type] * self.yields(tau_type)

    def quota(self, tau_type: str) -> np.ndarray:
        """The expectation as whole numbers, int64, shape (pt bins, eta bins).

        They are rounded down, and the largest remainders up, so that their sum is the rounded
        sum of the expectation.
        """
        expected = self.expected(tau_type)
        quota = np.floor(expected).astype(np.int64)
        left = int(np.rint(expected.sum())) - int(quota.sum())
        order = np.argsort(quota - expected, axis=None, kind="stable")[:left]
        quota.ravel()[order] += 1
        return np.minimum(quota, self.counts[tau_type])


@dataclass(frozen=True)
class AcceptancePlan:
    """What is accepted, known before anything is copied.

    Attributes:
        pt_edges: GeV, ascending.
        eta_edges: |η|, ascending.
        groups: groups by name.
    """

    pt_edges: tuple[float, ...]
    eta_edges: tuple[float, ...]
    groups: dict[str, GroupPlan]

    @property
    def type_probability(self) -> dict[str, float]:
        """Type name to q(t); of the first group that has the type (with MergeAll they all agree)."""
        return {name: q for group in reversed(self.groups.values()) for name, q in group.type_probability.items()}

    @property
    def types(self) -> list[str]:
        """All types of all groups, in the order of their codes."""
        names = {name for group in self.groups.values() for name in group.acceptance}
        return sorted(names, key=lambda name: TauType[name])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of pt and |η| bins."""
        return len(self.pt_edges) - 1, len(self.eta_edges) - 1

    @property
    def mean_probability(self) -> float:
        """Average of q · P over all candidates inside of the edges."""
        total = sum(int(counts.sum()) for group in self.groups.values() for counts in group.counts.values())
        return sum(self.expected_total.values()) / total

    def expected(self, tau_type: str) -> np.ndarray:
        """Average number of accepted candidates of a type per bin, all groups together.

        Args:
            tau_type: truth type name.

        Returns:
            float64, shape (pt bins, eta bins).
        """
        parts = [group.expected(tau_type) for group in self.groups.values() if tau_type in group.acceptance]
        return np.sum(parts, axis=0)

    @property
    def expected_total(self) -> dict[str, float]:
        """Average number of accepted candidates by type."""
        return {name: float(self.expected(name).sum()) for name in self.types}

    def only(self, group: str) -> AcceptancePlan:
        """The plan of one of its groups."""
        return replace(self, groups={group: self.groups[group]})

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
        inside = (rows >= 0) & (rows < self.shape[0]) & (columns >= 0) & (columns < self.shape[1])
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
        return self.groups[group].type_probability[tau_type] * out

    def as_json(self) -> dict[str, Any]:
        """The plan in JSON types, numbers in full precision."""
        groups = {
            name: {
                "datasets": group.datasets,
                "entries": group.entries,
                "type_probability": group.type_probability,
                "counts": {t: x.tolist() for t, x in group.counts.items()},
                "acceptance": {t: x.tolist() for t, x in group.acceptance.items()},
            }
            for name, group in self.groups.items()
        }
        edges = {"pt_edges": self.pt_edges, "eta_edges": self.eta_edges}
        return {**edges, "expected_total": self.expected_total, "groups": groups}

    @staticmethod
    def from_json(content: dict[str, Any]) -> AcceptancePlan:
        """What :meth:`as_json` made."""
        groups = {
            name: GroupPlan(
                tuple(part["datasets"]),
                {t: np.array(x, np.int64) for t, x in part["counts"].items()},
                {t: np.array(x, np.float64) for t, x in part["acceptance"].items()},
                dict(part["type_probability"]),
                int(part["entries"]),
            )
            for name, part in content["groups"].items()
        }
        return AcceptancePlan(tuple(content["pt_edges"]), tuple(content["eta_edges"]), groups)

    def save(self, path: Path) -> None:
        """Write :meth:`as_json`."""
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> AcceptancePlan:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file is missing or is no plan.
        """
        try:
            return AcceptancePlan.from_json(json.loads(path.read_text(encoding="utf-8")))
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


def make_plan(counted: Iterable[CountedFile], config: SamplingConfig) -> AcceptancePlan:
    """Plan the mixed sample.

    Args:
        counted: all files of the sample with their spectra; read once, one at a time.
        config: the settings.

    Returns:
        The plan.

    Raises:
        ConfigError: groups and datasets do not fit together; a type does not occur; a bin is
            empty and ``enable_emptybin`` is off.
    """
    wanted = groups_of(config)
    sums: dict[str, Spectra] = {name: Spectra.none(config.spectra) for name in wanted}
    members: dict[str, set[str]] = {name: set() for name in wanted}
    taken: dict[str, bool] = {}
    for item in counted:
        names = matching(item.file, wanted) if item.groups is None else item.groups
        taken[item.file.dataset] = taken.get(item.file.dataset, False) or bool(names)
        for name in names:
            sums[name] = Spectra.merge([sums[name], item.spectra])
            members[name].add(item.file.dataset)
    check_members(members, taken, config)
    groups = {
        name: _plan_group(name, tuple(sorted(members[name])), group.types, sums[name], config)
        for name, group in wanted.items()
    }
    together = [list(groups)] if config.mode == "MergeAll" else [[name] for name in groups]
    for names in together:
        found = _type_probabilities([groups[name] for name in names], config)
        for name in names:
            known = {t: q for t, q in found.items() if t in groups[name].acceptance}
            groups[name] = replace(groups[name], type_probability=known)
    return AcceptancePlan(config.pt_edges, config.eta_edges, groups)


def _plan_group(
    name: str, datasets: tuple[str, ...], types: Iterable[str], spectra: Spectra, config: SamplingConfig
) -> GroupPlan:
    counts, acceptance, entries = {}, {}, 0
    for tau_type in types:
        with_flow = spectra.with_flow(tau_type, config.pt_edges, config.eta_edges)
        counts[tau_type] = with_flow[1:-1, 1:-1]
        entries += int(with_flow.sum())
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
    return GroupPlan(datasets, counts, acceptance, dict.fromkeys(acceptance, 1.0), entries)


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
        raise ConfigError(
            f"{text}; choose wider bins, add candidates, or set sampling.enable_emptybin=true (--enable-emptybin true)"
        )
    log.warning("%s; they stay empty in the mixed sample (enable_emptybin)", text)


def _type_probabilities(groups: list[GroupPlan], config: SamplingConfig) -> dict[str, float]:
    """q(t) = r(t) / A(t), divided by its largest value; 1 for types outside of the balance."""
    raw = {}
    for name, ratio in config.tau_ratio.items():
        total = sum(float(group.yields(name).sum()) for group in groups if name in group.acceptance)
        if ratio != TAKE_ALL and total:
            raw[name] = ratio / total
    largest = max(raw.values(), default=1.0)
    return {name: raw[name] / largest if name in raw else 1.0 for name in config.tau_ratio}
