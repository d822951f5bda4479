from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.report.content import Grid, Plot, Tabs, Text, percent, plots, significant, thousands
from taumltools.report.resources import duration


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


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(123.4, 2, "120"), (99.9, 2, "100"), (999.9, 3, "1\u202f000"), (-1500.0, 2, "-1\u202f500"), (3e-7, 1, "3e-07")],
)
def test_large_numbers_have_no_exponent(value: float, digits: int, text: str):
    assert significant(value, digits) == text


@given(st.floats(1e-3, 1e9), st.integers(1, 6))
def test_significant_keeps_the_number_to_its_digits(value: float, digits: int):
    found = float(significant(value, digits).replace("\u202f", ""))
    assert abs(found - value) <= 0.5001 * 10.0 ** (math.floor(math.log10(value)) - digits + 1) + (value >= 1000)


@given(st.floats(1e-5, 1))
def test_percent_is_the_number_to_two_digits(value: float):
    assert float(percent(value).rstrip("%")) / 100 == pytest.approx(value, rel=0.051)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.97, "1 min 00 s"), (3599.6, "1 h 00 min"), (360000.0, "100 h 00 min")],
)
def test_duration_never_shows_sixty(seconds: float, text: str):
    assert duration(seconds) == text
