"""The page on event classification, from real models of a small sample; in a browser where there is one."""

from __future__ import annotations

import json
import re

import pytest

from taumltools.config import load_campaign
from taumltools.htt.evaluate import load_evaluation
from taumltools.htt.predict import load_ensemble, predict_for_evaluation
from taumltools.htt.preprocess import preprocess_training, read_account
from taumltools.htt.train import train_fold
from taumltools.report.htt import HttInputs, htt_sections, write_htt_report
from taumltools.report.htt_evaluation import evaluate_to_folder
from taumltools.report.htt_figures import density_figure
from taumltools.report.inputs import ReportInputs
from taumltools.training.tracking import RunDescription
from taumltools.training.tracking.record import read_log
from tests.unit.htt.case import SMALL, make_files


def make(folder, overrides=""):
    campaign = load_campaign("demo", SMALL + overrides)
    config = campaign.htt
    preprocess_training(config, make_files(config, folder), folder / "events")
    models = [folder / f"model_{fold}" for fold in range(config.training.n_splits)]
    for fold, path in enumerate(models):
        train_fold(folder / "events/train.hdf5", config, fold, path)
    figures = {}
    for name in ("train", "test"):
        events, scores = folder / f"events/{name}.hdf5", folder / f"{name}.csv"
        predict_for_evaluation(events, load_ensemble(models), scores)
        tracking = RunDescription(folder / f"log_{name}", "htt", name)
        evaluate_to_folder(scores, events, models, config, folder / f"evaluation_{name}", tracking)
        figures[name] = load_evaluation(folder / f"evaluation_{name}")
    return HttInputs("demo", "v1", campaign, read_account(folder / "events"), figures, models), folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("page"))


def test_the_page_stands_alone_and_has_all_sections(made, tmp_path):
    inputs, _folder = made
    write_htt_report(tmp_path / "htt.html", inputs)
    text = (tmp_path / "htt.html").read_text()
    assert len(text) < 5_000_000
    for anchor in ("summary", "scores", "confusion", "curves", "importance", "training", "events", "settings"):
        assert f'<section id="{anchor}">' in text
    assert not re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="http', text)
    assert "random numbers" in text


def test_numbers_of_the_page_are_those_of_the_files(made):
    inputs, _folder = made
    common = ReportInputs("demo", "v1", inputs.config)
    sections = {section.anchor: section for section in htt_sections(inputs, common)}
    cards = sections["summary"].items[2].cards
    assert cards[0].value == f"{inputs.evaluations['test']['curves'][0]['auc']:.4f}"
    rows = sections["events"].items[0].rows
    assert {row[0] for row in rows} == set(inputs.account["selected"])
    by_class = sections["events"].items[1].rows
    assert {row[2] for row in rows} == {row[0] for row in by_class}  # classes have the same names in both tables
    assert [row[0] for row in by_class] == [one["title"] for one in inputs.evaluations["test"]["classes"]]


def test_a_comma_of_a_title_stays_in_the_legend(made):
    """It was taken for one between thousands: "signal (H with b jets  H without b jets)"."""
    evaluation = made[0].evaluations["test"]
    (legend,) = density_figure(
        evaluation | {"classes": [one | {"title": "a, b"} for one in evaluation["classes"]]}, 0
    ).legend
    assert [item.label.value.split(" (")[0] for item in legend.items] == ["a, b"] * 4


def test_plots_and_figures_are_kept_with_the_run(made):
    _inputs, folder = made
    record = read_log(folder / "evaluation_test/tracking")
    assert record.status == "FINISHED"
    names = {point.name for point in record.points}
    assert {"cm_00_true / test", "roc_auc_H_sig / test", "pr_average_prec_Taus / test"} <= names
    files = set(record.files())
    for name in ("density.html", "roc_curve.html", "pr_curve.html", "importance.html", "pdf/density_H_sig.pdf"):
        assert f"plots/test/{name}" in files
    assert (folder / "evaluation_test/plots/pdf/confusion_true.pdf").stat().st_size > 5000


def test_binary_network_without_importance(tmp_path):
    inputs, folder = make(
        tmp_path, "htt.training.mode=binary htt.training.model=dense htt.evaluation.importance_events=0"
    )
    assert "importance" not in inputs.evaluations["test"]
    write_htt_report(tmp_path / "htt.html", inputs)
    assert "A dense network in 2 folds" in (tmp_path / "htt.html").read_text()
    metrics = json.loads((folder / "evaluation_test/evaluation.json").read_text())["metrics"]
    assert "roc_auc_signal / test" in metrics


@pytest.mark.parametrize("width", [400, 1280])
def test_in_a_browser(made, tmp_path, width, browser):
    write_htt_report(tmp_path / "htt.html", made[0])
    errors: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "htt.html").as_uri())
    page.wait_for_function("() => document.body.dataset.complete === 'true'", timeout=300_000)
    places = page.locator(".plot")
    assert all(places.nth(i).locator("canvas").count() for i in range(places.count()))
    page.locator("#scores [role=tab]").nth(1).click()
    assert page.locator("#scores .tab").nth(1).locator("figure").first.is_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.close()
    assert errors == []
