"""The pool itself: it shows what real sites do, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.condor import pool as pool_module

ROOT = Path(__file__).parents[2]
IDLE, RUNNING, REMOVED, COMPLETED, HELD = 1, 2, 3, 4, 5
ALLOCATE = "import sys, time; x = bytearray(int(sys.argv[1]) << 20); x[::4096] = b'1' * len(x[::4096]); time.sleep(60)"


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def jobs(pool):
    """The pool, with an empty queue at the end."""
    yield pool
    pool.remove_all()


def ended(pool, job):
    return pool.wait_until(lambda: pool.history(job), 20, f"the end of {job}")


def held(pool, job):
    return pool.wait_until(lambda: next((ad for ad in [pool.job(job)] if ad.get("JobStatus") == HELD), None), 20)


def running(pool, job):
    return pool.wait_until(lambda: pool.job(job).get("JobStatus") == RUNNING and pool.job_pids(job), 20)


@pytest.mark.parametrize("code", [0, 3])
def test_job_reports_its_exit_code(jobs, code):
    ad = ended(jobs, jobs.submit("/bin/sh", f"\"-c 'exit {code}'\""))
    assert (ad["JobStatus"], ad["ExitBySignal"], ad["ExitCode"]) == (COMPLETED, False, code)


def test_job_whose_process_is_killed_has_no_exit_code(jobs):
    job = jobs.submit("/bin/sleep", "60")
    running(jobs, job)
    os.kill(jobs.job_pids(job)[0], signal.SIGKILL)
    ad = ended(jobs, job)
    assert (ad["JobStatus"], ad["ExitBySignal"], ad["ExitSignal"]) == (COMPLETED, True, signal.SIGKILL)
    assert "ExitCode" not in ad


def test_job_that_takes_too_much_memory_is_held(jobs, tmp_path):
    script = tmp_path / "allocate.py"
    script.write_text(ALLOCATE)
    modest = jobs.submit(sys.executable, f"{script} 20", request_memory=200)
    greedy = jobs.submit(sys.executable, f"{script} 300", request_memory=200)
    ad = held(jobs, greedy)
    assert (ad["HoldReasonCode"], ad["HoldReasonSubCode"]) == (21, 102)
    assert "memory usage exceeded request_memory" in ad["HoldReason"]
    assert ad["MemoryProvisioned"] == 200  # not rounded up to some quantum
    assert 300 < ad["ResidentSetSize_RAW"] / 1024 < 400
    assert jobs.job(modest)["JobStatus"] == RUNNING


def test_job_over_its_runtime_is_removed(jobs):
    ad = ended(jobs, jobs.submit("/bin/sleep", "60", **{"+MaxRuntime": 2}))
    assert (ad["JobStatus"], ad["RemoveReason"]) == (REMOVED, "runtime over 2 s")


def test_hold_release_and_remove_keep_their_reasons(jobs):
    job = jobs.submit("/bin/sleep", "60", requirements="False")
    jobs.hold(job, 'so says "the site"', code=34, subcode=7)
    ad = held(jobs, job)
    assert (ad["HoldReasonCode"], ad["HoldReasonSubCode"], ad["HoldReason"]) == (34, 7, 'so says "the site"')
    jobs.release(job)
    assert jobs.job(job)["JobStatus"] == IDLE
    jobs.remove(job, "not needed")
    assert ended(jobs, job)["RemoveReason"].startswith("not needed")
    jobs.remove(job)  # that it is gone is no error


def test_job_of_a_killed_starter_is_started_again(jobs):
    job = jobs.submit("/bin/sleep", "60")
    first = running(jobs, job)[0]
    os.kill(jobs.starter_pid(job), signal.SIGKILL)
    second = jobs.wait_until(lambda: next((p for p in jobs.processes(job)["top"] if p != first), None), 30)
    assert alive(second)
    jobs.wait_until(lambda: not alive(first), 10, "the end of the first process")


def test_killed_schedd_comes_back_with_its_queue_and_its_jobs(jobs):
    job = jobs.submit("/bin/sleep", "60")
    waiting = jobs.submit("/bin/sleep", "60", requirements="False")
    process = running(jobs, job)[0]
    before = jobs.daemons()["schedd"]
    assert jobs.kill("schedd") == before
    jobs.wait_ready()
    assert jobs.daemons()["schedd"] != before
    assert {f"{ad['ClusterId']}.0": ad["JobStatus"] for ad in jobs.queue()} == {job: RUNNING, waiting: IDLE}
    assert alive(process)


def test_unknown_daemon_is_refused(pool):
    with pytest.raises(RuntimeError, match=r"no daemon 'sched'; there are: .*schedd"):
        pool.kill("sched")


def test_waiting_in_vain_says_what_is_in_the_queue(jobs):
    job = jobs.submit("/bin/sleep", "60", requirements="False")
    with pytest.raises(AssertionError, match=rf"in vain for rain; queue:\n.*'ClusterId': {job.split('.')[0]},"):
        jobs.wait_until(lambda: False, 0, "rain")


# A payload that wants to outlive its job: it leaves its session, and a grandchild ignores SIGTERM.
STUBBORN = """\
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(300)
"""


def test_two_pools_do_not_disturb_each_other_and_down_leaves_nothing(jobs, pool_factory, tmp_path):
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    mine = jobs.submit("/bin/sleep", "60")
    other = pool_factory(extra="MAX_JOBS_PER_OWNER = 1\n")
    theirs = other.submit(sys.executable, str(tmp_path / "stubborn.py"))
    processes = running(other, theirs)
    other.wait_until(lambda: len(other.job_pids(theirs)) == 2, 10)
    processes = [*other.job_pids(theirs), *other.daemons().values(), *other.processes(theirs)["starter"]]
    assert len(other.queue()) == 1
    assert other.run("condor_config_val", "MAX_JOBS_PER_OWNER").strip() == "1"
    other.down()
    assert [pid for pid in processes if alive(pid)] == []
    assert other.daemons() == {}
    assert running(jobs, mine)
    other.down()  # again: no error


def test_pool_ends_with_the_process_it_was_made_for(pool, tmp_path):
    program = (
        "import pathlib, sys, time; from tests.condor.pool import Pool\n"
        "pool = Pool(pathlib.Path(sys.argv[1])); pool.up(); pool.submit('/bin/sleep', '300')\n"
        "print('up', flush=True); time.sleep(300)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "p")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as owner:
        assert owner.stdout.readline() == "up\n"
        orphaned = pool_module.Pool(tmp_path / "p")
        assert "schedd" in orphaned.daemons()
        owner.kill()
    end = time.monotonic() + 20
    while orphaned.daemons() and time.monotonic() < end:
        time.sleep(0.2)
    assert orphaned.daemons() == {}


def test_what_a_pool_needs(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None if program in {"apt-get", "unshare"} else "/bin/it")
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert pool_module.missing() == "the pool needs apt-get, unshare (Debian or Ubuntu)"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert pool_module.missing() == "the pool needs Linux on x86-64"


@pytest.mark.parametrize(("required", "outcome"), [("", "1 skipped"), ("1", "1 error")])
def test_without_a_pool_tests_are_skipped_or_fail_if_it_is_required(tmp_path, required, outcome):
    (tmp_path / "file").touch()
    impossible = {"MINICONDOR_PREFIX": str(tmp_path / "file" / "prefix"), "TAUML_REQUIRE_CONDOR": required}
    one = f"{__file__}::test_unknown_daemon_is_refused"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'temp'}", one],
        env=os.environ | impossible, cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert outcome in done.stdout, done.stdout + done.stderr
    assert "minicondor.sh install ended with 1" in done.stdout
