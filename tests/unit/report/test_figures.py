from __future__ import annotations

import numpy as np
import pytest
from bokeh.models import FixedTicker, HoverTool, LogScale
from hypothesis import given
from hypothesis import strategies as st

from taumltools.report.figures import (
    POINTS,
    add_hover,
    add_legend,
    add_title,
    float_source,
    new_figure,
    step_outline,
    thin,
    without_zeros,
)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_outline_encloses_the_area_of_the_histogram(contents: list[float]):
    values = np.array(contents)
    edges = np.cumsum(np.arange(1.0, len(values) + 2))
    x, y = step_outline(edges, values)
    assert np.trapezoid(y, x) == pytest.approx(np.sum(values * np.diff(edges)))
    assert (x[0], x[-1], len(x)) == (edges[0], edges[-1], 2 * len(values))


def test_zeros_leave_a_gap():
    np.testing.assert_array_equal(without_zeros(np.array([0.0, 2.0, -1.0, np.nan])), [np.nan, 2, np.nan, np.nan])


@given(st.integers(1, 2000), st.integers(2, 300))
def test_thinning_keeps_ends_order_and_limit(size: int, points: int):
    x, y = thin(np.arange(size), -np.arange(size), points=points)
    assert len(x) <= min(points, size)
    assert (x[0], x[-1]) == (0, size - 1)
    assert (np.diff(x) > 0).all()
    np.testing.assert_array_equal(y, -x)


def test_curves_have_few_points_by_default():
    assert len(thin(np.arange(10 * POINTS))[0]) == POINTS


def test_sources_take_half_of_the_bytes():
    source = float_source(x=np.arange(5), y=np.linspace(0, 1, 5))
    assert {column.dtype for column in source.data.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(("log_x", "log_y"), [(False, False), (True, False), (False, True), (True, True)])
def test_axes_are_what_was_asked_for(log_x: bool, log_y: bool):
    plot = new_figure("pT [GeV]", "Entries", log_x=log_x, log_y=log_y)
    assert (isinstance(plot.x_scale, LogScale), isinstance(plot.y_scale, LogScale)) == (log_x, log_y)
    assert (plot.xaxis[0].axis_label, plot.yaxis[0].axis_label) == ("pT [GeV]", "Entries")
    assert isinstance(plot.xaxis[0].ticker, FixedTicker) == log_x


def test_ticks_of_a_log_axis_are_round_numbers():
    ticks = new_figure("x", "y", log_x=True).xaxis[0].ticker.ticks
    assert {20, 50, 100, 200, 500, 1000} <= {round(tick, 9) for tick in ticks}
    assert all(f"{tick:.0e}"[0] in "125" for tick in ticks)


def test_a_finger_scrolls_the_page_and_not_the_plot():
    plot = new_figure("x", "y")
    assert plot.toolbar.active_drag is None
    assert plot.toolbar.logo is None
    assert plot.sizing_mode == "stretch_width"


def test_limits_and_categories():
    plot = new_figure("x", "", x_range=(0.2, 1.0), y_range=["b", "a"])
    assert (plot.x_range.start, plot.x_range.end) == (0.2, 1.0)
    assert plot.y_range.factors == ["b", "a"]


def test_legend_hides_what_is_clicked_and_hover_points_at_its_lines():
    plot = new_figure("x", "y")
    add_title(plot, "Ratio")
    lines = [plot.line([0, 1], [0, k], name=str(k)) for k in range(3)]
    add_legend(plot, [(line.name, [line]) for line in lines], columns=2)
    add_hover(plot, lines[:2], [("", "$name")])
    (legend,) = plot.legend
    assert [item.label.value for item in legend.items] == ["0", "1", "2"]
    assert (legend.click_policy, legend.ncols) == ("hide", 2)
    (hover,) = plot.select(HoverTool)
    assert list(hover.renderers) == lines[:2]
    assert plot.title.text == "Ratio"
