from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.config.validation import AxisConfig, ValidationConfig
from taumltools.errors import InputError
from taumltools.sampling.hashing import hash_name
from taumltools.sampling.validation_counts import bin_index, count_part
from taumltools.sampling.validation_tables import BUCKETS, COARSE, ENTRIES, SampleCounter
from taumltools.tuples.io import write_tuples
from tests.unit.sampling.validation_samples import SMALL, count, entries

PT = SMALL.variables["tau_pt"]


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(11)
    tuples = entries(rng, 5001).take(rng.permutation(5001))
    return tuples.with_scalars({"trainingWeight": rng.uniform(0.5, 2, 5001).astype(np.float32)})


def test_bins_are_those_of_numpy():
    values = np.random.default_rng(0).uniform(5, 3000, 5000)
    edges = np.geomspace(*PT.limits, PT.bins + 1)
    found = np.bincount(bin_index(values, PT), minlength=PT.bins + 2)
    assert found[1:-1].tolist() == np.histogram(values, edges)[0].tolist()
    assert found[0] == np.count_nonzero(values < 10)
    assert found[-1] == np.count_nonzero(values >= 2000)


@given(st.floats(allow_nan=True, allow_infinity=True), st.booleans())
def test_every_value_has_a_bin(value, log):
    axis = AxisConfig(bins=7, limits=(1, 5), log=log)
    index = int(bin_index(np.array([value]), axis)[0])
    assert 0 <= index <= 8
    if math.isnan(value) or value < 1:
        assert index == 0
    elif value >= 5.001:
        assert index == 8


def test_every_entry_is_counted_once(sample):
    counts = count(sample)
    assert counts.entries == len(sample)
    for variable, table in counts.tables.items():
        assert table.counts.sum() == table.buckets.sum() == len(sample), variable
        assert table.weights.sum() == pytest.approx(sample["trainingWeight"].sum(dtype=float))
        assert table.squares.sum() == pytest.approx((sample["trainingWeight"].astype(float) ** 2).sum())
    assert counts.weighted
    assert counts.weight_range == pytest.approx((0.5, 2), abs=1e-3)


def test_chunks_are_equal_and_in_order(sample):
    """Chunk of entry k is k * chunks // entries."""
    counts = count(sample)
    where = np.arange(len(sample)) * SMALL.chunks // len(sample)
    assert counts.row_entries.tolist() == np.bincount(where).tolist()
    spectrum = counts.tables["tau_pt"].counts.sum(1)
    for chunk in range(SMALL.chunks):
        expected = np.bincount(bin_index(sample["tau_pt"][where == chunk], PT), minlength=PT.bins + 2)
        assert spectrum[chunk].tolist() == expected.tolist()


def test_cells_are_combinations(sample):
    counts = count(sample)
    table = counts.tables[ENTRIES].counts.sum((0, 2))
    assert len(counts.cells) == len(set(counts.cells)) == 20
    for cell, found in zip(counts.cells, table, strict=True):
        mine = np.logical_and.reduce([sample[name] == value for name, value in cell._asdict().items()])
        assert found == np.count_nonzero(mine)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 400))
def test_counts_do_not_depend_on_blocks(step):
    tuples = entries(np.random.default_rng(2), 500)
    whole, pieces = count(tuples, step=500), count(tuples, step=step)
    place = [pieces.cells.index(cell) for cell in whole.cells]
    assert set(whole.cells) == set(pieces.cells)
    for variable, table in whole.tables.items():
        other = pieces.tables[variable]
        assert np.array_equal(table.counts, other.counts[:, place])
        assert np.array_equal(table.buckets, other.buckets[:, place])
        assert np.allclose(table.weights, other.weights[:, place])
    for name in ("equal", "steps", "ascents", "same_event"):
        assert getattr(whole.order, name) == getattr(pieces.order, name)
    assert np.array_equal(whole.events.keys, pieces.events.keys)


def test_an_event_is_in_one_bucket():
    tuples = entries(np.random.default_rng(4), 4000)
    one = np.flatnonzero(tuples["evt"] % 2 == 0)
    table = count(tuples.take(one)).tables[ENTRIES].buckets.sum((1, 2))
    assert len(table) == BUCKETS
    assert not (table % 2).any()  # two candidates an event
    assert table.std() == pytest.approx(math.sqrt(2 * len(one) / BUCKETS), rel=0.25)


