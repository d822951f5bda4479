"""Sections on how well taus are identified beside ROC curves: working points, efficiencies, scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import EvaluationConfig
from taumltools.evaluation.artefact import array
from taumltools.evaluation.efficiency import MIN_ENTRIES, drawn_bins
from taumltools.plotstyle import TYPE_COLOURS, TYPE_NAMES
from taumltools.report.content import Grid, Plot, Section, Table, Tabs, Text, choose, missing, percent, thousands
from taumltools.report.figures import (
    add_hover,
    add_legend,
    float_source,
    name_values,
    new_figure,
    sequential_colours,
    step_outline,
    without_zeros,
)
from taumltools.report.summary import all_vs, region_names

Performance = dict[str, Any]

_HOW = "EvaluatePerformance"


def working_points_section(performances: Sequence[Performance], config: EvaluationConfig) -> Section:
    """What each working point of each discriminator achieves in each region."""
    title = "Working points"
    if not performances:
        return Section("working-points", title, (missing(title, _HOW),))
    points = config.working_points
    intro = Text(
        f"Selection: score > threshold. Thresholds come from genuine taus of {points.pt[0]:g} < pT < {points.pt[1]:g} GeV in "
        f"one part of the test events ({percent(points.fraction)}); efficiencies are measured on the other part, in the whole "
        "region, so they need not equal the target. Brackets: 68% intervals."
    )
    options = [(p["title"], (_by_type("Working points", p, _points_tables),)) for p in performances]
    return Section("working-points", title, (intro, *_by_discriminator(options)))


def _by_discriminator(options: Sequence[tuple[str, Sequence[Any]]]) -> tuple[Any, ...]:
    """A choice among discriminators; a single one is named."""
    named = (Text(f"{options[0][0]}:"),) if len(options) == 1 else ()
    return (*named, *choose("Discriminator", options))


def _by_type(label: str, performance: Performance, make: Callable[[Performance, str], Sequence[Any]]) -> Tabs:
    """A tab for each fake type that a discriminator is meant for."""
    found = all_vs([performance])
    return Tabs(label, tuple((f"vs {TYPE_NAMES[vs]}", tuple(make(performance, vs))) for vs in found))


def _points_tables(performance: Performance, vs: str) -> Sequence[Any]:
    """Tables of the working points by region, those without any left out."""
    found = [entry for entry in performance["working_points"] if entry["vs"] == vs and entry["points"]]
    if not found:
        return (_no_points(vs),)
    names = region_names([entry["region"] for entry in found])
    return choose("Region", [(name, (_points_table(e["points"], vs),)) for name, e in zip(names, found, strict=True)])


def _no_points(vs: str) -> Text:
    return Text(f"No working points vs {TYPE_NAMES[vs]} are defined.", note=True)


def _points_table(points: Sequence[dict[str, Any]], vs: str) -> Table:
    rows = tuple(
        (
            p["name"],
            "–" if p["threshold"] is None else f"{p['threshold']:.4f}",
            "–" if p["target"] is None else f"{100 * p['target']:g}%",
            _interval(p["efficiency"]),
            _interval(p["misid"]),
        )
        for p in points
    )
    return Table(("Name", "Threshold", "Target", "Efficiency for taus", f"Misidentification of {TYPE_NAMES[vs]}"), rows)


def _interval(efficiency: dict[str, Any]) -> str:
    """Value and 68% interval in percent, with two digits of the interval's width."""
    if efficiency["value"] is None:
        return "–"
    value, low, high = (100 * efficiency[key] for key in ("value", "low", "high"))
    digits = int(np.clip(1 - np.floor(np.log10(max(high - low, 1e-6))), 0, 6))
    return f"{value:.{digits}f}% [{low:.{digits}f}, {high:.{digits}f}]"


def efficiency_section(performances: Sequence[Performance], config: EvaluationConfig) -> Section:
    """Efficiency and misidentification probability of the working points of each discriminator against each variable."""
    title = "Efficiency"
    if not performances:
        return Section("efficiency", title, (missing("Efficiencies", _HOW),))

    def panels(performance: Performance, vs: str) -> Sequence[Any]:
        found = [
            Plot(_efficiency_plot(performance, vs, kind, variable, config))
            for variable in config.efficiency
            for kind in ("tau", vs)
            if any(e["vs"] == vs and e["variable"] == variable for e in performance["efficiencies"])
        ]
        return (Grid(tuple(found)) if found else _no_points(vs),)

    options = [(p["title"], (_by_type("Efficiency", p, panels),)) for p in performances]
    excluded = ", ".join(str(mode) for mode in config.cuts.no_decay_modes)
    modes = f"all decay modes but {excluded}" if excluded else "all decay modes"
    intro = Text(
        f"Left: genuine taus that pass working points; right: fakes that pass; {modes}. A click on a name shows or hides a "
        "working point. Vertical bars are 68% intervals. Where no fake passes, a triangle marks the upper end of the "
        f"interval. Bins with fewer than {MIN_ENTRIES} candidates are left empty."
    )
    return Section("efficiency", title, (intro, *_by_discriminator(options)))


def _efficiency_plot(performance: Performance, vs: str, kind: str, variable: str, config: EvaluationConfig) -> Any:
    binning = config.efficiency[variable]
    entries = [e for e in performance["efficiencies"] if (e["vs"], e["variable"], e["type"]) == (vs, variable, kind)]
    is_tau = kind == "tau"
    y_label = "Efficiency for genuine taus" if is_tau else f"Misidentification of {TYPE_NAMES[vs]}"
    plot = new_figure(
        binning.label, y_label, log_x=binning.log, log_y=not is_tau, y_range=(0, 1.03) if is_tau else None
    )
    if binning.values:
        name_values(plot, binning.ticks)
    legend, dots, limits = [], [], []
    shown = config.style.points_of(vs, [entry["working_point"] for entry in entries])
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
        for renderer in bars:
            renderer.visible = name in shown
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


def _draw_limits(plot: Any, x: np.ndarray, upper: np.ndarray, colour: str, name: str) -> Any:
    """Triangles at the upper end of intervals that begin at zero."""
    source = float_source(x=x, y=upper)
    return plot.scatter("x", "y", source=source, marker="inverted_triangle", size=6, color=colour, name=name)


def scores_section(performances: Sequence[Performance]) -> Section:
    """Score distributions of taus and fakes of each discriminator, and the confusion matrix of a network."""
    title = "Scores"
    if not performances:
        return Section("scores", title, (missing("Score distributions", _HOW),))
    intro = Text("Score against each type of fake, each type normalised to one.")
    options = [(p["title"], _scores_of(p)) for p in performances]
    return Section("scores", title, (intro, *_by_discriminator(options)))


def _scores_of(performance: Performance) -> list[Any]:
    by_vs = {entry["vs"]: entry for entry in performance["scores"]}
    panels = [Plot(_score_plot(by_vs[vs]), title=f"vs {TYPE_NAMES[vs]}") for vs in all_vs([performance]) if vs in by_vs]
    if not panels:
        return [Text("This discriminator has working points only, no score.")]
    matrix = [_confusion(performance["confusion"])] if performance["confusion"] else []
    return [Grid(tuple(panels), columns=3), *matrix]


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
