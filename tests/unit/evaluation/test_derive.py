from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from taumltools.config.evaluation import EvaluationConfig, WorkingPointsConfig
from taumltools.errors import InputError
from taumltools.evaluation.derive import derive_content, derive_to_folder, load_thresholds, rounded_down, tau_sample
from taumltools.evaluation.frame import make_frame
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.table import Predictions
from taumltools.evaluation.working_points import Ordered, derive

REQUIRED = {"e": "VVVLoose", "mu": "VLoose", "jet": "VVVLoose"}


def gaussian_taus(sizes: dict[str, int], means: dict[str, float]) -> Predictions:
    """Genuine taus whose score vs jets is a Gaussian, of another mean in each dataset."""
    parts = []
    for seed, (name, size) in enumerate(sizes.items()):
        part = mock_predictions(size, seed, dataset=name)
        score = norm.cdf(np.random.default_rng(seed).normal(means[name], 1, size))
        outputs = np.zeros((size, 4))
        outputs[:, 2], outputs[:, 3] = score, 1 - score
        targets = np.zeros((size, 4), np.uint8)
        targets[:, 2] = 1
        parts.append(Predictions(**vars(part) | {"outputs": outputs, "targets": targets}))
    return Predictions.concatenate(parts)


def only_jet(config: EvaluationConfig, **options: object) -> EvaluationConfig:
    points = WorkingPointsConfig(targets={"jet": {"Loose": 0.8, "Tight": 0.4}}, **options)
    jet = replace(config.discriminators["deeptau"], vs=("jet",))
    return replace(config, working_points=points, discriminators={"deeptau": jet}, reference={})


def test_thresholds_of_a_gaussian(config: EvaluationConfig):
    """The threshold is the quantile, and the interval of the threshold holds it."""
    found = derive_content(gaussian_taus({"a": 60_000}, {"a": 0.0}), only_jet(config), "deeptau")
    for name, target in (("Loose", 0.8), ("Tight", 0.4)):
        point = found["summary"]["points"]["jet"][name]
        exact = 1 - target  # the score is uniform
        width = (point["threshold_high"] - point["threshold_low"]) / 2
        assert 0 < width < 0.02
        assert abs(point["threshold"] - exact) < 4 * width
        assert point["derived"]["value"] == pytest.approx(target, abs=1e-3)
        reported = point["reported"]
        assert abs(reported["value"] - target) < 4 * np.sqrt(2) * (reported["high"] - reported["low"]) / 2
        assert found["working_points"]["jet"][name] == point["threshold"]


def test_datasets_mix_by_luminosity_whatever_their_size(config: EvaluationConfig):
    """Two Gaussians with 3:1 luminosities: the efficiency is the mixture's, and n events more of one change nothing."""
    means, luminosity = {"a": 0.0, "b": 1.0}, {"a": 30.0, "b": 10.0}
    for sizes in ({"a": 20_000, "b": 60_000}, {"a": 60_000, "b": 20_000}):
        found = derive_content(gaussian_taus(sizes, means), only_jet(config, luminosity=luminosity), "deeptau")
        threshold = norm.ppf(found["working_points"]["jet"]["Tight"])
        mixture = 0.75 * norm.sf(threshold) + 0.25 * norm.sf(threshold - 1)
        assert mixture == pytest.approx(0.4, abs=0.012)
        taus = found["summary"]["taus"]
        assert taus["effective"] < taus["entries"]


def test_weights_and_luminosity_multiply(config: EvaluationConfig):
    predictions = gaussian_taus({"a": 2000, "b": 2000}, {"a": 0.0, "b": 0.0})
    predictions.columns["genEventWeight"][:] = np.where(predictions.dataset == 0, 7.0, 1.0)
    setup = only_jet(config, luminosity={"a": 1.0, "b": 1.0})
    plain = tau_sample(make_frame(predictions, setup), setup, derive=True)
    setup = replace(setup, weight="genEventWeight")
    weighted = tau_sample(make_frame(predictions, setup), setup, derive=True)
    np.testing.assert_allclose(weighted.weight, plain.weight)
    assert plain.weight is not None
    assert plain.weight.sum() == pytest.approx(1)


