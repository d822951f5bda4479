"""What a network was trained on: the sketch knows every candidate of the sample and no other."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.training.trained_on import KEY, TRAINED_ON_FILE, TrainedOn, candidate_hash, remember


def columns(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Candidates as simulations number them: run 1, events from one."""
    rng = np.random.default_rng(seed)
    return {
        "run": np.ones(n, np.uint32),
        "lumi": np.ones(n, np.uint32),
        "evt": np.arange(1, n + 1, dtype=np.uint64),
        "tau_pt": rng.uniform(20, 100, n).astype(np.float32),
        "tau_eta": rng.uniform(-2, 2, n).astype(np.float32),
        "tau_phi": rng.uniform(-3, 3, n).astype(np.float32),
    }


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_neither_chunks_nor_order_matter(sizes: list[int], kept: int):
    whole = columns(sum(sizes))
    edges = np.cumsum([0, *sizes])
    parts = [{name: values[a:b] for name, values in whole.items()} for a, b in itertools.pairwise(edges)]
    expected = TrainedOn.of([whole], kept)
    for order in (parts, parts[::-1]):
        found = TrainedOn.of(order, kept)
        np.testing.assert_array_equal(found.hashes, expected.hashes)
        assert (found.limit, found.entries) == (expected.limit, sum(sizes))
    assert len(expected.hashes) == min(sum(sizes), kept)
    inside = candidate_hash(whole) <= expected.limit
    np.testing.assert_array_equal(expected.known(whole), inside)
    assert not expected.known(columns(100, seed=1)).any()


@pytest.mark.parametrize("name", KEY)
def test_every_part_of_the_key_counts(name: str):
    one = columns(50)
    sketch = TrainedOn.of([one])
    changed = {**one, name: one[name] + one[name].dtype.type(1)}
    assert sketch.known(one).all()
    assert not sketch.known(changed).any()


def test_key_does_not_depend_on_types_of_numbers():
    one = columns(20)
    other = {name: values.astype(np.int64) if values.dtype.kind == "u" else values for name, values in one.items()}
    np.testing.assert_array_equal(candidate_hash(one), candidate_hash(other))
    zeros = {**one, "tau_eta": np.zeros(20, np.float32)}
    np.testing.assert_array_equal(candidate_hash(zeros), candidate_hash({**zeros, "tau_eta": -zeros["tau_eta"]}))


def test_a_file_gives_the_sketch_back_and_a_damaged_one_says_so(tmp_path: Path):
    sketch = TrainedOn.of([columns(200)], kept=50)
    sketch.save(tmp_path / TRAINED_ON_FILE)
    found = TrainedOn.find(tmp_path / "split/core")
    assert found is not None
    np.testing.assert_array_equal(found.hashes, sketch.hashes)
    assert (found.limit, found.entries, found.share) == (sketch.limit, 200, pytest.approx(0.25, rel=0.5))
    (tmp_path / TRAINED_ON_FILE).write_bytes(b"PK")
    with pytest.raises(InputError, match="what the network was trained on cannot be read"):
        TrainedOn.find(tmp_path)


def flat_file(path: Path, seed: int) -> Path:
    write_flat(path, [FlatTuples(columns(30, seed), {"x": np.zeros(30, np.float32)}, {})])
    return path


def test_a_network_that_began_with_another_remembers_both_samples(tmp_path: Path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    remember([flat_file(tmp_path / "a.h5", 1)], "", tmp_path / "first")
    remember(
        [flat_file(tmp_path / "b.h5", 2), flat_file(tmp_path / "c.h5", 3)], str(tmp_path / "first"), tmp_path / "second"
    )
    sketch = TrainedOn.load(tmp_path / "second" / TRAINED_ON_FILE)
    assert [int(sketch.known(columns(30, seed)).sum()) for seed in range(5)] == [0, 30, 30, 30, 0]
    assert sketch.entries == 90


def test_files_without_event_numbers_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    write_flat(tmp_path / "flat.h5", [FlatTuples({"entry": np.arange(3)}, {"x": np.zeros(3, np.float32)}, {})])
    remember([tmp_path / "flat.h5"], "", tmp_path)
    assert "that the network was trained on it is not remembered" in caplog.text
    assert not (tmp_path / TRAINED_ON_FILE).exists()
    remember([tmp_path / "flat.h5", flat_file(tmp_path / "a.h5", 1)], "", tmp_path)
    assert TrainedOn.load(tmp_path / TRAINED_ON_FILE).entries == 30


def test_looking_up_is_cheap():
    """Ten million candidates must not take minutes: two million in a few seconds, on a busy machine too."""
    one = columns(200_000)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        sketch = TrainedOn.of([one] * 5, kept=100_000)
        for _ in range(5):
            sketch.known(one)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 5
    assert sketch.hashes.nbytes <= 800_000
