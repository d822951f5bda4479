"""Bokeh figures in one look: size, fonts, grid, legend, hover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.plotstyle import log_ticks

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, MUTED, HAIRLINE = "#1b1f24", "#59636e", "#e4e7eb"

POINTS = 240
"""Points of a curve on the page; about one for each pixel of a panel."""

HEIGHT = 300
"""Height of a plot in pixels; the width follows the page."""


def new_figure(
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    x_range: Any = None,
    y_range: Any = None,
    height: int = HEIGHT,
) -> Any:
    """An empty figure as wide as its place on the page.

    Args:
        x_label: label with unit.
        y_label: label with unit.
        log_x: logarithmic x axis.
        log_y: logarithmic y axis.
        x_range: limits, a bokeh range, or names of categories; None follows the data.
        y_range: the same.
        height: in pixels.

    Returns:
        ``bokeh.plotting.figure``.
    """
    from bokeh.plotting import figure

    ranges = {name: value for name, value in (("x_range", x_range), ("y_range", y_range)) if value is not None}
    plot = figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="log" if log_x else "auto",
        y_axis_type="log" if log_y else "auto",
        x_axis_label=x_label,
        y_axis_label=y_label,
        tools="pan,box_zoom,reset,save",
        toolbar_location="above",
        **ranges,
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.toolbar_inner = True
    # Without an active drag tool a finger on a plot scrolls the page.
    plot.toolbar.active_drag = None
    plot.outline_line_color = None
    plot.min_border_right = 12
    plot.background_fill_color = plot.border_fill_color = None
    for axis in plot.axis:
        axis.axis_line_color = axis.major_tick_line_color = MUTED
        axis.minor_tick_line_color = None
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "13px", "12px"
        axis.axis_label_text_color, axis.major_label_text_color = INK, MUTED
    plot.grid.grid_line_color = HAIRLINE
    if log_x:
        _round_ticks(plot.xaxis[0])
    return plot


def start_at_zero(plot: Any) -> None:
    """A linear y axis from zero, with counts written out."""
    from bokeh.models import NumeralTickFormatter

    plot.y_range.start = 0
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0")


def more_ticks(plot: Any, low: float, high: float) -> None:
    """Ticks of a short logarithmic y axis that shows ``low`` to ``high``."""
    from bokeh.models import FixedTicker, NumeralTickFormatter

    plot.yaxis.ticker = FixedTicker(ticks=log_ticks(low, high))
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0000]")


def _round_ticks(axis: Any) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, written out."""
    from bokeh.models import FixedTicker, NumeralTickFormatter

    axis.ticker = FixedTicker(ticks=[digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5)])
    axis.formatter = NumeralTickFormatter(format="0[.]000")


def name_values(plot: Any, names: Sequence[str]) -> None:
    """Names in the middle of bins of single values."""
    plot.xaxis.ticker = [i + 0.5 for i in range(len(names))]
    plot.xaxis.major_label_overrides = {i + 0.5: name for i, name in enumerate(names)}


def sequential_colours(count: int) -> list[str]:
    """Colours from light to dark for an ordered family of curves (viridis, without its yellow end)."""
    from bokeh.palettes import Viridis256

    return [Viridis256[i] for i in np.linspace(215, 0, max(count, 2)).astype(int)[:count]]


def add_title(plot: Any, text: str) -> None:
    """A small heading inside of the figure."""
    from bokeh.models import Title

    plot.title = Title(text=text, text_font=FONT, text_font_size="13px", text_font_style="normal", text_color=INK)


def add_legend(plot: Any, entries: Sequence[tuple[str, Sequence[Any]]], *, columns: int = 4) -> None:
    """A legend above the plot; a click on an entry shows or hides it.

    Args:
        plot: the figure.
        entries: label and renderers of each entry.
        columns: entries beside each other.
    """
    from bokeh.models import Legend, LegendItem

    legend = Legend(
        items=[LegendItem(label=label, renderers=list(renderers)) for label, renderers in entries],
        click_policy="hide",
        orientation="horizontal",
        ncols=columns,
        border_line_color=None,
        background_fill_color=None,
        label_text_font=FONT,
        label_text_font_size="12px",
        label_text_color=INK,
        glyph_width=18,
        glyph_height=14,
        label_standoff=4,
        spacing=8,
        margin=0,
        padding=2,
        location="left",
    )
    plot.add_layout(legend, "above")


def add_hover(plot: Any, renderers: Sequence[Any], tooltips: Sequence[tuple[str, str]], mode: str = "mouse") -> None:
    """Show numbers under the pointer.

    Args:
        plot: the figure.
        renderers: what to point at.
        tooltips: label and format, as bokeh has them.
        mode: ``mouse`` or ``vline``.
    """
    from bokeh.models import HoverTool

    plot.add_tools(HoverTool(renderers=list(renderers), tooltips=list(tooltips), mode=mode, attachment="horizontal"))


def step_outline(edges: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corner points of a histogram's outline.

    Args:
        edges: bin edges, shape (k + 1,).
        values: contents, shape (k,).

    Returns:
        x and y of the outline, shape (2 k,) each.

    Examples:
        >>> x, y = step_outline(np.array([0, 1, 2]), np.array([5.0, 7.0]))
        >>> x.tolist(), y.tolist()
        ([0, 1, 1, 2], [5.0, 5.0, 7.0, 7.0])
    """
    return np.repeat(edges, 2)[1:-1], np.repeat(values, 2)


def without_zeros(values: np.ndarray) -> np.ndarray:
    """Zeros become NaN, so that a log axis leaves a gap."""
    return np.where(values > 0, values, np.nan)


def thin(*columns: np.ndarray, points: int = POINTS) -> list[np.ndarray]:
    """At most ``points`` rows of columns, evenly spread, first and last kept."""
    size = len(columns[0])
    keep = np.unique(np.linspace(0, size - 1, min(points, size)).astype(int)) if size else np.array([], int)
    return [column[keep] for column in columns]


def float_source(**columns: np.ndarray) -> Any:
    """A data source in float32: enough for the eye, half the bytes."""
    from bokeh.models import ColumnDataSource

    return ColumnDataSource({name: np.asarray(values, np.float32) for name, values in columns.items()})
