from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.sampling import duplicates
from taumltools.sampling.duplicates import KEY, find_repeated, repeated_rows
from taumltools.sampling.partition import FileRange, InputFile
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples

KINDS = {"run": np.uint32, "lumi": np.uint32, "evt": np.uint64, "jet_index": np.int32, "tau_index": np.int32}
FITS, SPILLS = 100.0, 0.001
"""Budgets in MB: everything at once, and 1,000 records at a time."""


def columns(rows):
    """Columns of the key from rows of five integers."""
    table = list(zip(*rows, strict=True)) or [()] * 5
    return {name: np.array(table[i], KINDS[name]) for i, name in enumerate(KEY)}


def naive(keys):
    seen, out = set(), []
    for row, key in enumerate(zip(*(keys[name].tolist() for name in KEY), strict=True)):
        if key in seen:
            out.append(row)
        seen.add(key)
    return out


def random_keys(rng, n, distinct):
    """n keys, of about ``distinct`` different ones that differ in any of the columns."""
    number = rng.integers(0, distinct, n)
    return {
        "run": (number % 3).astype("u4"),
        "lumi": (number // 3 % 50).astype("u4"),
        "evt": (number // 150).astype("u8") + np.uint64(2**63),
        "jet_index": (number % 2 - 1).astype("i4"),
        "tau_index": (number % 5 - 1).astype("i4"),
    }


def chunked(keys, *cuts):
    edges = [0, *sorted(cuts), len(keys["evt"])]
    return [{name: keys[name][a:b] for name in KEY} for a, b in itertools.pairwise(edges)]


small = st.tuples(*[st.sampled_from([0, 1, 2**32 - 1])] * 2, st.sampled_from([0, 2**64 - 1]), *[st.integers(-1, 1)] * 2)


@given(st.lists(small, max_size=60), st.integers(0, 60))
def test_is_what_a_set_finds(rows, cut):
    keys = columns(rows)
    assert find_repeated(chunked(keys, min(cut, len(rows))), len(rows), FITS).tolist() == naive(keys)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6000), st.sampled_from([1, 3, 500, 3000, 10**6]), st.integers(0, 99))
def test_spilled_search_is_what_a_set_finds(n, distinct, seed):
    """More than 1,000 records at a time do not fit, also where one key alone fills the memory."""
    keys = random_keys(np.random.default_rng(seed), n, distinct)
    assert find_repeated(chunked(keys, n // 3, n // 2), n, SPILLS).tolist() == naive(keys)


@pytest.mark.parametrize("memory_mb", [FITS, SPILLS])
def test_equal_hashes_of_different_keys_are_no_repetition(memory_mb, monkeypatch):
    monkeypatch.setattr(duplicates, "_hash", lambda records: records[:, 1] % np.uint64(7) << np.uint64(60))
    keys = random_keys(np.random.default_rng(2), 3000, 2000)
    found = find_repeated([keys], 3000, memory_mb)
    assert found.tolist() == naive(keys)
    assert len(found) > 500


@pytest.mark.parametrize("name", KEY)
def test_every_column_counts(name):
    keys = columns([(1, 1, 1, 1, 1)] * 2)
    assert find_repeated([keys], 2, FITS).tolist() == [1]
    keys[name][1] = 0
    assert find_repeated([keys], 2, FITS).tolist() == []


def test_columns_are_not_mixed_up():
    rows = [(1, 2, 3, 4, 5), (2, 1, 3, 4, 5), (1, 2, 3, 5, 4), (1, 3, 2, 4, 5), (1, 2, 3, 4, 5)]
    assert find_repeated([columns(rows)], 5, FITS).tolist() == [4]


@pytest.mark.parametrize(
    ("name", "value", "kind"), [("run", -1, "uint32"), ("lumi", 2**32, "uint32"), ("tau_index", 2**31, "int32")]
)
def test_value_that_does_not_fit(name, value, kind):
    keys = columns([(1, 1, 1, 1, 1)])
    keys[name] = np.array([value])
    with pytest.raises(InputError, match=f"branch '{name}' holds {value}, which is no {kind}"):
        find_repeated([keys], 1, FITS)


@pytest.mark.parametrize("total", [2, 4, 4000])
def test_wrong_total(total):
    with pytest.raises(InputError, match=f"3 entries were read, {total} were expected"):
        find_repeated([columns([(1, 1, i, 1, 1) for i in range(3)])], total, SPILLS)


def test_nothing():
    assert find_repeated([], 0, FITS).tolist() == []
    assert repeated_rows([], FITS) == []


def files_of(folder, *numbers):
    """Files whose entries have the given event numbers, and are alike otherwise."""
    out = []
    for i, evt in enumerate(numbers):
        tuples = mock_tuples(len(evt))
        same = {name: np.full(len(evt), 1, KINDS[name]) for name in KEY}
        write_tuples(folder / f"{i}.arrow", tuples.with_scalars(same | {"evt": np.array(evt, np.uint64)}), KEY)
        out.append(InputFile(folder / f"{i}.arrow", len(evt), "DY"))
    return out


def test_entry_numbers_are_those_of_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(duplicates, "STEP", 2)
    first, second, third = files_of(tmp_path, [7, 8, 7, 9], [9, 1, 8], [5, 5, 1])
    whole = [FileRange(f, 0, f.entries) for f in (first, second, third)]
    assert [rows.tolist() for rows in repeated_rows(whole, FITS)] == [[2], [0, 2], [1, 2]]
    part = [FileRange(first, 2, 4), FileRange(second, 1, 2), FileRange(third, 0, 3)]
    assert [rows.tolist() for rows in repeated_rows(part, FITS)] == [[], [], [1, 2]]


def test_changed_file(tmp_path):
    (file,) = files_of(tmp_path, [1, 2, 3])
    with pytest.raises(InputError, match=r"0.arrow: has 3 entries, expected are 5; .* count it again"):
        repeated_rows([FileRange(InputFile(file.path, 5, "DY"), 0, 5)], FITS)


def test_temporary_file_vanishes_in_all_cases(tmp_path, monkeypatch):
    keys, calls, spill = random_keys(np.random.default_rng(0), 5000, 100), [], duplicates._spill
    monkeypatch.setattr(duplicates, "_spill", lambda *args: calls.append(args) or spill(*args))
    find_repeated([keys], 5000, SPILLS, tmp_path)
    with pytest.raises(InputError, match="5000 entries were read"):
        find_repeated([keys], 6000, SPILLS, tmp_path)
    assert len(calls) == 2
    assert list(tmp_path.iterdir()) == []


def test_scratch_folder_is_used(tmp_path):
    keys = random_keys(np.random.default_rng(0), 5000, 100)
    with pytest.raises(FileNotFoundError, match="missing"):
        find_repeated([keys], 5000, SPILLS, tmp_path / "missing")


@pytest.mark.parametrize("distinct", [10**9, 7])
def test_memory_stays_below_the_budget(distinct, tmp_path):
    """Ten times more rows than fit, without repetitions and with nearly nothing else."""
    n, step, budget = 250_000, 10_000, 4.0

    def chunks():
        rng = np.random.default_rng(1)
        for _ in range(0, n, step):
            yield random_keys(rng, step, distinct)

    tracemalloc.start()
    rows = find_repeated(chunks(), n, budget, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    result = 3 * rows.nbytes
    chunk = 2 * step * 80
    assert peak - result - chunk < budget * 1e6