def test_datasets_without_luminosity_are_left_out(config: EvaluationConfig):
    predictions = gaussian_taus({"a": 2000, "b": 2000}, {"a": 0.0, "b": 5.0})
    both = derive_content(predictions, only_jet(config, luminosity={"a": 2.0}), "deeptau")
    alone = derive_content(predictions.take(predictions.dataset == 0), only_jet(config), "deeptau")
    assert both["working_points"] == alone["working_points"]


def test_luminosity_of_what_is_not_there(config: EvaluationConfig):
    predictions = gaussian_taus({"a": 2000}, {"a": 0.0})
    with pytest.raises(InputError, match=r"luminosity names nowhere, but there are only predictions of a"):
        derive_content(predictions, only_jet(config, luminosity={"nowhere": 1.0}), "deeptau")
    jets = mock_predictions(50, dataset="jets")
    jets.targets[:] = [0, 0, 0, 1]
    mixed = Predictions.concatenate([predictions, jets])
    with pytest.raises(InputError, match=r"luminosity\.jets: no genuine tau of this dataset"):
        derive_content(mixed, only_jet(config, luminosity={"a": 1.0, "jets": 1.0}), "deeptau")


@pytest.mark.parametrize(
    ("column", "values", "option"),
    [
        ("tau_eta", 2.0, {"abs_eta": 1.5}),
        ("tau_dz", 0.1, {"abs_dz": 0.05}),
        ("tau_decayMode", 10, {"no_decay_modes": (10,)}),
        ("tau_pt", 90.0, {}),
    ],
)
def test_selection_of_the_taus_that_define_thresholds(
    config: EvaluationConfig, column: str, values: float, option: dict
):
    """Taus outside of the selection change nothing, however they score."""
    predictions = gaussian_taus({"a": 4000}, {"a": 0.0})
    predictions.columns.update(tau_eta=np.zeros(4000), tau_dz=np.zeros(4000), tau_pt=np.full(4000, 50.0))
    predictions.columns["tau_decayMode"] = np.zeros(4000, np.int32)
    outside = np.arange(4000) % 3 == 0
    predictions.columns[column] = np.where(outside, values, predictions.columns[column])
    setup = only_jet(config, **option)
    before = derive_content(predictions, setup, "deeptau")["working_points"]
    predictions.outputs[outside] = [0, 0, 1, 0]
    assert derive_content(predictions, setup, "deeptau")["working_points"] == before


def test_folder_has_thresholds_history_and_summary(config: EvaluationConfig, tmp_path: Path):
    mock_predictions(6000, seed=4, separation=1.0).write(tmp_path / "p.h5")
    setup = replace(config, working_points=replace(config.working_points, required=REQUIRED, digits=4))
    account = derive_to_folder([tmp_path / "p.h5"], setup, "deeptau", tmp_path / "out")
    thresholds = load_thresholds(tmp_path / "out")
    assert list(thresholds["jet"]) == list(config.working_points.targets["jet"]), "loosest first"
    for points in thresholds.values():
        assert list(points.values()) == sorted(points.values())
        assert all(value == round(value, 4) for value in points.values())
    history = json.loads((tmp_path / "out" / "iterations.json").read_text())
    assert account == {"points_from": "derived", "iterations": len(history)}
    assert len(history) >= 2
    assert history[0]["largest_change"] is None
    assert history[-1]["largest_change"] < setup.working_points.tolerance <= history[-2]["largest_change"] or 0
    assert rounded_down(history[-1]["thresholds"], 4) == thresholds
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    for vs, points in summary["points"].items():
        for point in points.values():
            assert point["derived"]["value"] >= point["target"] - 1e-9, vs


