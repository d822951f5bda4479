from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.sampling.shuffle import Piece, write_in_order
from taumltools.tuples.io import TupleWriter, open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples

BRANCHES = ["evt", "tau_pt", "pfCand_pt", "pfCand_charge", "lumi"]
SIZES = (40, 0, 70, 25)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shuffle")
    out = [folder / f"{i}.{'root' if i == 2 else 'arrow'}" for i in range(len(SIZES))]
    for seed, (path, size) in enumerate(zip(out, SIZES, strict=True)):
        tuples = mock_tuples(max(size, 1), seed=seed).slice(0, size)
        write_tuples(path, tuples.with_scalars({"evt": np.arange(size, dtype=np.uint64) + 1000 * seed}), BRANCHES[:-1])
    return out


def pieces_of(paths, rng, share):
    chosen = [np.flatnonzero(rng.random(size) < share) for size in SIZES]
    places = rng.permutation(sum(map(len, chosen)))
    cuts = np.cumsum([0, *map(len, chosen)])
    pieces = [
        Piece(path, rows, places[low:high], {"lumi": np.full(len(rows), number, np.uint32)})
        for number, (path, rows, low, high) in enumerate(zip(paths, chosen, cuts[:-1], cuts[1:], strict=True))
    ]
    return pieces, places, np.concatenate([rows + 1000 * i for i, rows in enumerate(chosen)])


def write(tmp_path, pieces, memory_mb, suffix="arrow"):
    path = tmp_path / f"out_{memory_mb}.{suffix}"
    with TupleWriter(path, BRANCHES) as writer:
        write_in_order(writer, pieces, BRANCHES, memory_mb=memory_mb, scratch=tmp_path)
    with open_tuples(path) as file:
        return file.read()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.05, 1), st.sampled_from([1000, 0.05, 0.003]))
def test_every_entry_comes_to_its_place(paths, tmp_path_factory, seed, share, memory_mb):
    pieces, places, evt = pieces_of(paths, np.random.default_rng(seed), share)
    folder = tmp_path_factory.mktemp("out")
    found = write(folder, pieces, memory_mb)
    expected = np.empty(len(evt), np.uint64)
    expected[places] = evt
    assert found["evt"].tolist() == expected.tolist()
    assert (found["lumi"] == expected // 1000).all()
    assert [path.suffix for path in folder.iterdir()] == [".arrow"]


def test_objects_stay_with_their_entry(paths, tmp_path):
    pieces, _, _ = pieces_of(paths, np.random.default_rng(1), 0.7)
    memory, disk = write(tmp_path, pieces, 1000), write(tmp_path, pieces, 0.01)
    for seed in (0, 2, 3):
        with open_tuples(paths[seed]) as file:
            source = file.read()
        for row in np.flatnonzero(memory["evt"] // 1000 == seed):
            i = int(memory["evt"][row]) % 1000
            mine, theirs = memory.slice(row, row + 1), source.slice(i, i + 1)
            for name in ("tau_pt", "pfCand_pt", "pfCand_charge"):
                assert np.array_equal(mine[name], theirs[name], equal_nan=True)
    assert all(np.array_equal(memory[n], disk[n], equal_nan=memory[n].dtype.kind == "f") for n in BRANCHES)


def test_buckets_are_announced_and_removed_also_on_failure(paths, tmp_path, caplog):
    pieces, _, _ = pieces_of(paths, np.random.default_rng(1), 0.9)
    with caplog.at_level("INFO"):
        write(tmp_path, pieces, 0.01)
    assert "are shuffled in" in caplog.text
    total = sum(map(len, pieces[:3])) + 2
    places = np.split(np.random.default_rng(2).permutation(total), np.cumsum([len(p) for p in pieces[:3]]))
    others = [Piece(p.path, p.rows, place, p.columns) for p, place in zip(pieces, places[:3], strict=False)]
    broken = Piece(paths[3], np.array([0, 999]), places[3], {"lumi": np.zeros(2, np.uint32)})
    with pytest.raises(InputError, match=r"3.arrow"):
        write(tmp_path, [*others, broken], 0.011)
    assert {p.name for p in tmp_path.iterdir()} == {"out_0.01.arrow"}


def test_nothing_chosen_gives_an_empty_file(paths, tmp_path):
    pieces, _, _ = pieces_of(paths, np.random.default_rng(1), -1)
    assert len(write(tmp_path, pieces, 1)) == 0
