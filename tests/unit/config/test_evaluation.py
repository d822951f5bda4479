from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from taumltools.config.evaluation import AxesConfig, EvaluationConfig, StyleConfig
from taumltools.config.report import ReportConfig

READ = TypeAdapter(EvaluationConfig)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"discriminators": {"a": {"title": "A", "vs": ["tau"]}}}, "must name at least one of e, mu, jet"),
        ({"discriminators": {"a": {"title": "A", "vs": []}}}, "must name at least one"),
        ({"reference": {"jet": "b"}}, r"reference\.jet: no discriminator 'b'; known are none"),
        (
            {"discriminators": {"a": {"title": "A", "vs": ["e"]}}, "reference": {"jet": "a"}},
            "'a' is not meant for 'jet'",
        ),
        ({"working_points": {"fraction": 1.0}}, "between 0 and 1, found 1.0"),
        ({"working_points": {"targets": {"tau": {}}}}, r"targets\.tau: must be one of"),
        ({"working_points": {"targets": {"jet": {"Loose": 80}}}}, r"targets\.jet\.Loose: an efficiency is between"),
        ({"working_points": {"required": {"e": "Odd"}}}, r"required\.e: no working point 'Odd'"),
        ({"efficiency": {"tau_pt": {"edges": [30, 20], "label": "x"}}}, "strictly increasing edges"),
        ({"regions": {"pt": []}}, "needs at least one bin"),
        ({"unknown": 1}, "Unexpected keyword"),
        ({"discriminators": {"a": {"title": "A", "score": ""}}}, "needs a score, or bits"),
        ({"discriminators": {"a": {"title": "A", "bits": "b"}}}, "bits and bit_points need each other"),
        (
            {"discriminators": {"a": {"title": "A", "bits": "b", "bit_points": {"e": ["Odd"]}}}},
            r"bit_points\.e: \['Odd'\] are not among VVVLoose",
        ),
        (
            {"discriminators": {"a": {"title": "A", "vs": ["e"], "thresholds": {"mu": {"Loose": 0.5}}}}},
            r"thresholds\.mu: the discriminator is meant for e",
        ),
        ({"efficiency": {"x": {"values": [0, 1], "edges": [0, 1]}}}, "values have a bin each"),
        ({"efficiency": {"x": {"values": [0, 0]}}}, "values are repeated"),
        ({"efficiency": {"x": {"values": [0, 1], "names": ["a"]}}}, "needs a name for each of 2 values, found 1"),
        ({"efficiency": {"x": {"edges": [0, 1], "names": ["a"]}}}, "names are those of values"),
        ({"working_points": {"targets": {"jet": {"Tight": 0.4, "Loose": 0.8}}}}, "loosest working point"),
        ({"working_points": {"luminosity": {"a": 0}}}, r"luminosity\.a: must be above 0"),
        ({"working_points": {"max_iterations": 1}}, "max_iterations at least 2"),
        ({"working_points": {"digits": 0}}, "digits must be at least 1"),
        ({"required": {"numerator": True}}, "needs points"),
        ({"required": {"points": {"e": "Loose"}, "denominator": True}}, "set numerator too"),
        ({"required": {"points": {"tau": "Loose"}}}, r"points\.tau: must be one of"),
        ({"regions": {"datasets": {"a": {"photon": ["x"]}}}}, "found photon"),
    ],
)
def test_wrong_settings(content: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        READ.validate_python(content)


def test_defaults_are_the_working_points_of_cms():
    targets = EvaluationConfig().working_points.targets
    assert targets["jet"]["Loose"] == 0.8
    assert targets["e"]["VVVLoose"] == 0.995
    assert list(targets["mu"]) == ["VLoose", "Loose", "Medium", "Tight"]
    for points in targets.values():
        assert list(points.values()) == sorted(points.values(), reverse=True)


def test_axes_have_defaults():
    style = StyleConfig(axes={"jet": AxesConfig(efficiency=(0.3, 1.0))})
    assert style.axes_of("jet").efficiency == (0.3, 1.0)
    assert style.axes_of("e") == AxesConfig()


@pytest.mark.parametrize("name", ["max_rows", "bins"])
def test_report_limits(name: str):
    with pytest.raises(ValidationError, match="must be at least 1, found 0"):
        TypeAdapter(ReportConfig).validate_python({name: 0})
