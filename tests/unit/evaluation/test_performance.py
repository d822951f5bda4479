from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from taumltools.config.evaluation import DiscriminatorConfig, EvaluationConfig, RegionsConfig, RequiredConfig
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.artefact import load_performance, save_performance
from taumltools.evaluation.derive import derive_to_folder
from taumltools.evaluation.frame import make_frame
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.performance import evaluate, evaluate_to_folder
from taumltools.evaluation.scores import vs_score
from taumltools.evaluation.table import Predictions
from taumltools.tuples.truth import TauType

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


def test_stored_intervals_hold_the_curve(network: dict):
    for curve in network["curves"]:
        low, value, high = (np.array(curve[f"false_positive_rate{end}"]) for end in ("_low", "", "_high"))
        assert ((low <= value) & (value <= high)).all()


def test_region_whose_taus_have_no_weight_is_noted(predictions: Predictions, config: EvaluationConfig):
    """It ended the evaluation of all other regions."""
    without = np.where(predictions.truth == TauType.tau, 0, predictions.columns["npu"] + 1).astype(np.float32)
    weight = np.where(predictions.columns["tau_pt"] > 50, without, 1).astype(np.float32)
    setup = replace(config, weight="npu", regions=RegionsConfig(pt=((20.0, 50.0), (60.0, 1000.0))))
    found = evaluate(with_columns(predictions, npu=weight), setup, "deeptau")
    low, high = (next(c for c in found["curves"] if c["region"]["pt"][0] == edge) for edge in (20, 60))
    assert low["auc"] > 0.5
    assert high["missing"].startswith("0 taus and ")


def test_score_that_is_zero_everywhere_is_refused(predictions: Predictions, config: EvaluationConfig):
    empty = with_columns(predictions, tau_chargedIsoPtSum=np.zeros(len(predictions), np.float32))
    with pytest.raises(InputError, match="the score is 0 everywhere"):
        evaluate(empty, config, "charged_isolation")


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


def test_folder_has_numbers(predictions: Predictions, config: EvaluationConfig, tmp_path: Path):
    parts = [predictions.take(np.arange(ENTRIES) % 2 == i) for i in range(2)]
    for i, part in enumerate(parts):
        part.write(tmp_path / f"{i}.h5")
    paths = [tmp_path / "0.h5", tmp_path / "1.h5"]
    summary = evaluate_to_folder(paths, config, "charged_isolation", tmp_path / "out")
    stored = load_performance(tmp_path / "out")
    assert summary["auc"] == {"jet": stored["curves"][0]["auc"]}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"performance.json"}


def test_stored_working_points_are_those_that_would_be_derived(
    network: dict, predictions: Predictions, config: EvaluationConfig, tmp_path: Path
):
    predictions.write(tmp_path / "p.h5")
    derive_to_folder([tmp_path / "p.h5"], config, "deeptau", tmp_path / "points")
    evaluate_to_folder([tmp_path / "p.h5"], config, "deeptau", tmp_path / "out", tmp_path / "points")
    assert load_performance(tmp_path / "out") == network


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


def with_columns(predictions: Predictions, **columns: np.ndarray) -> Predictions:
    return Predictions(**vars(predictions) | {"columns": predictions.columns | columns})


@pytest.fixture(scope="module")
def reference_setup() -> DiscriminatorConfig:
    return DiscriminatorConfig(
        title="Reference",
        vs=("mu", "jet"),
        score="tau_byDeepTau2018v2p5VS{vs}raw",
        bits="tau_byDeepTau2018v2p5VS{vs}",
        bit_points={"mu": ("VLoose", "Loose"), "jet": ("VVVLoose", "Loose", "Tight")},
    )


@pytest.fixture(scope="module")
def with_reference(predictions: Predictions) -> Predictions:
    """Branches of a reference discriminator: its score is the network's, bit i is set for a score above 0.1 i + 0.2."""
    columns = {}
    for vs in ("mu", "jet"):
        raw = vs_score(predictions.outputs, vs)
        passed = np.nan_to_num(raw)[:, None] > 0.1 * np.arange(9) + 0.2
        columns[f"tau_byDeepTau2018v2p5VS{vs}raw"] = raw
        columns[f"tau_byDeepTau2018v2p5VS{vs}"] = (passed * 2 ** np.arange(9)).sum(axis=1).astype(np.uint16)
    return with_columns(predictions, **columns)


