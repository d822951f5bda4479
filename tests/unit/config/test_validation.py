from __future__ import annotations

import dataclasses

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from taumltools.config.compose import CONFIG_DIR
from taumltools.config.validation import AxisConfig, ValidationConfig

FILE = CONFIG_DIR / "validation" / "default.yaml"


def test_the_file_says_the_defaults():
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert TypeAdapter(ValidationConfig).validate_python(content) == ValidationConfig()
    assert set(content) == {field.name for field in dataclasses.fields(ValidationConfig)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chunks": 0}, "chunks"),
        ({"family_wise_error": 0}, "family_wise_error"),
        ({"family_wise_error": 0.5}, "family_wise_error"),
        ({"min_expected": 0}, "min_expected"),
        ({"max_bins": 1}, "max_bins"),
        ({"min_entries": 1}, "min_entries"),
        ({"formats": ["pdf", "gif"]}, r"unknown formats \['gif'\]"),
        ({"weight": "tau_pt"}, "'tau_pt' is the weight"),
        ({"variables": {"tau_pt": {"bins": 1, "limits": [0, 1]}}}, "two bins or more, found 1"),
        ({"variables": {"tau_pt": {"bins": 9, "limits": [1, 1]}}}, r"low < high, found \[1\.0, 1\.0\]"),
        ({"variables": {"tau_pt": {"bins": 9, "limits": [0, float("inf")]}}}, "two finite edges"),
        ({"variables": {"tau_pt": {"bins": 9, "limits": [0, 1], "log": True}}}, "begins above zero, found 0"),
        ({"chunk": 3}, "unexpected"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(ValidationConfig).validate_python(changes)


def test_an_axis_is_hashable_and_frozen():
    axis = AxisConfig(bins=3, limits=(0, 1))
    assert hash(axis) == hash(AxisConfig(bins=3, limits=(0.0, 1.0)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        axis.bins = 4  # type: ignore[misc]
