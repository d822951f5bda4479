from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from taumltools.config.evaluation import EvaluationConfig, RegionsConfig
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.artefact import load_performance, save_performance
from taumltools.evaluation.frame import make_frame
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.performance import evaluate, evaluate_to_folder
from taumltools.evaluation.scores import vs_score
from taumltools.evaluation.table import Predictions

ENTRIES = 6000


@pytest.fixture(scope="module")
def predictions() -> Predictions:
    return mock_predictions(ENTRIES, seed=5)


@pytest.fixture(scope="module")
def network(predictions: Predictions, config: EvaluationConfig) -> dict:
    return evaluate(predictions, config, "deeptau")


def test_one_curve_for_each_type_and_region(network: dict):
    assert [(c["vs"], c["region"]["pt"]) for c in network["curves"]] == [
        (vs, pt) for vs in ("e", "mu", "jet") for pt in ([20, 1000], [20, 50], [50, 100], [100, 1000])
    ]


def test_area_is_that_of_sklearn(network: dict, predictions: Predictions, config: EvaluationConfig):
    frame = make_frame(predictions, config)
    score = vs_score(frame.outputs, "jet")
    used = frame.pair("jet") & np.isfinite(score)
    curve = next(c for c in network["curves"] if c["vs"] == "jet")
    assert curve["auc"] == pytest.approx(roc_auc_score(frame.is_tau[used], score[used]))
    assert curve["n_tau"] + curve["n_fake"] == used.sum()


def test_entries_without_score_are_counted(network: dict, predictions: Predictions, config: EvaluationConfig):
    frame = make_frame(predictions, config)
    expected = (frame.pair("mu") & np.isnan(frame.outputs).any(axis=1)).sum()
    assert network["entries"]["not_scored"]["mu"] == expected > 0
    assert network["entries"]["read"] == ENTRIES


def test_working_points_reach_their_targets(network: dict):
    points = next(e["points"] for e in network["working_points"] if e["vs"] == "jet")
    assert [p["name"] for p in points][:2] == ["VVVLoose", "VVLoose"]
    thresholds = [p["threshold"] for p in points]
    assert thresholds == sorted(thresholds)
    for point in points:
        found = point["efficiency"]
        width = max(found["high"] - found["low"], 0.01)
        assert abs(found["value"] - point["target"]) < 4 * width
        assert point["misid"]["low"] <= point["misid"]["value"] <= point["misid"]["high"]


def test_working_points_are_measured_on_the_other_half(
    network: dict, predictions: Predictions, config: EvaluationConfig
):
    frame = make_frame(predictions, config)
    score = vs_score(frame.outputs, "e")
    taus = frame.is_tau & ~frame.derive & np.isfinite(score)
    point = next(e["points"] for e in network["working_points"] if e["vs"] == "e")[4]
    assert point["efficiency"]["entries"] == taus.sum()
    assert point["efficiency"]["value"] == np.mean(score[taus] > point["threshold"])


def test_thresholds_do_not_see_the_measuring_half(predictions: Predictions, config: EvaluationConfig, network: dict):
    outputs = predictions.outputs.copy()
    events = make_frame(predictions, config)
    measuring = np.isin(predictions.columns["evt"], events.columns["evt"][~events.derive])
    outputs[measuring] = 0.25
    changed = evaluate(Predictions(**vars(predictions) | {"outputs": outputs}), config, "deeptau")
    for before, after in zip(network["working_points"], changed["working_points"], strict=True):
        assert [p["threshold"] for p in before["points"]] == [p["threshold"] for p in after["points"]]


def test_efficiencies_agree_with_the_working_point(network: dict):
    """Bins of eta cover everything, so their mean is the efficiency of the working point."""
    point = next(e["points"] for e in network["working_points"] if e["vs"] == "jet")[0]
    for kind, key in (("tau", "efficiency"), ("jet", "misid")):
        entry = next(
            e for e in network["efficiencies"]
            if (e["vs"], e["variable"], e["type"], e["working_point"]) == ("jet", "tau_eta", kind, point["name"])
        )  # fmt: skip
        assert sum(entry["entries"]) == point[key]["entries"]
        assert np.average(entry["efficiency"], weights=entry["entries"]) == pytest.approx(point[key]["value"], rel=1e-5)


def test_ratio_is_to_the_reference(network: dict, predictions: Predictions, config: EvaluationConfig):
    reference = evaluate(predictions, config, "charged_isolation")
    ours = next(c for c in network["curves"] if c["vs"] == "jet")
    theirs = reference["curves"][0]
    at = ours["ratio"]["true_positive_rate"][-20]
    expected = np.interp(at, ours["true_positive_rate"], ours["false_positive_rate"]) / np.interp(
        at, theirs["true_positive_rate"], theirs["false_positive_rate"]
    )
    assert ours["ratio"]["ratio"][-20] == pytest.approx(expected, rel=0.02)
    assert theirs["ratio"] is None, "a reference has no ratio to itself"
    alone = evaluate(predictions, replace(config, reference={}), "deeptau")
    assert {c["ratio"] for c in alone["curves"]} == {None}


