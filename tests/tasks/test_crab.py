"""CRAB from the command line, as a person gives it, against the stand-in client."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from taumltools.batch.journal import read_events
from taumltools.store import read_sidecar
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.standins.grid import BASE, CRAB, DATASET, Grid, dataset_files
from tests.tasks.making import forget_tasks

ROOT = Path(__file__).resolve().parents[2]
LAW = str(Path(sys.executable).with_name("law"))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """law's index of tasks."""
    home = tmp_path_factory.mktemp("law")
    environment = {"LAW_HOME": str(home), "LAW_CONFIG_FILE": str(ROOT / "law.cfg"), "PYTHONPATH": str(ROOT)}
    subprocess.run([LAW, "index", "--quiet"], env=os.environ | environment, cwd=ROOT, check=True, capture_output=True)
    return environment


@pytest.fixture(scope="module")
def tuples(tmp_path_factory):
    """A real tuple file of ten entries, which every job "makes"."""
    path = tmp_path_factory.mktemp("made") / "eventTuple.root"
    write_tuples(path, mock_tuples(10), [*mock_tuples(1).scalars, "pfCand_pt"])
    return path


@pytest.fixture
def grid(tmp_path, monkeypatch, tuples, index):
    """A grid, a site that knows the stand-in, and a job file."""
    folder = tmp_path / "grid"
    folder.mkdir()
    monkeypatch.setenv("CRAB_STANDIN", str(folder))
    for name, value in index.items():
        monkeypatch.setenv(name, value)
    site = {
        "title": "here",
        "submit": {},
        "crab": {"command": CRAB, "poll_interval": 0.05, "settle_time": 0.0, "timeout": 20},
    }
    (tmp_path / "site.yaml").write_text(json.dumps(site))
    monkeypatch.setenv("TAUML_SITE", str(tmp_path / "site.yaml"))
    monkeypatch.setenv("LAW__luigi_core__workers", "1")
    (tmp_path / "Production.py").write_text("# configuration for cmsRun\n")
    (tmp_path / "jobs.txt").write_text(f"sampleType=MC_18\nDY {DATASET}\n")
    made = Grid(folder)
    (folder / "output.root").write_bytes(tuples.read_bytes())
    return made.plan()


def law(*arguments):
    """Run a command; what luigi's own helper processes hold open does not matter, and they do not outlive it."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        process = subprocess.Popen([LAW, "run", *arguments], cwd=ROOT, stdout=out, stderr=err, start_new_session=True)
        try:
            process.wait(timeout=60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, process.returncode, out.read(), err.read())


def said(done):
    return done.stdout + done.stderr


def in_hydra(value):
    """A value in the grammar of overrides."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{in_hydra(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(in_hydra, value)) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def dataset(tmp_path, grid, **more):
    """Arguments for the pipeline."""
    crab = {
        "jobs": [str(tmp_path / "jobs.txt")], "site": "T2_X", "output": BASE, "config": str(tmp_path / "Production.py"),
        "splitting": "FileBased", "units_per_job": 2, "storage": str(grid.storage), "target": str(tmp_path / "final"),
    } | more  # fmt: skip
    overrides = f"+datasets.mine={in_hydra({'title': 'Mine', 'source': 'crab', 'crab': crab})} ~samples.train +samples.train.mine={{chunks:2}}"
    return ("--version", "v1", "--campaign", "tiny", "--overrides", overrides, "--dataset", "mine")


def command(tmp_path, grid, action, *more):
    """Arguments for people."""
    options = {
        "jobs": tmp_path / "jobs.txt", "action": action, "site": "T2_X", "output-base": BASE, "cfg": tmp_path / "Production.py",
        "splitting": "FileBased", "units-per-job": 2, "storage": grid.storage, "target": tmp_path / "final",
    }  # fmt: skip
    return ["Crab", *(word for name, value in options.items() for word in (f"--{name}", str(value))), *more]


def production(store):
    (path,) = (store / "tiny/CrabProduction/mine/v1").glob("*/production.d")
    return path, json.loads((path / "prodReport_DY.json").read_text())


def test_tuples_from_the_grid_are_taken_in_place(grid, tmp_path, store):
    """From the submission to chains of the pipeline, with one failure that a resubmission mends."""
    grid.plan(fail={"/store/mc/f1.root": 1})
    done = law("ProduceTuples", *dataset(tmp_path, grid))
    assert done.returncode == 0, said(done)
    chains = sorted((store / "tiny/ProduceTuples/train/mine/v1").glob("*/tuples_?.json"))
    assert [read_sidecar(path)["details"]["entries"] for path in chains] == [20, 10]
    with open_tuples(chains[0]) as file:
        assert len(file.read(["tau_pt"])) == 20
    path, report = production(store)
    files = sorted((tmp_path / "final/DY").glob("*.root"))
    assert [output["file"] for output in report["outputs"]] == [str(file) for file in files]
    assert report["notProcessedLumis"] == {}
    assert json.loads((path / "files.json").read_text()) == [str(file) for file in files]
    assert grid.server["calls"]["resubmit"] == 1
    assert "1 of 3 jobs did not finish; resubmit" in said(done)
    again = law("ProduceTuples", *dataset(tmp_path, grid))
    assert again.returncode == 0
    assert grid.requests == ["DY"]


