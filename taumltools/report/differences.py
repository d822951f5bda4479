"""Section on what changed since a baseline version: areas, curves, working points, efficiencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.config.evaluation import BinningConfig, EvaluationConfig
from taumltools.errors import InputError
from taumltools.evaluation.differences import (
    BinChange,
    Change,
    area_changes,
    bin_changes,
    common_regions,
    pair_up,
    point_changes,
    same_numbers,
    same_sample,
)
from taumltools.evaluation.efficiency import MIN_ENTRIES
from taumltools.evaluation.roc_data import make_roc_plot
from taumltools.plotstyle import TYPE_NAMES
from taumltools.report.content import Grid, Plot, Section, Table, Tabs, Text, choose, in_sentence
from taumltools.report.figures import add_hover, add_legend, float_source, name_values, new_figure, sequential_colours
from taumltools.report.roc import roc_figure
from taumltools.report.summary import all_vs, region_names

Performance = dict[str, Any]
Pair = tuple[Performance, Performance]


def differences_section(
    performances: Sequence[Performance], baseline: Sequence[Performance], name: str, config: EvaluationConfig
) -> Section:
    """Differences to another version.

    Args:
        performances: artefacts of all discriminators.
        baseline: those of the other version.
        name: what that version is called.
        config: settings of the evaluation.

    Returns:
        The section; a note if there is no discriminator that both have.
    """
    title, pairs = f"Differences to {name}", pair_up(performances, baseline)
    if not pairs:
        names = ", ".join(p["title"] for p in baseline)
        note = Text(f"'{name}' has none of the discriminators of this version, only {names}.", note=True)
        return Section("differences", title, (note,))
    changed = [pair for pair in pairs if not same_numbers(*pair)]
    items: list[Any] = [Text(_intro(pairs, name)), *_left_out(performances, pairs, changed, name)]
    if changed:
        options = [(now["title"], (_by_type((now, before), name, config),)) for now, before in changed]
        items += [_areas(changed, name), *choose("Discriminator", options)]
    return Section("differences", title, tuple(items))


def _intro(pairs: Sequence[Pair], name: str) -> str:
    text = (
        f"This version minus '{name}', errors are those of both in quadrature. Lower misidentification is better, "
        "larger areas and efficiencies are."
    )
    if all(same_sample(*pair) for pair in pairs):
        return f"{text} Both were measured on as many candidates of the same datasets: if these are the same, errors are too large."
    return f"{text} The test samples differ."


def _left_out(
    performances: Sequence[Performance], pairs: Sequence[Pair], changed: Sequence[Pair], name: str
) -> list[Text]:
    """What is not shown, and why."""
    paired = [now["discriminator"] for now, _ in pairs]
    new = [p["title"] for p in performances if p["discriminator"] not in paired]
    same = [pair[0]["title"] for pair in pairs if pair not in changed]
    found = [Text(f"Not in '{name}': {', '.join(new)}.")] if new else []
    return found + ([Text(f"The same in both: {', '.join(map(in_sentence, same))}.")] if same else [])


def _areas(pairs: Sequence[Pair], name: str) -> Table:
    """Areas under the curves of all discriminators."""
    found = [(now["title"], change) for now, before in pairs for change in area_changes(now, before)]
    regions = [change.region for _, change in found]
    rows = tuple(
        (title, TYPE_NAMES[change.vs].capitalize(), words, *_cells(change.area, 4))
        for (title, change), words in zip(found, region_names(regions), strict=True)
    )
    heads = ("Discriminator", "vs", "Region", "AUC", f"AUC, {name}", "Difference", "In errors")
    return Table(heads, rows, caption="Area under the curve by region.", text_columns=3)


def _cells(change: Change, digits: int, factor: float = 1) -> tuple[str, str, str, str]:
    """Now, before, difference with error, and the difference in units of its error."""

    def with_error(value: float | None, error: float, sign: str = "") -> str:
        return "–" if value is None else f"{factor * value:{sign}.{digits}f} ± {factor * error:.{digits}f}"

    difference = change.difference
    ratio = "–" if difference is None or change.error <= 0 else f"{difference / change.error:+.1f}"
    values = (with_error(change.now, change.now_error), with_error(change.before, change.before_error))
    return (*values, with_error(difference, change.error, "+"), ratio)


def _by_type(pair: Pair, name: str, config: EvaluationConfig) -> Tabs:
    """A tab for each fake type: curves and working points by region, then efficiencies in bins."""
    tabs = []
    for vs in all_vs([pair[0]]):
        regions = common_regions(*pair, vs)
        options = [
            (words, _of_region(pair, vs, region, name, config))
            for words, region in zip(region_names(regions), regions, strict=True)
        ]
        inside = [*(choose("Region", options) if options else ()), *_binned(pair, vs, config)]
        nothing = Text(f"Nothing vs {TYPE_NAMES[vs]} is in both.", note=True)
        tabs.append((f"vs {TYPE_NAMES[vs]}", tuple(inside) or (nothing,)))
    return Tabs("Differences", tuple(tabs))


def _of_region(pair: Pair, vs: str, region: dict[str, Any], name: str, config: EvaluationConfig) -> list[Any]:
    """Both curves with their ratio, and the table of working points."""
    now, before = pair
    items: list[Any] = []
    try:
        drawn = make_roc_plot([now, before | {"title": f"{before['title']} ({name})"}], vs, region, reference=1)
    except InputError:
        items.append(Text("There is no curve of both in this region."))
    else:
        items.append(Plot(roc_figure(drawn, config.style.axes_of(vs)), title=f"vs {TYPE_NAMES[vs]}"))
    return [*items, *_points(pair, vs, region, name)]


def _points(pair: Pair, vs: str, region: dict[str, Any], name: str) -> list[Table]:
    changes = point_changes(*pair, vs, region)
    if not changes:
        return []
    rows = []
    for one in changes:
        thresholds = ("–" if value is None else f"{value:.4f}" for value in (one.threshold.now, one.threshold.before))
        rows.append((one.name, *thresholds, *_cells(one.efficiency, 2, 100), *_cells(one.misid, 3, 100)))
    of = ("now", name, "difference", "in errors")
    heads = [f"{what} [%], {which}" for what in ("Efficiency", "Misid.") for which in of]
    return [Table(("Name", "Threshold", f"Threshold, {name}", *heads), tuple(rows), caption="Working points.")]


def _binned(pair: Pair, vs: str, config: EvaluationConfig) -> list[Any]:
    """Differences of efficiencies against each variable, taus on the left, fakes on the right."""
    found = []
    for variable, binning in config.efficiency.items():
        for kind in ("tau", vs):
            changes = bin_changes(*pair, vs, variable, kind)
            chosen = config.style.points_of(vs, [one.name for one in changes])
            if changes:
                found.append(Plot(_difference_plot([c for c in changes if c.name in chosen], kind, binning)))
    if not found:
        return []
    words = (
        "Differences of efficiencies, genuine taus on the left and fakes on the right, in bins in which both versions have "
        f"{MIN_ENTRIES} candidates or more."
    )
    return [Text(words), Grid(tuple(found))]


def _difference_plot(changes: Sequence[BinChange], kind: str, binning: BinningConfig) -> Any:
    name = TYPE_NAMES[kind]
    what = "Efficiency for genuine taus" if kind == "tau" else f"Misidentification of {name}"
    plot = new_figure(binning.label, f"{what}, difference", log_x=binning.log)
    if binning.values:
        name_values(plot, binning.ticks)
    legend, bars = [], []
    for number, (change, colour) in enumerate(zip(changes, sequential_colours(len(changes)), strict=True)):
        low, high = change.edges[:-1], change.edges[1:]
        used = np.isfinite(change.difference)
        # Beside each other, so that their bars can be told apart.
        share = (number + 1) / (len(changes) + 1)
        x = low ** (1 - share) * high**share if binning.log else low * (1 - share) + high * share
        y, error = change.difference[used], change.error[used]
        source = float_source(x=x[used], y=y, low=y - error, high=y + error, x0=low[used], x1=high[used])
        dots = plot.scatter("x", "y", source=source, size=5, color=colour, name=change.name)
        line = plot.segment("x", "low", "x", "high", source=source, line_color=colour, line_width=1.5)
        legend.append((change.name, [dots, line]))
        bars.append(dots)
    zero = plot.line([binning.bounds[0], binning.bounds[-1]], [0, 0], line_color="#59636e", line_dash="dashed")
    zero.level = "underlay"
    add_legend(plot, legend)
    tooltips = [("", "$name"), (binning.label, "@x0{0.[0]} to @x1{0.[0]}"), ("difference", "@y{0.0000}")]
    add_hover(plot, bars, [*tooltips, ("68%", "@low{0.0000} to @high{0.0000}")])
    return plot
