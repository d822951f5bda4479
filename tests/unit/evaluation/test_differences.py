"""Differences between two evaluations, on artefacts made by hand and on mock predictions."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.compose import load_campaign
from taumltools.errors import InputError
from taumltools.evaluation.artefact import save_performance
from taumltools.evaluation.differences import (
    Change,
    area_changes,
    bin_changes,
    common_regions,
    find_evaluation,
    given_evaluation,
    pair_up,
    point_changes,
    same_numbers,
    same_sample,
)
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.performance import evaluate

REGION = {"pt": [20, 1000], "abs_eta": [0, 2.3], "decay_modes": [0]}
OTHER = REGION | {"pt": [20, 100]}


def fraction(value: float | None, width: float = 0.02) -> dict:
    low, high = (None, None) if value is None else (value - width, value + width)
    return {"value": value, "low": low, "high": high, "entries": 100.0}


def artefact(auc: float, efficiency: float | None, entries: float = 50.0, threshold: float = 0.5) -> dict:
    point = {"name": "Loose", "target": 0.8, "threshold": threshold}
    point |= {"efficiency": fraction(efficiency), "misid": fraction(0.1)}
    key = {"vs": "jet", "variable": "tau_pt", "type": "tau", "working_point": "Loose"}
    bins = {"edges": [20, 40, 60], "efficiency": [auc, 0.5], "low": [auc - 0.03, 0.4], "high": [auc + 0.03, 0.6]}
    return {
        "discriminator": "net",
        "title": "Network",
        "vs": ["jet"],
        "datasets": ["a"],
        "entries": {"read": 10},
        "curves": [{"vs": "jet", "region": REGION, "auc": auc, "auc_error": 0.03}],
        "working_points": [{"vs": "jet", "region": REGION, "points": [point]}],
        "efficiencies": [key | bins | {"entries": [entries, 50.0]}],
    }


def test_areas_and_points_by_hand():
    now, before = artefact(0.9, 0.8), artefact(0.85, 0.7, threshold=0.4)
    (area,) = area_changes(now, before)
    assert area.area.difference == pytest.approx(0.05)
    assert area.area.error == pytest.approx(np.hypot(0.03, 0.03))
    (point,) = point_changes(now, before, "jet", REGION)
    assert point.threshold.difference == pytest.approx(0.1)
    assert (point.efficiency.difference, point.efficiency.error) == (pytest.approx(0.1), pytest.approx(0.02 * 2**0.5))
    assert point.misid.difference == 0


def test_what_one_of_both_lacks_is_left_out():
    now, before = artefact(0.9, 0.8), artefact(0.85, None)
    assert point_changes(now, before, "jet", REGION)[0].efficiency.difference is None
    assert point_changes(now, before, "jet", OTHER) == []
    before["curves"][0] |= {"missing": "no fakes", "auc": None}
    assert list(area_changes(now, before)) == list(area_changes(before, now)) == []
    moved = {part: [e | {"region": OTHER} for e in now[part]] for part in ("curves", "working_points")}
    assert common_regions(now, now, "jet") == [REGION]
    assert common_regions(now, now | moved, "jet") == []


def test_bins_need_candidates_of_both_and_the_same_edges():
    (change,) = bin_changes(artefact(0.9, 0.8), artefact(0.8, 0.8, entries=9.0), "jet", "tau_pt", "tau")
    assert np.isnan(change.difference[0])
    assert change.difference[1] == 0
    assert change.error[1] == pytest.approx(0.1 * 2**0.5)
    (change,) = bin_changes(artefact(0.9, 0.8), artefact(0.8, 0.8), "jet", "tau_pt", "tau")
    assert change.difference.tolist() == pytest.approx([0.1, 0.0])
    before = artefact(0.8, 0.8)
    before["efficiencies"][0]["edges"] = [20, 50, 60]
    assert bin_changes(artefact(0.9, 0.8), before, "jet", "tau_pt", "tau") == []


@given(st.floats(0, 1), st.floats(0, 0.1), st.floats(0, 1), st.floats(0, 0.1))
def test_exchanged_the_difference_changes_its_sign_only(now: float, a: float, before: float, b: float):
    one, other = Change(now, a, before, b), Change(before, b, now, a)
    assert one.difference == -other.difference
    assert one.error == other.error >= max(a, b)


@pytest.fixture(scope="module")
def config():
    return load_campaign("tiny", "evaluation.regions.pt=[[20,1000]]").evaluation


def test_same_predictions_do_not_differ(config):
    now, before, other = (evaluate(mock_predictions(1500, seed=s), config, "deeptau") for s in (0, 0, 1))
    assert same_numbers(now, before)
    assert same_sample(now, before)
    assert not same_numbers(now, other)
    assert all(change.area.difference == 0 for change in area_changes(now, before))
    assert {change.vs for change in area_changes(now, other)} == {"e", "mu", "jet"}
    pulls = [change.area.difference / change.area.error for change in area_changes(now, other)]
    assert max(map(abs, pulls)) < 4, "two samples of one distribution"


def test_pairs_are_of_one_discriminator():
    one, two = {"discriminator": "a"}, {"discriminator": "b"}
    assert pair_up([one, two], [two]) == [(two, two)]


def stored(root: Path, version: str, identity: str, time: int) -> Path:
    folder = root / "demo" / "EvaluatePerformance" / version / identity / "performance_net"
    folder.mkdir(parents=True)
    save_performance(folder / "performance.json", artefact(0.9, 0.8))
    os.utime(folder / "performance.json", (time, time))
    return folder


def test_baseline_is_the_last_evaluation_of_its_version(tmp_path: Path):
    """Whatever settings it had: asked for with the settings of now, it would be made anew and be no baseline."""
    stored(tmp_path, "v0", "aa", 100)
    last = stored(tmp_path, "v0", "bb", 200)
    assert find_evaluation(tmp_path, "demo", "v0") == [last]
    with pytest.raises(
        InputError, match=r"no EvaluatePerformance of version 'v7' .* there are v0: make it with law run"
    ):
        find_evaluation(tmp_path, "demo", "v7")
    with pytest.raises(InputError, match="there are none"):
        find_evaluation(tmp_path, "odd", "v0")


def test_baseline_may_be_a_folder(tmp_path: Path):
    folder = stored(tmp_path, "v0", "aa", 100)
    assert given_evaluation(folder) == given_evaluation(folder.parent) == [folder]
    with pytest.raises(InputError, match=r"has no evaluation: expected performance\.json"):
        given_evaluation(tmp_path)
