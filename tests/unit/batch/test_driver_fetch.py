"""Jobs that wait in the queue, completed, until their spooled output was fetched."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from taumltools.batch.driver import FETCHES, Driver
from taumltools.batch.journal import read_events
from taumltools.errors import PoolError
from tests.unit.batch.test_driver import ScriptedPool, ScriptedWork, make, submitted


@dataclass
class SpoolingPool(ScriptedPool):
    """Completed jobs stay; what they left comes with their retrieval."""

    bring: object = None
    refuse: dict[int, int] = field(default_factory=dict)
    fetched: list[int] = field(default_factory=list)
    told: list[tuple] = field(default_factory=list)

    def retrieve(self, jobs):
        for name in jobs:
            branch = self.queue[name]["TaumlBranch"]
            self.told.append(("fetch", branch))
            if self.refuse.get(branch, 0) > 0:
                self.refuse[branch] -= 1
                raise PoolError("the disk is full")
            self.fetched.append(branch)
            self.bring(branch, self.queue[name]["TaumlAttempt"])

    def remove(self, jobs, reason):
        self.told += [("remove", self.queue[name]["TaumlBranch"]) for name in jobs if name in self.queue]
        super().remove(jobs, reason)


def completing(branch, attempt, age):
    return (1, {}) if age == 1 else (4, {"ExitCode": 0, "ExitBySignal": False})


def spooling(tmp_path, script=completing, n=2, bring=None, **options):
    driver, _, work = make(tmp_path, script, n, work=ScriptedWork(), **options)

    def deliver(branch, attempt):
        work.made[branch] = (1, 1)
        work.reports[branch, attempt] = {"cause": "done"}

    pool = SpoolingPool(script, bring=bring or deliver)
    driver = Driver(driver.settings, work, pool, tmp_path, driver.clock, driver.sleep)
    return driver, pool, work


def endings(driver, branch=0):
    return [str(attempt.ending.cause) for attempt in driver.ledger.attempts[branch]]


def test_output_is_fetched_before_the_end_is_recorded_and_the_job_removed(tmp_path):
    driver, pool, work = spooling(tmp_path, n=1)
    receive = []
    work.report = lambda branch, attempt: receive.append(list(pool.told)) or {"cause": "done", "memory_mb": 7.0}
    assert driver.run() == {}
    assert pool.told == [("fetch", 0), ("remove", 0)]
    assert receive[0] == [("fetch", 0)]
    names = [event["event"] for event in read_events(tmp_path / "journal.jsonl")]
    assert names.index("ended") < names.index("removed")
    assert endings(driver) == ["done"]
    assert driver.ledger.attempts[0][0].ending.memory_mb == 7.0


def test_retrieval_that_fails_is_tried_again(tmp_path):
    driver, pool, _ = spooling(tmp_path)
    pool.refuse = {0: FETCHES - 1}
    assert driver.run() == {}
    assert pool.fetched == [1, 0]  # the other did not wait for it
    assert submitted(pool) == {0: 1, 1: 1}
    assert endings(driver) == ["done"]


def test_retrieval_that_always_fails_is_given_up_and_the_branch_repeated(tmp_path):
    driver, pool, _ = spooling(tmp_path)
    pool.refuse = {0: FETCHES}
    assert driver.run() == {}
    assert submitted(pool) == {0: 2, 1: 1}
    assert endings(driver) == ["file transfer", "done"]
    assert driver.ledger.attempts[0][0].ending.message == "the disk is full"


def test_what_came_although_the_retrieval_failed_counts(tmp_path):
    driver, pool, work = spooling(tmp_path, n=1)
    pool.refuse = {0: 99}
    work.report = lambda branch, attempt: work.made.setdefault(0, (1, 1)) and {"cause": "done"}
    assert driver.run() == {}
    assert endings(driver) == ["done"]
    assert pool.told == [("fetch", 0), ("remove", 0)]


def test_report_of_a_failure_is_the_end(tmp_path):
    driver, pool, work = spooling(tmp_path, n=1)

    def bring(branch, attempt):
        if attempt == 1:
            work.reports[branch, 1] = {"cause": "exception in the task", "message": "ValueError: x", "code": 60}
        else:
            deliver(branch, attempt)

    deliver, pool.bring = pool.bring, bring
    assert driver.run() == {}
    assert endings(driver) == ["exception in the task", "done"]
    assert pool.told == [("fetch", 0), ("remove", 0)] * 2


@pytest.mark.parametrize(("code", "fetches"), [(0, 2), (3, 1)])
def test_product_that_comes_late_is_waited_for_after_a_good_end_only(tmp_path, code, fetches):
    def script(branch, attempt, age):
        return completing(branch, attempt, age) if attempt > 1 else (4, {"ExitCode": code, "ExitBySignal": False})

    driver, pool, _ = spooling(tmp_path, script, n=1)
    deliver, pool.bring = pool.bring, lambda branch, attempt: deliver(branch, attempt) if attempt > 1 else None
    assert driver.run() == {}
    assert pool.told[: fetches + 1] == [("fetch", 0)] * fetches + [("remove", 0)]
    assert endings(driver) == ["no valid output" if code == 0 else "exception in the task", "done"]


def test_driver_that_dies_between_fetching_and_recording_is_continued(tmp_path):
    driver, pool, work = spooling(tmp_path, n=1)

    class Death(BaseException):
        pass

    def die(*_):
        raise Death

    driver._ended = die
    with pytest.raises(Death):
        driver.run()
    assert work.made
    assert pool.queue
    new = Driver(driver.settings, work, pool, tmp_path, driver.clock, driver.sleep)
    assert new.run() == {}
    assert submitted(pool) == {0: 1}
    assert endings(new) == ["done"]
    assert pool.told == [("fetch", 0), ("fetch", 0), ("remove", 0)]


def test_job_whose_end_is_on_record_goes_without_being_fetched(tmp_path):
    driver, pool, _ = spooling(tmp_path, n=1)
    pool.failures["remove"] = [True]
    assert driver.run() == {}
    assert pool.fetched == [0]
    assert pool.queue == {}
    assert endings(driver) == ["done"]
