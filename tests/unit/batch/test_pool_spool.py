"""Submissions whose input the scheduler keeps, with a scripted scheduler; a real one: tests/condor/test_isolated.py."""

from __future__ import annotations

import pytest

import taumltools.batch.pool as adapter
from taumltools.batch.pool import CondorPool
from taumltools.errors import PoolError

htcondor2 = pytest.importorskip("htcondor2")


class Result:
    def cluster(self):
        return 7

    def first_proc(self):
        return 0

    def num_procs(self):
        return 2


class Scheduler:
    """Holds the jobs for some looks after their files came."""

    def __init__(self, looks=0, broken=False):
        self.looks, self.broken, self.calls = looks, broken, []

    def submit(self, description, itemdata, spool):
        self.calls.append(("submit", len(list(itemdata)), spool))
        return Result()

    def spool(self, result):
        self.calls.append("spool")
        if self.broken:
            raise OSError("connection lost")

    def query(self, constraint, projection):
        self.calls.append(constraint)
        self.looks -= 1
        return [{"ProcId": 0}] if self.looks >= 0 else []

    def retrieve(self, constraint):
        self.calls.append(constraint)
        if self.broken:
            raise OSError("no space left")


@pytest.fixture
def pool(monkeypatch):
    def make(scheduler, **options):
        one = CondorPool(**options)
        monkeypatch.setattr(one, "_schedd", lambda: scheduler)
        monkeypatch.setattr(adapter.time, "sleep", lambda _: None)
        return one

    return make


def test_spooled_jobs_are_handed_over_and_waited_for(pool):
    scheduler = Scheduler(looks=3)
    jobs = pool(scheduler, spool=True).submit("executable = /bin/true", [{"branch": "0"}, {"branch": "1"}])
    assert jobs == ["7.0", "7.1"]
    held = "ClusterId == 7 && JobStatus == 5 && HoldReasonCode == 16"
    assert scheduler.calls == [("submit", 2, True), "spool", *[held] * 4]


def test_jobs_that_are_not_spooled_are_not_waited_for(pool):
    scheduler = Scheduler()
    pool(scheduler).submit("executable = /bin/true", [{"branch": "0"}])
    assert scheduler.calls == [("submit", 1, False)]


def test_spooling_that_breaks_off_is_a_refusal(pool):
    with pytest.raises(PoolError, match="refused or broken off: connection lost"):
        pool(Scheduler(broken=True), spool=True).submit("executable = /bin/true", [{"branch": "0"}])


def test_jobs_that_are_never_released_are_a_refusal(pool, monkeypatch):
    monkeypatch.setattr(adapter, "RELEASE_TIME", 0.0)
    with pytest.raises(PoolError, match="did not release the jobs within 0 s"):
        pool(Scheduler(looks=10**9), spool=True).submit("executable = /bin/true", [{"branch": "0"}])


def test_only_spooled_output_is_fetched_job_by_job(pool):
    scheduler = Scheduler()
    pool(scheduler).retrieve(["7.0", "12.3"])
    assert scheduler.calls == [
        "ClusterId == 7 && ProcId == 0 && StageInFinish > 0",
        "ClusterId == 12 && ProcId == 3 && StageInFinish > 0",
    ]


def test_output_that_cannot_be_fetched_is_said(pool):
    with pytest.raises(PoolError, match=r"the output of job 7\.0 cannot be fetched from the scheduler: no space left"):
        pool(Scheduler(broken=True)).retrieve(["7.0"])
