"""The last line of a run, as a user sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.finish import summary
from tasks.production import ProduceTuples
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.tasks.making import make

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """law with an index of its own, and a folder with three files of tuples."""
    folder = tmp_path_factory.mktemp("law")
    (folder / "DY").mkdir()
    for seed in range(3):
        write_tuples(folder / f"DY/{seed}.arrow", mock_tuples(100, seed=seed), ["evt", "tau_pt"])
    done = law(folder, "index", "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


def law(home, *arguments, workers=1):
    known = {"LAW_HOME": str(home), "LAW_CONFIG_FILE": str(ROOT / "law.cfg"), "PYTHONPATH": str(ROOT)}
    environment = os.environ | known | {"LAW__luigi_core__workers": str(workers)}
    command = [str(Path(sys.executable).with_name("law")), *arguments]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True)


def overrides(name):
    return f"+datasets.mine={{title:x,source:tautuple,files:[{name}]}} +samples.train.mine={{chunks:3}}"


def run(home, task, *arguments, workers=1):
    options = ("--version", "v1", "--campaign", "tiny", "--dataset", "mine", "--overrides", overrides("DY"))
    done = law(home, "run", task, *options, *arguments, workers=workers)
    assert done.returncode == 0, done.stderr
    return [line for line in (done.stdout + done.stderr).splitlines() if "tasks.finish" in line]


@pytest.mark.parametrize("workers", [1, 2])
def test_finished_run_said_nothing(home, store, workers):
    """One line of what was asked for, also from a worker process; what it needed is not mentioned."""
    (line,) = run(home, "MergeTuples", workers=workers)
    assert "MergeTuples train mine v1: 1 product, 300 entries in " in line
    folder = Path(line.rpartition(" in ")[2])
    assert (folder / "merged.d").is_dir()
    (line,) = run(home, "MergeTuples", workers=workers)
    assert line.endswith(f"MergeTuples train mine v1: already there: {folder}")


def test_single_branch_and_questions(home, store):
    (line,) = run(home, "ProduceTuples", "--branch", "1")
    assert "ProduceTuples train mine v1: 1 product, 100 entries in " in line
    assert line.endswith("tuples_1.json")
    assert run(home, "ProduceTuples", "--print-status", "0") == []
    assert run(home, "ProduceTuples", "--workflow", "htcondor", "--dry-run") == []


def test_number_of_entries_is_told_if_it_is_known(home, store):
    task = make(ProduceTuples(version="v1", campaign="tiny", dataset="mine", overrides=overrides(home / "DY")))
    assert summary(task) == f"ProduceTuples train mine v1: 3 products, 300 entries in {task.folder}"
    files = task.upstream()["files"]
    assert summary(files) == f"ListFiles train mine v1: 1 product in {files.folder}"
