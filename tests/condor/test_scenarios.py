"""Whatever dies, every branch is delivered once: the scenarios of docs/htcondor.md on the real pool."""

from __future__ import annotations

import json
import os
import random
import signal
import time

import pytest

from taumltools.batch.journal import read_events
from tests.condor.flow import Flow, kill_session

pytestmark = [pytest.mark.condor, pytest.mark.integration]


@pytest.fixture
def flow(pool, tmp_path):
    def make(n=3, plan=None, **options):
        return Flow(pool, tmp_path, n, plan, **options)

    yield make
    pool.remove_all()


def test_all_well(flow):
    work = flow(5)
    done = work.run()
    assert done.returncode == 0, done.stdout
    work.assert_delivered()
    assert all(work.causes(b) == ["done"] for b in range(5))
    assert len(list(work.layout.folder.glob("events/*/*.log"))) == 1


def test_second_run_submits_nothing(flow):
    work = flow(2)
    assert work.run().returncode == 0
    before = work.layout.journal.read_text()
    assert work.run().returncode == 0
    assert work.layout.journal.read_text() == before


def test_branch_that_fails_once_is_repeated(flow):
    work = flow(3, {"1": ["raise a bad day"]})
    assert work.run().returncode == 0
    work.assert_delivered()
    assert work.causes(1) == ["exception in the task", "done"]
    first, second = (work.layout.log(1, n).read_text() for n in (1, 2))
    assert "RuntimeError: a bad day" in first  # each attempt keeps its own log
    assert "RuntimeError" not in second


def test_branch_that_always_fails_is_given_up_with_its_traceback(flow):
    work = flow(2, {"1": ["raise same again"] * 9})
    done = work.run("--retries", "1")
    assert done.returncode == 30
    assert work.causes(1) == ["exception in the task"] * 2
    assert "exception in the task (2 attempts): RuntimeError: same again" in done.stdout
    assert 'raise RuntimeError(argument or "told to fail")' in done.stdout
    assert str(work.layout.log(1, 2)) in done.stdout
    assert "--retry-failed" in done.stdout
    assert work.product(0).exists()
    assert work.jobs() == []


def test_counter_does_not_start_again_with_the_driver_and_failures_can_be_forgiven(flow):
    work = flow(1, {"0": ["raise x"] * 3})
    assert work.run("--retries", "1").returncode == 30
    again = work.run("--retries", "1")
    assert again.returncode == 30
    assert len(work.causes(0)) == 2  # nothing was submitted
    assert "failed for good" in again.stdout
    forgiven = work.run("--retries", "1", "--retry-failed")
    assert forgiven.returncode == 0, forgiven.stdout
    assert work.causes(0) == ["exception in the task"] * 3 + ["done"]
    work.assert_delivered()


def test_payload_killed_while_writing(flow):
    work = flow(2, {"0": ["kill"]})
    assert work.run().returncode == 0
    work.assert_delivered()
    assert work.causes(0) == ["killed by a signal", "done"]


def test_top_process_of_a_job_killed(flow):
    work = flow(2, {"1": ["sleep 60"]})
    driver = work.start()
    work.pid(1)
    (job,) = [job for job in work.jobs() if job["TaumlBranch"] == 1]
    os.kill(work.pool.job_pids(f"{job['ClusterId']}.{job['ProcId']}")[0], signal.SIGKILL)
    assert work.finish(driver) == 0
    work.assert_delivered()
    assert work.causes(1) == ["killed by a signal", "done"]


def test_starter_killed(flow):
    work = flow(2, {"1": ["sleep 30"]})
    driver = work.start()
    work.pid(1)
    (job,) = [job for job in work.jobs() if job["TaumlBranch"] == 1]
    os.kill(work.pool.starter_pid(f"{job['ClusterId']}.{job['ProcId']}"), signal.SIGKILL)
    assert work.finish(driver) == 0
    # HTCondor starts the same job again; the first process may live on beside it and publish nothing
    work.assert_delivered()
    assert work.causes(1)[-1] == "done"


def test_out_of_memory_is_repeated_with_more(flow):
    work = flow(2, {"1": ["memory 500"]})
    assert work.run("--max-memory", "300").returncode == 0
    work.assert_delivered()
    assert work.causes(1) == ["out of memory", "done"]
    first, second = work.ledger.attempts[1]
    assert first.resources.max_memory == 300
    assert first.ending.memory_mb > 300  # what was in use when HTCondor looked
    assert second.resources.max_memory == pytest.approx(1.5 * first.ending.memory_mb, abs=1)
    assert all(attempt.resources.max_memory == 300 for attempt in work.ledger.attempts[0])