def test_only_networks_have_a_confusion_matrix(network: dict, predictions: Predictions, config: EvaluationConfig):
    counts = np.array(network["confusion"]["counts"])
    assert counts.trace() > 0.8 * counts.sum()
    assert evaluate(predictions, config, "ecal_fraction")["confusion"] is None


def test_score_distributions_hold_every_candidate(network: dict, predictions: Predictions, config: EvaluationConfig):
    isolation = evaluate(predictions, config, "charged_isolation")["scores"][0]
    assert sum(isolation["counts"]["jet"]) == isolation_entries(predictions, config, "jet")
    assert isolation["edges"] == sorted(isolation["edges"])
    assert network["scores"][0]["edges"][0] == 0


def isolation_entries(predictions: Predictions, config: EvaluationConfig, name: str) -> int:
    return make_frame(predictions, config).counts[name]


def test_empty_region_says_why(predictions: Predictions, config: EvaluationConfig):
    far = replace(config, regions=RegionsConfig(pt=((5000.0, 6000.0),)))
    found = evaluate(predictions, far, "deeptau")
    assert found["curves"][0]["missing"] == "0 taus and 0 fakes in this region"
    assert found["curves"][0]["auc"] is None
    assert found["working_points"][0]["points"][0]["efficiency"]["value"] is None


def test_weights_enter(predictions: Predictions, config: EvaluationConfig, network: dict):
    weighted = evaluate(predictions, replace(config, weight="npu"), "deeptau")
    curve, plain = weighted["curves"][0], network["curves"][0]
    assert curve["n_eff_tau"] < plain["n_eff_tau"] == plain["n_tau"] == curve["n_tau"]
    assert curve["auc"] != plain["auc"]


def test_unknown_discriminator(predictions: Predictions, config: EvaluationConfig):
    with pytest.raises(ConfigError, match=r"no discriminator 'x' .* deeptau, charged_isolation, ecal_fraction"):
        evaluate(predictions, config, "x")


def test_no_taus_for_thresholds(predictions: Predictions, config: EvaluationConfig):
    points = replace(config.working_points, pt=(9000.0, 9500.0))
    with pytest.raises(InputError, match="genuine taus with 9000 <= tau_pt < 9500 GeV, found none"):
        evaluate(predictions, replace(config, working_points=points), "deeptau")


def test_folder_has_numbers_and_plots(predictions: Predictions, config: EvaluationConfig, tmp_path: Path):
    parts = [predictions.take(np.arange(ENTRIES) % 2 == i) for i in range(2)]
    for i, part in enumerate(parts):
        part.write(tmp_path / f"{i}.h5")
    small = replace(config, regions=RegionsConfig(), style=replace(config.style, formats=("png",)))
    summary = evaluate_to_folder([tmp_path / "0.h5", tmp_path / "1.h5"], small, "charged_isolation", tmp_path / "out")
    stored = load_performance(tmp_path / "out")
    assert summary["auc"] == {"jet": stored["curves"][0]["auc"]}
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"performance.json", "scores_vs_jet.png", "efficiency_vs_jet_tau_pt.png"} <= names
    assert "roc_vs_jet_pt_20_1000_eta_0_2.3_dm_0_1_2_10_11.png" in names


def test_folder_needs_the_columns(config: EvaluationConfig, predictions: Predictions, tmp_path: Path):
    less = {name: column for name, column in predictions.columns.items() if name != "tau_dz"}
    Predictions(**vars(predictions) | {"columns": less}).write(tmp_path / "p.h5")
    with pytest.raises(InputError, match=r"no column tau_dz.*listed in evaluation\.columns"):
        evaluate_to_folder([tmp_path / "p.h5"], config, "deeptau", tmp_path)


@pytest.mark.parametrize("discriminator", ["deeptau", "charged_isolation", "ecal_fraction"])
@pytest.mark.parametrize("entries", [60, 1500])
def test_artefact_is_strict_json(discriminator: str, entries: int, config: EvaluationConfig, tmp_path: Path):
    """Also with so few entries that bins, regions and intervals are empty; what is read is what was written."""

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    found = evaluate(mock_predictions(entries, seed=6), config, discriminator)
    save_performance(tmp_path / "performance.json", found)
    text = (tmp_path / "performance.json").read_text()
    assert json.loads(text, parse_constant=refuse) == found


def test_numbers_do_not_depend_on_the_order_of_entries(
    network: dict, predictions: Predictions, config: EvaluationConfig
):
    shuffled = predictions.take(np.random.default_rng(0).permutation(ENTRIES))
    assert evaluate(shuffled, config, "deeptau") == network


def test_a_duplicate_of_everything_changes_errors_only(
    network: dict, predictions: Predictions, config: EvaluationConfig
):
    twice = evaluate(Predictions.concatenate([predictions, predictions]), config, "deeptau")
    for one, two in zip(network["curves"], twice["curves"], strict=True):
        assert two["auc"] == pytest.approx(one["auc"])
        assert two["n_tau"] == 2 * one["n_tau"]
        assert two["auc_error"] == pytest.approx(one["auc_error"] / np.sqrt(2), rel=0.01)
    for one, two in zip(network["working_points"], twice["working_points"], strict=True):
        assert [p["threshold"] for p in one["points"]] == [p["threshold"] for p in two["points"]]
