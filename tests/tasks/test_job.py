"""What runs in a job: one attempt, its exit code, and the report it leaves."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import luigi
import luigi.task_register
import numpy as np
import pytest

from tasks.base import PipelineTask
from tasks.job import MissingInputError, attempt, cause_of, complete_sidecar, deliver, load_task, main, run_branch
from taumltools.batch.causes import EXIT_CODES, Cause
from taumltools.batch.delivery import read_report, receive
from taumltools.batch.layout import Layout
from taumltools.errors import InputError, StoreError
from taumltools.store import read_sidecar

ROOT = Path(__file__).resolve().parents[2]

ERRORS = {
    "memory": MemoryError("too much"),
    "full": OSError(errno.ENOSPC, "No space left on device"),
    "stale": OSError(errno.ESTALE, "Stale file handle"),
    "wrong": ValueError("x is 3"),
    "silent": RuntimeError(),
}


class Made(PipelineTask):
    """What another task reads."""

    product = "made_{branch}.txt"
    exclude_index = True

    def reads(self):
        return ("seed",)

    def n_branches(self):
        return 2

    def produce(self, path):
        path.write_text("made")
        return {}


class Job(PipelineTask):
    """A task that ends as it is told."""

    how = luigi.Parameter(default="well")
    product = "job_{branch}.d"
    follows = "made"
    exclude_index = True

    def reads(self):
        return ("seed",)

    def upstream(self):
        return {"made": self.need(Made)}

    def n_branches(self):
        return 2

    def produce(self, path):
        path.mkdir()
        if self.how in ERRORS:
            raise ERRORS[self.how]
        (path / "content.txt").write_text(self.input_paths()[0].read_text())
        if self.how == "link":
            (path / "link.txt").symlink_to("content.txt")
        if self.how == "half":  # in a process of its own
            print("half-written", flush=True)
            time.sleep(60)
        return {}


@pytest.fixture(autouse=True)
def delivery(tmp_path, monkeypatch):
    monkeypatch.setenv("TAUML_DELIVERY", str(tmp_path / "scratch" / "delivery.tar"))


@pytest.fixture
def made():
    task = Made(version="v1", campaign="tiny", branch=1)
    task.run()
    return task


def specification(how="well", **changes):
    parameters = {"version": "v1", "campaign": "tiny", "how": how}
    return {"module": __name__, "family": "Job", "parameters": parameters} | changes


def shared(tmp_path):
    return {"shared": True, "state": str(tmp_path / "state")}


def isolated():
    return {"shared": False, "store": "/far/store", "code": {"commit": "abc", "dirty": False}}


def test_relative_names_count_from_where_the_command_was_given(tmp_path, monkeypatch):
    """A job begins in a folder of its own, where ``--input data`` would be other files, or none."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    load_task(specification(given_in=str(tmp_path / "home")), 1)
    assert Path.cwd() == tmp_path / "home"
    load_task(specification(given_in="/not/on/this/machine"), 1)
    assert Path.cwd() == tmp_path / "home"


# ---------------------------------------------------------------------- causes


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), Cause.MEMORY),
        (OSError(errno.ENOSPC, "full"), Cause.DISK),
        (OSError(errno.EDQUOT, "quota"), Cause.DISK),
        (OSError(errno.EIO, "Input/output error"), Cause.NODE),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), Cause.NODE),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Cause.NODE),
        (MissingInputError("x is missing"), Cause.INPUT),
        (FileNotFoundError(errno.ENOENT, "no such file"), Cause.TASK),
        (PermissionError(errno.EACCES, "denied"), Cause.TASK),
        (ValueError("x"), Cause.TASK),
        (InputError("x"), Cause.TASK),
    ],
)
def test_cause_of_an_error(error, cause):
    assert cause_of(error) is cause


def test_array_that_is_too_large_is_a_lack_of_memory():
    with pytest.raises(MemoryError) as too_large:
        np.empty((2**30, 2**20))
    assert cause_of(too_large.value) is Cause.MEMORY