def test_job_held_for_another_reason_is_replaced_and_a_late_release_does_no_harm(flow):
    work = flow(2, {"0": ["sleep 40"]})
    driver = work.start()
    work.pid(0)
    (job,) = [job for job in work.jobs() if job["TaumlBranch"] == 0]
    held = f"{job['ClusterId']}.{job['ProcId']}"
    work.pool.hold(held, "the operator says so")
    work.pid(0, 1)  # the replacement runs
    # the held job was removed before its replacement was submitted: there is nothing to release
    assert held not in {f"{j['ClusterId']}.{j['ProcId']}" for j in work.jobs() if j["JobStatus"] != 3}
    work.pool.release(held)
    assert work.finish(driver) == 0
    work.assert_delivered()
    assert work.causes(0) == ["held", "done"]
    assert "the operator says so" in work.ledger.attempts[0][0].ending.message


def test_removed_job_is_repeated(flow):
    work = flow(2, {"0": ["sleep 60"]})
    driver = work.start()
    work.pid(0)
    (job,) = [job for job in work.jobs() if job["TaumlBranch"] == 0]
    work.pool.remove(f"{job['ClusterId']}.{job['ProcId']}")
    assert work.finish(driver) == 0
    work.assert_delivered()
    assert work.causes(0) == ["removed from the queue", "done"]


def test_over_runtime_is_repeated_with_more_time(flow):
    work = flow(2, {"0": ["sleep 60"]})
    assert work.run("--max-runtime", "0.002").returncode == 0  # 7 s
    work.assert_delivered()
    assert work.causes(0) == ["over runtime", "done"]
    first, second = work.ledger.attempts[0]
    assert second.resources.max_runtime == pytest.approx(2 * first.resources.max_runtime)


def test_over_runtime_stops_with_advice_if_so_configured(flow):
    work = flow(1, {"0": ["sleep 60"]})
    done = work.run("--max-runtime", "0.0012", "--overrides", "batch.retry.over_runtime=stop")
    assert done.returncode == 30
    assert work.causes(0) == ["over runtime"]
    assert "raise --max-runtime" in done.stdout
    assert work.jobs() == []


def test_schedd_killed(flow):
    work = flow(4, {"*": ["sleep 8"]})
    driver = work.start()
    work.pid(0)
    work.pool.kill("schedd")
    assert work.finish(driver) == 0
    work.assert_delivered()


def test_exit_0_without_a_product_is_not_success(flow):
    work = flow(2, {"0": ["exit0"]})
    assert work.run().returncode == 0
    work.assert_delivered()
    assert work.causes(0) == ["no valid output", "done"]


def test_disk_full_in_the_job(flow):
    work = flow(2, {"0": ["full"]})
    assert work.run().returncode == 0
    work.assert_delivered()
    assert work.causes(0) == ["disk full", "done"]


def test_invalid_product_is_put_aside_and_made_again(flow):
    work = flow(2)
    assert work.run().returncode == 0
    work.product(1).write_text("damaged\n")
    work.product(0).unlink()
    (work.diary / "published").unlink()
    assert work.run().returncode == 0
    aside = [path for path in work.folder.iterdir() if ".invalid-" in path.name]
    assert [path.read_text() for path in aside] == ["damaged\n"]
    aside[0].unlink()
    work.assert_delivered()


def test_output_deleted_while_the_driver_is_away(flow):
    work = flow(4, {"*": ["sleep 3"]})
    driver = work.start()
    work.pid(3)
    kill_session(driver)
    work.pool.wait_until(lambda: all(work.product(b).exists() for b in range(4)), 60)
    work.product(2).unlink()
    os.rename(work.diary / "published", work.diary / "published_first")
    assert work.run().returncode == 0
    assert (work.diary / "published").read_text().split() == ["2"]
    assert [len(work.causes(b)) for b in range(4)] == [1, 1, 2, 1]
    assert work.jobs() == []


def test_two_drivers_at_once(flow):
    work = flow(6, {"*": ["sleep 4"]})
    first = work.start()
    output = work.output
    second = work.start()
    assert work.finish(first) == 0
    assert work.finish(second) == 0
    work.assert_delivered()
    assert sum(len(work.causes(b)) for b in range(6)) == 6
    assert "another driver" in output.read_text() + work.output.read_text()


def test_parallel_jobs_are_limited(flow):
    work = flow(6, {"*": ["sleep 2"]})
    driver = work.start("--parallel-jobs", "2")
    most = 0
    while driver.poll() is None:
        if work.store.exists() and list(work.store.glob("_batch/**/journal.jsonl")):
            most = max(most, len([job for job in work.jobs() if job["JobStatus"] in {1, 2}]))
        time.sleep(0.2)
    assert driver.returncode == 0
    work.assert_delivered()
    assert most == 2


def test_branches_left_out_by_the_second_call_are_delivered_and_not_blamed(flow):
    """Their jobs were in the queue: the driver of the other branches recorded them as failures."""
    work = flow(4, {"*": ["gate"]})
    driver = work.start()
    work.pid(3)
    kill_session(driver)
    code, output = work.take_over("--branches", "0:2", "--retries", "0")
    assert code == 0, output
    assert work.run().returncode == 0
    work.assert_delivered()
    assert all(work.causes(b) == ["done"] for b in range(4))


