from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as reference

from taumltools.errors import InputError
from taumltools.evaluation.confusion import confusion_matrix


def test_same_as_sklearn():
    rng = np.random.default_rng(0)
    outputs, truth, weight = rng.random((500, 4)), rng.integers(0, 4, 500), rng.random(500)
    found = confusion_matrix(outputs, truth, weight)
    np.testing.assert_array_equal(found.counts, reference(truth, outputs.argmax(axis=1)))
    expected = reference(truth, outputs.argmax(axis=1), sample_weight=weight, normalize="true")
    np.testing.assert_allclose(found.fractions, expected)


def test_rows_add_up_to_one_and_empty_rows_are_nan():
    found = confusion_matrix(np.eye(3)[[0, 1, 0]], np.array([0, 0, 1]))
    np.testing.assert_allclose(found.fractions[:2].sum(axis=1), 1)
    assert np.isnan(found.fractions[2]).all()


def test_bad_input():
    with pytest.raises(InputError, match="outputs contain NaN"):
        confusion_matrix(np.array([[np.nan, 1.0]]), np.array([0]))
    with pytest.raises(InputError, match="must be 0 to 1, found -1 to 2"):
        confusion_matrix(np.ones((2, 2)), np.array([-1, 2]))
