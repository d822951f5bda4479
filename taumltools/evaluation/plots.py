"""Plots of performance artefacts: each function turns stored numbers into one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import BinningConfig, StyleConfig
from taumltools.errors import InputError
from taumltools.evaluation.artefact import array
from taumltools.evaluation.efficiency import MIN_ENTRIES, drawn_bins
from taumltools.evaluation.roc_plot import plot_roc
from taumltools.plotstyle import (
    TYPE_COLOURS,
    TYPE_NAMES,
    TYPE_SYMBOLS,
    cms_style,
    experiment_label,
    mathematical,
    new_figure,
)

__all__ = ["plot_confusion", "plot_efficiency", "plot_roc", "plot_scores"]

Performance = dict[str, Any]


def plot_efficiency(
    performance: Performance, vs: str, variable: str, binning: BinningConfig, style: StyleConfig
) -> Any:
    """Efficiency of all working points against a variable: taus on the left, fakes on the right.

    Bins with few candidates (``MIN_ENTRIES``) are not drawn. Where no fake passes, a triangle
    marks the upper end of the 68% interval.

    Args:
        performance: the artefact.
        vs: fake type.
        variable: branch.
        binning: its label and whether its axis is logarithmic.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        InputError: the artefact has no such efficiency.
    """
    entries = [e for e in performance["efficiencies"] if e["vs"] == vs and e["variable"] == variable]
    if not entries:
        raise InputError(
            f"the performance of '{performance['discriminator']}' has no efficiency vs {vs} against {variable}"
        )
    with cms_style():
        figure = new_figure(14, 6)
        panels = figure.subplots(1, 2)
        figure.subplots_adjust(wspace=0.25)
        for axes, kind in zip(panels, ("tau", vs), strict=True):
            _draw_efficiencies(axes, [e for e in entries if e["type"] == kind], log_axis=kind != "tau")
            axes.set(xlabel=mathematical(binning.label), xlim=(binning.edges[0], binning.edges[-1]))
            if binning.log:
                _log_ticks(axes, binning.edges)
            axes.grid(alpha=0.25)
            experiment_label(axes, style)
        panels[0].set(ylim=(0, 1.05), ylabel=f"${TYPE_SYMBOLS['tau']}$ identification efficiency")
        panels[1].set(yscale="log", ylabel=f"${TYPE_SYMBOLS[vs]}$ misidentification probability")
        panels[1].legend(
            title=performance["title"], title_fontsize=13, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False
        )
        note = f"Bins with {MIN_ENTRIES} or\nmore candidates.\nTriangle: none pass,\nend of 68% interval"
        panels[1].text(1.04, 0.02, note, transform=panels[1].transAxes, fontsize=11, va="bottom")
    return figure


def _log_ticks(axes: Any, edges: Sequence[float]) -> None:
    """Ticks at 1, 2 and 5 times powers of ten inside of the edges, written out."""
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    decades = range(int(np.floor(np.log10(edges[0]))), int(np.ceil(np.log10(edges[-1]))) + 1)
    ticks = [digit * 10.0**power for power in decades for digit in (1, 2, 5)]
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if edges[0] <= tick <= edges[-1]]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_efficiencies(axes: Any, entries: list[dict[str, Any]], log_axis: bool) -> None:
    """One colour per working point, from loose (light) to tight (dark); on a log axis limits for zeros."""
    from matplotlib import colormaps

    colours = colormaps["viridis_r"](np.linspace(0.12, 1, max(len(entries), 2)))
    for entry, colour in zip(entries, colours, strict=False):
        edges, value = array(entry["edges"]), array(entry["efficiency"])
        shown, limit = drawn_bins(value, array(entry["entries"]), log_axis)
        value, high = np.where(shown, value, np.nan), array(entry["high"])
        errors = np.stack([value - array(entry["low"]), high - value])
        x = (edges[1:] + edges[:-1]) / 2
        width = np.stack([x - edges[:-1], edges[1:] - x])
        axes.errorbar(
            x, value, xerr=width, yerr=np.clip(errors, 0, None), fmt="none", color=colour, label=entry["working_point"]
        )
        axes.plot(x[limit], high[limit], "v", color=colour, markersize=5)


def plot_scores(performance: Performance, vs: str, style: StyleConfig) -> Any:
    """Score distributions of taus and fakes, each normalised to one.

    Args:
        performance: the artefact.
        vs: fake type.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    entry = next(e for e in performance["scores"] if e["vs"] == vs)
    edges = array(entry["edges"])
    with cms_style():
        figure = new_figure(7, 6)
        axes = figure.subplots()
        for name, counts in entry["counts"].items():
            values = array(counts)
            total = values.sum()
            fractions = values / total if total > 0 else values
            axes.stairs(fractions, edges, color=TYPE_COLOURS[name], label=TYPE_NAMES[name].capitalize(), linewidth=2)
        axes.set(
            yscale="log", xlim=(edges[0], edges[-1]), xlabel=_score_label(performance, vs), ylabel="Fraction per bin"
        )
        axes.legend(loc="upper center", frameon=False, ncols=2)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * 5)
        experiment_label(axes, style)
    return figure


def _score_label(performance: Performance, vs: str) -> str:
    if performance["score"] == "network":
        return f"{performance['title']}: score vs {TYPE_NAMES[vs]}"
    return f"{performance['title']}: {performance['score']}"


def plot_confusion(performance: Performance, style: StyleConfig) -> Any:
    """Confusion matrix in percent of each true class.

    Args:
        performance: the artefact of a network.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        InputError: the discriminator is no network.
    """
    matrix = performance["confusion"]
    if matrix is None:
        raise InputError(f"'{performance['discriminator']}' has no confusion matrix: it is not a network")
    fractions = np.array([array(row) for row in matrix["fractions"]])
    names = [f"${TYPE_SYMBOLS[name]}$" for name in matrix["classes"]]
    with cms_style():
        figure = new_figure(6.5, 6)
        axes = figure.subplots()
        axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(fractions):
            text = "–" if np.isnan(value) else f"{100 * value:.1f}"
            axes.text(column, row, text, ha="center", va="center", color="white" if value > 0.55 else "black")
        axes.set(xticks=range(len(names)), yticks=range(len(names)))
        axes.set(xticklabels=names, yticklabels=names, xlabel="Largest output", ylabel="True class")
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        experiment_label(axes, style)
    return figure