def test_store_reached_by_another_name_is_the_same(flow, tmp_path):
    """Jobs that ran were not found, and submitted again."""
    work = flow(2, {"*": ["gate"]})
    driver = work.start()
    work.pid(1)
    kill_session(driver)
    (tmp_path / "link").symlink_to(work.store)
    work.env["TAUML_STORE"] = str(tmp_path / "link")
    code, output = work.take_over()
    assert code == 0, output
    work.assert_delivered()
    assert all(work.causes(b) == ["done"] for b in range(2))


def test_job_released_between_look_and_removal_does_no_harm(flow):
    work = flow(2, {"0": ["sleep 20"]})
    driver = work.start()
    work.pid(0)
    (job,) = [job for job in work.jobs() if job["TaumlBranch"] == 0]
    name = f"{job['ClusterId']}.{job['ProcId']}"
    for _ in range(6):  # some of these come between a look of the driver and its removal
        work.pool.hold(name, "the operator says so")
        time.sleep(0.1)
        work.pool.release(name)
        time.sleep(0.13)
    assert work.finish(driver) == 0
    work.assert_delivered()


def test_jobs_can_be_cancelled(flow):
    work = flow(3, {"*": ["sleep 60"]})
    driver = work.start()
    work.pid(2)
    kill_session(driver)
    done = work.run("--cancel-jobs")
    assert done.returncode == 0, done.stdout
    assert "3 jobs removed" in done.stdout
    work.pool.wait_until(lambda: work.jobs() == [], 20)


def test_ctrl_c_says_what_goes_on_and_how_to_stop_it(flow):
    work = flow(2, {"*": ["sleep 60"]})
    driver = work.start("--workers", "2")
    work.pid(1)
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
    assert driver.wait(90) != 0
    told = work.output.read_text()
    assert "stopped; 2 jobs go on in the queue" in told
    assert "Traceback" not in told
    assert "2 jobs removed" in work.run("--cancel-jobs").stdout
    assert [a.ending.message for a in work.ledger.all()] == ["removed by --cancel-jobs"] * 2


def test_waiting_jobs_that_ask_for_too_much_are_replaced_by_the_same_command_with_less(flow):
    work = flow(2)
    driver = work.start("--max-memory", "900GB")
    work.pool.wait_until(lambda: work.output.exists() and "2 idle" in work.output.read_text(), 60)
    kill_session(driver)
    assert "more than memory_cap" in work.output.read_text()
    done = work.run("--max-memory", "1GB")
    assert done.returncode == 0, done.stdout
    work.assert_delivered()
    assert work.causes(0) == ["superseded", "done"]


def test_dry_run_submits_and_writes_nothing(flow):
    work = flow(3)
    done = work.run("--dry-run", "--max-memory", "1234")
    assert done.returncode == 0, done.stdout
    assert "3 of 3 branches would be submitted" in done.stdout
    assert "1234 MB" in done.stdout
    assert "request_memory = $(memory_mb)" in done.stdout
    assert not work.store.exists()


def test_driver_killed_at_random_instants(flow):
    """Twenty times in the seconds after it began its work; the seed makes a failure repeatable."""
    random_instant = random.Random(20261122)
    work = flow(30, {"*": ["sleep 5"], "7": ["raise once", "ok"], "11": ["kill"]})

    def opened():
        if not list(work.store.glob("_batch/**/journal.jsonl")):
            return 0
        return sum(event["event"] == "opened" for event in read_events(work.layout.journal))

    for turn in range(20):
        driver = work.start("--parallel-jobs", "4")
        work.pool.wait_until(lambda wanted=turn + 1: opened() == wanted, 60, "the driver to begin")
        time.sleep(random_instant.uniform(0.0, 1.2))  # it looks every half second
        kill_session(driver)
    closed = [event for event in read_events(work.layout.journal) if event["event"] == "closed"]
    assert not closed, "the work was done before all drivers were killed"
    done = work.run()
    assert done.returncode == 0, done.stdout
    work.assert_delivered()
    # nothing was submitted twice: apart from the two that fail, each branch had one job
    assert [b for b in range(30) if len(work.causes(b)) != 1] == [7, 11]
    assert work.causes(7) == ["exception in the task", "done"]
    assert work.causes(11) == ["killed by a signal", "done"]


def test_driver_killed_between_submission_and_record(flow):
    work = flow(3, {"*": ["gate"]})
    driver = work.start()
    work.pid(0)
    kill_session(driver)
    lines = work.layout.journal.read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["event"] in {"opened", "intended"}]
    work.layout.journal.write_text("".join(kept) + '{"time":1,"event":"subm')
    code, output = work.take_over()
    assert code == 0, output
    work.assert_delivered()
    assert all(work.causes(b) == ["done"] for b in range(3))


def test_journal_lost_while_jobs_run(flow):
    work = flow(3, {"*": ["gate"]})
    driver = work.start()
    work.pid(0)
    kill_session(driver)
    work.layout.journal.unlink()
    code, output = work.take_over()
    assert code == 0, output
    work.assert_delivered()
    assert all(work.causes(b) == ["done"] for b in range(3))  # found by their attribute in the queue
