"""The driver against a scripted batch system: answers that a real pool cannot be made to give.

What a real pool can show is in tests/condor/test_scenarios.py.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taumltools.batch.decide import Policy
from taumltools.batch.driver import LOOKS, Driver
from taumltools.batch.journal import is_closed
from taumltools.batch.resources import Resources
from taumltools.batch.states import JOB_STATUS, Job
from taumltools.batch.work import Settings
from taumltools.config.batch import RetryConfig
from taumltools.errors import BatchError, NoPoolError, PoolError


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += max(seconds, 0.01)


@dataclass
class ScriptedPool:
    """A batch system whose jobs do what ``script(branch, attempt, age)`` says.

    It returns a JobStatus, with attributes, or None for a job that left the queue.
    """

    script: object
    queue: dict[str, dict] = field(default_factory=dict)
    past: dict[tuple[int, int], dict] = field(default_factory=dict)
    submissions: list[list[tuple[int, int]]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failures: dict[str, list] = field(default_factory=dict)
    finish: object = None
    name: str = "schedd.here"

    def fail(self, what):
        planned = self.failures.get(what)
        if planned and planned.pop(0):
            raise PoolError(f"{what} fails")

    def where(self):
        self.fail("where")
        return self.name

    def jobs(self, workflow):
        self.fail("jobs")
        found = []
        for name, ad in list(self.queue.items()):
            ad["age"] += 1
            status, more = self.script(ad["TaumlBranch"], ad["TaumlAttempt"], ad["age"])
            ad |= more
            if status is None or status == "lost":
                del self.queue[name]
                if status is None:
                    self.past[ad["TaumlBranch"], ad["TaumlAttempt"]] = {"JobStatus": 4, "ExitBySignal": False, **ad}
                if self.finish and more.get("ExitCode") == 0:
                    self.finish(ad["TaumlBranch"])
                continue
            ad["JobStatus"] = status
            found.append(Job.from_ad(ad))
        return found

    def history(self, workflow, submissions, since):
        self.fail("history")
        return {key: ad for key, ad in self.past.items() if ad["TaumlSubmission"] in submissions}

    def submit(self, text, items):
        self.fail("submit")
        cluster = len(self.submissions) + 1
        self.submissions.append([(int(i["branch"]), int(i["attempt"])) for i in items])
        names = []
        for process, item in enumerate(items):
            names.append(f"{cluster}.{process}")
            self.queue[names[-1]] = {
                "ClusterId": cluster, "ProcId": process, "TaumlBranch": int(item["branch"]), "JobStatus": 1,
                "TaumlAttempt": int(item["attempt"]), "TaumlSubmission": text, "age": 0,
            }  # fmt: skip
        self.fail("submit_answer")
        return names

    def remove(self, jobs, reason):
        self.fail("remove")
        for name in jobs:
            self.removed.append(name)
            ad = self.queue.pop(name, None)
            if ad:
                self.past[ad["TaumlBranch"], ad["TaumlAttempt"]] = {**ad, "JobStatus": 3, "RemoveReason": reason}

    def retrieve(self, jobs):
        self.fail("retrieve")


@dataclass
class ScriptedWork:
    """A workflow whose products are a dict."""

    made: dict[int, tuple[int, int]] = field(default_factory=dict)
    reports: dict[tuple[int, int], dict] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    cleaned: int = 0

    def products(self):
        return dict(self.made)

    def check(self, branch):
        problem = self.problems.pop(branch, "")
        if problem:
            del self.made[branch]
        return problem

    def report(self, branch, attempt):
        return self.reports.get((branch, attempt))

    def receive(self, branch, attempt):
        return ""

    def submission(self, name, attempts):
        return name, [{"branch": str(a.branch), "attempt": str(a.number)} for a in attempts]

    def log(self, branch, attempt):
        return Path(f"/nowhere/{branch}_{attempt}.log")

    def clean(self):
        self.cleaned += 1


def good(branch, attempt, age):
    return (1, {}) if age == 1 else (2, {}) if age == 2 else (None, {"ExitCode": 0})


def make(tmp_path, script=good, n=3, *, work=None, retry=None, **options):
    clock, work = Clock(), work or ScriptedWork()
    pool = ScriptedPool(script, finish=lambda branch: work.made.setdefault(branch, (1, 1)))
    policy = Policy(RetryConfig(**(retry or {})), memory_cap=8000, runtime_cap=24, retry_delay=1)
    given = {"poll_interval": 1, "settle": 0} | options
    given = Settings("abc", "W v1", tuple(range(n)), Resources(1, 1000), policy, **given)
    return Driver(given, work, pool, tmp_path, clock, clock.sleep), pool, work


def again(driver, pool, work, tmp_path):
    """A new driver for the same workflow, as after a death."""
    new = Driver(driver.settings, work, pool, tmp_path, driver.clock, driver.sleep)
    return new


def submitted(pool):
    return Counter(branch for chunk in pool.submissions for branch, _ in chunk)


def test_each_branch_is_submitted_once(tmp_path):
    driver, pool, work = make(tmp_path)
    assert driver.run() == {}
    assert submitted(pool) == {0: 1, 1: 1, 2: 1}
    assert work.cleaned == 1
    assert is_closed(tmp_path / "journal.jsonl")


def test_query_that_fails_twice_is_asked_again(tmp_path):
    driver, pool, _ = make(tmp_path)
    pool.failures["jobs"] = [False, True, True, False, True]
    assert driver.run() == {}
    assert submitted(pool) == {0: 1, 1: 1, 2: 1}


@pytest.mark.parametrize("what", ["history", "remove"])
def test_other_calls_that_fail_are_made_again(tmp_path, what):
    def held_first(branch, attempt, age):
        if attempt == 1:
            return (5, {"HoldReasonCode": 1, "HoldReason": "x"}) if branch else ("lost", {})
        return good(branch, attempt, age)

    driver, pool, _ = make(tmp_path, held_first, n=2)
    pool.failures[what] = [True, True]
    assert driver.run() == {}
    assert submitted(pool) == {0: 2, 1: 2}


def test_scheduler_that_was_never_there_is_given_up_soon(tmp_path):
    driver, pool, _ = make(tmp_path)
    pool.failures["jobs"] = [True] * 10000
    with pytest.raises(BatchError, match=r"given up after 120 s\. Nothing was submitted"):
        driver.run()


def test_machine_without_a_batch_system_is_told_at_once(tmp_path):
    driver, pool, _ = make(tmp_path)
    pool.where = lambda: (_ for _ in ()).throw(NoPoolError("there is no scheduler"))
    with pytest.raises(NoPoolError, match="there is no scheduler"):
        driver.run()
    assert driver.clock() == 1000


def test_trouble_is_told_once_a_minute(tmp_path, caplog):
    driver, pool, _ = make(tmp_path)
    pool.failures["jobs"] = [False] + [True] * 150
    driver.run()
    assert len([r for r in caplog.records if "trying again" in r.message]) == 3


def test_job_that_waits_and_asks_for_what_is_not_wanted_any_more_is_replaced(tmp_path):
    def script(branch, attempt, age):
        return (1, {}) if attempt == 1 else good(branch, attempt, age)

    driver, pool, work = make(tmp_path, script, n=2)
    for _ in range(3):
        driver._turn_if_reachable()
    wanted = replace(driver.settings, resources=Resources(1, 500))
    new = Driver(wanted, work, pool, tmp_path, driver.clock, driver.sleep)
    assert new.run() == {}
    assert sorted(pool.removed) == ["1.0", "1.1"]
    assert [(a.resources.max_memory, a.ending.cause.value) for a in new.ledger.attempts[0]] == [
        (1000, "superseded"),
        (500, "done"),
    ]


def test_job_that_runs_is_not_replaced_because_something_else_is_wanted(tmp_path):
    driver, pool, work = make(tmp_path, lambda b, a, age: (2, {}) if age < 9 else good(b, a, 3), n=1)
    driver._turn_if_reachable()
    driver._turn_if_reachable()
    wanted = replace(driver.settings, resources=Resources(1, 500))
    assert Driver(wanted, work, pool, tmp_path, driver.clock, driver.sleep).run() == {}
    assert pool.removed == []


def test_long_waiting_is_told_with_where_to_look(tmp_path, caplog):
    caplog.set_level("INFO")
    driver, _, _ = make(tmp_path, lambda b, a, age: (1, {}) if age < 200 else good(b, a, 3), n=1)
    driver.run()
    told = [r.message for r in caplog.records if "nothing has started" in r.message]
    assert len(told) == 3
    assert "condor_q -better-analyze 1.0" in told[0]
    assert "1000 MB" in told[0]


def test_scheduler_that_went_away_is_waited_for(tmp_path):
    driver, pool, _ = make(tmp_path)
    pool.failures["jobs"] = [False] + [True] * 3000
    assert driver.run() == {}
    assert submitted(pool) == {0: 1, 1: 1, 2: 1}
    driver, pool, _ = make(tmp_path / "longer")
    pool.failures["jobs"] = [False] + [True] * 10000
    with pytest.raises(BatchError, match="given up after 3600 s"):
        driver.run()


def test_submission_whose_answer_is_lost_is_not_repeated(tmp_path):
    driver, pool, _ = make(tmp_path)
    pool.failures["submit_answer"] = [True]
    assert driver.run() == {}
    assert submitted(pool) == {0: 1, 1: 1, 2: 1}  # the jobs are found in the queue


def test_submission_that_is_refused_is_made_again(tmp_path):
    driver, pool, _ = make(tmp_path)
    pool.failures["submit"] = [True, True]
    assert driver.run() == {}
    assert submitted(pool) == {0: 1, 1: 1, 2: 1}
    causes = [a.ending.cause.value for a in driver.ledger.attempts[0]]
    assert causes == ["not submitted", "not submitted", "done"]


def test_submission_that_is_always_refused_is_given_up(tmp_path):
    driver, pool, _ = make(tmp_path, n=1, retry={"transient_retries": 3})
    pool.failures["submit"] = [True] * 1000
    with pytest.raises(BatchError, match=r"not submitted \(4 attempts\)"):
        driver.run()


@pytest.mark.parametrize(
    "status", [s for s, state in JOB_STATUS.items() if state.value in {"idle", "running", "leaving"}]
)
def test_states_that_last_are_waited_for(tmp_path, status):
    def lasting(branch, attempt, age):
        return (status, {}) if age < 30 else good(branch, attempt, 3)

    driver, pool, _ = make(tmp_path, lasting, n=1)
    driver.run()
    assert submitted(pool) == {0: 1}


def test_status_nobody_knows_is_waited_for(tmp_path):
    driver, pool, _ = make(tmp_path, lambda b, a, age: (42, {}) if age < 9 else good(b, a, 3), n=1)
    driver.run()
    assert submitted(pool) == {0: 1}


def test_job_that_vanishes_is_waited_for_then_repeated(tmp_path):
    looks = []

    def vanishing(branch, attempt, age):
        return ("lost", {}) if attempt == 1 else good(branch, attempt, age)

    driver, pool, work = make(tmp_path, vanishing, n=1)
    work_report = work.report
    work.report = lambda b, a: looks.append(a) or work_report(b, a)
    assert driver.run() == {}
    assert submitted(pool) == {0: 2}
    assert looks.count(1) >= LOOKS
    assert [a.ending.cause.value for a in driver.ledger.attempts[0]] == ["vanished without a trace", "done"]


def test_history_that_lags_is_waited_for(tmp_path):
    driver, pool, _ = make(tmp_path, lambda b, a, age: (None, {"ExitCode": 3}) if a == 1 else good(b, a, age), n=1)
    original, calls = pool.history, []

    def lagging(*arguments):
        calls.append(1)
        return {} if len(calls) == 1 else original(*arguments)

    pool.history = lagging
    assert driver.run() == {}
    assert driver.ledger.attempts[0][0].ending.code == 3


def test_product_that_shows_late_is_not_made_twice(tmp_path):
    """A file system may show a product a moment after its job has left the queue."""
    driver, pool, work = make(tmp_path, n=1)
    late = []
    pool.finish = late.append
    original = driver.sleep

    def sleep(seconds):
        if late and driver.missing:
            work.made[late.pop()] = (1, 1)
        original(seconds)

    driver.sleep = sleep
    assert driver.run() == {}
    assert submitted(pool) == {0: 1}


def test_report_of_the_job_names_the_cause(tmp_path):
    driver, _, work = make(tmp_path, lambda b, a, age: (None, {"ExitCode": 60}) if a == 1 else good(b, a, age), n=1)
    work.reports[0, 1] = {
        "cause": "exception in the task", "message": "KeyError: 'x'", "code": 60, "memory_mb": 5.0, "runtime_s": 2.0,
        "host": "node7",
    }  # fmt: skip
    driver.run()
    first = driver.ledger.attempts[0][0].ending
    assert (first.message, first.memory_mb, first.host) == ("KeyError: 'x'", 5.0, "node7")


def test_too_many_failures_stop_submission_remove_what_waits_and_wait_for_what_runs(tmp_path):
    def script(branch, attempt, age):
        if branch == 0:
            return None, {"ExitCode": 1}
        if branch == 1:
            return 1, {}  # waits for ever
        return (2, {}) if age < 20 else good(branch, attempt, 3)

    driver, pool, work = make(tmp_path, script, retry={"retries": 1})
    with pytest.raises(BatchError, match=r"(?s)1 branch failed for good.*--retry-failed"):
        driver.run()
    assert 2 in work.made
    assert pool.queue == {}
    assert "1.1" in pool.removed
    assert submitted(pool)[0] == 2


def test_tolerated_failures_let_the_rest_go_on(tmp_path):
    driver, _, work = make(
        tmp_path, lambda b, a, age: (None, {"ExitCode": 1}) if b == 0 else good(b, a, age), tolerance=1, enough=2
    )
    failed = driver.run()
    assert list(failed) == [0]
    assert set(work.made) == {1, 2}


def test_tolerated_failures_are_told_when_the_rest_is_not_enough(tmp_path):
    driver, _, work = make(
        tmp_path, lambda b, a, age: (None, {"ExitCode": 1}) if b == 0 else good(b, a, age), tolerance=1
    )
    with pytest.raises(BatchError, match="1 branch failed for good"):
        driver.run()
    assert set(work.made) == {1, 2}


def test_jobs_at_another_scheduler_are_not_taken_for_lost(tmp_path):
    driver, pool, work = make(tmp_path)
    driver._turn_if_reachable()
    pool.name = "schedd.elsewhere"
    with pytest.raises(
        BatchError, match=r"its jobs are at the scheduler schedd\.here, this machine speaks to schedd\.elsewhere"
    ):
        again(driver, pool, work, tmp_path).run()
    pool.name = "schedd.here"
    assert again(driver, pool, work, tmp_path).run() == {}
    pool.name = "schedd.elsewhere"  # nothing lives there any more
    assert again(driver, pool, work, tmp_path).run() == {}


def test_invalid_product_is_made_again(tmp_path):
    work = ScriptedWork(made={0: (5, 5)}, problems={0: "damaged"})
    driver, pool, _ = make(tmp_path, n=1, work=work)
    assert driver.run() == {}
    assert submitted(pool) == {0: 1}


def test_valid_product_is_checked_once(tmp_path):
    work = ScriptedWork(made={0: (5, 5)})
    checks = []
    work.check = lambda branch: checks.append(branch) or ""
    driver, pool, _ = make(tmp_path, n=1, work=work)
    driver.run()
    again(driver, pool, work, tmp_path).run()
    assert checks == [0]
    work.made[0] = (6, 7)  # replaced by hand: looked at anew
    again(driver, pool, work, tmp_path).run()
    assert checks == [0, 0]


def test_submissions_and_queue_have_limits(tmp_path):
    sizes = []
    driver, pool, _ = make(tmp_path, n=25, limits=(10, 0), submission_limit=4)
    original = pool.jobs

    def jobs(workflow):
        found = original(workflow)
        sizes.append(len(found))
        return found

    pool.jobs = jobs
    driver.run()
    assert max(sizes) == 10
    assert max(len(chunk) for chunk in pool.submissions) == 4
    assert submitted(pool) == dict.fromkeys(range(25), 1)


def test_transient_failures_are_repeated_with_growing_delay(tmp_path):
    times = []
    driver, pool, _ = make(
        tmp_path, lambda b, a, age: (None, {"ExitBySignal": True, "ExitSignal": 9}) if a < 5 else good(b, a, age), n=1
    )
    original = pool.submit
    pool.submit = lambda text, items: times.append(driver.clock()) or original(text, items)
    driver.run()
    waits = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert len(waits) == 4
    assert waits == sorted(waits)
    assert waits[-1] >= 8


FATES = st.sampled_from(["good", "exit", "signal", "held", "memory", "lost", "removed", "report"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fates=st.lists(st.lists(FATES, max_size=4), min_size=1, max_size=5),
    deaths=st.lists(st.integers(1, 12), max_size=6),
    trouble=st.lists(st.booleans(), max_size=8),
)
def test_whatever_happens_every_branch_is_delivered_and_none_has_two_jobs(tmp_path_factory, fates, deaths, trouble):
    """Jobs end in any way, drivers die between any two turns, the scheduler fails at any call."""
    tmp_path = tmp_path_factory.mktemp("driver")

    def script(branch, attempt, age):
        mine = fates[branch]
        failed = sum(1 for a in driver.ledger.attempts.get(branch, []) if a.ending and a.number < attempt)
        fate = mine[failed] if failed < len(mine) else "good"
        if age < 2:
            return 1, {}
        return {
            "good": (None, {"ExitCode": 0}),
            "exit": (None, {"ExitCode": 7}),
            "report": (None, {"ExitCode": 60}),
            "signal": (None, {"ExitBySignal": True, "ExitSignal": 9}),
            "held": (5, {"HoldReasonCode": 1, "HoldReason": "somebody"}),
            "memory": (5, {"HoldReasonCode": 34, "HoldReason": "memory"}),
            "lost": ("lost", {}),
            "removed": (None, {"JobStatus": 3, "RemoveReason": "x"}),
        }[fate]

    driver, pool, work = make(tmp_path, script, n=len(fates), retry={"retries": 50})
    pool.failures = {"jobs": list(trouble), "submit_answer": list(trouble), "history": list(trouble)}
    alive = []
    original = pool.jobs

    def jobs(workflow):
        found = original(workflow)
        alive.append(Counter(job.branch for job in found))
        return found

    pool.jobs = jobs
    for turns in deaths:
        for _ in range(turns):
            if driver._turn_if_reachable():
                break
            driver.sleep(1)
        driver = again(driver, pool, work, tmp_path)
    assert driver.run() == {}
    assert set(work.made) == set(range(len(fates)))
    assert all(count == 1 for counts in alive for count in counts.values())
    assert pool.queue == {}


# ---------------------------------------------------------------------- found by a review


def test_product_that_shows_late_is_waited_for_in_seconds_not_in_looks(tmp_path):
    """Folders of network file systems are seen with a delay: two looks in one second were believed."""
    late = {}
    driver, pool, work = make(tmp_path, n=1, settle=60, retry={"retries": 0})
    pool.finish = lambda branch: late.setdefault(branch, driver.clock() + 30)
    work.products = lambda: {b: (1, 1) for b, since in late.items() if driver.clock() >= since}
    assert driver.run() == {}
    assert [str(a.ending.cause) for a in driver.ledger.attempts[0]] == ["done"]


def test_history_is_searched_to_its_end_before_a_job_is_called_vanished(tmp_path):
    """Jobs of others that entered the history late hid ours: its failure was taken for a transient one."""
    driver, pool, _ = make(tmp_path, lambda b, a, age: (None, {"ExitCode": 60}) if a == 1 else good(b, a, age), n=1)
    original = pool.history
    pool.history = lambda workflow, names, since: original(workflow, names, since) if since is None else {}
    assert driver.run() == {}
    assert [str(a.ending.cause) for a in driver.ledger.attempts[0]] == ["exception in the task", "done"]


def test_submission_in_doubt_at_another_scheduler_is_not_repeated_here(tmp_path):
    driver, pool, work = make(tmp_path, n=1)
    driver.open()
    pool.failures["submit_answer"] = [True]
    with pytest.raises(PoolError):
        driver.turn()  # killed between the submission and its record
    other = again(driver, ScriptedPool(good, name="schedd.there"), work, tmp_path)
    with pytest.raises(BatchError, match=r"its jobs are at the scheduler schedd\.here"):
        other.run()


def test_crash_is_not_repeated_for_a_day(tmp_path):
    driver, _pool, _ = make(tmp_path, lambda b, a, age: (None, {"ExitBySignal": True, "ExitSignal": 11}), n=1)
    with pytest.raises(BatchError, match=r"crashed \(3 attempts\)"):
        driver.run()


def test_clock_that_is_set_back_makes_nobody_wait(tmp_path):
    driver, _, _ = make(
        tmp_path, lambda b, a, age: (None, {"ExitBySignal": True, "ExitSignal": 9}) if a == 1 else good(b, a, age), n=1
    )
    original = driver.end

    def end(*arguments):
        original(*arguments)
        driver.clock.now -= 3600

    driver.end = end
    turns = []
    sleep = driver.sleep
    driver.sleep = lambda seconds: turns.append(seconds) or sleep(seconds)
    assert driver.run() == {}
    assert len(turns) < 20


def test_machine_that_slept_does_not_give_up_at_the_second_failure(tmp_path):
    driver, pool, _ = make(tmp_path)
    pool.failures["jobs"] = [False, True, True, False]
    original = pool.jobs

    def jobs(workflow):
        try:
            return original(workflow)
        except PoolError:
            driver.clock.now += 4000  # the lid was closed
            raise

    pool.jobs = jobs
    assert driver.run() == {}


def test_jobs_of_branches_that_are_left_out_do_not_count_as_enough(tmp_path):
    driver, _pool, work = make(
        tmp_path, lambda b, a, age: (None, {"ExitCode": 60}), n=2, enough=2, retry={"retries": 0}
    )
    work.made[7] = (1, 1)  # of a branch that is not asked for
    work.made[8] = (1, 1)
    with pytest.raises(BatchError, match="failed for good"):
        driver.run()