def test_recovery_with_smaller_jobs(grid, tmp_path, store):
    grid.plan(fail={"/store/mc/f1.root": 5})  # once, three resubmissions, once in the first recovery
    done = law("CrabProduction", *dataset(tmp_path, grid, units_per_job=4, max_recoveries=3))
    assert done.returncode == 0, said(done)
    assert grid.requests == ["DY", "DY_recovery_1"]
    assert grid.finished_files() == sorted(dataset_files(6))
    assert {Path(output["file"]).parent.name for output in production(store)[1]["outputs"]} == {"DY", "DY_recovery_1"}


POINTS = [
    ("submit", "kill-before"), ("submit", "kill-sent"), ("submit", "kill-late"), ("submit", "kill-after"),
    ("status", "kill-after"), ("resubmit", "kill-after"), ("report", "kill-after"),
]  # fmt: skip


@pytest.mark.parametrize(("at", "do"), POINTS, ids=["-".join(point) for point in POINTS])
def test_a_killed_driver_goes_on_and_submits_nothing_twice(grid, tmp_path, store, at, do):
    grid.plan(files=2, looks=0, fail={"/store/mc/f1.root": 1}, faults=[{"command": at, "call": 1, "do": do}])
    arguments = ("CrabProduction", *dataset(tmp_path, grid))
    killed = law(*arguments)
    assert killed.returncode == -9, said(killed)
    done = law(*arguments)
    assert done.returncode == 0, said(done)
    if do == "kill-late":
        time.sleep(6)  # the client that outlived its command would be done by now
    assert grid.requests == ["DY"]
    assert [task["submissions"] for task in grid.server["tasks"].values()] == [2]
    assert len(production(store)[1]["outputs"]) == 1


def test_a_lost_proxy_ends_the_command_with_what_to_do(grid, tmp_path, store):
    grid.plan(faults=[{"command": "status", "call": 2, "do": "proxy"}])
    done = law("CrabProduction", *dataset(tmp_path, grid))
    assert done.returncode != 0
    assert "there is no valid grid proxy: run 'voms-proxy-init" in said(done)
    assert "Traceback" not in said(done)
    assert law("CrabProduction", *dataset(tmp_path, grid)).returncode == 0
    assert grid.requests == ["DY"]


def test_outputs_that_are_not_as_crab_leaves_them_are_not_moved(grid, tmp_path, store):
    grid.plan(stray=True)
    done = law("CrabProduction", *dataset(tmp_path, grid))
    assert done.returncode != 0
    assert "nothing was moved:" in said(done)
    assert "expected one timestamp, found 2: 200101_000000" in said(done)
    assert len(list(grid.storage.rglob("*.root"))) == 6
    assert not (tmp_path / "final").exists()


def test_a_changed_job_file_is_another_production(grid, tmp_path, store):
    from tasks.crab import CrabProduction

    words = dict(zip(*[iter(dataset(tmp_path, grid))] * 2, strict=True))
    options = {name.removeprefix("--"): value for name, value in words.items()}
    before = CrabProduction(**options).identity
    forget_tasks()
    assert CrabProduction(**options).identity == before
    forget_tasks()
    (tmp_path / "jobs.txt").write_text(f"sampleType=MC_17\nDY {DATASET}\n")
    assert CrabProduction(**options).identity != before


def task_of(kind, words):
    forget_tasks()
    options = dict(zip(*[iter(words)] * 2, strict=True))
    return kind(**{name.removeprefix("--"): value for name, value in options.items()})


def test_accept_missing_and_more_recoveries_made_a_new_work_area_and_submitted_everything_again(grid, tmp_path, store):
    """The outputs of the two tasks then could not be told apart, and the first settings were stuck as well."""
    grid.plan(looks=0, fail={"/store/mc/f1.root": -1})
    failed = law("ProduceTuples", *dataset(tmp_path, grid))
    assert failed.returncode != 0
    assert "DY: 4 luminosity sections are left" in said(failed)
    still = law("ProduceTuples", *dataset(tmp_path, grid, max_recoveries=2, target=str(tmp_path / "elsewhere")))
    assert "2 luminosity sections are left after the last recovery on the grid" in said(still)
    done = law("ProduceTuples", *dataset(tmp_path, grid, accept_missing=True))
    assert done.returncode == 0, said(done)
    assert grid.requests == ["DY", "DY_recovery_1"]
    path, report = production(store)
    assert report["notProcessedLumis"] == {"1": [[3, 4]]}
    assert len(json.loads((path / "files.json").read_text())) == 3
    assert law("ProduceTuples", *dataset(tmp_path, grid)).returncode == 0  # the first settings: there already
    assert len(list((store / "_crab/tiny/mine/v1").iterdir())) == 1


