"""Drawing plots of one discriminator: each function turns a data object into one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import BinningConfig, StyleConfig
from taumltools.evaluation.artefact import array
from taumltools.evaluation.efficiency import MIN_ENTRIES, drawn_bins
from taumltools.evaluation.plot_data import (
    CalibrationPlot,
    ConfusionPlot,
    EfficiencyPlot,
    EfficiencySeries,
    Performance,
    ScorePlot,
    make_calibration_plot,
    make_confusion_plot,
    make_efficiency_plot,
    make_score_plot,
)
from taumltools.evaluation.roc_plot import draw_roc, plot_roc
from taumltools.plotstyle import (
    TYPE_COLOURS,
    TYPE_NAMES,
    TYPE_SYMBOLS,
    cms_style,
    experiment_label,
    mathematical,
    new_figure,
)

__all__ = [
    "draw_calibration",
    "draw_confusion",
    "draw_efficiency",
    "draw_roc",
    "draw_scores",
    "plot_calibration",
    "plot_confusion",
    "plot_efficiency",
    "plot_roc",
    "plot_scores",
]


def plot_efficiency(
    performance: Performance, vs: str, variable: str, binning: BinningConfig, style: StyleConfig
) -> Any:
    """Efficiency plot of an artefact; see :func:`make_efficiency_plot` and :func:`draw_efficiency`."""
    return draw_efficiency(make_efficiency_plot(performance, vs, variable), binning, style)


def draw_efficiency(content: EfficiencyPlot, binning: BinningConfig, style: StyleConfig) -> Any:
    """Efficiency of working points (``style.points``) against a variable: taus on the left, fakes on the right.

    Bins with few candidates (``MIN_ENTRIES``) are not drawn. Where no fake passes, a triangle
    marks the upper end of the 68% interval.

    Args:
        content: what it shows.
        binning: the label, the scale and the ranges of the axes.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    vs = content.vs
    with cms_style():
        figure = new_figure(14, 6)
        panels = figure.subplots(1, 2)
        figure.subplots_adjust(wspace=0.25)
        for axes, series, log_axis in ((panels[0], content.taus, False), (panels[1], content.fakes, True)):
            chosen = style.points_of(vs, [one.name for one in series])
            _draw_efficiencies(axes, [one for one in series if one.name in chosen], log_axis)
            _finish_variable(axes, binning)
            axes.grid(alpha=0.25)
            experiment_label(axes, style)
        left = binning.efficiency or (0, 1.05)
        panels[0].set(ylim=left, ylabel=f"${TYPE_SYMBOLS['tau']}$ identification efficiency")
        panels[1].set(yscale="log", ylabel=f"${TYPE_SYMBOLS[vs]}$ misidentification probability")
        if binning.misid:
            panels[1].set_ylim(binning.misid)
        panels[1].legend(
            title=content.title, title_fontsize=13, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False
        )
        note = f"Bins with {MIN_ENTRIES} or\nmore candidates.\nTriangle: none pass,\nend of 68% interval"
        panels[1].text(1.04, 0.02, note, transform=panels[1].transAxes, fontsize=11, va="bottom")
    return figure


def _finish_variable(axes: Any, binning: BinningConfig) -> None:
    """Label, range and ticks of the axis of the variable."""
    bounds = binning.bounds
    axes.set(xlabel=mathematical(binning.label), xlim=(bounds[0], bounds[-1]))
    if binning.values:
        axes.set_xticks([i + 0.5 for i in range(len(binning.values))], [mathematical(name) for name in binning.ticks])
        axes.tick_params(axis="x", which="both", length=0)
        axes.xaxis.minorticks_off()
    elif binning.log:
        _log_ticks(axes, bounds)


def _log_ticks(axes: Any, edges: Sequence[float]) -> None:
    """Ticks at 1, 2 and 5 times powers of ten inside of the edges, written out."""
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    decades = range(int(np.floor(np.log10(edges[0]))), int(np.ceil(np.log10(edges[-1]))) + 1)
    ticks = [digit * 10.0**power for power in decades for digit in (1, 2, 5)]
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if edges[0] <= tick <= edges[-1]]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_efficiencies(axes: Any, content: Sequence[EfficiencySeries], log_axis: bool) -> None:
    """One colour per working point, from loose (light) to tight (dark); on a log axis limits for zeros."""
    from matplotlib import colormaps

    colours = colormaps["viridis_r"](np.linspace(0.12, 1, max(len(content), 2)))
    for series, colour in zip(content, colours, strict=False):
        shown, limit = drawn_bins(series.value, series.entries, log_axis)
        value = np.where(shown, series.value, np.nan)
        errors = np.stack([value - series.low, series.high - value])
        x = (series.edges[1:] + series.edges[:-1]) / 2
        width = np.stack([x - series.edges[:-1], series.edges[1:] - x])
        axes.errorbar(x, value, xerr=width, yerr=np.clip(errors, 0, None), fmt="none", color=colour, label=series.name)
        axes.plot(x[limit], series.high[limit], "v", color=colour, markersize=5)


