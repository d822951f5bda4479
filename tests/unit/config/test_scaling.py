"""Settings of feature scaling."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from taumltools.config import load_campaign
from taumltools.config.scaling import LimitsConfig, ScalingConfig, ScalingPlotsConfig


def test_the_campaign_has_the_defaults_of_the_code():
    assert load_campaign("demo").scaling == ScalingConfig()


def test_the_legacy_choice_is_available_by_name():
    assert load_campaign("demo", "scaling.measured_on=legacy").scaling.measured_on == "legacy"


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (ScalingConfig, {"measured_on": "all"}, "'fed' or 'legacy'"),
        (LimitsConfig, {"infinite": 1.5}, "less than or equal to 1"),
        (LimitsConfig, {"infinite": -0.1}, "greater than or equal to 0"),
        (ScalingPlotsConfig, {"parts_per_step": 0}, "greater than or equal to 1"),
        (ScalingPlotsConfig, {"formats": ("gif",)}, r"unknown formats \['gif'\]"),
    ],
)
def test_wrong_settings_are_refused(kind, change, message):
    with pytest.raises(ValidationError, match=message):
        kind(**change)
