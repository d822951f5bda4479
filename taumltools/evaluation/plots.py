"""Plots of performance artefacts: each function turns stored numbers into one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import BinningConfig, StyleConfig
from taumltools.errors import InputError
from taumltools.evaluation.style import (
    SERIES_COLOURS,
    TYPE_COLOURS,
    TYPE_NAMES,
    TYPE_SYMBOLS,
    cms_style,
    experiment_label,
    new_figure,
    region_text,
)

Performance = dict[str, Any]

_DASHES = ("-", "--", "-.", ":", "-")


def array(values: Sequence[float | None]) -> np.ndarray:
    """A list of a performance artefact as float64; None becomes NaN."""
    return np.array([np.nan if v is None else v for v in values], float)


def find_curve(performance: Performance, vs: str, region: dict[str, Any]) -> dict[str, Any] | None:
    """The ROC curve of one fake type and region, None if there is none."""
    for curve in performance["curves"]:
        if curve["vs"] == vs and curve["region"] == region and "missing" not in curve:
            return curve
    return None


def find_points(performance: Performance, vs: str, region: dict[str, Any]) -> list[dict[str, Any]]:
    """The working points of one fake type and region, loosest first; empty if there are none."""
    for entry in performance["working_points"]:
        if entry["vs"] == vs and entry["region"] == region:
            return entry["points"]
    return []


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
        main.legend(loc="upper left", frameon=False, title=title, title_fontsize=14, alignment="left")
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
    axes.set(ylim=limits.ratio, yscale="log" if limits.ratio_log else "linear")
    axes.set_ylabel(label, fontsize=12, loc="center")
    axes.tick_params(axis="y", which="both", labelsize=12)
    axes.grid(alpha=0.25)


def plot_efficiency(performance: Performance, vs: str, variable: str, binning: BinningConfig, style: StyleConfig) -> Any:
    """Efficiency of all working points against a variable: taus on the left, fakes on the right.

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
        raise InputError(f"the performance of '{performance['discriminator']}' has no efficiency vs {vs} against {variable}")
    with cms_style():
        figure = new_figure(14, 6)
        panels = figure.subplots(1, 2)
        figure.subplots_adjust(wspace=0.25)
        for axes, kind in zip(panels, ("tau", vs), strict=True):
            _draw_efficiencies(axes, [e for e in entries if e["type"] == kind], positive_only=kind != "tau")
            axes.set_xlabel(binning.label)
            if binning.log:
                axes.set_xscale("log")
            axes.grid(alpha=0.25)
            experiment_label(axes, style)
        panels[0].set(ylim=(0, 1.05), ylabel=f"${TYPE_SYMBOLS['tau']}$ identification efficiency")
        panels[1].set(yscale="log", ylabel=f"${TYPE_SYMBOLS[vs]}$ misidentification probability")
        panels[1].legend(title=performance["title"], title_fontsize=13, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return figure


def _draw_efficiencies(axes: Any, entries: list[dict[str, Any]], positive_only: bool) -> None:
    """One colour per working point, from loose (light) to tight (dark); on a log axis without zeros."""
    from matplotlib import colormaps

    colours = colormaps["viridis_r"](np.linspace(0.12, 1, max(len(entries), 2)))
    for entry, colour in zip(entries, colours, strict=False):
        edges, value = array(entry["edges"]), array(entry["efficiency"])
        if positive_only:
            value = np.where(value > 0, value, np.nan)
        errors = np.stack([value - array(entry["low"]), array(entry["high"]) - value])
        x = (edges[1:] + edges[:-1]) / 2
        width = np.stack([x - edges[:-1], edges[1:] - x])
        axes.errorbar(
            x, value, xerr=width, yerr=np.clip(errors, 0, None), fmt="none", color=colour, label=entry["working_point"]
        )


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
        axes.set(yscale="log", xlim=(edges[0], edges[-1]), xlabel=_score_label(performance, vs), ylabel="Fraction per bin")
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
