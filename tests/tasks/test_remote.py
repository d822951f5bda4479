"""The law side of batch systems: parameters, resources, the command that goes on."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import luigi
import pytest
from luigi.cmdline_parser import CmdlineParser

from tasks.base import PipelineTask
from tasks.bundles import BundleEnvironment, BundleRepository
from tasks.control import remove_jobs
from tasks.job import load_task
from tasks.production import ProduceTuples
from tasks.remote import BATCH_PARAMETERS, batch_root, workflow_id
from tasks.report import Report, all_upstream
from tasks.sampling_inputs import CountSpectra
from tasks.training import Training
from taumltools.batch.journal import Journal, is_closed, read_events
from taumltools.batch.layout import Layout
from taumltools.batch.ledger import Ledger
from taumltools.batch.lock import driver_lock
from taumltools.errors import BatchError, ConfigError
from tests.tasks.making import forget_tasks

ROOT = Path(__file__).resolve().parents[2]

GIVEN = {
    "site": "lxplus", "max_runtime": 3.5, "max_memory": 1234, "cpus": 3, "gpus": 1, "disk": 777,
    "requirements": "Memory > 1", "batch_name": "mine", "poll_interval": 7.0, "retries": 9, "parallel_jobs": 11,
    "dry_run": True, "retry_failed": True, "cancel_jobs": True, "tolerance": 0.5, "workflow": "htcondor",
}  # fmt: skip
"""A value that is not the default, for each parameter of batch systems."""


class Words(PipelineTask):
    """A task with parameters that are hard to quote."""

    words = luigi.Parameter(default="none")
    product = "words_{branch}.txt"
    exclude_index = True

    def reads(self):
        return ("seed",)

    def keys(self):
        return ("words",)

    def n_branches(self):
        return 4

    def produce(self, path):
        path.write_text(self.words)
        return {}


class Longer(Words):
    """A task that reads another."""

    exclude_index = True

    def upstream(self):
        return {"words": self.need(Words)}


@pytest.fixture
def isolated_site(tmp_path):
    """A site of one's own, without a shared file system."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: Mine\nsubmit: {request_memory: '{memory_mb}'}\nshared_filesystem: false\nschedd: s@x\nspool: true\n"
        "poll_interval: 45\nsubmission_limit: 8\nqueue_limit: 99\nmemory_cap: 5000\nruntime_cap: 12\nretry_delay: 3\n"
    )
    return str(path)


def make(task_class=Words, **parameters):
    return task_class(**{"version": "v1", "campaign": "tiny", "workflow": "htcondor"} | parameters)


# ---------------------------------------------------------------------- parameters


def test_every_batch_parameter_is_looked_at_here():
    assert set(GIVEN) - {"site", "tolerance", "workflow"} == BATCH_PARAMETERS


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_parameters_change_neither_identity_nor_paths(name):
    plain, given = make(Training, workflow="local"), make(Training, **{"workflow": "local", name: GIVEN[name]})
    assert getattr(given, name) != getattr(plain, name)
    assert given.identity == plain.identity
    assert given.paths() == plain.paths()
    assert given.state_folder == plain.state_folder


@pytest.mark.parametrize("name", sorted(set(GIVEN) - {"site", "workflow"}))
def test_parameters_are_not_passed_upstream(name):
    plain, given = make(Report), make(Report, **{name: GIVEN[name]})
    upstream = list(all_upstream(given))
    assert len(upstream) > 10
    assert {getattr(task, name) for task in upstream} == {getattr(plain, name)}


def test_site_and_workflow_are_passed_upstream():
    upstream = list(all_upstream(make(Report, site="lxplus")))
    assert {(task.site, task.workflow) for task in upstream} == {("lxplus", "htcondor")}


def test_branches_do_not_carry_them():
    branch = make(Training, **GIVEN).as_branch(0)
    assert branch.branch == 0
    plain = make(Training)
    assert [name for name in BATCH_PARAMETERS if getattr(branch, name) != getattr(plain, name)] == []


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("2m", 120), ("1.5", 1.5)])
def test_poll_interval_is_a_time(text, seconds):
    task = Words.from_str_params({"version": "v1", "poll_interval": text})
    assert task.poll_interval == seconds


# ---------------------------------------------------------------------- resources and settings


