"""Sections on how well taus are identified: ROC curves, working points, efficiencies, scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import AxesConfig, EvaluationConfig
from taumltools.evaluation.plots import array, find_curve, find_points
from taumltools.evaluation.style import SERIES_COLOURS, SERIES_DASHES, TYPE_COLOURS, TYPE_NAMES
from taumltools.report.content import Grid, Plot, Section, Table, Tabs, Text, missing, percent, significant, thousands
from taumltools.report.figures import add_hover, add_legend, add_title, new_figure, step_outline, without_zeros
from taumltools.report.summary import leading, leading_curve

Performance = dict[str, Any]

POINTS = 240
"""Points of a curve on the page; about one for each pixel of a panel."""

_HOW = "EvaluatePerformance"


def all_vs(performances: Sequence[Performance]) -> list[str]:
    """Fake types that any discriminator is meant for, jets first: they are the main background."""
    found = {vs for p in performances for vs in p["vs"]}
    return [vs for vs in ("jet", "e", "mu") if vs in found]


def roc_section(performances: Sequence[Performance], config: EvaluationConfig) -> Section:
    """ROC curves against each fake type with the ratio to the reference, and a table of areas."""
    title = "ROC curves"
    if not performances:
        return Section("roc", title, (missing("ROC curves", _HOW),))
    cuts = config.cuts
    intro = Text(
        f"Test sample, {cuts.pt[0]:g} < pT < {cuts.pt[1]:g} GeV, |η| < {cuts.abs_eta:g}, |dz| < {cuts.abs_dz:g} cm. Lower is "
        "better. Bands are 68% intervals, dots are working points of the network. Click on a name to hide a curve."
    )
    panels = []
    for vs in all_vs(performances):
        axes = config.style.axes_of(vs)
        parts: list[Any] = [_roc_plot(performances, vs, axes)]
        ratio = _ratio_plot(performances, vs, axes, parts[0].x_range)
        panels.append(Plot(_stack([*parts, ratio] if ratio else parts), title=f"vs {TYPE_NAMES[vs]}"))
    return Section("roc", title, (intro, Grid(tuple(panels), columns=3), _areas(performances)))


def _stack(parts: list[Any]) -> Any:
    from bokeh.layouts import column

    return column(*parts, sizing_mode="stretch_width")


def thin(*columns: np.ndarray, points: int = POINTS) -> list[np.ndarray]:
    """At most ``points`` rows of columns, evenly spread, first and last kept."""
    size = len(columns[0])
    keep = np.unique(np.linspace(0, size - 1, min(points, size)).astype(int)) if size else np.array([], int)
    return [column[keep] for column in columns]


def _source(**columns: np.ndarray) -> Any:
    """A data source in float32: enough for the eye, half the bytes."""
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({name: np.asarray(values, np.float32) for name, values in columns.items()})


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
    add_hover(plot, dots, [("", "@name"), ("efficiency", "@x{0.000}"), ("misid.", "@y{0.00000}"), ("score >", "@threshold{0.0000}")])
    return plot


def _draw_roc(plot: Any, performance: Performance, curve: dict[str, Any], i: int) -> tuple[list[Any], list[Any]]:
    """Band and line, and the dots of the working points of a network."""
    names = ("true_positive_rate", "false_positive_rate", "false_positive_rate_low", "false_positive_rate_high")
    tpr, fpr, low, high = (array(curve[name]) for name in names)
    shown = fpr > 0
    floor = np.maximum(low[shown], 1e-7)
    tpr, fpr, low, high = thin(tpr[shown], fpr[shown], floor, high[shown])
    colour = SERIES_COLOURS[i % 5]
    source = _source(x=tpr, y=fpr, low=low, high=high)
    band = plot.varea("x", "low", "high", source=source, fill_color=colour, fill_alpha=0.18)
    line = plot.line(
        "x", "y", source=source, line_color=colour, line_width=2, line_dash=SERIES_DASHES[i % 5], name=performance["title"]
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
    add_title(plot, f"Ratio to {title.lower()}")
    lines = []
    for i, performance, curve in drawn:
        names = ("true_positive_rate", "ratio", "error")
        columns = [array(curve["ratio"][name]) for name in names]
        inside = (columns[0] >= axes.efficiency[0]) & (columns[0] <= axes.efficiency[1])
        x, y, error = thin(*(column[inside] for column in columns))
        # On a log axis a band that reaches zero would take all the room.
        source = _source(x=x, y=y, low=np.maximum(y - error, y / 3), high=y + error)
        colour = SERIES_COLOURS[i % 5]
        plot.varea("x", "low", "high", source=source, fill_color=colour, fill_alpha=0.18)
        lines.append(plot.line("x", "y", source=source, line_color=colour, line_width=2, name=performance["title"]))
    span = plot.line(list(axes.efficiency), [1, 1], line_color=SERIES_COLOURS[1], line_dash="dashed")
    span.level = "underlay"
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
            rows.append((TYPE_NAMES[vs].capitalize(), region_words(first["region"]), *counts, *areas))
    caption = "Area under the curve (AUC) by region: the probability that a genuine tau scores higher than a fake."
    heads = ("vs", "Region", "Taus", "Fakes", *(p["title"] for p in performances))
    return Table(heads, tuple(rows), caption=caption, text_columns=2)


def region_words(region: dict[str, Any]) -> str:
    """A region as text.

    Examples:
        >>> region_words({"pt": [20, 100], "abs_eta": [0, 2.3], "decay_modes": [0, 1]})
        'pT 20 to 100 GeV, |η| 0 to 2.3'
    """
    (pt_low, pt_high), (eta_low, eta_high) = region["pt"], region["abs_eta"]
    return f"pT {pt_low:g} to {pt_high:g} GeV, |η| {eta_low:g} to {eta_high:g}"


def working_points_section(performances: Sequence[Performance], config: EvaluationConfig) -> Section:
    """What each working point of the leading discriminator achieves."""
    title, main = "Working points", leading(list(performances))
    if main is None:
        return Section("working-points", title, (missing("Working points", _HOW),))
    points = config.working_points
    intro = Text(
        f"{main['title']}, selection score > threshold. Thresholds come from genuine taus of {points.pt[0]:g} < pT < "
        f"{points.pt[1]:g} GeV in one part of the test events ({percent(points.fraction)}); efficiencies are measured on the "
        "other part, in the whole region, so they need not equal the target. Brackets: 68% intervals."
    )
    tabs = tuple((f"vs {TYPE_NAMES[vs]}", (_points_table(main, vs),)) for vs in all_vs([main]))
    return Section("working-points", title, (intro, Tabs("Working points", tabs)))


def _points_table(performance: Performance, vs: str) -> Any:
    entries = [e for e in performance["working_points"] if e["vs"] == vs]
    if not entries or not entries[0]["points"]:
        return Text(f"No working points vs {TYPE_NAMES[vs]} are defined.", note=True)
    rows = tuple(
        (p["name"], f"{p['threshold']:.4f}", f"{100 * p['target']:g}%", _interval(p["efficiency"]), _interval(p["misid"]))
        for p in entries[0]["points"]
    )
    heads = ("Name", "Threshold", "Target", "Efficiency for taus", f"Misidentification of {TYPE_NAMES[vs]}")
    return Table(heads, rows, caption=f"Against {TYPE_NAMES[vs]}, {region_words(entries[0]['region'])}.")


def _interval(efficiency: dict[str, Any]) -> str:
    """Value and 68% interval in percent, with two digits of the interval's width."""
    if efficiency["value"] is None:
        return "–"
    value, low, high = (100 * efficiency[key] for key in ("value", "low", "high"))
    digits = int(np.clip(1 - np.floor(np.log10(max(high - low, 1e-6))), 0, 6))
    return f"{value:.{digits}f}% [{low:.{digits}f}, {high:.{digits}f}]"


