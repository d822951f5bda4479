from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.evaluation import EvaluationConfig
from taumltools.errors import InputError
from taumltools.evaluation.artefact import array, find_curve, find_points
from taumltools.evaluation.draw import efficiency_plots, region_name, roc_plots, save_plots, score_plots
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.performance import evaluate
from taumltools.evaluation.plots import (
    plot_calibration,
    plot_confusion,
    plot_efficiency,
    plot_roc,
    plot_scores,
)
from taumltools.plotstyle import SERIES_COLOURS, TYPE_COLOURS, log_ticks, region_text, save_figure


@pytest.fixture(scope="module")
def performances(config: EvaluationConfig) -> list[dict]:
    predictions = mock_predictions(3000, seed=2)
    return [evaluate(predictions, config, name) for name in ("deeptau", "charged_isolation")]


@pytest.fixture(scope="module")
def region(performances: list[dict]) -> dict:
    return performances[0]["curves"][0]["region"]


def test_roc_shows_the_stored_numbers(performances: list[dict], region: dict, config: EvaluationConfig):
    figure = plot_roc(performances, "jet", region, config.style)
    main, ratio = figure.axes
    curve = find_curve(performances[0], "jet", region)
    fpr = array(curve["false_positive_rate"])
    np.testing.assert_array_equal(main.lines[0].get_ydata(), fpr[fpr > 0])
    assert main.get_yscale() == "log"
    assert main.get_xlim() == config.style.axes["jet"].efficiency
    assert main.get_ylim()[1] <= 1
    assert [tick for tick in ratio.get_yticks() if tick <= 1] == [0.05, 0.1, 0.2, 0.5, 1]
    assert "decay modes 0, 1, 2, 10, 11" in main.get_legend().get_title().get_text()
    np.testing.assert_array_equal(ratio.lines[0].get_ydata(), curve["ratio"]["ratio"])
    labels = [text.get_text() for text in main.get_legend().get_texts()]
    assert [label.split(",")[0] for label in labels] == ["Network", "Charged isolation"]
    assert "Charged isolation" in ratio.get_ylabel()


def test_roc_without_reference_has_no_ratio(performances: list[dict], region: dict, config: EvaluationConfig):
    figure = plot_roc(performances, "mu", region, config.style)
    assert len(figure.axes) == 1
    assert len(figure.axes[0].get_legend().get_texts()) == 1


def test_roc_needs_a_curve(performances: list[dict], config: EvaluationConfig):
    with pytest.raises(InputError, match="no ROC curve vs jet"):
        plot_roc(performances, "jet", {"pt": [1, 2]}, config.style)
    assert find_points(performances[0], "jet", {"pt": [1, 2]}) == []


def test_efficiency_has_taus_left_and_fakes_right(performances: list[dict], config: EvaluationConfig):
    figure = plot_efficiency(performances[0], "jet", "tau_pt", config.efficiency["tau_pt"], config.style)
    left, right = figure.axes
    assert (left.get_yscale(), right.get_yscale()) == ("linear", "log")
    assert left.get_xscale() == "log"
    assert [t.get_text() for t in right.get_xticklabels()] == ["20", "50", "100", "200", "500", "1000"]
    assert "misidentification" in right.get_ylabel()
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == list(config.style.points["jet"]) == ["VVVLoose", "Loose", "Tight", "VVTight"]
    every = replace(config.style, points={})
    right = plot_efficiency(performances[0], "jet", "tau_pt", config.efficiency["tau_pt"], every).axes[1]
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == list(config.working_points.targets["jet"])
    with pytest.raises(InputError, match="no efficiency vs jet against npv"):
        plot_efficiency(performances[0], "jet", "npv", config.efficiency["tau_pt"], config.style)


def test_small_bins_are_not_drawn_and_zeros_are_limits(performances: list[dict], config: EvaluationConfig):
    binning = replace(config.efficiency["tau_pt"], edges=(20.0, 30.0, 40.0, 50.0))
    stored = {"edges": [20, 30, 40, 50], "efficiency": [0.5, 0.0, 0.0], "low": [0.4, 0, 0], "high": [0.6, 0.1, 0.2]}
    stored |= {"vs": "jet", "variable": "tau_pt", "working_point": "Loose", "entries": [30, 10, 9]}
    efficiencies = [stored | {"type": kind} for kind in ("tau", "jet")]
    figure = plot_efficiency(performances[0] | {"efficiencies": efficiencies}, "jet", "tau_pt", binning, config.style)
    taus, fakes = ([line for line in axes.lines if line.get_marker() == "v"] for axes in figure.axes)
    assert taus[0].get_ydata().tolist() == []
    assert fakes[0].get_ydata().tolist() == [0.1]
    bars = [axes.containers[0].lines[2][0].get_segments() for axes in figure.axes]
    drawn = [sum(bool(np.isfinite(segment).all()) and len(segment) > 0 for segment in part) for part in bars]
    assert drawn == [2, 1], "on a linear axis zero has its place"


def test_scores_are_normalised(performances: list[dict], config: EvaluationConfig):
    for performance in performances:
        axes = plot_scores(performance, "jet", config.style).axes[0]
        for patch in axes.patches:
            assert patch.get_data().values.sum() == pytest.approx(1)


