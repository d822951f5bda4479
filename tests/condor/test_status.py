"""``law run Status`` beside a real pool: what it says while jobs wait, run, are held, and have gone."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.condor.flow import LAW, ROOT, Flow, kill_session

pytestmark = pytest.mark.integration


def status(flow: Flow, *options: str) -> dict:
    """The one workflow that there is, and why the queue did not answer."""
    command = [str(LAW), "run", "tasks.status.Status", "--task-family", "Payload", "--json", *options]
    done = subprocess.run(command, env=flow.env, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["queue_problem"] == ("--live False" if "--live" in options else "")
    return found["workflows"][0]


def test_status_follows_the_queue_when_no_driver_does(pool, tmp_path):
    flow = Flow(pool, tmp_path, n=4, plan={"0": ["sleep 1"], "*": ["sleep 600"]})
    driver = flow.start()
    try:
        flow.pid(1)
        pool.wait_until(lambda: flow.product(0).exists() and len(flow.jobs()) == 3, 60)
        at_work = status(flow)
        assert at_work["driver"]["at_work"]
        assert at_work["next_command"] == ""
    finally:
        kill_session(driver)
    seen = status(flow)
    assert (seen["counts"]["done"], seen["counts"]["running"]) == (1, 3)
    assert seen["jobs_from"] == "queue"
    assert not seen["driver"]["at_work"]
    assert seen["next_command"] == seen["command"]

    ids = {job["TaumlBranch"]: f"{job['ClusterId']}.{job['ProcId']}" for job in flow.jobs()}
    pool.hold(ids[1], "enough")
    pool.remove(ids[2], "enough")
    pool.wait_until(lambda: len(flow.jobs()) == 2, 30)
    counts = status(flow)["counts"]
    assert (counts["held"], counts["ending"], counts["running"]) == (1, 1, 1)
    # without the queue, it says what the driver saw
    assert status(flow, "--live", "False")["counts"]["running"] == 3

    pool.remove_all(60)
