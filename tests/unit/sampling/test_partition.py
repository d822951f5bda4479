from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import ConfigError, InputError
from taumltools.sampling.partition import InputFile, job_range, partition


def files(*entries):
    return [InputFile(Path(f"f{i}.arrow"), n, "a") for i, n in enumerate(entries)]


def covered(inputs, job, n_jobs):
    """(file, entry) pairs of a part."""
    return [(r.file.path.name, e) for r in partition(inputs, job, n_jobs) for e in range(r.start, r.stop)]


@given(st.lists(st.integers(0, 30), max_size=6), st.integers(1, 40))
def test_parts_cover_everything_once_and_in_order(entries, n_jobs):
    inputs = files(*entries)
    parts = [covered(inputs, job, n_jobs) for job in range(n_jobs)]
    everything = [(f.path.name, e) for f in inputs for e in range(f.entries)]
    assert [pair for part in parts for pair in part] == everything
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(0, 10**12), st.integers(1, 10**4))
def test_ranges_join_exactly(total, n_jobs):
    first = job_range(total, 0, n_jobs)
    last = job_range(total, n_jobs - 1, n_jobs)
    assert (first[0], last[1]) == (0, total)
    for job in range(0, n_jobs - 1, max(1, n_jobs // 50)):
        assert job_range(total, job, n_jobs)[1] == job_range(total, job + 1, n_jobs)[0]


def test_worked_example_keeps_the_remainder():
    """Files of 10, 7 and 5 entries in 4 parts: nothing of 22 is dropped."""
    inputs = files(10, 7, 5)
    ranges = [[(r.file.path.name, r.start, r.stop) for r in partition(inputs, job, 4)] for job in range(4)]
    assert ranges == [
        [("f0.arrow", 0, 5)],
        [("f0.arrow", 5, 10), ("f1.arrow", 0, 1)],
        [("f1.arrow", 1, 6)],
        [("f1.arrow", 6, 7), ("f2.arrow", 0, 5)],
    ]


def test_ranges_are_never_empty():
    assert [len(r) for r in partition(files(0, 3, 0, 2, 0), 0, 1)] == [3, 2]
    assert partition(files(1), 1, 3) == []
    assert partition([], 0, 1) == []


@pytest.mark.parametrize(("job", "n_jobs"), [(-1, 2), (2, 2), (0, 0)])
def test_parts_that_do_not_exist(job, n_jobs):
    with pytest.raises(ConfigError, match=f"part {job} of {n_jobs} was asked for"):
        partition(files(5), job, n_jobs)


def test_a_file_listed_twice():
    with pytest.raises(InputError, match=r"listed more than once: f0.arrow; list each file once"):
        partition([*files(5, 6), *files(5)], 0, 1)


def test_negative_entries():
    with pytest.raises(InputError, match=r"f1.arrow: -1 entries"):
        partition(files(5, -1), 0, 1)
