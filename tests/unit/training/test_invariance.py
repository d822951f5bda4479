"""What a network must not see: padding, the order of objects, the size of a batch, values that mean nothing."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from taumltools.eventhash import event_hash, in_first_part
from taumltools.features.flat import FlatTuples
from taumltools.features.scaling import load_scaling
from taumltools.training.batches import LENGTH_STEP, Samples
from taumltools.training.layers import Scaling
from taumltools.training.metrics import auc, discriminator_aucs
from taumltools.training.models import build_model
from taumltools.training.network import Network
from taumltools.tuples.data import Collection


@pytest.fixture(scope="module")
def network(features, scaling, model):
    keras.utils.set_random_seed(11)
    return Network.of(build_model(model, features, load_scaling(scaling, features)))


@pytest.fixture(scope="module")
def part(flat):
    return flat.slice(0, 150)


def with_objects(flat, block):
    return FlatTuples(flat.index, flat.taus, {"pf": block})


@pytest.mark.parametrize("junk", [0.0, -99.0, 1e30, np.nan])
@pytest.mark.parametrize("steps", [1, 3])
def test_padding_is_not_seen(network, part, junk, steps):
    """Longer sets with anything in the empty places give the same probabilities."""
    batch = next(Samples.of(part, network.layout).batches(len(part)))
    expected = network.predict_batch(batch.inputs)
    values, mask = batch.inputs["pf"], batch.inputs["pf_mask"]
    width = ((0, 0), (0, steps * LENGTH_STEP))
    longer = np.pad(np.where(mask[:, :, None] > 0, values, np.float32(junk)), (*width, (0, 0)), constant_values=junk)
    padded = {"taus": batch.inputs["taus"], "pf": longer, "pf_mask": np.pad(mask, width)}
    np.testing.assert_allclose(network.predict_batch(padded), expected, rtol=1e-4, atol=1e-6)


def test_order_of_objects_is_not_seen_but_their_values_are(network, part):
    block = part.objects["pf"]
    order = np.lexsort((np.random.default_rng(3).random(block.offsets[-1]), block.owner))
    assert not np.array_equal(order, np.arange(len(order)))
    expected = network.predict(part)
    shuffled = Collection(block.offsets, {name: column[order] for name, column in block.columns.items()})
    np.testing.assert_allclose(network.predict(with_objects(part, shuffled)), expected, rtol=1e-4, atol=1e-6)
    mixed = Collection(block.offsets, {"pt": block.columns["pt"][order], "kind": block.columns["kind"]})
    assert np.abs(network.predict(with_objects(part, mixed)) - expected).max() > 1e-3


def test_entries_do_not_see_each_other(network, part):
    order = np.random.default_rng(4).permutation(len(part))
    together = network.predict(part, batch_size=64)
    np.testing.assert_allclose(network.predict(part.take(order), batch_size=33), together[order], rtol=1e-4, atol=1e-6)


def test_an_entry_without_objects_is_scored_by_its_tau_alone(network, part):
    block = part.objects["pf"]
    empty = np.flatnonzero(block.counts == 0)
    assert len(empty) > 3
    nothing = Collection(np.zeros(len(part) + 1, np.int64), {n: c[:0] for n, c in block.columns.items()})
    bare = network.predict(with_objects(part, nothing))
    np.testing.assert_allclose(bare[empty], network.predict(part)[empty], rtol=1e-4, atol=1e-6)
    assert len(np.unique(bare.round(5), axis=0)) > 100


def test_undefined_is_the_mean_of_a_standardised_feature(network, part, scaling):
    mean = np.float32(scaling["taus"]["iso"]["global"]["mean"])
    undefined = np.isnan(part.taus["iso"])
    assert undefined.sum() > 5
    filled = {**part.taus, "iso": np.where(undefined, mean, part.taus["iso"])}
    same = network.predict(FlatTuples(part.index, filled, part.objects))
    np.testing.assert_allclose(same, network.predict(part), rtol=1e-4, atol=1e-6)


constants = st.fixed_dictionaries(
    {
        "mean": st.floats(-100, 100),
        "std": st.floats(0.01, 100),
        "lim_min": st.sampled_from([-np.inf, -5.0, -1.0]),
        "lim_max": st.sampled_from([1.0, 5.0, np.inf]),
    }
)
raw_values = st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(constants, raw_values, raw_values), min_size=1, max_size=5))
def test_scaling_layer_agrees_with_numpy(rows):
    layer = Scaling.from_constants("taus", {f"f{i}": row[0] for i, row in enumerate(rows)})
    raw = np.array([[row[1] for row in rows], [row[2] for row in rows]], np.float32)
    mean, std, low, high = (
        np.array([row[0][name] for row in rows], np.float32) for name in ("mean", "std", "lim_min", "lim_max")
    )
    expected = np.where(np.isnan(raw), 0.0, np.clip((raw - mean) / std, low, high))
    np.testing.assert_allclose(ops.convert_to_numpy(layer(raw)), expected, rtol=1e-5, atol=1e-5)


def test_undefined_values_do_not_spoil_the_gradient(network, part):
    """NaN behind a where would come back as NaN in the gradient of every weight."""
    import tensorflow as tf

    batch = next(Samples.of(part, network.layout).batches(len(part)))
    assert np.isnan(batch.inputs["taus"]).any()
    with tf.GradientTape() as tape:
        p = network.model(batch.inputs, training=True)
        loss = -ops.mean(ops.log(p + 1e-7) * batch.target)
    gradients = tape.gradient(loss, network.model.trainable_variables)
    assert all(np.isfinite(ops.convert_to_numpy(g)).all() for g in gradients)
    assert any(np.abs(ops.convert_to_numpy(g)).max() > 0 for g in gradients)


scores = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30)


@settings(deadline=None)
@given(scores)
def test_auc_counts_pairs(rows):
    score, signal = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    differences = score[signal][:, None] - score[~signal][None, :]
    found = auc(score, signal)
    if not differences.size:
        assert np.isnan(found)
        return
    assert found == pytest.approx(((differences > 0) + 0.5 * (differences == 0)).mean())
    assert auc(-score, signal) == pytest.approx(1 - found)
    assert auc(np.exp(score), signal) == pytest.approx(found)  # only the order counts


def test_figures_of_a_sample_of_one_type_are_undefined_not_wrong():
    p, target = np.full((5, 4), 0.25), np.eye(4)[np.full(5, 2)]
    assert all(np.isnan(value) for value in discriminator_aucs(p, target).values())


numbers = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(st.lists(st.tuples(numbers, numbers, st.integers(0, 2**64 - 1)), min_size=1, max_size=20), st.floats(0, 1))
def test_the_side_of_an_event_does_not_depend_on_dtype_company_or_order(rows, fraction):
    run, lumi, evt = (np.array([r[k] for r in rows], np.uint64) for k in range(3))
    side = in_first_part(run, lumi, evt, fraction)
    narrow = run.astype(np.uint32), lumi.astype(np.uint32), evt
    np.testing.assert_array_equal(in_first_part(*narrow, fraction), side)
    np.testing.assert_array_equal(in_first_part(run[::-1], lumi[::-1], evt[::-1], fraction), side[::-1])
    for i in range(len(rows)):
        assert event_hash(run[i : i + 1], lumi[i : i + 1], evt[i : i + 1])[0] == event_hash(run, lumi, evt)[i]
    # a larger validation sample holds the smaller one
    assert np.all(in_first_part(run, lumi, evt, min(1.0, fraction + 0.1)) >= side)
