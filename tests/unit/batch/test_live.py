"""Asking the queue: it answers, or the status says why not; it never fails and never hangs."""

from __future__ import annotations

import json
import time

import pytest

from taumltools.batch import live
from taumltools.batch.live import answers, ask_queue, by_branch, parse
from taumltools.batch.states import Job, State
from taumltools.errors import BatchError

NAMES = {"local-pool": ["aaaa", "bbbb"]}


@pytest.fixture(autouse=True)
def no_pool(monkeypatch, tmp_path):
    """A machine that is set up for a pool which does not exist."""
    config = tmp_path / "condor_config"
    config.write_text(f"SCHEDD_ADDRESS_FILE = {tmp_path}/none\nCOLLECTOR_HOST = 127.0.0.1:1\nLOCAL_DIR = {tmp_path}\n")
    monkeypatch.setenv("CONDOR_CONFIG", str(config))


def job(branch, attempt, status):
    ad = {"ClusterId": 7, "ProcId": attempt, "TaumlBranch": branch, "TaumlAttempt": attempt, "JobStatus": status}
    return Job.from_ad(ad)


class Scripted:
    """A pool that says what it was told to; some pools never answer, which a real one cannot be made to do."""

    def __init__(self, jobs=None, error=None):
        self.known, self.error = jobs or {}, error

    def jobs(self, workflow):
        if self.error:
            raise self.error
        return self.known.get(workflow, [])


def test_a_scheduler_that_is_away_is_a_problem_not_an_error():
    before = time.time()
    queue = ask_queue(NAMES)
    assert queue.states == {}
    assert "there is no HTCondor scheduler for this machine" in queue.problem
    assert before <= queue.time <= time.time()


def test_a_machine_without_configuration_is_a_problem_not_an_error(monkeypatch):
    monkeypatch.setenv("CONDOR_CONFIG", "/nonexistent/condor_config")
    queue = ask_queue(NAMES)
    assert queue.states == {}
    assert queue.problem


def test_a_site_that_is_unknown_is_a_problem_not_an_error():
    queue = ask_queue({"atlantis": ["aaaa"]})
    assert queue.states == {}
    assert "unknown site 'atlantis'" in queue.problem


def test_it_does_not_wait_for_ever():
    start = time.perf_counter()
    queue = ask_queue(NAMES, timeout=0.01)  # no process starts as quickly
    assert time.perf_counter() - start < 5
    assert queue.states == {}
    assert queue.problem == "the scheduler did not answer within 0 s"


def test_a_process_that_cannot_be_started_is_a_problem_not_an_error(monkeypatch):
    monkeypatch.setattr(live.sys, "executable", "/nonexistent/python")
    assert "/nonexistent/python" in ask_queue(NAMES).problem


def test_an_answer_that_cannot_be_read_is_a_problem_not_an_error(monkeypatch, tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho not json\n")
    script.chmod(0o755)
    monkeypatch.setattr(live.sys, "executable", str(script))
    assert ask_queue(NAMES).problem.startswith("the answer cannot be read")


def test_the_last_words_of_a_process_that_died_are_told(monkeypatch, tmp_path):
    script = tmp_path / "python"
    answer = json.dumps({"workflow": "aaaa", "states": {"1": "running"}})
    script.write_text(f"#!/bin/sh\necho '{answer}'\necho first >&2\necho 'it broke' >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setattr(live.sys, "executable", str(script))
    queue = ask_queue(NAMES)
    assert queue.states == {"aaaa": {1: State.RUNNING}}  # what was said before counts
    assert queue.problem == "it broke"


def test_answers_before_the_time_was_up_count(monkeypatch, tmp_path):
    script = tmp_path / "python"
    answer = json.dumps({"workflow": "aaaa", "states": {}})
    script.write_text(f"#!/bin/sh\necho '{answer}'\nexec sleep 30\n")
    script.chmod(0o755)
    monkeypatch.setattr(live.sys, "executable", str(script))
    start = time.perf_counter()
    queue = ask_queue(NAMES, timeout=1.0)
    assert time.perf_counter() - start < 20
    assert queue.states == {"aaaa": {}}
    assert "within 1 s" in queue.problem


def test_of_several_jobs_the_one_to_keep_counts():
    jobs = [job(0, 1, 1), job(0, 2, 2), job(1, 3, 5), job(2, 4, 3)]
    assert by_branch(jobs) == {0: State.RUNNING, 1: State.HELD, 2: State.LEAVING}


def test_answers_and_reading_them_fit():
    pool = Scripted({"aaaa": [job(4, 1, 2), job(5, 1, 1)]})
    lines = [json.dumps(answer) + "\n" for answer in answers(NAMES, lambda site: pool)]
    states, problem = parse("".join(lines).encode())
    assert states == {"aaaa": {4: State.RUNNING, 5: State.IDLE}, "bbbb": {}}
    assert problem == ""


def test_a_site_that_does_not_answer_does_not_hide_the_others():
    pools = {"far": Scripted(error=BatchError("far is away")), "near": Scripted({"cccc": [job(1, 1, 2)]})}
    found = list(answers({"far": ["aaaa", "bbbb"], "near": ["cccc"]}, pools.__getitem__))
    assert found == [{"problem": "far is away"}, {"workflow": "cccc", "states": {"1": "running"}}]


def test_the_same_problem_is_told_once():
    line = b'{"problem": "away"}\n'
    assert parse(line + line) == ({}, "away")
