"""Section on network inputs: distributions by truth type, the most telling ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.report import ReportConfig
from taumltools.errors import ConfigError
from taumltools.features.flat import FlatFile
from taumltools.plotstyle import TYPE_COLOURS, TYPE_NAMES
from taumltools.report.content import Grid, Plot, Section, Text, missing, percent
from taumltools.report.figures import FONT, add_hover, add_legend, new_figure, step_outline
from taumltools.report.inputs import ReportInputs
from taumltools.tuples.truth import TAU_TYPES

PANELS = 3


@dataclass(frozen=True)
class Distribution:
    """One feature by truth type.

    Attributes:
        name: the feature.
        edges: bin edges, shape (k + 1,).
        fractions: type to fraction of its candidates per bin, shape (k,) each.
        undefined: fraction of all candidates for which it is not defined.
    """

    name: str
    edges: np.ndarray
    fractions: dict[str, np.ndarray]
    undefined: float

    @property
    def separation(self) -> float:
        """How far taus and jets are apart: ½ Σ (a - b)² / (a + b), from 0 to 1 (TMVA's definition)."""
        a, b = self.fractions["tau"], self.fractions["jet"]
        total = a + b
        return float(0.5 * np.sum(np.divide((a - b) ** 2, total, out=np.zeros_like(a), where=total > 0)))


def read_features(paths: Sequence[Path], max_rows: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Tau-level features and truth types, an equal share from the start of each file.

    The mixed sample is shuffled, so the start of a file is a fair sample of it.

    Args:
        paths: flat tuples.
        max_rows: most rows in total.

    Returns:
        Features by name, float32, shape (n,); truth types, shape (n,).
    """
    parts, types = [], []
    for path in paths:
        with FlatFile(path) as file:
            flat = file.read(0, min(file.entries, max(1, max_rows // len(paths))))
        parts.append(flat.taus)
        types.append(flat.index["tau_type"])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, np.concatenate(types)


def make_distribution(name: str, values: np.ndarray, types: np.ndarray, bins: int) -> Distribution:
    """Histogram one feature; values beyond the central 99% are in the outer bins.

    Args:
        name: the feature.
        values: float, shape (n,); NaN means not defined.
        types: truth types, shape (n,).
        bins: number of bins; bins of whole numbers have a whole width.

    Returns:
        Its distribution.
    """
    defined = np.isfinite(values)
    edges = _edges(values[defined], bins)
    fractions = {}
    for code, type_name in enumerate(TAU_TYPES):
        mine = values[defined & (types == code)].astype(np.float64)
        counts = np.histogram(np.clip(mine, edges[0], edges[-1]), edges)[0]
        fractions[type_name] = counts / max(counts.sum(), 1)
    return Distribution(name, edges, fractions, 1 - float(defined.mean()) if len(values) else 1.0)


def _edges(values: np.ndarray, bins: int) -> np.ndarray:
    if len(values) == 0:
        return np.array([0.0, 1.0])
    low, high = (float(q) for q in np.quantile(values, [0.005, 0.995]))
    if np.all(values == np.round(values)):
        # Each bin takes equally many whole numbers, or the histogram looks like a comb.
        width = max(1, int(np.ceil((high - low + 1) / bins)))
        return np.arange(np.floor(low), np.ceil(high) + 1 + width, width) - 0.5
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def features_section(inputs: ReportInputs) -> Section:
    """Distributions of tau-level features by truth type."""
    title = "Network inputs"
    if not inputs.flat:
        return Section("inputs", title, (missing("Flat tuples", "ProduceFlatTuples"),))
    config = inputs.config.report
    features, types = read_features([Path(p) for p in inputs.flat], config.max_rows)
    chosen = _chosen(features, config)
    found = [make_distribution(name, features[name], types, config.bins) for name in chosen]
    ordered = sorted(found, key=lambda d: (-d.separation, d.name))
    intro = Text(
        f"Raw values of {len(ordered)} inputs of the tau itself for {len(types)} candidates, each type normalised to "
        "one. The three that tell genuine taus from jets best are shown; choose others from the lists, which are "
        "ordered by separation (0: same shape, 1: no overlap)."
    )
    panels = [Plot(_selector(ordered, first)) for first in range(min(PANELS, len(ordered)))]
    return Section("inputs", title, (intro, Grid(tuple(panels), columns=PANELS)))


def _chosen(features: dict[str, np.ndarray], config: ReportConfig) -> list[str]:
    unknown = [name for name in config.features if name not in features]
    if unknown:
        raise ConfigError(
            f"report.features: no feature {', '.join(unknown)} in the flat tuples; known are {', '.join(features)}"
        )
    return list(config.features or features)


def _selector(distributions: list[Distribution], first: int) -> Any:
    """A figure with a list to choose the feature from."""
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, CustomJS, Select

    content = {d.name: _columns(d) for d in distributions}
    start = distributions[first]
    plot = new_figure(start.name, "Fraction per bin", y_range=None, height=270)
    legend, lines, sources = [], [], []
    for type_name in TAU_TYPES:
        source = ColumnDataSource({"x": content[start.name]["x"], "y": content[start.name][type_name]})
        line = plot.line(
            "x", "y", source=source, line_color=TYPE_COLOURS[type_name], line_width=2, name=TYPE_NAMES[type_name]
        )
        legend.append((TYPE_NAMES[type_name], [line]))
        lines.append(line)
        sources.append(source)
    add_legend(plot, legend, columns=2)
    add_hover(plot, lines, [("", "$name"), ("value", "$x{0.[000]}"), ("fraction", "@y{0.[0000]}")])
    options = [(d.name, f"{d.name}  ({d.separation:.2f}{_undefined(d)})") for d in distributions]
    select = Select(value=start.name, options=options, sizing_mode="stretch_width", styles={"font-family": FONT})
    code = """
        const chosen = content[this.value];
        sources.forEach((source, i) => { source.data = {x: chosen.x, y: chosen[types[i]]}; });
        axis.axis_label = this.value;
    """
    arguments = {"content": content, "sources": sources, "types": list(TAU_TYPES), "axis": plot.xaxis[0]}
    select.js_on_change("value", CustomJS(args=arguments, code=code))
    return column(select, plot, sizing_mode="stretch_width")


def _undefined(distribution: Distribution) -> str:
    return f", undefined for {percent(distribution.undefined)}" if distribution.undefined > 0.0005 else ""


def _columns(distribution: Distribution) -> dict[str, list[float]]:
    """Outlines with few digits, as JSON numbers."""
    columns = {}
    for type_name, values in distribution.fractions.items():
        x, y = step_outline(distribution.edges, values)
        columns["x"] = [float(f"{v:.5g}") for v in x]
        columns[type_name] = [float(f"{v:.3g}") for v in y]
    return columns