def test_resources_are_the_defaults_then_the_stages_then_the_command_lines():
    assert make().job_resources().plain() == make().campaign_config.batch.default.__dict__
    stage = make(Training).job_resources()
    assert (stage.max_runtime, stage.max_memory, stage.cpus, stage.disk) == (8, 4000, 2, 2000)
    campaign = "batch.stages.Training.max_runtime=24 batch.stages.Training.disk=5000 batch.default.disk=7000"
    assert make(overrides=campaign).job_resources().disk == 7000
    resources = make(Training, overrides=campaign).job_resources()
    assert (resources.max_runtime, resources.max_memory, resources.cpus, resources.disk) == (24, 4000, 2, 5000)
    resources = make(Training, overrides=campaign, max_runtime=0.5, gpus=0, requirements="Memory > 1").job_resources()
    assert (resources.max_runtime, resources.max_memory, resources.gpus, resources.disk) == (0.5, 4000, 0, 5000)
    assert resources.requirements == "Memory > 1"


@pytest.mark.parametrize("name", ["max_runtime", "max_memory", "cpus", "gpus", "disk", "requirements"])
def test_each_resource_can_be_given(name):
    plain, given = make().job_resources(), make(**{name: GIVEN[name]}).job_resources()
    assert getattr(given, name) == GIVEN[name]
    assert given == plain.with_(**{name: GIVEN[name]})


def test_driver_is_told_what_site_campaign_and_command_line_say(isolated_site):
    settings = make(site=isolated_site).driver_settings()
    assert settings.branches == (0, 1, 2, 3)
    assert settings.limits == (0, 99)
    assert (settings.submission_limit, settings.poll_interval, settings.tolerance) == (8, 45, 0)
    policy = settings.policy
    assert (policy.memory_cap, policy.runtime_cap, policy.retry_delay) == (5000, 12, 3)
    assert (policy.retry.retries, policy.retry.transient_retries) == (2, 20)
    settings = make(
        site=isolated_site, poll_interval=7.0, retries=0, parallel_jobs=5, tolerance=0.5, branches=((1, 3),),
        overrides="batch.tolerance=3 batch.retry.transient_retries=1",
    ).driver_settings()  # fmt: skip
    assert settings.branches == (1, 2)
    assert (settings.limits, settings.poll_interval, settings.tolerance) == ((5, 99), 7, 0.5)
    assert (settings.policy.retry.retries, settings.policy.retry.transient_retries) == (0, 1)
    assert make(overrides="batch.tolerance=3").driver_settings().tolerance == 3


def test_pool_is_the_sites(isolated_site):
    pool = make(site=isolated_site).pool()
    assert (pool.name, pool.collector, pool.spool) == ("s@x", "", True)
    assert not make(site="local-pool").pool().spool


def test_site_is_the_named_one_else_the_environments_else_generic(monkeypatch):
    assert make().site_config.title == "HTCondor"
    monkeypatch.setenv("TAUML_SITE", "naf")
    assert make().site_config.title == "DESY NAF"
    assert make().journal_header()["site"] == "naf"
    assert make(site="lxplus").site_config.title == "CERN lxplus"


def test_unknown_site_is_said():
    with pytest.raises(ConfigError, match=r"unknown site 'nowhere'.* has generic, local-pool, lxplus, naf"):
        _ = make(site="nowhere").site_config


# ---------------------------------------------------------------------- journals


def test_journals_are_in_the_store_or_where_one_says(store, tmp_path, monkeypatch):
    task = make()
    assert batch_root() == store / "_batch"
    assert task.state_folder == store / "_batch" / "tiny" / "Words" / "words" / "v1" / task.identity
    monkeypatch.setenv("TAUML_BATCH", str(tmp_path / "afs"))
    assert task.state_folder == tmp_path / "afs" / "tiny" / "Words" / "words" / "v1" / task.identity
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TAUML_BATCH", "~/logs")
    assert batch_root() == tmp_path / "logs"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAUML_BATCH", "logs")
    assert batch_root() == tmp_path / "logs"
    monkeypatch.setenv("TAUML_BATCH", "")
    assert batch_root() == store / "_batch"


def test_workflows_have_ids_of_their_own_which_stay():
    assert workflow_id(Path("/store/_batch/demo/Training/v1/01234567")) == "b5bbfe2709564afd"
    others = [make(), make(version="v2"), make(Training), make(overrides="seed=7"), make(campaign="demo")]
    assert len({workflow_id(task.state_folder) for task in others}) == 5


