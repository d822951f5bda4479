from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.evaluation import DiscriminatorConfig, EvaluationConfig
from taumltools.errors import ConfigError
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.scores import check_columns, discriminator_score, required_columns, vs_score

probabilities = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4)


@given(probabilities)
def test_vs_score_is_its_formula(outputs: list[float]):
    for position, vs in ((0, "e"), (1, "mu"), (3, "jet")):
        score = float(vs_score(np.array([outputs], np.float64), vs)[0])
        tau, fake = outputs[2], outputs[position]
        assert score == (0 if tau == 0 else pytest.approx(tau / (tau + fake)))


def test_not_scored_stays_nan_and_dtype_is_kept():
    score = vs_score(np.full((2, 4), np.nan, np.float32), "mu")
    assert np.isnan(score).all()
    assert score.dtype == np.float32


def test_expression_is_evaluated_on_columns():
    predictions = mock_predictions(50)
    score = discriminator_score(
        DiscriminatorConfig(title="x", vs=("jet",), score="-tau_chargedIsoPtSum / tau_pt"),
        "jet",
        predictions.outputs,
        predictions.columns,
    )
    np.testing.assert_allclose(score, -predictions.columns["tau_chargedIsoPtSum"] / predictions.columns["tau_pt"])


def test_constant_expression_has_one_value_per_entry():
    predictions = mock_predictions(5)
    score = discriminator_score(
        DiscriminatorConfig(title="x", score="1"), "e", predictions.outputs, predictions.columns
    )
    assert score.tolist() == [1.0] * 5


def test_demo_copies_what_it_needs(config: EvaluationConfig):
    assert set(required_columns(config)) <= set(config.columns)
    check_columns(config, config.columns)


def test_missing_columns_are_named(config: EvaluationConfig):
    with pytest.raises(ConfigError, match=r"needs tau_e_ratio \(discriminators ecal_fraction\), .*evaluation.columns"):
        check_columns(config, [name for name in config.columns if name != "tau_e_ratio"])


def test_wrong_expression_names_the_discriminator():
    config = EvaluationConfig(discriminators={"odd": DiscriminatorConfig(title="x", score="import os")})
    with pytest.raises(ConfigError, match=r"evaluation\.discriminators\.odd"):
        required_columns(config)
