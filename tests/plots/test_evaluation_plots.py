from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from taumltools.config.compose import CONFIG_DIR
from taumltools.config.evaluation import EvaluationConfig
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.performance import evaluate
from taumltools.evaluation.plots import (
    draw_roc,
    plot_calibration,
    plot_confusion,
    plot_efficiency,
    plot_roc,
    plot_scores,
)
from taumltools.evaluation.roc_data import make_roc_plot
from taumltools.plotstyle import new_figure, save_figure

Compare = Callable[[str, object], None]


@pytest.fixture(scope="module")
def config() -> EvaluationConfig:
    text = (CONFIG_DIR / "evaluation" / "demo.yaml").read_text()
    return TypeAdapter(EvaluationConfig).validate_python(yaml.safe_load(text))


@pytest.fixture(scope="module")
def performances(config: EvaluationConfig) -> list[dict]:
    predictions = mock_predictions(8000, seed=11)
    return [evaluate(predictions, config, name) for name in ("deeptau", "charged_isolation")]


def test_roc_with_ratio(compare: Compare, performances: list[dict], config: EvaluationConfig):
    region = performances[0]["curves"][0]["region"]
    compare("roc_vs_jet", plot_roc(performances, "jet", region, config.style))


def test_roc_without_reference(compare: Compare, performances: list[dict], config: EvaluationConfig):
    region = performances[0]["curves"][0]["region"]
    compare("roc_vs_mu", plot_roc(performances[:1], "mu", region, config.style))


def test_efficiency(compare: Compare, performances: list[dict], config: EvaluationConfig):
    figure = plot_efficiency(performances[0], "jet", "tau_pt", config.efficiency["tau_pt"], config.style)
    compare("efficiency_vs_jet_tau_pt", figure)


def test_efficiency_of_single_values(compare: Compare, performances: list[dict], config: EvaluationConfig):
    binning = config.efficiency["tau_decayMode"]
    figure = plot_efficiency(performances[0], "e", "tau_decayMode", binning, config.style)
    compare("efficiency_vs_e_tau_decayMode", figure)


def test_roc_of_several_runs_and_periods(compare: Compare, performances: list[dict], config: EvaluationConfig):
    """A second run of another period, and a reference that has only working points."""
    region = performances[0]["curves"][0]["region"]
    older = evaluate(mock_predictions(8000, seed=12, separation=1.8), config, "deeptau")
    older |= {"title": "Network (v0)", "period": "2018, 13 TeV"}
    curves = [{"vs": "jet", "region": region, "missing": "only working points, no score", "auc": None}]
    bits = older | {"title": "Bits", "discriminator": "bits", "score": "", "points_from": "bits", "curves": curves}
    content = make_roc_plot([performances[0], older, bits], "jet", region, reference=1)
    compare("roc_vs_jet_runs", draw_roc(content, config.style))


def test_calibration(compare: Compare, performances: list[dict], config: EvaluationConfig):
    compare("calibration", plot_calibration(performances[0], config.style))


def test_scores(compare: Compare, performances: list[dict], config: EvaluationConfig):
    compare("scores_vs_jet", plot_scores(performances[0], "jet", config.style))


def test_confusion(compare: Compare, performances: list[dict], config: EvaluationConfig):
    compare("confusion", plot_confusion(performances[0], config.style))


def test_comparison_can_fail(compare: Compare, request: pytest.FixtureRequest):
    if request.config.getoption("--update-reference-plots", default=False):
        pytest.skip("references are being renewed")
    with pytest.raises(AssertionError, match="differs from"):
        compare("confusion", new_figure(6.5, 6))


def test_missing_reference_says_what_to_do(compare: Compare, request: pytest.FixtureRequest, tmp_path: Path):
    if request.config.getoption("--update-reference-plots", default=False):
        pytest.skip("references are being renewed")
    with pytest.raises(AssertionError, match="run pytest tests/plots --update-reference-plots"):
        compare("no_such_plot", new_figure(1, 1))
    save_figure(new_figure(1, 1), tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 0
