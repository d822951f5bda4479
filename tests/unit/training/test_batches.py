import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.features.flat import FlatTuples
from taumltools.training.batches import LENGTH_STEP, ObjectRows, Samples, padded

LAYOUT = {"taus": ["tau_eta", "iso"], "pf": ["kind", "pt"]}


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.randoms())
def test_padded_objects_are_the_objects(counts, random):
    offsets = np.concatenate([[0], np.cumsum(counts)])
    block = ObjectRows(offsets, np.arange(2 * offsets[-1], dtype=np.float32).reshape(-1, 2) + 1)
    rows = np.array([random.randrange(len(counts)) for _ in range(5)])
    values, present = padded(block, rows)
    assert values.shape[1] % LENGTH_STEP == 0
    assert values.shape[1] < max(counts[r] for r in rows) + LENGTH_STEP + (max(counts[r] for r in rows) == 0)
    for i, row in enumerate(rows):
        n = counts[row]
        np.testing.assert_array_equal(values[i, :n], block.rows[offsets[row] : offsets[row + 1]])
        assert present[i].tolist() == [1.0] * n + [0.0] * (values.shape[1] - n)
        assert not values[i, n:].any()


def test_columns_follow_the_layout(flat):
    samples = Samples.of(flat, LAYOUT)
    np.testing.assert_array_equal(samples.taus[:, 1], flat.taus["iso"])
    np.testing.assert_array_equal(samples.objects["pf"].rows[:, 0], flat.objects["pf"].columns["kind"])


def test_targets_and_weights(flat):
    samples = Samples.of(flat, LAYOUT, class_weights=[1, 2, 3, 4])
    batch = samples.batch(np.arange(50))
    types = flat.index["tau_type"][:50]
    np.testing.assert_array_equal(batch.target.argmax(axis=1), types)
    np.testing.assert_array_equal(batch.weight, types + 1)


@pytest.mark.parametrize("no_type", [-1, 4, 8])
def test_entries_of_no_type_have_no_target_and_no_weight(flat, no_type):
    index = {**flat.index, "tau_type": np.full(len(flat), no_type, np.int8)}
    batch = Samples.of(FlatTuples(index, flat.taus, flat.objects), LAYOUT).batch(np.arange(3))
    assert not batch.target.any()
    assert not batch.weight.any()


def test_batches_cover_everything_in_order(flat):
    batches = list(Samples.of(flat, LAYOUT).batches(500))
    assert [len(b) for b in batches] == [500, 500, 200]
    np.testing.assert_array_equal(np.concatenate([b.inputs["taus"] for b in batches])[:, 1], flat.taus["iso"])


def test_select_and_concatenate(flat):
    samples = Samples.of(flat, LAYOUT)
    joined = Samples.concatenate([samples.select(np.array([5, 3])), samples.select(np.array([9]))])
    a, b = joined.batch(np.arange(3)), samples.batch(np.array([5, 3, 9]))
    for name, values in a.inputs.items():
        np.testing.assert_array_equal(values, b.inputs[name])


def test_missing_features_are_named(flat):
    with pytest.raises(InputError, match=r"features \['dxy'\] of block 'pf'"):
        Samples.of(flat, {"taus": ["iso"], "pf": ["dxy"]})
    with pytest.raises(InputError, match="needs the block 'ele'"):
        Samples.of(flat, {"taus": ["iso"], "ele": ["pt"]})
