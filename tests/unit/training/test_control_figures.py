"""Figures of the second head against numbers counted by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.adversarial import ControlSample
from taumltools.training.control_figures import figures_of
from taumltools.training.metrics import auc


def sample(data, rows=1, weight=1.0):
    return ControlSample(data=data, files=("/a",), rows=rows, weight=weight)


def test_each_sample_counts_by_its_rows_and_not_by_its_entries():
    data, dy, ttbar = sample(True, rows=3), sample(False, rows=2, weight=2.0), sample(False, rows=1)
    scored = [(data, np.full(1000, 0.8)), (dy, np.array([0.6, 0.1])), (ttbar, np.array([0.9]))]
    found = figures_of(scored)
    expected = -(3 * math.log(0.8) + 2 * 2.0 * (math.log(0.4) + math.log(0.9)) / 2 + math.log(0.1)) / 6
    assert found["adv_loss"] == pytest.approx(expected)
    assert found["adv_accuracy"] == pytest.approx((3 * 1 + 2 * 0.5 + 0) / 6)
    assert found["adv_auc"] == pytest.approx((2 * 2.0 * 1 + 1 * 0) / (2 * 2.0 + 1))


def test_a_head_that_is_sure_and_wrong_has_a_finite_loss():
    found = figures_of([(sample(True), np.array([0.0])), (sample(False), np.array([1.0]))])
    assert found["adv_loss"] == pytest.approx(-math.log(1e-7))
    assert (found["adv_accuracy"], found["adv_auc"]) == (0, 0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_area_of_two_samples_is_the_usual_one_and_splitting_changes_nothing(of_data, of_simulation):
    p, q = np.array(of_data), np.array(of_simulation)
    usual = auc(np.concatenate([p, q]), np.arange(len(p) + len(q)) < len(p))
    whole = figures_of([(sample(True), p), (sample(False, rows=2), q)])
    assert whole["adv_auc"] == pytest.approx(usual)
    halves = figures_of([(sample(True), p), (sample(False), q), (sample(False), q)])
    assert halves == pytest.approx(whole)
