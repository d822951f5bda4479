"""Section on the fit: curves by epoch and final metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.plotstyle import SERIES_COLOURS, TYPE_COLOURS, TYPE_NAMES
from taumltools.report.content import Facts, Grid, Plot, Section, Text, missing, significant, thousands
from taumltools.report.figures import add_hover, add_legend, new_figure
from taumltools.report.inputs import ReportInputs, read_json
from taumltools.report.resources import duration

TRAIN_COLOUR, VALIDATION_COLOUR = SERIES_COLOURS[:2]

History = dict[str, np.ndarray]


@dataclass(frozen=True)
class Series:
    """One line of a plot against the epoch."""

    name: str
    values: np.ndarray
    colour: str
    dash: str


def training_section(inputs: ReportInputs) -> Section:
    """Loss and metrics by epoch for the training and the validation part."""
    title = "Training"
    if inputs.training is None:
        return Section("training", title, (missing("Training curves", "Training"),))
    folder = Path(inputs.training)
    history = {name: _clean(values) for name, values in read_json(folder / "history.json").items()}
    items: list[Any] = [Text(_what(inputs, history)), Grid(tuple(_panels(history)), columns=4)]
    metrics = folder / "metrics.json"
    if metrics.is_file():
        rows = tuple(_fact(name, value) for name, value in _flat(read_json(metrics)))
        items += [Text("Figures of the network that was kept:"), Facts(rows)]
    else:
        items.append(missing("Figures of the kept network", "Training"))
    return Section("training", title, tuple(items))


def _clean(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], float)


def _panels(history: History) -> list[Plot]:
    """Pairs of training and validation first, then the areas of all types together, then the rest."""
    epoch = history.get("epoch", np.arange(1, max((len(v) for v in history.values()), default=0) + 1))
    pairs = [name for name in history if f"val_{name}" in history]
    panels = []
    for name in pairs:
        series = [
            Series("training", history[name], TRAIN_COLOUR, "solid"),
            Series("validation", history[f"val_{name}"], VALIDATION_COLOUR, "dashed"),
        ]
        panels.append(Plot(_curves(epoch, _readable(name), series)))
    areas = {vs: history[f"val_auc_{vs}"] for vs in TYPE_COLOURS if f"val_auc_{vs}" in history}
    if areas:
        series = [Series(TYPE_NAMES[vs], v, TYPE_COLOURS[vs], "solid") for vs, v in areas.items()]
        panels.append(Plot(_curves(epoch, "AUC vs fakes, validation", series)))
    if "learning_rate" in history:
        series = [Series("learning rate", history["learning_rate"], TRAIN_COLOUR, "solid")]
        panels.append(Plot(_curves(epoch, "Learning rate", series)))
    return panels


def _what(inputs: ReportInputs, history: History) -> str:
    epochs = max((len(values) for values in history.values()), default=0)
    text = f"Network '{inputs.config.model.name}', {epochs} epochs"
    if "wall_s" in history:
        text += f" of {significant(float(np.mean(history['wall_s'])), 2)} s on average"
    losses = history.get("val_loss", np.array([]))
    if np.isfinite(losses).any():
        best = int(np.nanargmin(losses))
        text += f". The validation loss was lowest after epoch {best + 1} ({significant(float(losses[best]), 4)})"
    return text + "."


def _flat(content: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested metrics with joined names."""
    if isinstance(content, dict):
        return [leaf for key, value in content.items() for leaf in _flat(value, f"{prefix} {key}".strip())]
    return [(prefix, content)]


def _fact(name: str, value: Any) -> tuple[str, str]:
    """Name and value of one figure as text."""
    known = isinstance(value, int | float) and math.isfinite(value)
    return _readable(name), duration(value) if name == "wall_s" and known else _number(value)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return "–"
    return thousands(value) if isinstance(value, int) else significant(value, 4)


def _readable(name: str) -> str:
    """A column name as text.

    Examples:
        >>> _readable("val_auc_jet"), _readable("wall_s")
        ('Validation AUC jet', 'Wall time')
        >>> _readable("entries train e"), _readable("entries validation mu")
        ('Electrons for training', 'Muons for validation')
    """
    if name == "wall_s":
        return "Wall time"
    match name.split():
        case ["entries", part, kind] if kind in TYPE_NAMES:
            return f"{TYPE_NAMES[kind].capitalize()} for {'training' if part == 'train' else part}"
    words = name.replace("val_", "validation ").replace("auc", "AUC").replace("_", " ")
    return words[:1].upper() + words[1:]


def _curves(epoch: np.ndarray, label: str, series: list[Series]) -> Any:
    plot = new_figure("Epoch", label, height=260)
    if np.nanmax(np.abs(np.concatenate([one.values for one in series])), initial=0) < 0.01:
        from bokeh.models import PrintfTickFormatter

        plot.yaxis.formatter = PrintfTickFormatter(format="%.1e")
    legend, dots = [], []
    for one in series:
        line = plot.line(epoch, one.values, line_color=one.colour, line_width=2, line_dash=one.dash, name=one.name)
        marks = plot.scatter(epoch, one.values, color=one.colour, size=5, name=one.name)
        legend.append((one.name, [line, marks]))
        dots.append(marks)
    add_legend(plot, legend, columns=3)
    add_hover(plot, dots, [("", "$name"), ("epoch", "@x"), (label, "@y{0.[000000]}")])
    return plot
