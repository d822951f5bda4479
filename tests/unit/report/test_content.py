from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.report.content import Grid, Plot, Tabs, Text, percent, plots, significant, thousands


def test_plots_are_found_in_page_order():
    a, b, c = (Plot(name) for name in "abc")
    items = [Text("x"), a, Tabs("t", (("one", (Grid((b,)),)), ("two", (c,)))), Grid(())]
    assert list(plots(items)) == [a, b, c]


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "100%"), (0.5, "50%"), (1e-6, "0.0001%"), (0.0, "0%"), (0.99999, "100%"), (None, "–")]
)
def test_percent(value: float | None, text: str):
    assert percent(value) == text


@given(st.integers(0, 10**12))
def test_thousands_keep_the_number(value: int):
    assert int(thousands(value).replace("\u202f", "")) == value


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (123456.0, "123\u202f000"), (0.00012345, "0.000123")])
def test_significant(value: float, text: str):
    assert significant(value) == text
