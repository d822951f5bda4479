import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from taumltools.errors import InputError
from taumltools.htt.curves import balancing_weights, one_vs_rest, thinned
from taumltools.htt.evaluate import (
    confusion_matrices,
    evaluate,
    load_evaluation,
    number_of_bins,
    read_scores,
    save_evaluation,
)
from taumltools.htt.foldfile import FoldFile
from taumltools.htt.importance import feature_importance, log_loss, permutation_rises
from taumltools.htt.predict import predict_for_evaluation
from tests.unit.htt.case import settings


@pytest.fixture(scope="module")
def columns(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("scores") / "test.csv"
    predict_for_evaluation(trained.folder / "events/test.hdf5", trained.ensemble, path)
    return read_scores(path)


def test_two_gaussians_in_closed_form():
    rng = np.random.default_rng(0)
    score = np.concatenate([rng.normal(1, 1, 100_000), rng.normal(0, 1, 300_000)])
    curve = one_vs_rest(score, np.arange(400_000) < 100_000)
    assert curve.auc == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.002)
    middle = np.searchsorted(-curve.threshold, -0.5)
    assert curve.efficiency[middle] == pytest.approx(norm.sf(-0.5), abs=0.005)
    # with balanced weights the precision is that of equal numbers
    assert curve.precision[middle] == pytest.approx(norm.sf(-0.5) / (norm.sf(-0.5) + norm.sf(0.5)), abs=0.005)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2).filter(lambda x: len({b for _, b in x}) == 2))
def test_curves_agree_with_scikit_learn_with_ties(rows):
    score, label = np.array([s for s, _ in rows], float), np.array([b for _, b in rows])
    curve, weight = one_vs_rest(score, label), balancing_weights(label)
    assert curve.auc == pytest.approx(roc_auc_score(label, score, sample_weight=weight))
    assert curve.average_precision == pytest.approx(average_precision_score(label, score, sample_weight=weight))


def test_both_sides_weigh_the_same():
    label = np.arange(100) < 7
    weight = balancing_weights(label)
    assert weight[label].sum() == pytest.approx(weight[~label].sum())
    with pytest.raises(InputError, match="0 of 5 events are of the class"):
        balancing_weights(np.zeros(5, bool))


def test_thinned_curves_keep_their_ends():
    rng = np.random.default_rng(1)
    curve = one_vs_rest(rng.random(5000), rng.random(5000) < 0.5)
    found = thinned(curve, 50)
    assert 40 < len(found["efficiency"]) <= 52
    assert (found["efficiency"][-1], found["misid"][-1]) == (1.0, 1.0)
    assert found["threshold"] == sorted(found["threshold"], reverse=True)


def test_confusion_matrices_add_up():
    rng = np.random.default_rng(2)
    target, chosen, weight = rng.integers(0, 3, 500), rng.integers(0, 3, 500), rng.random(500)
    found = confusion_matrices(target, chosen, weight, 3)
    np.testing.assert_allclose(found["true"].sum(axis=1), 1)
    np.testing.assert_allclose(found["pred"].sum(axis=0), 1)
    expected = weight[(target == 1) & (chosen == 2)].sum() / weight[target == 1].sum()
    assert found["true"][1, 2] == pytest.approx(expected)


def test_class_that_is_never_chosen_gives_zeros():
    found = confusion_matrices(np.array([0, 1]), np.array([0, 0]), np.ones(2), 2)
    assert found["pred"][:, 1].tolist() == [0, 0]