def test_how_the_grid_is_used_was_part_of_the_identity_of_tuples(grid, tmp_path, store):
    from tasks.production import ProduceTuples

    words = dataset(tmp_path, grid)
    more = dataset(tmp_path, grid, max_recoveries=2, accept_missing=True, max_memory=4000)
    suffix = dataset(tmp_path, grid, suffix="_v2")
    identities = [task_of(ProduceTuples, (*one, "--sample", "train")).identity for one in (words, more, suffix)]
    assert identities[0] == identities[1] != identities[2]


def test_another_version_submitted_the_same_request_again(grid, tmp_path, store):
    first = law("CrabProduction", *dataset(tmp_path, grid))
    assert first.returncode == 0, said(first)
    second = list(dataset(tmp_path, grid))
    second[1] = "v2"
    refused = law("CrabProduction", *second)
    assert refused.returncode != 0
    assert "nothing was submitted, since a task of this name was submitted to the same place from" in said(refused)
    assert "give the task another name (suffix, --job-name-suffix)" in said(refused)
    assert grid.requests == ["DY"]
    renamed = list(dataset(tmp_path, grid, suffix="_v2"))
    renamed[1] = "v2"
    assert law("CrabProduction", *renamed).returncode == 0
    assert grid.requests == ["DY", "DY_v2"]


def test_a_failed_production_did_not_say_how_to_go_on(grid, tmp_path, store):
    """The command that it names works as it stands."""
    grid.plan(looks=0, fail={"/store/mc/f1.root": 4})  # once, and three resubmissions
    failed = law("CrabProduction", *dataset(tmp_path, grid))
    (shown,) = [line.strip() for line in said(failed).splitlines() if line.strip().startswith("law run Crab ")]
    words = shlex.split(shown)[2:]
    assert words[words.index("--work-area") + 1].startswith(str(store / "_crab/tiny/mine/v1"))
    status = law(*words)
    assert "DY: SUBMITTED; FAILED; 1 failed, 2 finished" in status.stdout, said(status)
    words[words.index("status")] = "resubmit"
    again = law(*words)
    assert again.returncode == 0
    assert "DY: failed jobs submitted again" in again.stdout
    assert law("CrabProduction", *dataset(tmp_path, grid)).returncode == 0
    assert grid.requests == ["DY"]


def test_unknown_actions_are_named_with_run(grid, tmp_path, store):
    done = law(*command(tmp_path, grid, "fly"))
    assert done.returncode != 0
    assert (
        "there is no action 'fly'; there are submit, status, resubmit, kill, recover, report, move, verify, run"
        in said(done)
    )


def test_step_by_step_as_with_the_cms_scripts(grid, tmp_path, store):
    grid.plan(fail={"/store/mc/f1.root": 2}, looks=0)
    first = law(*command(tmp_path, grid, "submit"))
    assert first.returncode == 0, said(first)
    assert "DY: submitted as" in first.stdout
    second = law(*command(tmp_path, grid, "submit"))
    assert "DY: was submitted before as" in second.stdout
    assert grid.requests == ["DY"]
    early = law(*command(tmp_path, grid, "report"))
    assert early.returncode != 0
    assert "is not at its end" in said(early)
    shown = [law(*command(tmp_path, grid, "status")).stdout for _ in range(2)]
    assert "FAILED; 1 failed, 2 finished; 1 with exit code 8021" in shown[-1]
    assert "failed jobs submitted again" in law(*command(tmp_path, grid, "resubmit")).stdout
    for _ in range(3):
        law(*command(tmp_path, grid, "status"))
    refused = law(*command(tmp_path, grid, "move"))
    assert "4 luminosity sections are left: recover them" in said(refused)
    assert "recovery 1 submitted as" in law(*command(tmp_path, grid, "recover")).stdout
    for _ in range(3):
        law(*command(tmp_path, grid, "status"))
    assert "12 luminosity sections processed, 0 not" in law(*command(tmp_path, grid, "report")).stdout
    planned = law(*command(tmp_path, grid, "move", "--dry-run"))
    assert planned.stdout.count(" -> ") == 4
    assert not (tmp_path / "final").exists()
    assert "4 files in" in law(*command(tmp_path, grid, "move")).stdout
    assert len(list((tmp_path / "final").rglob("*.root"))) == 4
    assert "finished, 4 files" in law(*command(tmp_path, grid, "status")).stdout