def efficiency_section(performances: Sequence[Performance], config: EvaluationConfig) -> Section:
    """Efficiency and misidentification probability of all working points against each variable."""
    title, main = "Efficiency", leading(list(performances))
    if main is None:
        return Section("efficiency", title, (missing("Efficiencies", _HOW),))
    tabs = []
    for vs in all_vs([main]):
        panels = [
            Plot(_efficiency_plot(main, vs, kind, variable, config))
            for variable in config.efficiency
            for kind in ("tau", vs)
            if any(e["vs"] == vs and e["variable"] == variable for e in main["efficiencies"])
        ]
        tabs.append((f"vs {TYPE_NAMES[vs]}", (Grid(tuple(panels)),)))
    intro = Text(
        f"Left: genuine taus that pass working points ({main['title'].lower()}); right: fakes that pass. Vertical bars are 68% "
        "intervals. Bins where no fake passes are left empty."
    )
    return Section("efficiency", title, (intro, Tabs("Efficiency", tuple(tabs))))


def _efficiency_plot(performance: Performance, vs: str, kind: str, variable: str, config: EvaluationConfig) -> Any:
    binning = config.efficiency[variable]
    entries = [e for e in performance["efficiencies"] if (e["vs"], e["variable"], e["type"]) == (vs, variable, kind)]
    is_tau = kind == "tau"
    y_label = "Efficiency for genuine taus" if is_tau else f"Misidentification of {TYPE_NAMES[vs]}"
    plot = new_figure(binning.label, y_label, log_x=binning.log, log_y=not is_tau, y_range=(0, 1.03) if is_tau else None)
    legend, dots = [], []
    for entry, colour in zip(entries, sequential_colours(len(entries)), strict=True):
        edges, value = array(entry["edges"]), array(entry["efficiency"])
        used = np.isfinite(value) & (is_tau | (value > 0))
        low, high = np.maximum(array(entry["low"])[used], 1e-7), array(entry["high"])[used]
        centre = np.sqrt(edges[1:] * edges[:-1]) if binning.log else (edges[1:] + edges[:-1]) / 2
        source = _source(x=centre[used], y=value[used], low=low, high=high, x0=edges[:-1][used], x1=edges[1:][used])
        name = entry["working_point"]
        bars = [
            plot.segment("x", "low", "x", "high", source=source, line_color=colour, line_width=1.5),
            plot.segment("x0", "y", "x1", "y", source=source, line_color=colour, line_width=2.5, name=name),
        ]
        dots.append(bars[1])
        if used.any():
            legend.append((name, bars))
    add_legend(plot, legend)
    tooltips = [("", "$name"), (binning.label, "@x0{0.[0]} to @x1{0.[0]}"), ("value", "@y{0.0000}"), ("68%", "@low{0.0000} to @high{0.0000}")]
    add_hover(plot, dots, tooltips)
    return plot


