"""What the plan expects of a mixed sample, and what its parts hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError
from taumltools.sampling.acceptance import AcceptancePlan
from taumltools.sampling.choose import AcceptedYields


@dataclass(frozen=True)
class Yields:
    """Expected and achieved candidates by type and bin.

    Attributes:
        pt_edges: GeV.
        eta_edges: |η|.
        method: ``spectral``, ``quota`` or ``weight``.
        expected: type name to the expectation, float64, shape (pt bins, eta bins).
        variance: type name to the variance of the achieved number, same shape.
        achieved: account of all parts together.
    """

    pt_edges: tuple[float, ...]
    eta_edges: tuple[float, ...]
    method: str
    expected: dict[str, np.ndarray]
    variance: dict[str, np.ndarray]
    achieved: AcceptedYields

    def pulls(self, tau_type: str) -> np.ndarray:
        """(achieved - expected) / standard deviation by bin; NaN where the number is certain."""
        deviation = self.achieved.accepted[tau_type] - self.expected[tau_type]
        sigma = np.sqrt(self.variance[tau_type])
        return np.divide(deviation, sigma, out=np.full(sigma.shape, np.nan), where=sigma > 0)

    def chi_square(self, tau_type: str) -> tuple[float, int, float]:
        """Sum of the squared pulls of bins with a variance of 5 or more, their number, and the p-value.

        Args:
            tau_type: truth type name.

        Returns:
            χ², degrees of freedom, and the probability of a χ² that large; 1 without such a bin.
        """
        from scipy.special import chdtrc

        pulls = self.pulls(tau_type)[self.variance[tau_type] >= 5]
        chi2 = float(np.sum(pulls**2))
        return chi2, len(pulls), float(chdtrc(len(pulls), chi2)) if len(pulls) else 1.0

    def as_json(self) -> dict[str, Any]:
        """In JSON types, with the totals and the test of every type."""
        types = {}
        for name, expected in self.expected.items():
            chi2, ndf, p = self.chi_square(name)
            achieved = self.achieved.accepted[name]
            types[name] = {
                "expected_total": float(expected.sum()),
                "achieved_total": int(achieved.sum()),
                "chi2": chi2,
                "ndf": ndf,
                "p": p,
                "expected": expected.tolist(),
                "achieved": achieved.tolist(),
            }
        account = self.achieved.as_json()
        del account["accepted"]
        edges = {"pt_edges": self.pt_edges, "eta_edges": self.eta_edges}
        return {"method": self.method, **edges, "types": types, "entries": account}

    def save(self, path: Path) -> None:
        """Write :meth:`as_json`."""
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")


def compare_yields(plans: list[AcceptancePlan], achieved: AcceptedYields, method: str) -> Yields:
    """Compare plans with the account of the parts that were made by them.

    Candidates dropped after the acceptance (``parity``, ``max_entries``) lower the expectation
    by their share.

    Args:
        plans: one plan for all parts, or the plans of parts that had one each.
        achieved: account of all parts.
        method: the method of sampling.

    Returns:
        The comparison.

    Raises:
        InputError: the parts hold other types than planned.
    """
    first = plans[0]
    # groups with plans of their own have types of their own
    types = list(dict.fromkeys(name for plan in plans for name in plan.types))
    if odd := set(achieved.accepted) ^ set(types):
        raise InputError(f"plan and parts differ in the types {sorted(odd)}: they are of different samples")
    dropped = achieved.losses.surplus + achieved.losses.other_parity
    share = achieved.total / max(achieved.total + dropped, 1)
    expected, variance = {}, {}
    for name in types:
        groups = [g for plan in plans for g in plan.groups.values() if name in g.acceptance]
        p = [g.type_probability[name] * g.acceptance[name] * share for g in groups]
        n = [g.counts[name] for g in groups]
        if method == "weight":
            p = [np.full(x.shape, share) for x in p]
        expected[name] = np.sum([x * y for x, y in zip(p, n, strict=True)], axis=0)
        random = method == "spectral" or share < 1
        spread = np.sum([x * (1 - x) * y for x, y in zip(p, n, strict=True)], axis=0)
        variance[name] = spread if random else np.zeros(first.shape)
    return Yields(first.pt_edges, first.eta_edges, method, expected, variance, achieved)


def draw_yields(yields: Yields) -> Any:
    """Expected and achieved candidates against pt, a panel for each type, with their ratio.

    Args:
        yields: the comparison.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    from taumltools.plotstyle import TYPE_COLOURS, TYPE_NAMES, cms_style, new_figure

    names = list(yields.expected)
    columns = min(len(names), 4)
    rows = -(-len(names) // columns)
    with cms_style():
        figure = new_figure(4.6 * columns, 5.4 * rows)
        grid = figure.subplots(2 * rows, columns, sharex=True, squeeze=False, height_ratios=[3, 1] * rows)
        for number, name in enumerate(names):
            row, column = divmod(number, columns)
            axes = grid[2 * row][column], grid[2 * row + 1][column]
            _draw_type(*axes, yields, name, TYPE_COLOURS.get(name, "#555555"), TYPE_NAMES.get(name, name))
        for number in range(len(names), rows * columns):
            row, column = divmod(number, columns)
            grid[2 * row][column].set_visible(False)
            grid[2 * row + 1][column].set_visible(False)
        grid[0][0].set_ylabel("Candidates / bin")
        grid[1][0].set_ylabel("Ratio")
        figure.subplots_adjust(hspace=0.06, wspace=0.32)
    return figure


def _draw_type(top: Any, bottom: Any, yields: Yields, name: str, colour: str, title: str) -> None:
    edges = np.asarray(yields.pt_edges)
    expected, achieved = yields.expected[name].sum(axis=1), yields.achieved.accepted[name].sum(axis=1)
    sigma = np.sqrt(yields.variance[name].sum(axis=1))
    centres = np.sqrt(edges[:-1] * edges[1:]) if edges[0] > 0 else (edges[:-1] + edges[1:]) / 2
    top.stairs(expected, edges, color=colour, label="expected")
    top.errorbar(centres, achieved, yerr=sigma, fmt="o", color="black", ms=4, label="achieved")
    top.set_ylim(0, 1.6 * max(expected.max(), achieved.max(), 1))
    top.set_title(title, fontsize=16, loc="left")
    chi2, ndf, p = yields.chi_square(name)
    certain = not yields.variance[name].any()
    text = f"χ²/ndf = {chi2:.1f}/{ndf}, p = {p:.2f}" if ndf else "exact" if certain else "too few for a test"
    top.legend(loc="upper right", title=text, fontsize=12, title_fontsize=12)
    known = expected > 0
    ratio = np.divide(achieved, expected, out=np.full(len(expected), np.nan), where=known)
    error = np.divide(sigma, expected, out=np.zeros(len(expected)), where=known)
    bottom.axhline(1, color=colour)
    bottom.errorbar(centres[known], ratio[known], yerr=error[known], fmt="o", color="black", ms=4)
    reach = np.nanmax(np.abs(ratio[known] - 1) + error[known]) if known.any() else 0.0
    bottom.set_ylim(1 - 1.2 * max(reach, 0.01), 1 + 1.2 * max(reach, 0.01))
    bottom.set_xscale("log")
    bottom.set_xlabel(r"$p_\mathrm{T}$ [GeV]")
