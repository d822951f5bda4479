"""``law run Status``: what is printed, and what is said when there is nothing."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.sampling import ShuffleMergeSpectral
from tasks.status import FAMILY, Status, set_up_for_condor
from tasks.training import Training
from taumltools.batch.journal import Journal
from taumltools.batch.layout import Layout
from taumltools.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def began(task_class, **parameters):
    """A workflow that a driver has opened, as the driver opens it."""
    task = task_class(version="v1", campaign="tiny", workflow="htcondor", **parameters)
    Journal(Layout(task.state_folder).journal).write("opened", **task.journal_header())
    return task


def status(family="", **parameters):
    return Status(**{FAMILY: family, "live": False, **parameters})


def test_it_is_done_when_it_was_shown(capsys):
    began(Training)
    task = status()
    assert not task.complete()
    assert task.output() == []
    task.run()
    assert task.complete()
    assert capsys.readouterr().out.startswith("Training v1 (campaign tiny")


def test_it_reads_what_drivers_write_about_real_tasks():
    task = began(ShuffleMergeSpectral)
    task.folder.mkdir(parents=True)
    task.path_of(1).write_text("x")
    (found,) = json.loads(status("ShuffleMergeSpectral", version="v1", json=True).text())["workflows"]
    assert found["counts"]["branches"] == task.n_branches()
    assert found["counts"]["done"] == 1
    assert found["label"] == task.label
    assert found["identity"] == task.identity
    assert found["next_command"] == task.command
    assert found["journal"] == str(Layout(task.state_folder).journal)


def test_it_follows_taumls_folder_for_journals(tmp_path, monkeypatch):
    monkeypatch.setenv("TAUML_BATCH", str(tmp_path / "elsewhere"))
    began(Training)
    assert (tmp_path / "elsewhere").is_dir()
    assert "Training v1" in status().text()


def test_what_is_asked_for_is_shown():
    began(Training)
    began(ShuffleMergeSpectral)
    both = status().text().splitlines()
    assert both[0].startswith("workflow ")
    assert [line.split()[0] for line in both[1:3]] == ["ShuffleMergeSpectral", "Training"]
    assert "ShuffleMergeSpectral" not in status("Training").text()


@pytest.mark.parametrize("parameters", [{"family": "Trainin"}, {"version": "v9"}, {"campaign": "demo"}])
def test_what_does_not_exist_is_answered_with_what_does(parameters, store):
    began(Training)
    with pytest.raises(InputError, match=r"(?s)no workflow with .*campaign tiny: Training v1") as error:
        status(**parameters).run()
    assert next(iter(parameters.values())) in str(error.value)


def test_an_empty_store_is_no_error(store):
    assert status().text() == f"no workflow has run on HTCondor yet: there is no journal below {store}/_batch"
    assert json.loads(status(json=True).text())["workflows"] == []
    with pytest.raises(InputError, match="no workflow has run on HTCondor yet"):
        status("Training").run()


def test_why_the_queue_is_not_asked_is_said(monkeypatch):
    began(Training)
    monkeypatch.setattr("tasks.status.set_up_for_condor", lambda: False)
    assert status(live=True).text().endswith("No answer of the queue: this machine is not set up for HTCondor")
    assert status(live=False).text().endswith("No answer of the queue: --live False")


def test_a_queue_that_does_not_answer_does_not_stop_it(monkeypatch):
    began(Training)
    monkeypatch.setenv("CONDOR_CONFIG", "/nonexistent/condor_config")
    assert set_up_for_condor()
    shown = status(live=True).text()
    assert "Training v1" in shown
    assert "No answer of the queue: " in shown


# ---------------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """law with an index of its own."""
    folder = tmp_path_factory.mktemp("law")
    done = subprocess.run(law("index", "--quiet"), env=environment(folder), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def law(*arguments):
    return [str(Path(sys.executable).with_name("law")), *arguments]


def environment(home):
    known = {"LAW_HOME": str(home), "LAW_CONFIG_FILE": str(ROOT / "law.cfg"), "PYTHONPATH": str(ROOT)}
    return os.environ | known | {"LAW__luigi_core__workers": "2"}  # as setup.sh sets it where there are two cores


def run(home, *arguments):
    command = law("run", "Status", "--live", "False", *arguments)
    return subprocess.run(command, env=environment(home), cwd=ROOT, capture_output=True, text=True)


def test_json_is_all_that_is_on_stdout(home):
    began(Training)
    done = run(home, "--task-family", "Training", "--version", "v1", "--campaign", "tiny", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["workflows"][0]["task"] == "Training"


def test_text_on_the_command_line(home):
    began(Training)
    done = run(home, "--task-family", "Training")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Training v1 (campaign tiny")
    assert done.stderr == ""


def test_a_wrong_family_is_explained_without_traceback(home):
    began(Training)
    done = run(home, "--task-family", "Trainin", "--json")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "no workflow with task 'Trainin' has run" in done.stderr
    assert "campaign tiny: Training v1" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_its_options(home):
    done = run(home, "--help")
    assert done.returncode == 0
    for option in ("--task-family", "--version", "--campaign", "--json", "--live"):
        assert f"\n  {option} " in done.stdout


def test_a_thousand_branches_take_less_than_five_seconds(home, store):
    branches = range(1000)
    task = Training(version="v1", campaign="tiny", workflow="htcondor")
    products = [str(store / f"part_{b}.h5") for b in branches]
    journal = Journal(Layout(task.state_folder).journal)
    journal.write("opened", **task.journal_header() | {"branches": list(branches), "products": products})
    for number in (1, 2, 3):
        entries = [[b, number, 0] for b in branches]
        journal.write("intended", submission="s", attempts=entries, resources=[{"max_runtime": 2, "max_memory": 2000}])
        journal.write("submitted", submission="s", jobs=[[b, number, f"{number}.{b}"] for b in branches])
        end = {"event": "ended", "attempt": number, "cause": "node or network", "message": "lost", "memory_mb": 90.0}
        journal.write_all([{**end, "branch": b} for b in branches])
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = run(home, "--json")
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # other work on this machine slows the clock down, but not the processor time
    assert min(wall, busy) < 5, (wall, busy)
    (found,) = json.loads(done.stdout)["workflows"]
    assert found["attempts"] == 3000
    assert found["repeated"] == 2000
    assert found["counts"]["unsubmitted"] == 1000