def test_required_points_are_a_fixed_point(config: EvaluationConfig):
    """Deriving once more with the found points required gives them again: efficiencies are conditional."""
    predictions = mock_predictions(20_000, seed=8, separation=1.0)
    setup = replace(config, working_points=replace(config.working_points, required=REQUIRED))
    content = derive_content(predictions, setup, "deeptau")
    frame = make_frame(predictions, setup)
    from taumltools.evaluation.scores import vs_score

    scores = {vs: vs_score(frame.outputs, vs) for vs in ("e", "mu", "jet")}
    known = np.logical_and.reduce([np.isfinite(score) for score in scores.values()])
    rows = tau_sample(frame, setup, derive=True, known=known).rows
    found = content["working_points"]
    others = (scores["e"][rows] > found["e"]["VVVLoose"]) & (scores["mu"][rows] > found["mu"]["VLoose"])
    passed = scores["jet"][rows] > found["jet"]["Tight"]
    assert np.mean(passed[others]) == pytest.approx(0.6, abs=1 / others.sum())


def test_points_of_its_own_are_reported_too(config: EvaluationConfig):
    setup = replace(config.discriminators["deeptau"], vs=("jet",), thresholds={"jet": {"Loose": 0.3}})
    found = derive_content(
        gaussian_taus({"a": 20_000}, {"a": 0.0}), replace(config, discriminators={"x": setup}, reference={}), "x"
    )
    assert found["working_points"] == {"jet": {"Loose": 0.3}}
    assert (found["iterations"], found["summary"]["points_from"]) == ([], "thresholds")
    assert found["summary"]["points"]["jet"]["Loose"]["reported"]["value"] == pytest.approx(0.7, abs=0.03)


def test_unreadable_thresholds(tmp_path: Path):
    with pytest.raises(InputError, match="run DeriveWorkingPoints again"):
        load_thresholds(tmp_path)


@given(st.floats(0, 0.9999), st.integers(1, 6))
def test_rounding_never_tightens(value: float, digits: int):
    found = rounded_down({"e": {"x": value}}, digits)["e"]["x"]
    assert found <= value < found + 10.0**-digits * (1 + 1e-9)
    assert rounded_down({"e": {"x": value}}, None)["e"]["x"] == value


def test_ties_are_taken_together():
    """With half of the taus at one score, the threshold lies below all of them or at them."""
    score = np.array([0.5] * 50 + [0.9] * 50)
    assert Ordered(score).thresholds([0.5, 0.51, 0.4]) == [0.5, np.nextafter(0.5, -np.inf), 0.5]


def test_weight_of_nothing_is_refused():
    with pytest.raises(InputError, match="all of them have the weight 0"):
        Ordered(np.array([0.1, 0.2]), np.zeros(2)).thresholds([0.5])


def test_a_subset_is_sorted_like_a_sample_of_its_own():
    rng = np.random.default_rng(2)
    score, weight, used = rng.integers(0, 30, 500) / 30, rng.random(500), rng.random(500) < 0.4
    targets = [0.2, 0.5, 0.9, 0.999]
    expected = Ordered(score[used], weight[used]).thresholds(targets)
    assert Ordered(score, weight).thresholds(targets, used) == expected


def test_history_ends_with_what_is_returned():
    rng = np.random.default_rng(1)
    common = rng.random(5000)
    scores = {vs: 0.5 * common + 0.5 * rng.random(5000) for vs in ("e", "jet")}
    targets = {"e": {"L": 0.9}, "jet": {"L": 0.9, "T": 0.4}}
    found = derive(scores, targets, None, {"e": "L", "jet": "L"})
    assert found.iterations[-1] == found.thresholds
    changes = found.changes()
    assert changes[0] is None
    assert changes[-1] is not None
    assert changes[-1] < 1e-5
    assert len(derive(scores, targets).iterations) == 1, "independent types need no second iteration"
