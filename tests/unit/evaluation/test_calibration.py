from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.evaluation.calibration import calibration


def test_a_probability_is_on_the_diagonal():
    rng = np.random.default_rng(0)
    score = rng.random(200_000)
    found = calibration(score, rng.random(200_000) < score, bins=10)
    assert np.max(np.abs(found.fraction - found.score)) < 0.02
    assert found.error < 0.01
    inside = (found.low <= found.score) & (found.score <= found.high)
    assert inside.sum() >= 4


def test_mixture_of_the_sample_does_not_matter():
    """Three times as many fakes: taus and fakes still count as equally frequent."""
    rng = np.random.default_rng(1)
    score = rng.random(5000)
    is_tau = rng.random(5000) < score
    one = calibration(score, is_tau)
    more = calibration(
        np.concatenate([score, *[score[~is_tau]] * 2]), np.concatenate([is_tau, np.zeros(2 * (~is_tau).sum(), bool)])
    )
    np.testing.assert_allclose(more.fraction, one.fraction)


def test_a_constant_score_is_off_by_its_distance_from_one_half():
    found = calibration(np.full(100, 0.9), np.arange(100) < 50, bins=10)
    assert found.error == pytest.approx(0.4)
    assert np.isnan(found.fraction).sum() == 9


@pytest.mark.parametrize("is_tau", [np.ones(4, bool), np.zeros(4, bool)])
def test_single_class_is_unknown(is_tau: np.ndarray):
    found = calibration(np.linspace(0, 1, 4), is_tau)
    assert np.isnan(found.fraction).all()
    assert np.isnan(found.error)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(1, 3)), min_size=2, max_size=30))
def test_integer_weights_are_copies(rows: list[tuple[float, bool, int]]):
    score, is_tau, copies = (np.array(column) for column in zip(*rows, strict=True))
    weighted = calibration(score, is_tau, copies.astype(float), 5)
    copied = calibration(np.repeat(score, copies), np.repeat(is_tau, copies), None, 5)
    np.testing.assert_allclose(weighted.fraction, copied.fraction, atol=1e-9)
    np.testing.assert_allclose(weighted.score, copied.score, atol=1e-9)