def test_workflow_is_not_complete_while_a_driver_left_jobs(store):
    task = make()
    task.folder.mkdir(parents=True)
    for path in task.paths():
        path.write_text("x")
    assert task.complete()
    journal = Journal(Layout(task.state_folder).journal)
    journal.write("opened", **task.journal_header())
    assert not task.complete()
    journal.write("closed")
    assert task.complete()


# ---------------------------------------------------------------------- the command that goes on

AWKWARD = [
    (Words, {}),
    (Words, {"version": "it's v 1", "words": 'a "b" $HOME; {c}\\d'}),
    (Words, {"campaign": "demo", "overrides": "training.epochs=20 model=mini", "branches": ((0, 2), (3,))}),
    (ProduceTuples, {"sample": "train", "dataset": "ztautau", "site": "lxplus"}),
    (CountSpectra, {"version": "v2", "dataset": "qcd", "overrides": "seed=7"}),
    (Training, GIVEN),
]


@pytest.mark.parametrize(("task_class", "parameters"), AWKWARD)
def test_command_gives_the_same_workflow(task_class, parameters):
    task = make(task_class, **parameters)
    program, run, family, *rest = shlex.split(task.command)
    assert (program, run, family) == ("law", "run", task_class.get_task_family())
    with CmdlineParser.global_instance([family, *rest]) as parser:
        again = parser.get_task_obj()
    assert type(again) is task_class
    assert again.workflow == "htcondor"
    assert again.paths() == task.paths()
    assert sorted(again.branch_map) == sorted(task.branch_map)
    assert again.site == task.site
    # what was asked for stays; what was meant for one call is not repeated
    plain = make(task_class)
    once = {"dry_run", "retry_failed", "cancel_jobs"}
    kept = (BATCH_PARAMETERS | {"tolerance"}) - once
    assert {name: getattr(again, name) for name in once} == {name: getattr(plain, name) for name in once}
    assert {name: getattr(again, name) for name in kept} == {name: getattr(task, name) for name in kept}


def test_command_that_goes_on_names_the_site_of_the_environment(monkeypatch):
    assert "--site" not in make(Words).command
    monkeypatch.setenv("TAUML_SITE", "lxplus")
    assert "--site lxplus" in make(Words).command


@pytest.mark.parametrize(("task_class", "parameters"), AWKWARD)
def test_job_makes_the_same_branch(task_class, parameters):
    task = make(task_class, **parameters)
    named = {k: v for k, v in task.naming_parameters().items() if k not in {"branches", "site"}}
    specification = {"module": task_class.__module__, "family": task.get_task_family(), "parameters": named}
    branch = load_task(json.loads(json.dumps(specification)), 0)
    assert (branch.branch, branch.path, branch.identity) == (0, task.path_of(0), task.identity)
    assert branch.input_paths() == task.as_branch(0).input_paths()


def test_label_and_header_are_what_people_know_it_by():
    task = make(ProduceTuples, sample="train", dataset="ztautau")
    assert task.label == "ProduceTuples train ztautau v1"
    header = task.journal_header()
    assert header["products"] == [str(path) for path in task.paths()]
    assert json.loads(json.dumps(header)) == header


# ---------------------------------------------------------------------- looking and removing


class Queue:
    """Two jobs."""

    def __init__(self):
        self.removed = []

    def jobs(self, workflow):
        self.asked = workflow
        return [type("Job", (), {"id": f"1.{n}", "branch": n, "attempt": 1}) for n in range(2)]

    def where(self):
        return "here"

    def remove(self, jobs, reason):
        self.removed.append((jobs, reason))


@pytest.mark.parametrize("what", ["dry_run", "cancel_jobs"])
def test_controls_need_nothing_upstream_and_are_done_once(what, isolated_site, monkeypatch, capsys):
    queue = Queue()
    monkeypatch.setattr(Longer, "pool", lambda _: queue)
    task = make(Longer, site=isolated_site, **{what: True})
    assert task.workflow_proxy.requires() == {}
    assert not task.complete()
    task.workflow_proxy.run()
    assert task.complete()
    assert ("4 of 4 branches would be submitted" in capsys.readouterr().out) == (what == "dry_run")
    assert queue.removed == ([(["1.0", "1.1"], "removed by --cancel-jobs")] if what == "cancel_jobs" else [])


def test_jobs_are_not_removed_while_a_driver_would_submit_them_again(monkeypatch):
    queue = Queue()
    monkeypatch.setattr(Words, "pool", lambda _: queue)
    task = make(cancel_jobs=True)
    with (
        driver_lock(Layout(task.state_folder).lock, task.label, 0.1),
        pytest.raises(BatchError, match=r"Words words v1: a driver \(.*\) is at work .*stop it first"),
    ):
        remove_jobs(task)
    assert queue.removed == []
    remove_jobs(task)
    assert queue.asked == workflow_id(task.state_folder)
    assert len(queue.removed) == 1


