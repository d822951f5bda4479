"""ROC plot of performance artefacts, with the ratio to the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import StyleConfig
from taumltools.errors import InputError
from taumltools.evaluation.artefact import array, find_curve, find_points
from taumltools.plotstyle import (
    SERIES_COLOURS,
    TYPE_SYMBOLS,
    cms_style,
    experiment_label,
    log_ticks,
    new_figure,
    region_text,
)

Performance = dict[str, Any]

_DASHES = ("-", "--", "-.", ":", "-")


def plot_roc(performances: Sequence[Performance], vs: str, region: dict[str, Any], style: StyleConfig) -> Any:
    """ROC curves with uncertainties and working points, and the ratio to the reference below.

    Args:
        performances: artefacts, the most important one first; those without this curve are
            left out.
        vs: fake type.
        region: region as stored in the artefacts.
        style: texts and axis ranges.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        InputError: no artefact has this curve.
    """
    drawn = [(p, curve) for p in performances if (curve := find_curve(p, vs, region)) is not None]
    if not drawn:
        raise InputError(f"no ROC curve vs {vs} for {region}: the test sample has no taus or fakes there")
    limits = style.axes_of(vs)
    with_ratio = any(curve["ratio"] for _, curve in drawn)
    with cms_style():
        figure = new_figure(7, 7)
        heights = [3, 1] if with_ratio else [1]
        panels = np.atleast_1d(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
        figure.subplots_adjust(hspace=0.06)
        main = panels[0]
        for i, (performance, curve) in enumerate(drawn):
            _draw_curve(main, performance, curve, i)
            if performance["score"] == "network":
                _draw_points(main, find_points(performance, vs, region), i)
            if with_ratio:
                _draw_ratio(panels[1], curve, i)
        main.set(yscale="log", xlim=limits.efficiency, ylim=limits.misid)
        main.set_ylabel(f"${TYPE_SYMBOLS[vs]}$ misidentification probability")
        title = ", ".join(region_text(region))
        # Above the axes: curves may go anywhere inside of them.
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1.08), "borderaxespad": 0}
        main.legend(**place, frameon=False, title=title, title_fontsize=13, alignment="left")
        main.grid(alpha=0.25)
        main.locator_params(axis="x", nbins=5)
        if with_ratio:
            reference = next(p["reference"][vs] for p, curve in drawn if curve["ratio"])
            titles = {p["discriminator"]: p["title"] for p in performances}
            _finish_ratio(panels[1], limits, f"Ratio to\n{titles.get(reference, reference)}")
        panels[-1].set_xlabel(f"${TYPE_SYMBOLS['tau']}$ identification efficiency")
        experiment_label(main, style)
    return figure


def _draw_curve(axes: Any, performance: Performance, curve: dict[str, Any], i: int) -> None:
    tpr, fpr = array(curve["true_positive_rate"]), array(curve["false_positive_rate"])
    low, high = array(curve["false_positive_rate_low"]), array(curve["false_positive_rate_high"])
    colour, shown = SERIES_COLOURS[i % 5], fpr > 0
    label = f"{performance['title']}, AUC {curve['auc']:.4f} ± {curve['auc_error']:.4f}"
    axes.plot(tpr[shown], fpr[shown], color=colour, linestyle=_DASHES[i % 5], label=label)
    axes.fill_between(tpr[shown], low[shown], high[shown], color=colour, alpha=0.2, linewidth=0)


def _draw_points(axes: Any, points: list[dict[str, Any]], i: int) -> None:
    """Working points with intervals in both directions."""
    known = [p for p in points if p["efficiency"]["value"] is not None and p["misid"]["value"]]
    if not known:
        return
    x, x_error = _with_errors([p["efficiency"] for p in known])
    y, y_error = _with_errors([p["misid"] for p in known])
    colour = SERIES_COLOURS[i % 5]
    axes.errorbar(x, y, xerr=x_error, yerr=y_error, fmt="o", color=colour, markersize=5, elinewidth=1.2, capsize=0)


def _with_errors(items: list[dict[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    value, low, high = (array([item[key] for item in items]) for key in ("value", "low", "high"))
    return value, np.clip(np.stack([value - low, high - value]), 0, None)


def _draw_ratio(axes: Any, curve: dict[str, Any], i: int) -> None:
    colour = SERIES_COLOURS[i % 5]
    if not curve["ratio"]:
        axes.axhline(1, color=colour, linestyle=_DASHES[i % 5], linewidth=1.2)
        return
    tpr, ratio, error = (array(curve["ratio"][key]) for key in ("true_positive_rate", "ratio", "error"))
    axes.plot(tpr, ratio, color=colour, linestyle=_DASHES[i % 5])
    axes.fill_between(tpr, np.maximum(ratio - error, 1e-9), ratio + error, color=colour, alpha=0.2, linewidth=0)


def _finish_ratio(axes: Any, limits: Any, label: str) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    axes.set(ylim=limits.ratio, yscale="log" if limits.ratio_log else "linear")
    if limits.ratio_log:
        axes.yaxis.set_major_locator(FixedLocator(log_ticks(*limits.ratio)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(label, fontsize=12, loc="center")
    axes.tick_params(axis="y", which="both", labelsize=12)
    axes.grid(alpha=0.25)
