from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.sampling.runs import SortedRuns
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.mock import mock_tuples


def table(first, size):
    counts = np.arange(first, first + size) % 3
    offsets = np.concatenate([[0], np.cumsum(counts)])
    objects = {"pt": np.repeat(np.arange(first, first + size), counts).astype(np.float32)}
    return Tuples({"evt": np.arange(first, first + size, dtype=np.uint64)}, {"pfCand": Collection(offsets, objects)})


def sort(chunks, n_keys, memory_mb, folder):
    keys, tables = [], []
    with SortedRuns(n_keys, memory_mb, folder) as runs:
        first = 0
        for chunk in chunks:
            runs.add(table(first, len(chunk)), np.array(chunk, np.int64))
            first += len(chunk)
        for some, tuples in runs.tables():
            keys.append(some)
            tables.append(tuples)
        written = runs.runs
    assert not list(folder.iterdir())  # nothing stays on the disk
    return keys, tables, written


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.lists(st.integers(0, 4), max_size=30), max_size=6),
    st.sampled_from([1e-4, 1e-3, 2e-3, 100.0]),
)
def test_sorted_by_key_and_otherwise_in_order(tmp_path_factory, chunks, memory_mb):
    keys, tables, _ = sort(chunks, 5, memory_mb, tmp_path_factory.mktemp("runs"))
    flat = np.array([key for chunk in chunks for key in chunk], np.int64)
    if not len(flat):
        assert not tables
        return
    merged, order = Tuples.concatenate(tables), np.argsort(flat, kind="stable")
    assert np.concatenate(keys).tolist() == flat[order].tolist()
    assert merged["evt"].tolist() == order.tolist()
    assert merged.collections["pfCand"].counts.tolist() == (order % 3).tolist()
    assert merged["pfCand_pt"].tolist() == np.repeat(order, order % 3).tolist()


def test_little_memory_goes_through_the_disk(tmp_path):
    chunks = [[2, 0, 1] * 20] * 10
    few, _, none = sort(chunks, 3, 100.0, tmp_path)
    many, tables, written = sort(chunks, 3, 0.003, tmp_path)
    assert none == 0
    assert written > 5
    assert len(many) > len(few) == 1
    assert max(len(table) * 24 for table in tables) < 3000


def test_a_key_with_very_many_entries_comes_in_several_tables(tmp_path):
    keys, tables, _ = sort([[1] * 100] * 5, 3, 0.002, tmp_path)
    assert len(tables) > 5
    assert Tuples.concatenate(tables)["evt"].tolist() == list(range(500))
    assert set(np.concatenate(keys).tolist()) == {1}


def test_all_branches_survive_the_disk(tmp_path):
    taus = mock_tuples(60, seed=3)
    with SortedRuns(2, 0.2, tmp_path) as runs:
        for start in range(0, 60, 10):
            runs.add(taus.slice(start, start + 10), np.arange(10) % 2)
        merged = Tuples.concatenate([tuples for _, tuples in runs.tables()])
        assert runs.runs > 1
    expected = taus.take(np.argsort(np.arange(60) % 2, kind="stable"))
    assert set(merged.branches) == set(taus.branches)
    for name in taus.branches:
        np.testing.assert_array_equal(merged[name], expected[name], name)


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError), SortedRuns(2, 1e-4, tmp_path) as runs:
        runs.add(table(0, 50), np.zeros(50, np.int64))
        assert runs.runs == 1
        assert list(tmp_path.iterdir())
        raise RuntimeError("stop")
    assert not list(tmp_path.iterdir())