def test_another_name_of_the_store_is_the_same_workflow(tmp_path, monkeypatch):
    """Jobs that run were not found, submitted again, and never removed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    ids = set()
    for name in ("real", "link"):
        monkeypatch.setenv("TAUML_STORE", str(tmp_path / name))
        forget_tasks()
        ids.add(workflow_id(make(Words).state_folder))
    assert len(ids) == 1
    folder = make(Words).state_folder
    folder.mkdir(parents=True)
    (folder / "workflow").write_text(
        "0123456789abcdef\n"
    )  # as the first driver wrote it, on a machine with other mounts
    assert workflow_id(folder) == "0123456789abcdef"


def test_cancelling_ends_the_attempts_of_removed_jobs_only(monkeypatch):
    """A finished attempt whose delivery waits was recorded as superseded, and made again."""
    queue, task = Queue(), make(cancel_jobs=True)
    monkeypatch.setattr(Words, "pool", lambda _: queue)
    journal = Journal(Layout(task.state_folder).journal)
    resources = {"max_runtime": 1, "max_memory": 1000}
    journal.write("opened", schedd="here")
    journal.write("intended", submission="s", attempts=[[b, 1, 0] for b in range(4)], resources=[resources])
    remove_jobs(task)
    ledger = Ledger.replay(read_events(journal.path))
    assert [attempt.branch for attempt in ledger.living()] == [2, 3]
    assert is_closed(journal.path) is False


def test_cancelling_at_another_scheduler_is_refused(monkeypatch):
    queue, task = Queue(), make(cancel_jobs=True)
    monkeypatch.setattr(Words, "pool", lambda _: queue)
    journal = Journal(Layout(task.state_folder).journal)
    journal.write("opened", schedd="there")
    journal.write("intended", submission="s", attempts=[[0, 1, 0]], resources=[{"max_runtime": 1, "max_memory": 1000}])
    with pytest.raises(BatchError, match="at the scheduler there, this machine speaks to here: remove them there"):
        remove_jobs(task)
    assert queue.removed == []


def test_bundles_are_needed_only_where_nothing_is_shared(isolated_site):
    assert set(make(Longer).workflow_proxy.requires()) == {"words"}
    needs = make(Longer, site=isolated_site).workflow_proxy.requires()
    assert set(needs) == {"words", "repository", "environment"}
    assert needs["words"].site == isolated_site
    assert isinstance(needs["repository"], BundleRepository)
    assert isinstance(needs["environment"], BundleEnvironment)
    assert {needs[name].effective_workflow for name in ("repository", "environment")} == {"local"}


def test_dry_run_tells_what_would_be_sent_and_makes_nothing(store, project, isolated_site, capsys):
    make(dry_run=True, site=isolated_site, max_memory=1234).explain_submission()
    told = capsys.readouterr().out
    assert "Words words v1 on Mine: 4 of 4 branches would be submitted, 0 are done" in told
    assert "1234 MB" in told
    assert told.count("(to be packed first)") == 2
    assert "request_memory = $(memory_mb)" in told
    assert "submissions/dr/dry-run/inputs_0.tar" in told
    assert not store.exists()

    BundleRepository(version="v1", campaign="tiny", branch=0).run()
    before = sorted(store.rglob("*"))
    make(dry_run=True, site=isolated_site).explain_submission()
    told = capsys.readouterr().out
    assert "sent to each job: repository_" in told
    assert told.count("(0.0 MB)") == told.count("(to be packed first)") == 1
    assert sorted(store.rglob("*")) == before


def test_unknown_site_ends_a_command_with_one_clear_message(store, tmp_path):
    env = os.environ | {
        "PYTHONPATH": str(ROOT), "LAW_HOME": str(tmp_path / "law"), "LAW_CONFIG_FILE": str(ROOT / "law.cfg"),
    }  # fmt: skip
    command = [
        "run",
        "tasks.production.ProducePileup",
        "--version",
        "v1",
        "--campaign",
        "tiny",
        "--workflow",
        "htcondor",
        "--site",
        "no",
    ]
    done = subprocess.run(
        [Path(sys.executable).with_name("law"), *command], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "unknown site 'no'" in done.stderr
    assert not store.exists()