def test_cause_is_looked_for_in_what_an_error_was_raised_from():
    with pytest.raises(StoreError) as explicit:
        try:
            raise OSError(errno.ENOSPC, "full")
        except OSError as error:
            raise StoreError("cannot publish") from error
    assert cause_of(explicit.value) is Cause.DISK
    with pytest.raises(ValueError, match="while cleaning up") as implicit:
        try:
            raise MemoryError
        except MemoryError:
            raise ValueError("while cleaning up")  # noqa: B904
    assert cause_of(implicit.value) is Cause.MEMORY


def test_exit_codes_are_different_and_zero_only_for_success():
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    assert [cause for cause, code in EXIT_CODES.items() if code == 0] == [Cause.DONE]


# ---------------------------------------------------------------------- one attempt


def test_branch_runs_as_it_does_locally(made, store):
    report, task = attempt(specification(), 1)
    assert (report["cause"], report["code"], report["message"]) == ("done", 0, "")
    assert (task.path / "content.txt").read_text() == "made"
    assert task.path.is_relative_to(store)
    assert read_sidecar(task.path)["branch"] == 1
    assert report["memory_mb"] > 10
    assert report["runtime_s"] > 0
    assert report["host"]
    json.dumps(report)


@pytest.mark.parametrize(
    ("how", "cause", "code", "message"),
    [
        ("memory", "out of memory", 61, "MemoryError: too much"),
        ("full", "disk full", 62, "StoreError: cannot publish .*the disk is full"),
        ("stale", "node or network", 64, r"OSError: \[Errno \d+\] Stale file handle"),
        ("wrong", "exception in the task", 60, "ValueError: x is 3"),
        ("silent", "exception in the task", 60, "RuntimeError"),
    ],
)
def test_errors_become_a_report_and_a_traceback(made, capfd, how, cause, code, message):
    report, task = attempt(specification(how), 1)
    assert (report["cause"], report["code"]) == (cause, code)
    assert re.fullmatch(message + ".*", report["message"])
    assert not task.path.exists()
    assert list(task.folder.iterdir()) == []
    assert "in produce" in capfd.readouterr().err


def test_product_that_is_there_is_not_made_again(made, caplog):
    _, task = attempt(specification(), 1)
    caplog.set_level(logging.INFO)
    before = task.path.stat().st_mtime_ns
    report, _ = attempt(specification(), 1)
    assert report["cause"] == "done"
    assert task.path.stat().st_mtime_ns == before
    assert f"{task.path} is there already" in caplog.text


def test_missing_input_is_named(made, capfd):
    report, task = attempt(specification(), 0)
    assert (report["cause"], report["code"]) == ("missing input", 63)
    source = task.input_paths()[0]
    assert report["message"] == (f"MissingInputError: {source} is missing (1 in all): run the task that makes it first")
    assert not task.folder.exists()
    with pytest.raises(MissingInputError, match="made_0"):
        run_branch(task)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"module": "tasks.nothing"}, "ModuleNotFoundError: No module named 'tasks.nothing'"),
        ({"family": "Nobody"}, "Nobody"),
        ({"parameters": {"version": "v1", "campaign": "nowhere"}}, "nowhere"),
    ],
)
def test_task_that_cannot_be_made_is_a_report_too(changes, message, capfd):
    report, _ = attempt(specification(**changes), 0)
    assert (report["cause"], report["code"]) == ("exception in the task", 60)
    assert message in report["message"]
    assert "Traceback" in capfd.readouterr().err


# ---------------------------------------------------------------------- what it leaves


def test_report_is_left_at_once_where_files_are_shared(made, tmp_path, monkeypatch):
    there = shared(tmp_path)
    layout = Layout(Path(there["state"]))
    report, task = attempt(specification(**there), 1)
    deliver(there, report | {"message": "first"}, task, 1, 2)
    replaced = []
    real = os.replace

    def look(source, target):
        replaced.append(json.loads(Path(source).read_text()))  # whole before it gets its name
        assert json.loads(Path(target).read_text())["message"] == "first"
        real(source, target)

    monkeypatch.setattr(os, "replace", look)
    deliver(there, report, task, 1, 2)
    assert replaced == [report]
    assert json.loads(layout.report(1, 2).read_text()) == report
    assert [path.name for path in layout.report(1, 2).parent.iterdir()] == ["branch_1_attempt_2.json"]