def test_a_dry_run_writes_the_configuration_and_sends_nothing(grid, tmp_path, store):
    done = law(*command(tmp_path, grid, "submit", "--dry-run", "--job-name-suffix", "_v2", "--max-memory", "3GB"))
    assert done.returncode == 0, said(done)
    assert "DY_v2: would be submitted with" in done.stdout
    assert "dry run: nothing was sent to CRAB" in done.stdout
    text = (store / "_crab/jobs/DY_v2/configs/crabConfig_DY_v2.py").read_text()
    assert "config.JobType.maxMemoryMB = 3000" in text
    assert f"config.Data.inputDataset = '{DATASET}'" in text
    assert "config.JobType.pyCfgParams = ['sampleType=MC_18']" in text
    assert not (grid.folder / "server.json").exists()
    assert not (store / "_crab/jobs/DY_v2/journal.jsonl").exists()


def test_files_of_crab_overseer(grid, tmp_path, store):
    """The newer dialect, which names the place of the output itself."""
    output = "{file: eventTuple.root, crabOutput: 'T2_Y:/store/group/tau', finalOutput: 'T2_Y:/store/x'}"
    main = f"params: {{cmsRunCfg: {tmp_path}/Production.py, cmsRunOptions: 'sampleType=MC,era=Run2_2018', outputs: [{output}]}}\n"
    (tmp_path / "main.yaml").write_text(main + "unitsPerJob: 4\nmaxRecoveryCount: 3\nlumiMask: ''\n")
    (tmp_path / "tasks.yaml").write_text(f"DY: {DATASET}\n")
    files = ("--jobs", str(tmp_path / "tasks.yaml"), "--overseer", str(tmp_path / "main.yaml"))
    done = law("Crab", *files, "--action", "submit", "--dry-run")
    assert done.returncode == 0, said(done)
    assert "outputs are not copied to finalOutput" in said(done)
    text = (store / "_crab/jobs/DY/configs/crabConfig_DY.py").read_text()
    assert "config.Site.storageSite = 'T2_Y'" in text
    assert "config.Data.outLFNDirBase = '/store/group/tau'" in text
    assert "config.Data.unitsPerJob = 4" in text
    assert "config.JobType.pyCfgParams = ['sampleType=MC', 'era=Run2_2018']" in text


def test_kill_and_run_to_the_end(grid, tmp_path, store):
    area = tmp_path / "area"
    run = command(tmp_path, grid, "submit", "--work-area", str(area))
    assert law(*run).returncode == 0
    run[run.index("submit")] = "kill"
    assert "DY: killed" in law(*run).stdout
    run[run.index("kill")] = "run"
    stopped = law(*run)
    assert stopped.returncode != 0
    assert "it was killed on request; --action resubmit or recover goes on with it" in said(stopped)
    run[run.index("run")] = "resubmit"
    assert law(*run).returncode == 0
    run[run.index("resubmit")] = "run"
    done = law(*run)
    assert done.returncode == 0, said(done)
    assert "12 luminosity sections processed, 0 not" in done.stdout
    assert [event["event"] for event in read_events(area / "DY/journal.jsonl")] == [
        "intended", "submitted", "killing", "resubmitting", "reported", "moving", "moved",
    ]  # fmt: skip
    assert json.loads((area / "DY/prodReport_DY.json").read_text())["inputDataset"] == DATASET


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--job-names", "QCD"), "no job is called QCD; there are DY"),
        (("--splitting", "Sometimes"), "splitting is 'Sometimes'; known are Automatic"),
        (("--client", "nowhere"), "unknown site 'nowhere'"),
    ],
)
def test_wrong_options_are_named(grid, tmp_path, store, more, message):
    done = law(*command(tmp_path, grid, "submit", *more))
    assert done.returncode != 0
    assert message in said(done)
    assert "Traceback" not in said(done)
    assert not (grid.folder / "server.json").exists()


def test_two_commands_at_a_time_are_refused(grid, tmp_path, store):
    grid.plan(faults=[{"command": "submit", "call": 1, "do": "hang"}])
    words = [LAW, "run", *command(tmp_path, grid, "submit")]
    first = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not (grid.folder / "server.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        second = law(*command(tmp_path, grid, "submit"))
    finally:
        first.send_signal(signal.SIGINT)  # which ends the client as well
        first.wait(timeout=30)
    assert second.returncode != 0
    assert "is at work and would submit again; stop it first" in said(second)
