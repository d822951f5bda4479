import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.training.metrics import auc, discriminator, discriminator_aucs


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_counts_pairs(rows):
    score = np.array([r[0] for r in rows], float)
    signal = np.array([r[1] for r in rows])
    pairs = [(s > b) + 0.5 * (s == b) for s in score[signal] for b in score[~signal]]
    if pairs:
        assert auc(score, signal) == pytest.approx(np.mean(pairs))
    else:
        assert np.isnan(auc(score, signal))


def test_discriminator_survives_zero_probabilities():
    p = np.float32([[0, 0, 0, 1], [1, 0, 0, 0], [0.2, 0, 0.6, 0.2]])
    assert discriminator(p, 3).tolist() == [0.0, 0.0, pytest.approx(0.75)]


def test_discriminator_aucs_use_only_the_two_types():
    target = np.eye(4, dtype=np.float32)[[2, 2, 3, 3, 0]]
    p = np.float32([[0, 0, 0.9, 0.1], [0, 0, 0.6, 0.4], [0, 0, 0.3, 0.7], [0, 0, 0.8, 0.2], [0.9, 0, 0.1, 0]])
    aucs = discriminator_aucs(p, target)
    assert aucs["auc_jet"] == 0.75
    assert aucs["auc_e"] == 1.0
    assert np.isnan(aucs["auc_mu"])