def test_product_travels_where_nothing_is_shared(made, tmp_path):
    there = isolated()
    report, task = attempt(specification(**there), 1)
    deliver(there, report, task, 1, 1)
    target = tmp_path / "submitter" / task.path.name
    assert receive(Path(os.environ["TAUML_DELIVERY"]), target, lambda _: None) == report
    assert (target / "content.txt").read_text() == "made"
    sidecar = read_sidecar(target)
    assert sidecar["code"] == {"commit": "abc", "dirty": False}
    (source,) = sidecar["inputs"]
    assert source["path"] == str(Path("/far/store") / made.path.relative_to(os.environ["TAUML_STORE"]))


def test_failed_attempt_sends_its_report_only(made):
    there = isolated()
    report, task = attempt(specification("wrong", **there), 1)
    deliver(there, report, task, 1, 1)
    assert read_report(Path(os.environ["TAUML_DELIVERY"])) == report


def test_product_that_cannot_be_sent_is_a_failure_that_is_reported(made):
    there = isolated()
    report, task = attempt(specification("link", **there), 1)
    assert report["cause"] == "done"
    deliver(there, report, task, 1, 1)
    assert (report["cause"], report["code"]) == ("exception in the task", 60)
    assert "link.txt is neither a file nor a folder" in report["message"]
    assert read_report(Path(os.environ["TAUML_DELIVERY"])) == report


def test_sidecar_that_is_missing_is_said(tmp_path):
    with pytest.raises(InputError, match=r"meta\.json is missing"):
        complete_sidecar(tmp_path / "x.txt", Path("/far"), {})


# ---------------------------------------------------------------------- the process


@pytest.fixture
def process(tmp_path, made):
    """Start a job as its script does; the specification is a file."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LAW_HOME": str(tmp_path / "law")}
    environment |= {"LAW_CONFIG_FILE": str(ROOT / "law.cfg")}

    def start(how, branch=1):
        path = tmp_path / "specification.json"
        path.write_text(json.dumps(specification(how, module="tests.tasks.test_job", **shared(tmp_path))))
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "tasks.job", str(path), str(branch), "1"],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    return start


def job_task():
    return Job(version="v1", campaign="tiny", how="half", branch=1)


@pytest.mark.parametrize(("how", "branch", "code"), [("well", 1, 0), ("wrong", 1, 60), ("well", 0, 63)])
def test_process_ends_with_the_code_of_its_report(process, tmp_path, how, branch, code):
    output, _ = process(how, branch).communicate(timeout=60)
    report = json.loads(Layout(tmp_path / "state").report(branch, 1).read_text())
    assert report["code"] == code, output
    lines = output.splitlines()
    assert lines[0].startswith(f"Job branch {branch}, attempt 1, on ")
    assert f"{report['cause']} after " in lines[-1]


def test_process_that_is_told_to_stop_leaves_nothing_half_written(process, tmp_path):
    job = process("half")
    for line in job.stdout:
        if "half-written" in line:
            break
    folder = job_task().folder
    assert [path.suffix for path in folder.iterdir()] == [".d"]  # hidden and temporary
    assert not job_task().path.exists()
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)
    assert job.returncode == 128 + signal.SIGTERM
    assert list(folder.iterdir()) == []
    assert not Layout(tmp_path / "state").report(1, 1).exists()


def test_report_that_cannot_be_written_does_not_spoil_the_attempt(made, tmp_path, caplog):
    (tmp_path / "state").write_text("a file where a folder should be")
    path = tmp_path / "specification.json"
    path.write_text(json.dumps(specification(**shared(tmp_path))))
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main([str(path), "1", "1"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "the report cannot be written" in caplog.text
