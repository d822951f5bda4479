"""Section on ROC curves: a panel for each fake type with the ratio to the reference, and areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import AxesConfig, EvaluationConfig
from taumltools.evaluation.artefact import array, find_curve, find_points
from taumltools.plotstyle import SERIES_COLOURS, SERIES_DASHES, TYPE_NAMES
from taumltools.report.content import Grid, Plot, Section, Table, Text, in_sentence, missing, thousands
from taumltools.report.figures import add_hover, add_legend, add_title, float_source, more_ticks, new_figure, thin
from taumltools.report.summary import all_vs, leading_curve, region_words

Performance = dict[str, Any]


def roc_section(performances: Sequence[Performance], config: EvaluationConfig) -> Section:
    """ROC curves against each fake type with the ratio to the reference, and a table of areas."""
    title = "ROC curves"
    if not performances:
        return Section("roc", title, (missing("ROC curves", "EvaluatePerformance"),))
    cuts = config.cuts
    intro = Text(
        f"Test sample, {cuts.pt[0]:g} < pT < {cuts.pt[1]:g} GeV, |η| < {cuts.abs_eta:g}, |dz| < {cuts.abs_dz:g} cm. Lower is "
        "better. Bands are 68% intervals, dots are working points of the network. Click on a name to hide a curve."
    )
    modes = ", ".join(str(mode) for mode in config.regions.decay_modes[0])
    selected = Text(
        f"Plots and summary: {region_words(_leading_region(config))}, decay modes {modes}. {_counted(config)}"
    )
    panels = []
    for vs in all_vs(performances):
        axes = config.style.axes_of(vs)
        parts: list[Any] = [_roc_plot(performances, vs, axes)]
        ratio = _ratio_plot(performances, vs, axes, parts[0].x_range)
        panels.append(Plot(_stack([*parts, ratio] if ratio else parts), title=f"vs {TYPE_NAMES[vs]}"))
    return Section("roc", title, (intro, selected, Grid(tuple(panels), columns=3), _areas(performances)))


def _leading_region(config: EvaluationConfig) -> dict[str, Any]:
    return {name: getattr(config.regions, name)[0] for name in ("pt", "abs_eta")}


def _counted(config: EvaluationConfig) -> str:
    """How candidates are counted, and what the numbers depend on for that reason."""
    if config.weight:
        counted = f"Candidates are weighted with {config.weight} (evaluation.weight)"
    else:
        counted = "Each candidate counts once, as simulated (evaluation.weight is empty)"
    return f"{counted}: numbers depend on the mixture and the pT spectrum of the test datasets, see Datasets below."


def _stack(parts: list[Any]) -> Any:
    from bokeh.layouts import column

    return column(*parts, sizing_mode="stretch_width")


def _roc_plot(performances: Sequence[Performance], vs: str, axes: AxesConfig) -> Any:
    plot = new_figure(
        "Efficiency for genuine taus",
        f"Misidentification of {TYPE_NAMES[vs]}",
        log_y=True,
        x_range=axes.efficiency,
        y_range=axes.misid,
        height=340,
    )
    legend, lines, dots = [], [], []
    for i, performance in enumerate(performances):
        curve = leading_curve(performance, vs)
        if curve is None:
            continue
        drawn, marks = _draw_roc(plot, performance, curve, i)
        legend.append((performance["title"], [*drawn, *marks]))
        lines.append(drawn[1])
        dots += marks
    add_legend(plot, legend, columns=2)
    add_hover(plot, lines, [("", "$name"), ("efficiency", "@x{0.000}"), ("misid.", "@y{0.00000}")])
    add_hover(
        plot,
        dots,
        [("", "@name"), ("efficiency", "@x{0.000}"), ("misid.", "@y{0.00000}"), ("score >", "@threshold{0.0000}")],
    )
    return plot


def _draw_roc(plot: Any, performance: Performance, curve: dict[str, Any], i: int) -> tuple[list[Any], list[Any]]:
    """Band and line, and the dots of the working points of a network."""
    names = ("true_positive_rate", "false_positive_rate", "false_positive_rate_low", "false_positive_rate_high")
    tpr, fpr, low, high = (array(curve[name]) for name in names)
    shown = fpr > 0
    floor = np.maximum(low[shown], 1e-7)
    tpr, fpr, low, high = thin(tpr[shown], fpr[shown], floor, high[shown])
    colour = SERIES_COLOURS[i % 5]
    source = float_source(x=tpr, y=fpr, low=low, high=high)
    band = plot.varea("x", "low", "high", source=source, fill_color=colour, fill_alpha=0.18)
    line = plot.line(
        "x",
        "y",
        source=source,
        line_color=colour,
        line_width=2,
        line_dash=SERIES_DASHES[i % 5],
        name=performance["title"],
    )
    if performance["score"] != "network":
        return [band, line], []
    return [band, line], _draw_points(plot, find_points(performance, curve["vs"], curve["region"]), colour)


def _draw_points(plot: Any, points: list[dict[str, Any]], colour: str) -> list[Any]:
    from bokeh.models import ColumnDataSource

    known = [p for p in points if p["efficiency"]["value"] is not None and p["misid"]["value"]]
    if not known:
        return []
    columns = {
        "x": [p["efficiency"]["value"] for p in known],
        "y": [p["misid"]["value"] for p in known],
        "threshold": [p["threshold"] for p in known],
        "name": [p["name"] for p in known],
        "x0": [p["efficiency"]["low"] for p in known],
        "x1": [p["efficiency"]["high"] for p in known],
        "y0": [max(p["misid"]["low"], 1e-7) for p in known],
        "y1": [p["misid"]["high"] for p in known],
    }
    source = ColumnDataSource(columns)
    bars = [
        plot.segment("x0", "y", "x1", "y", source=source, line_color=colour),
        plot.segment("x", "y0", "x", "y1", source=source, line_color=colour),
    ]
    return [plot.scatter("x", "y", source=source, size=7, color=colour), *bars]


def _ratio_plot(performances: Sequence[Performance], vs: str, axes: AxesConfig, x_range: Any) -> Any:
    """Ratio to the reference, None if no curve has one."""
    drawn = [(i, p, c) for i, p in enumerate(performances) if (c := leading_curve(p, vs)) and c["ratio"]]
    if not drawn:
        return None
    reference = drawn[0][1]["reference"][vs]
    title = next((p["title"] for p in performances if p["discriminator"] == reference), reference)
    plot = new_figure("Efficiency for genuine taus", "Ratio", log_y=axes.ratio_log, x_range=x_range, height=200)
    add_title(plot, f"Ratio to {in_sentence(title)}")
    lines, low, high = [], 1.0, 1.0
    for i, performance, curve in drawn:
        names = ("true_positive_rate", "ratio", "error")
        columns = [array(curve["ratio"][name]) for name in names]
        inside = (columns[0] >= axes.efficiency[0]) & (columns[0] <= axes.efficiency[1])
        x, y, error = thin(*(column[inside] for column in columns))
        # On a log axis a band that reaches zero would take all the room.
        source = float_source(x=x, y=y, low=np.maximum(y - error, y / 3), high=y + error)
        above = y[y > 0]
        low, high = min(low, above.min(initial=low) / 2), max(high, 2 * above.max(initial=high))
        colour = SERIES_COLOURS[i % 5]
        plot.varea("x", "low", "high", source=source, fill_color=colour, fill_alpha=0.18)
        lines.append(plot.line("x", "y", source=source, line_color=colour, line_width=2, name=performance["title"]))
    span = plot.line(list(axes.efficiency), [1, 1], line_color=SERIES_COLOURS[1], line_dash="dashed")
    span.level = "underlay"
    if axes.ratio_log:
        more_ticks(plot, low, high)
    add_hover(plot, lines, [("", "$name"), ("efficiency", "@x{0.000}"), ("ratio", "@y{0.000}")])
    return plot


def _areas(performances: Sequence[Performance]) -> Table:
    """Areas by region and fake type, a column for each discriminator."""
    rows: list[tuple[str, ...]] = []
    for vs in all_vs(performances):
        meant = [p for p in performances if vs in p["vs"]]
        for first in (curve for curve in meant[0]["curves"] if curve["vs"] == vs):
            curves = [find_curve(p, vs, first["region"]) for p in performances]
            areas = ["–" if c is None else f"{c['auc']:.4f} ± {c['auc_error']:.4f}" for c in curves]
            known = next((c for c in curves if c is not None), None)
            counts = (thousands(known["n_tau"]), thousands(known["n_fake"])) if known else ("–", "–")
            modes = ", ".join(str(mode) for mode in first["region"]["decay_modes"])
            rows.append((TYPE_NAMES[vs].capitalize(), region_words(first["region"]), modes, *counts, *areas))
    caption = "Area under the curve (AUC) by region: the probability that a genuine tau scores higher than a fake."
    heads = ("vs", "Region", "Decay modes", "Taus", "Fakes", *(p["title"] for p in performances))
    return Table(heads, tuple(rows), caption=caption, text_columns=3)
