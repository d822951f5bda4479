from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from taumltools.config.evaluation import EvaluationConfig
from taumltools.config.plots import StyleConfig
from taumltools.errors import InputError
from taumltools.evaluation.artefact import array, to_text
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.performance import evaluate
from taumltools.evaluation.roc_data import curve_ratio, make_roc_plot
from taumltools.evaluation.roc_plot import draw_roc
from taumltools.plotstyle import region_text


@pytest.fixture(scope="module")
def runs(config: EvaluationConfig) -> list[dict]:
    """The same discriminator of two runs, and its reference."""
    now, before = mock_predictions(4000, seed=1), mock_predictions(4000, seed=2, separation=1.5)
    old = evaluate(before, config, "deeptau") | {"title": "Network (v0)", "model": "other"}
    return [evaluate(now, config, "deeptau"), evaluate(now, config, "charged_isolation"), old]


@pytest.fixture(scope="module")
def region(runs: list[dict]) -> dict:
    return runs[0]["curves"][0]["region"]


def test_reference_is_the_one_that_the_first_names(runs: list[dict], region: dict):
    content = make_roc_plot(runs, "jet", region)
    assert [one.is_reference for one in content.series] == [False, True, False]
    assert content.reference is content.series[1]
    stored = next(c for c in runs[0]["curves"] if c["vs"] == "jet")["ratio"]
    np.testing.assert_array_equal(content.series[0].ratio[1], stored["ratio"])
    assert content.series[2].ratio is not None, "of the stored curves, as the run is another"


def test_ratio_to_another_run(runs: list[dict], region: dict):
    content = make_roc_plot(runs, "jet", region, reference=2)
    tpr, ratio, error = content.series[0].ratio
    assert (ratio[(tpr > 0.8) & (tpr < 0.95)] < 1).all(), "separation grew"
    assert (error > 0).all()


def test_ratio_of_a_curve_to_itself_is_one(runs: list[dict]):
    curve = runs[0]["curves"][0]
    _, ratio, _ = curve_ratio(curve, curve)
    np.testing.assert_allclose(ratio, 1)


def test_ratio_is_exact_where_curves_are(runs: list[dict]):
    curve = next(c for c in runs[0]["curves"] if c["vs"] == "jet")
    half = curve | {
        key: [value / 2 for value in curve[key]]
        for key in ("false_positive_rate", "false_positive_rate_low", "false_positive_rate_high")
    }
    tpr, ratio, _ = curve_ratio(half, curve)
    np.testing.assert_allclose(ratio, 0.5)
    fpr, known = array(curve["false_positive_rate"]), array(curve["true_positive_rate"])
    assert tpr[0] == known[fpr > 0].min(), "nothing where no fakes are left"


def test_periods_are_in_titles_if_they_differ(runs: list[dict], region: dict):
    assert make_roc_plot(runs, "jet", region).period == "13.6 TeV"
    content = make_roc_plot([runs[0], runs[2] | {"period": "2018"}], "jet", region)
    assert content.period == ""
    assert [one.title for one in content.series] == ["Network, 13.6 TeV", "Network (v0), 2018"]


def test_reference_without_curve_is_refused(runs: list[dict], region: dict):
    with pytest.raises(InputError, match="'Charged isolation' has no ROC curve vs e"):
        make_roc_plot(runs, "e", region, reference=1)


def test_numbers_are_strict_json(runs: list[dict], region: dict):
    content = make_roc_plot(runs, "jet", region).as_json()
    assert json.loads(to_text(content)) == content
    assert content["reference"] == "Charged isolation"
    assert content["series"][0]["working_points"][0]["name"] == "VVVLoose"


def test_working_points_that_no_fake_passes_are_there(runs: list[dict], region: dict):
    """They vanished from plots and from the numbers beside them."""
    strict = copy.deepcopy(runs[0])
    point = next(w for w in strict["working_points"] if w["vs"] == "jet" and w["region"] == region)["points"][-1]
    point["misid"] |= {"value": 0.0, "low": 0.0, "high": 0.002}
    content = make_roc_plot([strict], "jet", region)
    assert [p["name"] for p in content.series[0].points] == [p["name"] for p in runs[0]["working_points"][0]["points"]]
    figure = draw_roc(content, StyleConfig())
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    assert [line.get_ydata()[-1] for line in marks] == [0.002]


def test_single_variables_have_no_points_of_their_own(runs: list[dict], region: dict):
    content = make_roc_plot(runs, "jet", region)
    assert content.series[1].points == ()
    given = runs[1] | {"points_from": "bits"}
    assert make_roc_plot([given], "jet", region).series[0].points


def test_datasets_are_named(runs: list[dict], config: EvaluationConfig, region: dict):
    assert region_text(region | {"datasets": "top"})[-1] == "top"
    assert replace(config, reference={}).reference == {}