def test_reference_from_branches(
    network: dict,
    with_reference: Predictions,
    predictions: Predictions,
    reference_setup: DiscriminatorConfig,
    config: EvaluationConfig,
):
    """A reference whose score is that of the network has its curve; its points are the bits."""
    setup = replace(config, discriminators=config.discriminators | {"reference": reference_setup})
    found = evaluate(with_reference, setup, "reference")
    ours = next(c for c in network["curves"] if c["vs"] == "jet")
    theirs = next(c for c in found["curves"] if c["vs"] == "jet")
    assert theirs["auc"] == pytest.approx(ours["auc"])
    points = next(e["points"] for e in found["working_points"] if e["vs"] == "jet")
    assert [(p["name"], p["threshold"], p["target"]) for p in points] == [
        (name, None, None) for name in ("VVVLoose", "Loose", "Tight")
    ]
    frame = make_frame(predictions, setup)
    score = vs_score(frame.outputs, "jet")
    used = (frame.truth == 3) & ~frame.derive & np.isfinite(score)
    assert points[1]["misid"]["value"] == pytest.approx(np.mean(score[used] > 0.5))
    assert (found["points_from"], found["confusion"], found["calibration"]) == ("bits", None, [])


def test_reference_with_working_points_only(
    with_reference: Predictions, reference_setup: DiscriminatorConfig, config: EvaluationConfig
):
    only_bits = replace(reference_setup, score="")
    setup = replace(config, discriminators=config.discriminators | {"reference": only_bits})
    found = evaluate(with_reference, setup, "reference")
    assert {c["missing"] for c in found["curves"]} == {"only working points, no score"}
    assert found["scores"] == []
    assert all(e["points"] for e in found["working_points"])


def test_reference_that_the_tuples_lack_is_named(
    predictions: Predictions, reference_setup: DiscriminatorConfig, config: EvaluationConfig
):
    setup = replace(config, discriminators=config.discriminators | {"other": reference_setup})
    with pytest.raises(ConfigError, match=r"tau_byDeepTau2018v2p5VSmuraw, .*discriminators other.*leave out"):
        evaluate(predictions, setup, "other")
    evaluate(predictions, setup, "ecal_fraction")


@pytest.mark.parametrize("branch", ["tau_byDeepTau2018v2p5VSmuraw", "tau_byDeepTau2018v2p5VSjet"])
def test_branches_that_the_simulation_does_not_fill_are_named(
    branch: str, with_reference: Predictions, reference_setup: DiscriminatorConfig, config: EvaluationConfig
):
    """Simulated tuples have every branch of a TauTuple; what nothing fills is NaN or 0."""
    column = with_reference.columns[branch]
    empty = np.full_like(column, np.nan) if column.dtype.kind == "f" else np.zeros_like(column)
    both = config.discriminators | {"reference": reference_setup}
    setup = replace(config, discriminators=both, reference={"mu": "reference", "jet": "charged_isolation"})
    broken = with_columns(with_reference, **{branch: empty})
    with pytest.raises(InputError, match=rf"'Reference' vs .*{branch}.*leave it out"):
        evaluate(broken, setup, "reference")
    if "mu" in branch:
        with pytest.raises(InputError, match=rf"'Reference' vs mu: no entry has a score \({branch}\)"):
            evaluate(broken, setup, "deeptau")


def test_bits_have_to_be_integers(
    with_reference: Predictions, reference_setup: DiscriminatorConfig, config: EvaluationConfig
):
    setup = replace(config, discriminators={"r": reference_setup}, reference={})
    wrong = with_columns(with_reference, tau_byDeepTau2018v2p5VSjet=np.ones(ENTRIES))
    with pytest.raises(InputError, match="tau_byDeepTau2018v2p5VSjet of 'Reference' has float64 values"):
        evaluate(wrong, setup, "r")