def test_sum_of_parts(sample):
    parts = [count(sample.slice(0, 3000)), count(sample.slice(3000, 5001).take(np.arange(1500)))]
    counter = SampleCounter()
    for part in parts:
        counter.add(part)
    whole = counter.result()
    assert whole.row_entries.tolist() == [3000, 1500]
    assert set(whole.cells) == {cell for part in parts for cell in part.cells}
    for variable, table in whole.tables.items():
        assert table.counts.shape[0] == 2
        for row, part in enumerate(parts):
            assert np.array_equal(table.counts[row].sum(0), part.tables[variable].counts.sum((0, 1)))
        assert np.array_equal(table.buckets.sum(1), sum(part.tables[variable].buckets.sum(1) for part in parts))
        assert table.squares.sum() == pytest.approx(sum(part.tables[variable].squares.sum() for part in parts))
        assert table.squares.shape == (len(whole.cells), -(-table.counts.shape[2] // COARSE))
    assert whole.weight_range == (min(p.weight_range[0] for p in parts), max(p.weight_range[1] for p in parts))


@pytest.mark.parametrize("suffix", ["arrow", "root"])
def test_files_give_the_same(tmp_path, sample, suffix):
    path = tmp_path / f"part_0.{suffix}"
    write_tuples(path, sample, list(sample.scalars))
    found, expected = count_part(path, SMALL), count(sample, name=path.name)
    assert found.name == expected.name
    place = [found.cells.index(cell) for cell in expected.cells]
    for variable, table in expected.tables.items():
        assert np.array_equal(table.counts, found.tables[variable].counts[:, place])
    assert found.weight_range == expected.weight_range


def test_large_ids_stay_whole(sample):
    """A hash has 64 bits; a double, or an int, would lose some."""
    assert {cell.dataset_id for cell in count(sample).cells} >= {hash_name("dy"), hash_name("qcd")}


def test_a_file_without_weights_has_none(tmp_path, sample):
    path = tmp_path / "part.arrow"
    write_tuples(path, sample, [name for name in sample.scalars if name != "trainingWeight"])
    counts = count_part(path, SMALL, "first")
    assert counts.name == "first"
    assert not counts.weighted
    assert "trainingWeight" not in counts.tables


def test_a_part_without_entries(tmp_path, sample):
    path = tmp_path / "part.arrow"
    write_tuples(path, sample.slice(0, 0), list(sample.scalars))
    counts = count_part(path, SMALL)
    assert counts.entries == len(counts.cells) == 0
    assert counts.row_entries.tolist() == [0] * SMALL.chunks


def test_a_weight_that_is_no_number(tmp_path, sample):
    weights = sample["trainingWeight"].copy()
    weights[123] = np.nan
    path = tmp_path / "part.arrow"
    write_tuples(path, sample.with_scalars({"trainingWeight": weights}), list(sample.scalars))
    with pytest.raises(InputError, match=r"part\.arrow: trainingWeight is nan in entry 123;.*validation\.weight"):
        count_part(path, SMALL)


def test_a_branch_that_is_missing(tmp_path, sample):
    path = tmp_path / "part.arrow"
    write_tuples(path, sample, [name for name in sample.scalars if name != "dataset_id"])
    with pytest.raises(InputError, match="no branch 'dataset_id'"):
        count_part(path, SMALL)


def test_more_variables(sample):
    config = ValidationConfig(variables={"evt": AxisConfig(bins=10, limits=(0, 2501))}, weight="")
    counts = count(sample, config)
    assert counts.tables["evt"].counts.sum((0, 1))[1:-1] == pytest.approx(np.full(10, 500), abs=3)


def test_entries_that_do_not_come(sample):
    from taumltools.sampling.validation_counts import PartCounter

    counter = PartCounter("part_7", 10, SMALL, weighted=True)
    counter.add(sample.slice(0, 4))
    with pytest.raises(InputError, match="part_7: 4 entries were counted, 10 were announced"):
        counter.result()
