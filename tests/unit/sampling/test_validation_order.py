from __future__ import annotations

import numpy as np
import pytest

from taumltools.sampling import validation_events
from taumltools.sampling.validation_events import EventSampler, event_hash, togetherness
from taumltools.sampling.validation_series import compare_order
from tests.unit.sampling.validation_samples import count, entries


def p_values(tuples):
    counts = count(tuples)
    return {(s.test, s.quantity): float(s.result.p[0]) for s in compare_order(counts.order, counts.events, "part")}


@pytest.fixture(scope="module")
def in_order():
    return entries(np.random.default_rng(21), 6000)


def test_neighbours_by_hand():
    tuples = entries(np.random.default_rng(0), 6, per_event=1).with_scalars(
        {
            "dataset_id": np.array([1, 1, 2, 1, 2, 2], np.uint64),
            "dataset_group_id": np.ones(6, np.uint64),
            "tauType": np.array([0, 0, 0, 1, 1, 0], np.int32),
            "evt": np.array([5, 7, 1, 7, 3, 2], np.uint64),
        }
    )
    order = count(tuples, step=2).order
    assert order.equal == {"dataset_id": 2, "tauType": 3, "cell": 1}
    assert order.steps == 4  # 5 7 7 of dataset 1, and 1 3 2 of dataset 2
    assert (order.same_event, order.ascents) == (1, 2)


def test_a_permutation_passes():
    smallest = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        smallest.append(min(p_values(entries(rng, 2000).take(rng.permutation(2000))).values()))
    assert min(smallest) > 1e-4  # 200 tests
    assert 4 <= sum(p < 0.05 for p in smallest) <= 18  # 1 - 0.95^5 of 40 are 9


def test_input_order_is_seen(in_order):
    p = p_values(in_order)
    assert p["same_event", "evt"] == 0
    assert p["ascents", "evt"] < 1e-100


def test_mixing_datasets_without_permuting_is_seen(in_order):
    """What the CMS tool does: the order of each dataset survives."""
    rng = np.random.default_rng(5)
    place, mixed = rng.permutation(len(in_order)), np.empty(len(in_order), np.int64)
    for dataset in np.unique(in_order["dataset_id"]):
        rows = np.flatnonzero(in_order["dataset_id"] == dataset)
        mixed[np.sort(place[rows])] = rows
    p = p_values(in_order.take(mixed))
    assert p["same_event", "evt"] < 1e-100
    assert p["equal_neighbours", "dataset_id"] > 1e-4


def test_single_candidates_in_order_are_seen():
    rng = np.random.default_rng(6)
    p = p_values(entries(rng, 3000, per_event=1))
    assert p["same_event", "evt"] == 1
    assert p["ascents", "evt"] < 1e-100


@pytest.mark.parametrize("column", ["tauType", "dataset_id"])
def test_sorted_blocks_are_seen(in_order, column):
    rng = np.random.default_rng(7)
    tuples = in_order.take(rng.permutation(len(in_order)))
    tuples = tuples.take(np.lexsort((tuples[column], np.arange(len(tuples)) // 50)))
    p = p_values(tuples)
    assert p["equal_neighbours", column] < 1e-100
    assert p["ascents", "evt"] > 1e-4


def test_alternation_is_seen(in_order):
    """Neighbours that are too rarely equal are no permutation either."""
    rng = np.random.default_rng(8)
    tuples = in_order.take(rng.permutation(len(in_order)))
    jet = tuples["tauType"] == 3
    rows = np.stack([np.flatnonzero(jet)[:2000], np.flatnonzero(~jet)[:2000]], axis=1).ravel()
    assert p_values(tuples.take(rows))["equal_neighbours", "tauType"] < 1e-100


def test_event_numbers_that_identify_nothing(in_order):
    tuples = in_order.with_scalars({"evt": np.zeros(len(in_order), np.uint64)})
    p = p_values(tuples)
    assert np.isnan(p["same_event", "evt"])
    assert np.isnan(p["ascents", "evt"])


def test_few_entries_are_not_tested(in_order):
    p = p_values(in_order.slice(0, 20))
    assert np.isnan([value for (test, _), value in p.items() if test != "same_event"]).all()


def test_no_entries_have_no_order(in_order):
    counts = count(in_order.slice(0, 0))
    assert compare_order(counts.order, counts.events, "part") == []


def test_hash_depends_on_every_part_of_the_key(in_order):
    first = in_order.slice(0, 1)
    hashes = {int(event_hash(first)[0])}
    for name in ("run", "lumi", "evt", "dataset_id"):
        hashes.add(int(event_hash(first.with_scalars({name: first[name] + first[name].dtype.type(1)}))[0]))
    assert len(hashes) == 5


def test_sampled_pairs_estimate_all_pairs(monkeypatch):
    tuples = entries(np.random.default_rng(9), 40_000)
    codes, events = np.zeros(len(tuples), np.int64), event_hash(tuples)
    monkeypatch.setattr(validation_events, "KEYS", 5000)
    sampler = EventSampler()
    for start in range(0, len(tuples), 1000):
        sampler.add(codes[start : start + 1000], events[start : start + 1000])
    sample = sampler.result()
    assert sample.sizes.sum() <= 5000
    assert set(sample.sizes.tolist()) == {2}  # events stay whole
    assert len(sample.keys) / sample.fraction == pytest.approx(20_000, rel=0.1)
    fewer = sample.thinned(500)
    assert 100 < len(fewer.keys) <= 500
    assert len(fewer.keys) / fewer.fraction == pytest.approx(20_000, rel=0.3)


def test_togetherness():
    rng = np.random.default_rng(10)
    tuples = entries(rng, 8000)
    whole = [tuples.slice(0, 4000), tuples.slice(4000, 8000)]
    order = rng.permutation(8000)
    apart = [tuples.take(order[:4000]), tuples.take(order[4000:])]

    def value(parts):
        return togetherness([count(part).events for part in parts], np.array([len(part) for part in parts]))

    assert value(whole) == 1
    assert value(apart) == pytest.approx(0, abs=0.1)
    assert value([tuples.slice(0, 4000), tuples.slice(0, 0)]) == 1