def plot_scores(performance: Performance, vs: str, style: StyleConfig) -> Any:
    """Score distributions of an artefact; see :func:`make_score_plot` and :func:`draw_scores`."""
    return draw_scores(make_score_plot(performance, vs, TYPE_NAMES[vs]), style)


def draw_scores(content: ScorePlot, style: StyleConfig) -> Any:
    """Score distributions of taus and fakes, each normalised to one.

    Args:
        content: what it shows.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    with cms_style():
        figure = new_figure(7, 6)
        axes = figure.subplots()
        for name, fractions in content.fractions.items():
            label = TYPE_NAMES[name].capitalize()
            axes.stairs(fractions, content.edges, color=TYPE_COLOURS[name], label=label, linewidth=2)
        axes.set(yscale="log", xlim=(content.edges[0], content.edges[-1]), xlabel=content.label)
        axes.set_ylabel("Fraction per bin")
        axes.legend(loc="upper center", frameon=False, ncols=2)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * 5)
        experiment_label(axes, style)
    return figure


def plot_calibration(performance: Performance, style: StyleConfig) -> Any:
    """Calibration of an artefact; see :func:`make_calibration_plot` and :func:`draw_calibration`."""
    return draw_calibration(make_calibration_plot(performance), style)


def draw_calibration(content: CalibrationPlot, style: StyleConfig) -> Any:
    """Fraction of genuine taus against the score; a score that is a probability follows the diagonal.

    Args:
        content: what it shows.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    markers = {"e": "o", "mu": "s", "jet": "^"}
    with cms_style():
        figure = new_figure(6.5, 6)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#7F7F7F", linestyle="--", linewidth=1.2)
        for curve in content.curves:
            vs = curve["vs"]
            score, value, low, high, entries = (
                array(curve[key]) for key in ("score", "fraction", "low", "high", "entries")
            )
            shown = entries >= MIN_ENTRIES
            errors = np.clip(np.stack([value - low, high - value]), 0, None)[:, shown]
            look = {"fmt": markers[vs], "color": TYPE_COLOURS[vs], "markersize": 5, "elinewidth": 1.2, "capsize": 0}
            label = f"vs {TYPE_NAMES[vs]}, mean deviation {curve['error'] or 0:.3f}"
            axes.errorbar(score[shown], value[shown], yerr=errors, label=label, **look)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"{content.title}: score")
        axes.set_ylabel("Fraction of genuine taus (as many taus as fakes)", fontsize=14)
        # Above the axes: points may be anywhere inside of them.
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1.08), "borderaxespad": 0}
        axes.legend(**place, frameon=False, fontsize=13)
        axes.grid(alpha=0.25)
        experiment_label(axes, style)
    return figure


def plot_confusion(performance: Performance, style: StyleConfig) -> Any:
    """Confusion matrix of an artefact; see :func:`make_confusion_plot` and :func:`draw_confusion`."""
    return draw_confusion(make_confusion_plot(performance), style)


def draw_confusion(content: ConfusionPlot, style: StyleConfig) -> Any:
    """Confusion matrix in percent of each true class.

    Args:
        content: what it shows.
        style: texts.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    names = [f"${TYPE_SYMBOLS[name]}$" for name in content.classes]
    with cms_style():
        figure = new_figure(6.5, 6)
        axes = figure.subplots()
        axes.imshow(content.fractions, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(content.fractions):
            text = "–" if np.isnan(value) else f"{100 * value:.1f}"
            axes.text(column, row, text, ha="center", va="center", color="white" if value > 0.55 else "black")
        axes.set(xticks=range(len(names)), yticks=range(len(names)))
        axes.set(xticklabels=names, yticklabels=names, xlabel="Largest output", ylabel="True class")
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        experiment_label(axes, style)
    return figure
