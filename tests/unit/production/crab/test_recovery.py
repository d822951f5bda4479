"""Recovery of CRAB tasks with smaller jobs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import ConfigError
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.recovery import files_per_job, recovery

JOB = CrabJob("DY", "/a/b/c", units_per_job=20, max_recoveries=4, whitelist=("T2_X",), whitelist_final=("T2_DE",))


def test_jobs_halve_and_end_on_the_local_batch_system():
    all_of_them = [recovery(JOB, n) for n in (1, 2, 3, 4)]
    assert [r.job.units_per_job for r in all_of_them] == [10, 5, 1, 1]
    assert [r.local for r in all_of_them] == [False, False, False, True]
    assert [r.last for r in all_of_them] == [False, False, True, False]
    assert [r.job.name for r in all_of_them] == [f"DY_recovery_{n}" for n in (1, 2, 3, 4)]
    assert all(r.job.splitting == "FileBased" for r in all_of_them)


def test_last_recovery_on_the_grid_asks_for_more_and_goes_anywhere():
    last = recovery(JOB, 3)
    assert (last.job.max_memory, last.runtime, last.job.ignore_locality) == (4000, 48, True)
    assert last.job.whitelist == ("T2_DE",)
    before = recovery(JOB, 2)
    assert (before.job.max_memory, before.runtime, before.job.ignore_locality) == (2000, None, False)
    assert before.job.whitelist == ("T2_X",)


@pytest.mark.parametrize("number", [0, 5, -1])
def test_no_such_recovery(number):
    with pytest.raises(ConfigError, match=f"there is no recovery {number}, max_recoveries is 4"):
        recovery(JOB, number)


@given(units=st.integers(1, 10_000), last=st.integers(1, 12))
def test_files_of_a_job_never_grow_and_end_at_one(units, last):
    counts = [files_per_job(units, n, last) for n in range(last + 3)]
    assert counts[0] == units
    assert counts == sorted(counts, reverse=True)
    assert counts[last:] == [1] * 3