def test_figures_of_a_sample(trained, columns, tmp_path):
    found = evaluate(columns, trained.config, "test")
    assert [one["name"] for one in found["classes"]] == ["H_sig", "H_bkgr", "Fakes", "Taus"]
    assert sum(found["entries"]) == len(columns["evt"])
    for chosen, density in enumerate(found["densities"]):
        assert sum(density["entries"]) == int((columns["pred_class"] == chosen).sum())
        width = np.diff(density["edges"])
        assert len(width) == number_of_bins(sum(density["entries"]) // 4, 40) < 20  # few events: no spike for each
        for values, entries in zip(density["values"], density["entries"], strict=True):
            assert np.dot(values, width) == pytest.approx(1 if entries else 0, abs=1e-5)
    names = {"cm_00_true / test", "cm_33_pred / test", "roc_auc_H_sig / test", "pr_average_prec_Taus / test"}
    assert names <= set(found["metrics"])
    assert all(found["metrics"][f"roc_auc_{one['name']} / test"] > 0.6 for one in found["classes"])
    save_evaluation(tmp_path / "evaluation.json", found)
    assert load_evaluation(tmp_path) == json.loads(json.dumps(found))


def test_classes_that_do_not_fit_are_refused(trained, columns):
    changed = columns | {"target": np.full(len(columns["target"]), 1)}
    with pytest.raises(InputError, match=r"of test are of the classes \[1\], the settings have \[0, 1, 2, 3\]"):
        evaluate(changed, trained.config, "test")


@pytest.mark.parametrize(("text", "message"), [(None, "is no file"), ("a,b\n1,2\n", "lacks the columns")])
def test_files_without_scores_are_refused(tmp_path, text, message):
    if text:
        (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_scores(tmp_path / "a.csv")
    with pytest.raises(InputError, match="holds no figures"):
        load_evaluation(tmp_path)


def test_log_loss_agrees_with_scikit_learn():
    rng = np.random.default_rng(4)
    scores, target, weight = rng.dirichlet([1, 1, 1], 200), rng.integers(0, 3, 200), rng.random(200)
    assert log_loss(scores, target, weight) == pytest.approx(sklearn_log_loss(target, scores, sample_weight=weight))


def test_feature_that_a_model_does_not_use_has_no_importance():
    rng = np.random.default_rng(5)
    inputs, target = rng.random((400, 2)), np.arange(400) % 2
    inputs[:, 1] = target

    def predict(values):
        return np.stack([1 - values[:, 1], values[:, 1]], axis=1) * 0.8 + 0.1

    (rises,) = permutation_rises(predict, inputs, target, np.ones(400), 1, rng)
    assert rises[0] == 0
    assert rises[1] == pytest.approx(0.5 * (np.log(0.9) - np.log(0.1)), rel=0.15)  # half of the events get it wrong


def test_importance_of_trees_and_networks(trained):
    with FoldFile(trained.folder / "events/test.hdf5") as file:
        events = file.read()
    found = feature_importance(events, trained.ensemble, trained.config)
    assert found == feature_importance(events, trained.ensemble, trained.config)
    assert found["features"] == list(trained.ensemble.models[0].description.features)
    assert np.shape(found["shap"]) == (4, len(found["features"]))
    order = np.argsort(found["permutation"])[::-1]
    assert "m_sv" in [found["features"][i] for i in order[:4]]


def test_shap_values_add_up_to_the_score(trained):
    """Exact: expectation plus contributions is the raw score, by class."""
    model = trained.ensemble.models[0]
    with FoldFile(trained.folder / "events/test.hdf5") as file:
        inputs = file.read().matrix(model.description.features)[:50]
    contributions = model.fitted.predict(inputs, pred_contrib=True).reshape(50, 4, -1)
    raw = model.fitted.predict(inputs, raw_score=True)
    np.testing.assert_allclose(contributions.sum(axis=2), raw, atol=1e-6)


def test_binary_figures(columns):
    config = settings("htt.training.mode=binary htt.training.signal=[0,1]")
    signal = columns["pred_class_0_proba"] + columns["pred_class_1_proba"]
    both = {"pred_class_0_proba": 1 - signal, "pred_class_1_proba": signal, "pred_class": (signal > 0.5).astype(int)}
    found = evaluate(columns | both | {"pred_class_proba": np.maximum(signal, 1 - signal)}, config, "test")
    assert [one["name"] for one in found["classes"]] == ["background", "signal"]
    assert found["metrics"]["roc_auc_signal / test"] == pytest.approx(found["metrics"]["roc_auc_background / test"])
    # signal and background count the same, as in the curves; four classes had counted the same
    is_signal, chosen = np.isin(columns["target"], [0, 1]), signal > 0.5
    true_rate, false_rate = chosen[is_signal].mean(), chosen[~is_signal].mean()
    assert found["confusion"]["true"][1][1] == pytest.approx(true_rate, abs=1e-6)
    assert found["confusion"]["pred"][1][1] == pytest.approx(true_rate / (true_rate + false_rate), abs=1e-6)