def test_given_thresholds_are_used_as_they_are(predictions: Predictions, config: EvaluationConfig):
    setup = DiscriminatorConfig(title="x", vs=("jet",), thresholds={"jet": {"Loose": 0.5, "Tight": 0.8}})
    found = evaluate(predictions, replace(config, discriminators={"x": setup}, reference={}), "x")
    points = found["working_points"][0]["points"]
    assert [(p["threshold"], p["target"]) for p in points] == [(0.5, None), (0.8, None)]
    assert found["points_from"] == "thresholds"


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_bad_weights_are_refused_by_name(bad: float, predictions: Predictions, config: EvaluationConfig):
    weight = np.ones(ENTRIES, np.float32)
    weight[make_rows(predictions, config)[:3]] = bad
    setup = replace(config, weight="genEventWeight")
    with pytest.raises(InputError, match=r"3 of \d+ entries have a genEventWeight .*datasets mock"):
        evaluate(with_columns(predictions, genEventWeight=weight), setup, "deeptau")


def make_rows(predictions: Predictions, config: EvaluationConfig) -> np.ndarray:
    """Rows that are evaluated."""
    kept = set(make_frame(predictions, config).columns["evt"].tolist())
    return np.array([i for i, evt in enumerate(predictions.columns["evt"].tolist()) if evt in kept])


def test_empty_region_is_refused_by_name(predictions: Predictions, config: EvaluationConfig):
    far = replace(config, regions=RegionsConfig(pt=((5000.0, 6000.0),)), empty_regions="refuse")
    with pytest.raises(InputError, match=r"'Network' vs e: 0 taus and 0 fakes .*5000.*empty_regions=note"):
        evaluate(predictions, far, "deeptau")


def test_required_points_of_the_others(predictions: Predictions, config: EvaluationConfig, network: dict):
    """In the numerator alone they lower efficiencies; in the denominator too they are conditional."""
    points = {"e": "VVVLoose", "mu": "VLoose", "jet": "VVVLoose"}

    def mean(**options: bool) -> tuple[float, float]:
        setup = replace(config, required=RequiredConfig(points=points, **options))
        found = evaluate(predictions, setup, "deeptau")
        entry = next(
            e for e in found["efficiencies"] if (e["vs"], e["variable"], e["type"]) == ("jet", "tau_eta", "tau")
        )
        return float(np.average(entry["efficiency"], weights=entry["entries"])), sum(entry["entries"])

    plain, numerator, both = mean(), mean(numerator=True), mean(numerator=True, denominator=True)
    assert numerator[0] < plain[0]
    assert numerator[1] == plain[1] > both[1]
    assert numerator[0] * plain[1] == pytest.approx(both[0] * both[1])
    curves = evaluate(predictions, replace(config, required=RequiredConfig(points=points, curves=True)), "deeptau")
    assert curves["curves"][0]["n_tau"] < network["curves"][0]["n_tau"]


def test_required_point_that_is_missing_is_named(predictions: Predictions, config: EvaluationConfig):
    setup = replace(config, required=RequiredConfig(points={"mu": "VVTight"}, numerator=True))
    with pytest.raises(
        ConfigError, match=r"required\.points\.mu: 'Network' has no working point 'VVTight', only VLoose"
    ):
        evaluate(predictions, setup, "deeptau")


def test_regions_by_dataset(config: EvaluationConfig):
    both = Predictions.concatenate([mock_predictions(2000, seed, dataset=name) for seed, name in enumerate("ab")])
    datasets = {"all": {}, "only_b": {"jet": ("b",)}}
    found = evaluate(both, replace(config, regions=RegionsConfig(pt=((20, 1000),), datasets=datasets)), "deeptau")
    jets = {c["region"]["datasets"]: c for c in found["curves"] if c["vs"] == "jet"}
    assert jets["all"]["n_tau"] == jets["only_b"]["n_tau"]
    alone = evaluate(mock_predictions(2000, 1, dataset="b"), config, "deeptau")
    assert jets["only_b"]["n_fake"] == next(c for c in alone["curves"] if c["vs"] == "jet")["n_fake"]
    wrong = replace(config, regions=RegionsConfig(datasets={"x": {"jet": ("nowhere",)}}))
    with pytest.raises(InputError, match=r"regions\.datasets\.x\.jet: no predictions of nowhere, only of a, b"):
        evaluate(both, wrong, "deeptau")
