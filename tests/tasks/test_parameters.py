"""Amounts with units on the command line."""

from __future__ import annotations

import pytest

from tasks.parameters import AmountParameter, TimeParameter


@pytest.mark.parametrize(
    ("text", "mb"), [("3000", 3000), ("3GB", 3000), ("2 gib", 2048), ("1.5G", 1500), ("-1", -1), ("7MB", 7)]
)
def test_amounts_are_in_mb(text, mb):
    assert AmountParameter().parse(text) == mb


@pytest.mark.parametrize("text", ["3 bananas", "GB", "", "1.2.3"])
def test_wrong_amount_ends_with_what_is_expected(text):
    with pytest.raises(SystemExit, match=r"give MB, e\.g\. 3000, or 3GB"):
        AmountParameter().parse(text)


@pytest.mark.parametrize(("text", "hours"), [("2", 2.0), ("30m", 0.5), ("90s", 0.025), ("1:30:00", 1.5)])
def test_times_are_in_their_unit(text, hours):
    assert TimeParameter(unit="h").parse(text) == pytest.approx(hours)


def test_wrong_time_ends_with_what_is_expected():
    with pytest.raises(SystemExit, match="'soon' is no time"):
        TimeParameter(unit="h").parse("soon")


def test_serialised_times_are_read_back():
    parameter = TimeParameter(unit="h")
    assert parameter.parse(parameter.serialize(0.0012)) == pytest.approx(0.0012, abs=3e-4)