def sequential_colours(count: int) -> list[str]:
    """Colours from light to dark for an ordered family of curves (viridis, without its yellow end)."""
    from bokeh.palettes import Viridis256

    return [Viridis256[i] for i in np.linspace(215, 0, max(count, 2)).astype(int)[:count]]


def scores_section(performances: Sequence[Performance]) -> Section:
    """Score distributions of taus and fakes, and the confusion matrix."""
    title, main = "Scores", leading(list(performances))
    if main is None:
        return Section("scores", title, (missing("Score distributions", _HOW),))
    by_vs = {entry["vs"]: entry for entry in main["scores"]}
    panels = [Plot(_score_plot(by_vs[vs]), title=f"vs {TYPE_NAMES[vs]}") for vs in all_vs([main])]
    intro = Text(f"{main['title']}: score against each type of fake, each type normalised to one.")
    matrix = [_confusion(main["confusion"])] if main["confusion"] else [missing("The confusion matrix", _HOW)]
    return Section("scores", title, (intro, Grid(tuple(panels), columns=3), *matrix))


def _score_plot(entry: dict[str, Any]) -> Any:
    edges = array(entry["edges"])
    plot = new_figure("Score", "Fraction per bin", log_y=True)
    legend, lines = [], []
    for name, counts in entry["counts"].items():
        values = array(counts)
        x, y = step_outline(edges, without_zeros(values / max(values.sum(), 1e-300)))
        line = plot.line("x", "y", source=_source(x=x, y=y), line_color=TYPE_COLOURS[name], line_width=2, name=TYPE_NAMES[name])
        legend.append((TYPE_NAMES[name], [line]))
        lines.append(line)
    add_legend(plot, legend)
    add_hover(plot, lines, [("", "$name"), ("score", "@x{0.000}"), ("fraction", "@y{0.00000}")])
    return plot


def _confusion(matrix: dict[str, Any]) -> Table:
    names = [TYPE_NAMES[name].capitalize() for name in matrix["classes"]]
    rows, shades = [], []
    for name, counts, fractions in zip(names, matrix["counts"], matrix["fractions"], strict=True):
        cells = ["–" if f is None else f"{100 * f:.1f}%" for f in fractions]
        rows.append((name, *cells, thousands(sum(counts))))
        shades.append((0.0, *(f or 0.0 for f in fractions), 0.0))
    caption = "Confusion matrix: class with the largest output (columns) by true class (rows), in percent of each row."
    return Table(("True class", *names, "Candidates"), tuple(rows), caption=caption, shades=tuple(shades))
