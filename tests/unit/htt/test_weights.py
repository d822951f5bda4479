import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.htt.weights import class_imbalance, cp_weights


@given(st.lists(st.integers(0, 3), min_size=1, max_size=200))
def test_all_classes_weigh_the_same(extra):
    target = np.array([0, 1, 2, 3, *extra])
    weights = class_imbalance(target, 4).astype(float)
    np.testing.assert_allclose(np.bincount(target, weights), len(target), rtol=1e-5)


def test_class_without_events_is_named():
    with pytest.raises(InputError, match="class 1 has no events"):
        class_imbalance(np.array([0, 2]), 3)


def test_cp_weights_of_positive_weights_balance_the_classes():
    rng = np.random.default_rng(0)
    target, weight = rng.integers(0, 3, 1000), rng.uniform(0.1, 2, 1000)
    np.testing.assert_allclose(np.bincount(target, cp_weights(weight, target)), weight.sum(), rtol=1e-4)


def test_cp_weights_in_closed_form_with_negative_weights():
    # all: 2 + 3 = 5; class 0: 2, class 1: 4 - 1 = 3
    found = cp_weights(np.array([2.0, 4.0, -1.0]), np.array([0, 1, 1]))
    np.testing.assert_allclose(found, [2 * 5 / 2, 4 * 5 / 3, 1 * 5 / 3], rtol=1e-6)


@pytest.mark.parametrize("weight", [[1.0, -2.0], [0.0, 1.0]])
def test_sums_that_are_not_positive_are_refused(weight):
    with pytest.raises(InputError, match="each sum must be positive"):
        cp_weights(np.array(weight), np.array([0, 1]))


def test_class_that_is_absent_does_not_matter():
    assert np.isfinite(cp_weights(np.ones(3), np.array([0, 2, 2]))).all()
