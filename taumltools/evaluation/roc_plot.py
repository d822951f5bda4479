"""Drawing ROC plots: curves with uncertainties and working points, and the ratio to the reference below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from textwrap import fill
from typing import Any

import numpy as np

from taumltools.config.evaluation import StyleConfig
from taumltools.evaluation.artefact import array
from taumltools.evaluation.roc_data import Performance, RocPlot, RocSeries, make_roc_plot
from taumltools.plotstyle import (
    SERIES_COLOURS,
    TYPE_SYMBOLS,
    cms_style,
    experiment_label,
    log_ticks,
    new_figure,
    region_text,
)

_DASHES = ("-", "--", "-.", ":", "-")

_MARKERS = ("o", "s", "^", "D", "v")


def plot_roc(performances: Sequence[Performance], vs: str, region: dict[str, Any], style: StyleConfig) -> Any:
    """ROC plot of performance artefacts; see :func:`make_roc_plot` and :func:`draw_roc`."""
    return draw_roc(make_roc_plot(performances, vs, region), style)


def draw_roc(content: RocPlot, style: StyleConfig) -> Any:
    """Draw a ROC plot.

    Args:
        content: what it shows.
        style: texts and axis ranges.

    Returns:
        ``matplotlib.figure.Figure``.
    """
    limits, reference = style.axes_of(content.vs), content.reference
    with cms_style():
        figure = new_figure(7, 7)
        heights = [1] if reference is None else [3, 1]
        panels = np.atleast_1d(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
        figure.subplots_adjust(hspace=0.06)
        main = panels[0]
        for i, series in enumerate(content.series):
            _draw_curve(main, series, i)
            _draw_points(main, series, i)
            if reference is not None:
                _draw_ratio(panels[1], series, i)
        main.set(yscale="log", xlim=limits.efficiency, ylim=limits.misid)
        main.set_ylabel(f"${TYPE_SYMBOLS[content.vs]}$ misidentification probability")
        # Above the axes: curves may go anywhere inside of them.
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1.08), "borderaxespad": 0}
        title = ", ".join(region_text(content.region))
        main.legend(**place, frameon=False, title=title, title_fontsize=13, alignment="left")
        main.grid(alpha=0.25)
        main.locator_params(axis="x", nbins=5)
        if reference is not None:
            _finish_ratio(panels[1], limits, "Ratio to\n" + fill(reference.title, 20))
        panels[-1].set_xlabel(f"${TYPE_SYMBOLS['tau']}$ identification efficiency")
        several = len(content.series) > 1 and not content.period
        experiment_label(main, replace(style, energy=content.period or ("" if several else style.energy)))
    return figure


def _draw_curve(axes: Any, series: RocSeries, i: int) -> None:
    if series.auc is None:
        return
    colour, shown = SERIES_COLOURS[i % 5], series.fpr > 0
    label = f"{series.title}, AUC {series.auc[0]:.4f} ± {series.auc[1]:.4f}"
    axes.plot(series.tpr[shown], series.fpr[shown], color=colour, linestyle=_DASHES[i % 5], label=label)
    axes.fill_between(series.tpr[shown], series.low[shown], series.high[shown], color=colour, alpha=0.2, linewidth=0)


def _draw_points(axes: Any, series: RocSeries, i: int) -> None:
    """Working points with intervals in both directions; in the legend only where there is no curve.

    Where no fake passes, a triangle marks the upper end of the interval.
    """
    label, colour = series.title if series.auc is None else None, SERIES_COLOURS[i % 5]
    seen = [point for point in series.points if point["misid"]["value"] > 0]
    if seen:
        x, x_error = _with_errors([point["efficiency"] for point in seen])
        y, y_error = _with_errors([point["misid"] for point in seen])
        look = {"fmt": _MARKERS[i % 5], "color": colour, "markersize": 5, "elinewidth": 1.2, "capsize": 0}
        axes.errorbar(x, y, xerr=x_error, yerr=y_error, label=label, **look)
    if limits := [point for point in series.points if point["misid"]["value"] == 0]:
        place = [point["efficiency"]["value"] for point in limits], [point["misid"]["high"] for point in limits]
        axes.plot(*place, "v", color=colour, markersize=6, label=None if seen else label)


def _with_errors(items: list[dict[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    value, low, high = (array([item[key] for item in items]) for key in ("value", "low", "high"))
    return value, np.clip(np.stack([value - low, high - value]), 0, None)


def _draw_ratio(axes: Any, series: RocSeries, i: int) -> None:
    colour = SERIES_COLOURS[i % 5]
    if series.is_reference:
        axes.axhline(1, color=colour, linestyle=_DASHES[i % 5], linewidth=1.2)
    elif series.ratio is not None:
        tpr, ratio, error = series.ratio
        axes.plot(tpr, ratio, color=colour, linestyle=_DASHES[i % 5])
        axes.fill_between(tpr, np.maximum(ratio - error, 1e-9), ratio + error, color=colour, alpha=0.2, linewidth=0)


def _finish_ratio(axes: Any, limits: Any, label: str) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    axes.set(ylim=limits.ratio, yscale="log" if limits.ratio_log else "linear")
    if limits.ratio_log:
        axes.yaxis.set_major_locator(FixedLocator(log_ticks(*limits.ratio)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(label, fontsize=12 if label.count("\n") == 1 else 10, loc="center")
    axes.tick_params(axis="y", which="both", labelsize=12)
    axes.grid(alpha=0.25)
