"""Section on ROC curves: by region a panel for each fake type with the ratio to the reference, and areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import AxesConfig, EvaluationConfig
from taumltools.errors import InputError
from taumltools.evaluation.artefact import find_curve, regions_of
from taumltools.evaluation.roc_data import RocPlot, RocSeries, make_roc_plot
from taumltools.plotstyle import SERIES_COLOURS, SERIES_DASHES, TYPE_NAMES
from taumltools.report.content import Grid, Plot, Section, Table, Text, choose, in_sentence, missing, thousands
from taumltools.report.figures import add_hover, add_legend, add_title, float_source, more_ticks, new_figure, thin
from taumltools.report.summary import all_vs, region_names, region_title

Performance = dict[str, Any]


def roc_section(performances: Sequence[Performance], config: EvaluationConfig) -> Section:
    """ROC curves against each fake type with the ratio to the reference, by region, and a table of areas."""
    title = "ROC curves"
    if not performances:
        return Section("roc", title, (missing("ROC curves", "EvaluatePerformance"),))
    cuts = config.cuts
    intro = Text(
        f"Test sample, {cuts.pt[0]:g} < pT < {cuts.pt[1]:g} GeV, |η| < {cuts.abs_eta:g}, |dz| < {cuts.abs_dz:g} cm. Lower is "
        "better. Bands are 68% intervals, dots are working points (triangles: none passes, upper end of the interval). "
        "Click on a name to hide a curve."
    )
    regions = regions_of(performances)
    selected = Text(
        f"The summary above: {region_title(regions[0])}. {_counted(config)}" if regions else _counted(config)
    )
    options = [
        (name, _panels(performances, region, config))
        for name, region in zip(region_names(regions), regions, strict=True)
    ]
    return Section("roc", title, (intro, selected, *choose("Region", options), _areas(performances)))


def _panels(performances: Sequence[Performance], region: dict[str, Any], config: EvaluationConfig) -> list[Any]:
    """A panel for each fake type that has something to draw in a region."""
    found = []
    for vs in all_vs(performances):
        try:
            content = make_roc_plot(performances, vs, region)
        except InputError:
            continue  # noted in the table of areas
        found.append(Plot(roc_figure(content, config.style.axes_of(vs)), title=f"vs {TYPE_NAMES[vs]}"))
    return (
        [Grid(tuple(found), columns=3)] if found else [Text("There are no taus and fakes in this region.", note=True)]
    )


def _counted(config: EvaluationConfig) -> str:
    """How candidates are counted, and what the numbers depend on for that reason."""
    if config.weight:
        counted = f"Candidates are weighted with {config.weight} (evaluation.weight)"
    else:
        counted = "Each candidate counts once, as simulated (evaluation.weight is empty)"
    return f"{counted}: numbers depend on the mixture and the pT spectrum of the test datasets, see Datasets below."


def roc_figure(content: RocPlot, axes: AxesConfig) -> Any:
    """ROC curves of one fake type and region, below them their ratio to the reference if there is one.

    Args:
        content: what it shows.
        axes: ranges.

    Returns:
        A bokeh model.
    """
    from bokeh.layouts import column

    curves = _roc_plot(content, axes)
    ratio = [_ratio_plot(content, axes, curves.x_range)] if content.reference is not None else []
    return column(curves, *ratio, sizing_mode="stretch_width")


def _roc_plot(content: RocPlot, axes: AxesConfig) -> Any:
    plot = new_figure(
        "Efficiency for genuine taus",
        f"Misidentification of {TYPE_NAMES[content.vs]}",
        log_y=True,
        x_range=axes.efficiency,
        y_range=axes.misid,
        height=340,
    )
    legend, lines, dots = [], [], []
    for i, series in enumerate(content.series):
        drawn = _draw_roc(plot, series, i)
        marks = _draw_points(plot, series.points, SERIES_COLOURS[i % 5])
        legend.append((series.title, [*drawn, *marks]))
        lines += drawn[1:]
        dots += marks[:1]
    add_legend(plot, legend, columns=2)
    add_hover(plot, lines, [("", "$name"), ("efficiency", "@x{0.000}"), ("misid.", "@y{0.00000}")])
    add_hover(
        plot,
        dots,
        [("", "@name"), ("efficiency", "@x{0.000}"), ("misid.", "@misid"), ("score >", "@threshold{0.0000}")],
    )
    return plot


def _draw_roc(plot: Any, series: RocSeries, i: int) -> list[Any]:
    """Band and line; nothing of a discriminator that has only working points."""
    shown = series.fpr > 0
    if not shown.any():
        return []
    floor = np.maximum(series.low[shown], 1e-7)
    tpr, fpr, low, high = thin(series.tpr[shown], series.fpr[shown], floor, series.high[shown])
    colour = SERIES_COLOURS[i % 5]
    source = float_source(x=tpr, y=fpr, low=low, high=high)
    band = plot.varea("x", "low", "high", source=source, fill_color=colour, fill_alpha=0.18)
    look = {"line_color": colour, "line_width": 2, "line_dash": SERIES_DASHES[i % 5]}
    return [band, plot.line("x", "y", source=source, name=series.title, **look)]


def _draw_points(plot: Any, points: Sequence[dict[str, Any]], colour: str) -> list[Any]:
    """Dots of working points, and bars of their intervals; where no fake passes, a triangle at the upper end."""
    from bokeh.models import ColumnDataSource

    if not points:
        return []
    seen = [p["misid"]["value"] > 0 for p in points]
    columns = {
        "x": [p["efficiency"]["value"] for p in points],
        "y": [p["misid"]["value" if some else "high"] for p, some in zip(points, seen, strict=True)],
        "marker": ["circle" if some else "inverted_triangle" for some in seen],
        "misid": [
            f"{p['misid']['value']:.5f}" if some else f"none, below {p['misid']['high']:.5f}"
            for p, some in zip(points, seen, strict=True)
        ],
        "threshold": [p["threshold"] for p in points],
        "name": [p["name"] for p in points],
        "x0": [p["efficiency"]["low"] for p in points],
        "x1": [p["efficiency"]["high"] for p in points],
        "y0": [max(p["misid"]["low" if some else "high"], 1e-7) for p, some in zip(points, seen, strict=True)],
        "y1": [p["misid"]["high"] for p in points],
    }
    source = ColumnDataSource(columns)
    bars = [
        plot.segment("x0", "y", "x1", "y", source=source, line_color=colour),
        plot.segment("x", "y0", "x", "y1", source=source, line_color=colour),
    ]
    return [plot.scatter("x", "y", marker="marker", source=source, size=7, color=colour), *bars]


def _ratio_plot(content: RocPlot, axes: AxesConfig, x_range: Any) -> Any:
    """Ratio of each curve to the reference."""
    plot = new_figure("Efficiency for genuine taus", "Ratio", log_y=axes.ratio_log, x_range=x_range, height=200)
    add_title(plot, f"Ratio to {in_sentence(content.reference.title if content.reference else '')}")
    lines, low, high = [], 1.0, 1.0
    for i, series in enumerate(content.series):
        if series.ratio is None:
            continue
        inside = (series.ratio[0] >= axes.efficiency[0]) & (series.ratio[0] <= axes.efficiency[1])
        x, y, error = thin(*(column[inside] for column in series.ratio))
        # On a log axis a band that reaches zero would take all the room.
        source = float_source(x=x, y=y, low=np.maximum(y - error, y / 3), high=y + error)
        above = y[y > 0]
        low, high = min(low, above.min(initial=low) / 2), max(high, 2 * above.max(initial=high))
        colour = SERIES_COLOURS[i % 5]
        plot.varea("x", "low", "high", source=source, fill_color=colour, fill_alpha=0.18)
        lines.append(plot.line("x", "y", source=source, line_color=colour, line_width=2, name=series.title))
    place = next((i for i, series in enumerate(content.series) if series.is_reference), 1)
    span = plot.line(list(axes.efficiency), [1, 1], line_color=SERIES_COLOURS[place % 5], line_dash="dashed")
    span.level = "underlay"
    if axes.ratio_log:
        more_ticks(plot, low, high)
    add_hover(plot, lines, [("", "$name"), ("efficiency", "@x{0.000}"), ("ratio", "@y{0.000}")])
    return plot


def _areas(performances: Sequence[Performance]) -> Table:
    """Areas by region and fake type, a column for each discriminator."""
    rows: list[tuple[str, ...]] = []
    every = regions_of(performances)
    names = region_names(every)
    for vs in all_vs(performances):
        meant = [p for p in performances if vs in p["vs"]]
        for first in (curve for curve in meant[0]["curves"] if curve["vs"] == vs):
            curves = [find_curve(p, vs, first["region"]) for p in performances]
            areas = ["–" if c is None else f"{c['auc']:.4f} ± {c['auc_error']:.4f}" for c in curves]
            known = next((c for c in curves if c is not None), None)
            counts = (thousands(known["n_tau"]), thousands(known["n_fake"])) if known else ("–", "–")
            words = names[every.index(first["region"])]
            rows.append((TYPE_NAMES[vs].capitalize(), words, *counts, *areas))
    caption = "Area under the curve (AUC) by region: the probability that a genuine tau scores higher than a fake."
    heads = ("vs", "Region", "Taus", "Fakes", *(p["title"] for p in performances))
    return Table(heads, tuple(rows), caption=caption, text_columns=2)
