"""Every limit of every setting: the last good value is taken, the first bad one is refused by name."""

from __future__ import annotations

import dataclasses
import math
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from taumltools.config.evaluation import AxesConfig, CutsConfig, EvaluationConfig, RegionsConfig, WorkingPointsConfig
from taumltools.config.features import ScalingRule
from taumltools.config.model import ModelConfig
from taumltools.config.production import Fraction, NonNegative, Positive, ProductionConfig
from taumltools.config.training import TrainingConfig

BAD = {Fraction: (-0.001, 1.001, math.nan), Positive: (0.0, -1.0, math.nan), NonNegative: (-0.001, math.nan)}
GOOD = {Fraction: (0.0, 1.0), Positive: (1e-9,), NonNegative: (0.0, 1e9)}


def limited_fields(kinds):
    """(section, field, value) of all limited numbers of the production settings."""
    for section in dataclasses.fields(ProductionConfig):
        part = getattr(ProductionConfig(), section.name)
        if not dataclasses.is_dataclass(part):
            continue
        hints = typing.get_type_hints(type(part), include_extras=True)
        for name, hint in hints.items():
            yield from ((type(part), name, value) for kind, values in kinds.items() if hint == kind for value in values)


def test_all_limited_numbers_of_the_production_are_found():
    assert len({(cls, name) for cls, name, _ in limited_fields(GOOD)}) > 90


@pytest.mark.parametrize(("cls", "name"), sorted({(c, n) for c, n, _ in limited_fields(BAD)}, key=str))
def test_production_numbers_have_limits(cls, name):
    for _, _, value in (f for f in limited_fields(GOOD) if f[:2] == (cls, name)):
        assert getattr(cls(**{name: value}), name) == value
    for _, _, value in (f for f in limited_fields(BAD) if f[:2] == (cls, name)):
        with pytest.raises(ValidationError) as caught:
            cls(**{name: value})
        assert caught.value.errors()[0]["loc"] == (name,)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate", "step_epochs", "window"])
@pytest.mark.parametrize("value", [0, -3])
def test_numbers_of_a_fit_are_positive(name, value):
    with pytest.raises(ValidationError, match=f"{name} must be positive and finite, found {value}"):
        TrainingConfig(**{name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": math.inf}, "learning_rate must be positive and finite, found inf"),
        ({"learning_rate": math.nan}, "learning_rate must be positive and finite, found nan"),
        ({"clip_norm": -1}, "clip_norm must not be negative, found -1"),
        ({"patience": -1}, "patience must not be negative, found -1"),
        ({"weight_decay": -1e-4}, "weight_decay must not be negative, found -0.0001"),
        ({"cache_mb": -1}, "cache_mb must not be negative, found -1"),
        ({"scale_factors": (1, math.nan, 1, 1)}, "scale_factors must be positive"),
        ({"scale_factors": (1, -1, 1, 1)}, "scale_factors must be positive"),
        ({"scale_factors": (1, 1, 1)}, "scale_factors"),
        ({"validation_fraction": 1.0}, "validation_fraction must be between 0 and 1, found 1.0"),
        ({"epochs": 2.5}, "valid integer"),
        ({"optimizer": "sgd"}, "'adam', 'adamw' or 'nadam'"),
        ({"schedule": "linear"}, "'cosine', 'constant' or 'step'"),
        ({"class_weights": "even"}, "'none', 'balanced' or 'spectra'"),
        ({"composition": (1, 1, 1)}, r"composition needs four positive shares, .* found \[1.0, 1.0, 1.0\]"),
        ({"composition": (1, 1, 0, 1)}, "composition needs four positive shares"),
        (
            {
                "adversarial": {"samples": {"a": {"data": True, "files": ["/a"]}, "b": {"files": ["/b"]}}},
                "precision": "mixed_float16",
            },
            "domain adaptation does not scale its losses",
        ),
        ({"workers": -1}, "workers must be between 0 and 64, found -1"),
        ({"spectra": {"weight_thr": 0.5}}, "weight_thr must be at least 1"),
        ({"tracking": {"experimnt": "x"}}, "experimnt"),
    ],
)
def test_wrong_fits(change, message):
    with pytest.raises(ValidationError, match=message):
        TrainingConfig(**change)


