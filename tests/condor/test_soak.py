"""Long runs under random kills: ``pytest -m soak tests/condor``; the last result is in docs/results.md."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

import pytest

from tests.condor.flow import Flow, kill_session

pytestmark = [pytest.mark.soak, pytest.mark.condor, pytest.mark.timeout(3600)]


def kill_something(work: Flow, dice: random.Random) -> str:
    """SIGKILL a payload, a daemon, or a job's starter; hold or remove a job.  Returns what was done."""
    running = [job for job in work.jobs() if job["JobStatus"] == 2]
    kind = dice.choice(["payload", "payload", "starter", "shadow", "hold", "remove", "schedd"])
    if kind == "schedd":
        work.pool.kill("schedd")
        return kind
    if not running:
        return "nothing runs"
    job = dice.choice(running)
    name = f"{job['ClusterId']}.{job['ProcId']}"
    if kind == "hold":
        work.pool.hold(name, "held by the soak test")
    elif kind == "remove":
        work.pool.remove(name)
    else:
        pids = work.pool.processes(name).get("top" if kind == "payload" else kind, [])
        with suppress(ProcessLookupError):  # it may have ended by itself meanwhile
            for pid in pids[:1]:
                os.kill(pid, signal.SIGKILL)
    return kind


def test_300_branches_under_random_kills(pool, tmp_path):
    """Jobs, daemons and the driver die at random; every branch is delivered once."""
    dice = random.Random(20261122)
    work = Flow(pool, tmp_path, 300, {"*": ["sleep 1"]})
    # somebody who kills at random soon has one branch killed often: no budget ends this run
    options = ("--parallel-jobs", "50", "--overrides", "batch.retry.transient_retries=1000")
    done: list[str] = []
    driver, deaths = work.start(*options), 0
    end = time.monotonic() + 3000
    while driver.poll() is None or driver.returncode != 0:
        assert time.monotonic() < end, done
        if driver.poll() is not None:
            driver = work.start(*options)
        time.sleep(dice.uniform(0.5, 6))
        if dice.random() < 0.1:
            kill_session(driver)
            driver, deaths = work.start(*options), deaths + 1
        elif list(work.store.glob("_batch/**/journal.jsonl")):
            done.append(kill_something(work, dice))
    work.assert_delivered()
    attempts = [len(work.causes(branch)) for branch in range(300)]
    print(f"driver killed {deaths} times; {len(done)} other blows; {sum(attempts)} attempts, at most {max(attempts)}")
