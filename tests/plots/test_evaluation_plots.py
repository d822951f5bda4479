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
from taumltools.evaluation.plots import plot_confusion, plot_efficiency, plot_roc, plot_scores
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
    curves = [curve | {"ratio": None} for curve in performances[0]["curves"]]
    network = performances[0] | {"curves": curves}
    compare("roc_vs_mu", plot_roc([network], "mu", curves[0]["region"], config.style))


def test_efficiency(compare: Compare, performances: list[dict], config: EvaluationConfig):
    figure = plot_efficiency(performances[0], "jet", "tau_pt", config.efficiency["tau_pt"], config.style)
    compare("efficiency_vs_jet_tau_pt", figure)


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