def test_confusion_shows_percent(performances: list[dict], config: EvaluationConfig):
    axes = plot_confusion(performances[0], config.style).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert f"{100 * performances[0]['confusion']['fractions'][0][0]:.1f}" in texts
    with pytest.raises(InputError, match="it is not a network"):
        plot_confusion(performances[1], config.style)


def test_global_settings_stay_untouched(performances: list[dict], config: EvaluationConfig, tmp_path: Path):
    before = dict(mpl.rcParams)
    save_figure(plot_scores(performances[0], "e", config.style), tmp_path / "x.png")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("suffix", ["pdf", "png"])
def test_same_content_gives_the_same_bytes(
    performances: list[dict], config: EvaluationConfig, tmp_path: Path, suffix: str
):
    for name in ("a", "b"):
        save_figure(plot_scores(performances[0], "jet", config.style), tmp_path / f"{name}.{suffix}")
    content = (tmp_path / f"a.{suffix}").read_bytes()
    assert content == (tmp_path / f"b.{suffix}").read_bytes()
    assert b"CreationDate" not in content


def files(plots, folder: Path) -> list[str]:
    return sorted(path.name for path in save_plots(plots, folder, ("png",)))


def test_every_plot_has_its_numbers_beside(performances: list[dict], config: EvaluationConfig, tmp_path: Path):
    quick = replace(config, efficiency={"tau_eta": config.efficiency["tau_eta"]})
    isolation = performances[1] | {"curves": performances[1]["curves"][:1], "working_points": []}
    name = f"roc_vs_jet_{region_name(isolation['curves'][0]['region'])}"
    assert files(roc_plots([isolation], "jet", quick), tmp_path / "a") == [f"{name}.json", f"{name}.png"]
    content = json.loads((tmp_path / "a" / f"{name}.json").read_text())
    assert content["series"][0]["false_positive_rate"] == isolation["curves"][0]["false_positive_rate"]
    assert files(efficiency_plots(performances[1], quick), tmp_path / "b") == [
        "efficiency_vs_jet_tau_eta.json",
        "efficiency_vs_jet_tau_eta.png",
    ]
    content = json.loads((tmp_path / "b" / "efficiency_vs_jet_tau_eta.json").read_text())
    stored = next(e for e in performances[1]["efficiencies"] if e["variable"] == "tau_eta" and e["type"] == "jet")
    assert content["fakes"][0]["value"] == stored["efficiency"]
    names = [f"{name}.{kind}" for name in ("calibration", "confusion", "scores_vs_e") for kind in ("json", "png")]
    assert set(names) <= set(files(score_plots(performances[0], quick), tmp_path / "c"))
    assert files(score_plots(performances[1], quick), tmp_path / "d") == ["scores_vs_jet.json", "scores_vs_jet.png"]


def test_empty_regions_are_not_drawn(performances: list[dict], config: EvaluationConfig, tmp_path: Path):
    empty = performances[1] | {"curves": [{"vs": "jet", "region": {}, "missing": "no taus", "auc": None}]}
    assert files(roc_plots([empty | {"working_points": []}], "jet", config), tmp_path) == []


def test_values_have_their_names_on_the_axis(performances: list[dict], config: EvaluationConfig):
    binning = config.efficiency["tau_decayMode"]
    figure = plot_efficiency(performances[0], "jet", "tau_decayMode", binning, config.style)
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == [
        "h",
        "h $\\pi^0$",
        "h 2$\\pi^0$",
        "3h",
        "3h $\\pi^0$",
    ]
    limited = replace(binning, efficiency=(0.2, 1.0), misid=(3e-5, 0.2))
    figure = plot_efficiency(performances[0], "jet", "tau_decayMode", limited, config.style)
    assert [axes.get_ylim() for axes in figure.axes] == [(0.2, 1.0), (3e-5, 0.2)]


def test_calibration_shows_the_stored_numbers(performances: list[dict], config: EvaluationConfig):
    axes = plot_calibration(performances[0], config.style).axes[0]
    stored = performances[0]["calibration"][0]
    shown = array(stored["entries"]) >= 10
    np.testing.assert_array_equal(axes.containers[0].lines[0].get_ydata(), array(stored["fraction"])[shown])
    with pytest.raises(InputError, match="its score is no probability"):
        plot_calibration(performances[1], config.style)


@pytest.mark.parametrize(
    ("pt", "text"), [([20, 100], "< 100"), ([100, 1000], "> 100"), ([20, 1000], "> 20"), ([30, 80], "30 < ")]
)
def test_region_text(pt: list, text: str):
    pt_text, eta_text, modes = region_text({"pt": pt, "abs_eta": [0, 2.3], "decay_modes": [0, 1]})
    assert text in pt_text
    assert "< 2.3" in eta_text
    assert modes == "decay modes 0, 1"


@given(st.floats(1e-6, 1), st.floats(1.5, 99))
def test_log_ticks_are_inside_and_round(low: float, factor: float):
    ticks = log_ticks(low, low * factor)
    assert ticks == sorted(set(ticks))
    assert all(low <= tick <= low * factor for tick in ticks)
    assert {f"{tick:.5e}"[:7] for tick in ticks} <= {"1.00000", "2.00000", "5.00000"}
    assert factor < 20 or len(ticks) >= 3


def test_no_colour_means_two_things():
    assert not set(SERIES_COLOURS) & set(TYPE_COLOURS.values())
