import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.training.plan import Plan

KINDS = st.lists(st.lists(st.integers(-1, 3), max_size=12).map(lambda k: np.array(k, np.int8)), min_size=1, max_size=6)


def chosen(plan, kinds, windows, rows):
    """Block and position of every row, in order."""
    found = []
    for window in windows:
        where = np.concatenate([[(b, i) for i in range(len(kinds[b]))] or np.zeros((0, 2)) for b in window.blocks])
        found += [tuple(map(int, where[row])) for row in rows(window)]
    return found


@given(KINDS, st.integers(1, 40), st.integers(0, 2**70), st.integers(0, 3))
def test_an_epoch_is_a_permutation_of_the_sample(kinds, window, seed, epoch):
    plan = Plan(kinds, window)
    everything = [(b, i) for b, of_block in enumerate(kinds) for i, kind in enumerate(of_block) if kind >= 0]
    windows = plan.windows(seed, epoch)
    assert sorted(chosen(plan, kinds, windows, lambda w: plan.rows(w, seed, epoch))) == everything
    assert chosen(plan, kinds, plan.file_order(), plan.rows_in_order) == everything
    assert plan.entries == len(everything) == sum(w.size for w in windows)
    assert [w.start for w in windows] == np.cumsum([0, *(w.size for w in windows)])[:-1].tolist()
    for w in windows:
        assert len(w.blocks) == 1 or sum(len(kinds[b]) for b in w.blocks) <= window


@given(KINDS, st.lists(st.floats(0.01, 10), min_size=4, max_size=4), st.integers(0, 99))
def test_composition_is_kept_without_repetition(kinds, shares, seed):
    counts = np.bincount(np.concatenate(kinds)[np.concatenate(kinds) >= 0], minlength=4)
    plan = Plan(kinds, 20, shares)
    scale = min(counts / shares)
    np.testing.assert_allclose(plan.counts, scale * np.array(shares), atol=1)
    assert (plan.counts <= counts).all()
    picked = chosen(plan, kinds, plan.windows(seed, 1), lambda w: plan.rows(w, seed, 1))
    assert len(set(picked)) == len(picked) == plan.entries
    found = np.array([kinds[b][i] for b, i in picked], int)
    np.testing.assert_array_equal(np.bincount(found, minlength=4), plan.counts)


def test_all_of_the_scarcest_type_is_taken():
    kinds = [np.repeat(np.arange(4, dtype=np.int8), [7, 49, 3, 21])] * 11
    assert Plan(kinds, 100, (1, 1, 0.7, 0.1)).counts.tolist() == [47, 47, 33, 4]


def test_epochs_and_seeds_differ_and_blocks_move():
    kinds = [np.zeros(50, np.int8)] * 8
    plan = Plan(kinds, 100)
    orders = [[w.blocks for w in plan.windows(seed, epoch)] for seed, epoch in ((1, 1), (1, 2), (2, 1), (1, 1))]
    assert orders[0] == orders[3]
    assert orders[0] not in orders[1:3]
    first, second = plan.windows(1, 1)[:2]
    assert plan.rows(first, 1, 1).tolist() != plan.rows(second, 1, 1).tolist()


@pytest.mark.parametrize("change", ["kinds", "window", "composition"])
def test_fingerprint_sees_what_changes_the_order(change):
    kinds = [np.int8([0, 1, 2, 3, 3])] * 4
    settings = {"kinds": kinds, "window": 8, "composition": ()}
    other = {
        "kinds": [*kinds[:3], np.int8([0, 1, 2, 3, -1])],
        "window": 9,
        "composition": (1, 1, 1, 1),
    }
    assert Plan(**settings).fingerprint() == Plan(**settings).fingerprint()
    assert Plan(**settings).fingerprint() != Plan(**{**settings, change: other[change]}).fingerprint()