def test_last_good_values_of_a_fit():
    config = TrainingConfig(
        epochs=1, batch_size=1, patience=0, weight_decay=0.0, cache_mb=0, scale_factors=(0, 0, 1, 0)
    )
    assert config.scale_factors == (0.0, 0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"object_units": ()}, r"object_units needs at least one positive width, found \(\)"),
        ({"tau_units": (64, 0)}, r"tau_units needs at least one positive width, found \(64, 0\)"),
        ({"dense_units": (-1,)}, "dense_units needs at least one positive width"),
        ({"attention_heads": 0}, "attention_heads must be at least 1, found 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), found 1.0"),
        ({"dropout": math.nan}, r"dropout must be in \[0, 1\), found nan"),
        ({"activation": "step"}, "'relu', 'gelu', 'silu' or 'tanh'"),
        ({"units": (8,)}, "units"),
        (
            {"name": "transformer", "dropout": 0.3},
            "model.dropout is of the network deepset; transformer reads nothing but",
        ),
        ({"name": "deeptau", "dense_units": (8,)}, "model.deeptau, which has tau, component, merge, windows, dense"),
        ({"name": "deepset", "deeptau": {}}, "model.deeptau is of the network deeptau, which deepset does not read"),
        ({"name": "particle_net", "transformer": {}}, "model.transformer is of the network transformer"),
    ],
)
def test_wrong_networks(change, message):
    with pytest.raises(ValidationError, match=message):
        ModelConfig(**change)


def test_networks_of_developers_read_what_they_like():
    assert ModelConfig(name="summed", dropout=0.3, deeptau={}).dropout == 0.3


@pytest.mark.parametrize(
    ("cls", "name", "nested"),
    [
        (CutsConfig, "pt", False),
        (WorkingPointsConfig, "pt", False),
        *((AxesConfig, name, False) for name in ("efficiency", "misid", "ratio")),
        (RegionsConfig, "pt", True),
        (RegionsConfig, "abs_eta", True),
    ],
)
@pytest.mark.parametrize("ends", [(30.0, 20.0), (20.0, 20.0), (math.nan, 20.0)])
def test_ranges_that_hold_nothing_are_refused(cls, name, nested, ends):
    with pytest.raises(ValidationError, match="a range needs its lower end first"):
        cls(**{name: (ends,) if nested else ends})


@pytest.mark.parametrize(("name", "last"), [("curve_points", 2), ("score_bins", 1)])
def test_plots_need_points(name, last):
    assert getattr(EvaluationConfig(**{name: last}), name) == last
    with pytest.raises(ValidationError, match=f"greater than or equal to {last}"):
        EvaluationConfig(**{name: last - 1})


numbers = st.floats(allow_nan=False) | st.none()


@settings(deadline=None)
@given(
    st.sampled_from(["none", "linear", "normal", "categorical"]), numbers, numbers, st.floats(-9, 9), st.floats(-9, 9)
)
def test_scaling_rules_are_accepted_exactly_if_they_can_be_applied(kind, low, high, lo, hi):
    has = low is not None and high is not None
    good = lo < hi and (has and low < high if kind == "linear" else low is None and high is None)
    arguments = {"type": kind, "min": low, "max": high, "lo": lo, "hi": hi}
    if good:
        rule = ScalingRule(**arguments)
        again = TypeAdapter(ScalingRule).validate_python(dataclasses.asdict(rule))
        assert again == rule
    else:
        with pytest.raises(ValidationError, match="scaling"):
            ScalingRule(**arguments)
