"""Sections on how well taus are identified beside ROC curves: working points, efficiencies, scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import EvaluationConfig
from taumltools.evaluation.artefact import array
from taumltools.evaluation.efficiency import MIN_ENTRIES, drawn_bins
from taumltools.plotstyle import TYPE_COLOURS, TYPE_NAMES
from taumltools.report.content import Grid, Plot, Section, Table, Tabs, Text, in_sentence, missing, percent, thousands
from taumltools.report.figures import add_hover, add_legend, float_source, new_figure, step_outline, without_zeros
from taumltools.report.summary import all_vs, leading, region_words

Performance = dict[str, Any]

_HOW = "EvaluatePerformance"


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
        (
            p["name"],
            "–" if p["threshold"] is None else f"{p['threshold']:.4f}",
            "–" if p["target"] is None else f"{100 * p['target']:g}%",
            _interval(p["efficiency"]),
            _interval(p["misid"]),
        )
        for p in entries[0]["points"]
    )
    region = entries[0]["region"]
    modes = ", ".join(str(mode) for mode in region["decay_modes"])
    heads = ("Name", "Threshold", "Target", "Efficiency for taus", f"Misidentification of {TYPE_NAMES[vs]}")
    return Table(heads, rows, caption=f"Against {TYPE_NAMES[vs]}, {region_words(region)}, decay modes {modes}.")


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
    excluded = ", ".join(str(mode) for mode in config.cuts.no_decay_modes)
    modes = f"all decay modes but {excluded}" if excluded else "all decay modes"
    intro = Text(
        f"Left: genuine taus that pass working points ({in_sentence(main['title'])}); right: fakes that pass; {modes}. "
        f"Vertical bars are 68% intervals. Where no fake passes, a triangle marks the upper end of the interval. Bins with "
        f"fewer than {MIN_ENTRIES} candidates are left empty."
    )
    return Section("efficiency", title, (intro, Tabs("Efficiency", tuple(tabs))))


def _efficiency_plot(performance: Performance, vs: str, kind: str, variable: str, config: EvaluationConfig) -> Any:
    binning = config.efficiency[variable]
    entries = [e for e in performance["efficiencies"] if (e["vs"], e["variable"], e["type"]) == (vs, variable, kind)]
    is_tau = kind == "tau"
    y_label = "Efficiency for genuine taus" if is_tau else f"Misidentification of {TYPE_NAMES[vs]}"
    plot = new_figure(
        binning.label, y_label, log_x=binning.log, log_y=not is_tau, y_range=(0, 1.03) if is_tau else None
    )
    if binning.values:
        _name_values(plot, binning.ticks)
    legend, dots, limits = [], [], []
    for entry, colour in zip(entries, sequential_colours(len(entries)), strict=True):
        edges, value = array(entry["edges"]), array(entry["efficiency"])
        used, limit = drawn_bins(value, array(entry["entries"]), log_axis=not is_tau)
        low, upper = np.maximum(array(entry["low"])[used], 1e-7), array(entry["high"])
        centre = np.sqrt(edges[1:] * edges[:-1]) if binning.log else (edges[1:] + edges[:-1]) / 2
        source = float_source(
            x=centre[used], y=value[used], low=low, high=upper[used], x0=edges[:-1][used], x1=edges[1:][used]
        )
        name = entry["working_point"]
        bars = [
            plot.segment("x", "low", "x", "high", source=source, line_color=colour, line_width=1.5),
            plot.segment("x0", "y", "x1", "y", source=source, line_color=colour, line_width=2.5, name=name),
        ]
        dots.append(bars[1])
        if limit.any():
            limits.append(_draw_limits(plot, centre[limit], upper[limit], colour, name))
            bars.append(limits[-1])
        if used.any() or limit.any():
            legend.append((name, bars))
    add_legend(plot, legend)
    tooltips = [
        ("", "$name"),
        (binning.label, "@x0{0.[0]} to @x1{0.[0]}"),
        ("value", "@y{0.0000}"),
        ("68%", "@low{0.0000} to @high{0.0000}"),
    ]
    add_hover(plot, dots, tooltips)
    add_hover(plot, limits, [("", "$name"), (binning.label, "@x{0.[0]}"), ("none pass, 68%", "below @y{0.0000}")])
    return plot


def _name_values(plot: Any, names: Sequence[str]) -> None:
    """Names in the middle of bins of single values."""
    plot.xaxis.ticker = [i + 0.5 for i in range(len(names))]
    plot.xaxis.major_label_overrides = {i + 0.5: name for i, name in enumerate(names)}


def _draw_limits(plot: Any, x: np.ndarray, upper: np.ndarray, colour: str, name: str) -> Any:
    """Triangles at the upper end of intervals that begin at zero."""
    source = float_source(x=x, y=upper)
    return plot.scatter("x", "y", source=source, marker="inverted_triangle", size=6, color=colour, name=name)


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
        line = plot.line(
            "x", "y", source=float_source(x=x, y=y), line_color=TYPE_COLOURS[name], line_width=2, name=TYPE_NAMES[name]
        )
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
