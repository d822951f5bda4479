"""A workflow as the driver sees it: products, submissions, what its jobs left behind."""

from __future__ import annotations

import errno
import json
import os
import tarfile
from pathlib import Path

import pytest

import tasks.bundles
from tasks.base import PipelineTask
from tasks.bundles import bundles
from tasks.job import attempt, deliver
from tasks.production import ProduceTuples
from tasks.remote_work import RemoteWork, explain
from taumltools.batch.layout import Layout
from taumltools.batch.ledger import Attempt
from taumltools.batch.resources import Resources
from taumltools.config import load_campaign
from taumltools.errors import InputError, PoolError, StoreError
from taumltools.store import read_sidecar, sidecar_path
from tests.tasks.making import forget_tasks

RESOURCES = Resources(1, 1000)


class Before(PipelineTask):
    """Folders, which another task reads."""

    product = "before_{branch}.d"
    exclude_index = True

    def reads(self):
        return ("seed",)

    def n_branches(self):
        return 2

    def produce(self, path):
        path.mkdir()
        (path / "content.txt").write_text(str(self.branch))
        return {}


class After(PipelineTask):
    """A file for each folder."""

    product = "after_{branch}.txt"
    follows = "before"
    exclude_index = True

    def reads(self):
        return ("seed",)

    def upstream(self):
        return {"before": self.need(Before)}

    def n_branches(self):
        return 2

    def produce(self, path):
        path.write_text(f"after {(self.input_paths()[0] / 'content.txt').read_text()}")
        return {}

    def validate(self, path):
        text = path.read_text()
        if text == "nested":
            raise FileNotFoundError(f"{path}/deep is missing")
        if not text.startswith("after "):
            raise ValueError("no 'after' in it")


@pytest.fixture
def work(project, tmp_path, monkeypatch):
    """The workflow at a site with or without a shared file system, its bundles made."""
    monkeypatch.setattr(tasks.bundles.BundleEnvironment, "checksum", lambda _: "0123456789ab")
    monkeypatch.setattr(
        tasks.bundles.BundleEnvironment, "pack", lambda _, path: tasks.bundles.BundleRepository.pack(None, path)
    )

    def make(shared=True, spool=False, **parameters):
        path = tmp_path / f"{shared}_{spool}.yaml"
        path.write_text(
            "title: x\nsubmit: {request_memory: '{memory_mb}'}\nsetup: [module load y]\n"
            f"shared_filesystem: {str(shared).lower()}\nspool: {str(spool).lower()}\n"
        )
        task = After(version="v1", campaign="tiny", workflow="htcondor", site=str(path), **parameters)
        if not shared:
            for each in bundles("v1", "tiny").values():
                each.as_branch(0).run()
        return RemoteWork(task, Layout(task.state_folder))

    return make


def make_inputs(work):
    before = work.task.upstream()["before"]
    for branch in range(2):
        before.as_branch(branch).run()
    return before


def attempts(*branches, number=1):
    return [Attempt(branch, number, "s1", RESOURCES, 0.0) for branch in branches]


# ---------------------------------------------------------------------- products


def test_products_are_found_and_judged(work, store):
    made = work()
    assert made.products() == {}
    made.task.folder.mkdir(parents=True)
    good, bad = made.paths[0], made.paths[1]
    good.write_text("after 0")
    bad.write_text("nonsense")
    assert {branch: size for branch, (size, _) in made.products().items()} == {0: 7, 1: 8}
    assert made.check(0) == ""
    problem = made.check(1)
    assert problem.startswith(f"{bad} is not valid (no 'after' in it); it was put aside as .after_1.txt.invalid-")
    assert (good.parent / problem.rpartition(" ")[2]).read_text() == "nonsense"
    assert list(made.products()) == [0]
    assert made.check(1) == f"{bad} is gone"


def test_product_that_lacks_a_part_is_put_aside_and_not_taken_for_gone(work):
    made = work()
    made.task.folder.mkdir(parents=True)
    made.paths[0].write_text("nested")
    assert "deep is missing" in made.check(0)
    assert made.products() == {}


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O"), OSError(errno.EMFILE, "files"), MemoryError()])
def test_good_product_is_not_put_aside_because_this_machine_fails(work, monkeypatch, error):
    """A validation that met an I/O error renamed the published product."""
    made = work()
    made.task.folder.mkdir(parents=True)
    made.paths[0].write_text("after 0")

    def fail(self, path):
        try:
            raise error
        except BaseException as cause:
            raise InputError(f"{path}: cannot be read") from cause

    monkeypatch.setattr(After, "validate", fail)
    with pytest.raises(PoolError, match="cannot be checked now"):
        made.check(0)
    assert list(made.products()) == [0]


def test_branches_that_are_left_out_are_known(work):
    """Their jobs may be in the queue: deliveries were dropped, and good branches recorded as failures."""
    made = work(branches=((0, 1),))
    made.task.folder.mkdir(parents=True)
    made.paths[1].write_text("after 1")
    assert list(made.products()) == [1]
    assert made.check(1) == ""


def test_report_of_an_earlier_life_is_not_believed(work):
    """After the journal was lost, numbers begin anew: the old report told how the new attempt ended."""
    made = work()
    old = made.layout.report(0, 1)
    old.parent.mkdir(parents=True)
    old.write_text('{"cause": "exception in the task", "message": "old story", "code": 60}')
    made.submission("s1", attempts(0))
    assert made.report(0, 1) is None


def test_cleaning_leaves_what_may_be_needed(work):
    made = work(shared=False)
    made.task.folder.mkdir(parents=True)
    made.paths[0].write_text("after 0")
    (made.task.folder / ".after_1.tmp-host-1-2.txt").write_text("half")
    travelled = [made.layout.delivery(branch, 1) for branch in (0, 1)]
    inputs = made.layout.submission("s1") / "inputs_0.tar"
    for path in (*travelled, inputs):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    made.clean()
    assert [path.name for path in made.task.folder.iterdir()] == ["after_0.txt"]
    assert [path.exists() for path in (*travelled, inputs)] == [False, True, False]


# ---------------------------------------------------------------------- submissions


def test_submission_where_all_is_shared(work, monkeypatch, store):
    monkeypatch.setenv("LAW__luigi_core__log_level", "INFO")
    monkeypatch.setenv("X509_USER_PROXY", "/home/me/proxy")
    monkeypatch.setenv("SECRET", "not for jobs")
    made = work()
    text, items = made.submission("s1", attempts(0, 1))
    assert [(item["branch"], item["inputs"]) for item in items] == [("0", ""), ("1", "")]
    assert "should_transfer_files = NO" in text
    folder = made.layout.submission("s1")
    script = (folder / "job.sh").read_text()
    assert os.access(folder / "job.sh", os.X_OK)
    for line in (f"export TAUML_STORE={store}", "export X509_USER_PROXY=/home/me/proxy", "module load y"):
        assert line in script
    assert "export LAW__luigi_core__log_level=INFO" in script
    assert "not for jobs" not in script
    specification = json.loads((folder / "specification.json").read_text())
    assert specification == {
        "module": __name__, "family": "After", "parameters": {"version": "v1", "campaign": "tiny"},
        "shared": True, "state": str(made.layout.folder), "given_in": os.getcwd(),
    }  # fmt: skip
    assert (folder / "jobs.sub").read_text().startswith(text)
    for kind in (made.layout.log, made.layout.delivery):  # HTCondor makes no folders
        assert kind(1, 1).parent.is_dir()


def test_job_is_told_the_files_that_are_meant_where_the_command_is_given(work, monkeypatch, tmp_path):
    """A job starts in another folder, so that relative files were others there."""
    monkeypatch.chdir(tmp_path)
    overrides = "+datasets.mine={title:x,source:tautuple,files:[DY]} +samples.train.mine={chunks:1}"
    task = ProduceTuples(version="v1", campaign="tiny", dataset="mine", overrides=overrides)
    parameters = RemoteWork(task, Layout(tmp_path / "b")).specification()["parameters"]
    assert parameters["overrides"].startswith(overrides + " ")
    monkeypatch.chdir("/")
    load_campaign.cache_clear()
    there = ProduceTuples.from_str_params(parameters)
    assert there.source.files == (f"{tmp_path}/DY",)
    assert there.folder == task.folder


def test_submission_without_a_shared_file_system(work, monkeypatch, store):
    monkeypatch.setenv("X509_USER_PROXY", "/home/me/proxy")
    made = work(shared=False)
    before = make_inputs(made)
    text, (item,) = made.submission("s1", attempts(1))
    repository, environment = bundles("v1", "tiny").values()
    folder = made.layout.submission("s1")
    place = before.path_of(1).relative_to(store)
    assert item["inputs"].split(",") == [
        str(repository.path), str(environment.path), str(folder / "specification.json"), str(place), f"{place}.meta.json",
    ]  # fmt: skip
    assert f"initialdir = {store}\n" in text  # what these are relative to
    script = (folder / "job.sh").read_text()
    assert repository.bundle.sha256 in script
    assert environment.bundle.sha256 in script
    assert "TAUML_STORE=" + str(store) not in script
    assert "X509_USER_PROXY" not in script  # a path of this machine
    specification = json.loads((folder / "specification.json").read_text())
    assert (specification["shared"], specification["store"]) == (False, str(store))
    assert specification["code"] == read_sidecar(repository.path)["code"]
    assert list(folder.glob("inputs*")) == []


def test_submission_to_a_scheduler_that_keeps_the_files(work, store):
    made = work(shared=False, spool=True)
    before = make_inputs(made)
    folder = made.layout.submission("s1")
    text, items = made.submission("s1", attempts(0, 1))
    assert [item["inputs"].split(",")[-1] for item in items] == [str(folder / f"inputs_{b}.tar") for b in range(2)]
    assert f"initialdir = {folder}\n" in text
    with tarfile.open(folder / "inputs_1.tar") as tar:
        place = before.path_of(1).relative_to(store).as_posix()
        assert sorted(tar.getnames()) == [place, f"{place}.meta.json", f"{place}/content.txt"]
    made.submission("s2", attempts(0, number=2))
    assert [path.parent.name for path in sorted(folder.parents[1].glob("*/*/inputs_*"))] == ["s2"]


@pytest.mark.parametrize(("shared", "spool", "times"), [(True, False, 0), (False, False, 1), (False, True, 2)])
def test_room_for_what_is_sent_is_asked_for_on_top(work, shared, spool, times):
    made = work(shared=shared, spool=spool)
    before = make_inputs(made)
    (before.path_of(1) / "large.bin").write_bytes(bytes(3 * 2**20))
    _, items = made.submission("s1", attempts(0, 1))
    # the bundles are small here; the room is rounded up
    assert [int(item["disk_mb"]) - RESOURCES.disk for item in items] == [
        1 if times else 0,
        3 * times + (1 if times else 0),
    ]
    if not shared:
        packed = bundles("v1", "tiny")["environment"].path
        with packed.open("ab") as file:
            file.truncate(5 * 2**20)
        assert made.scratch(0) == 21


def test_input_that_is_not_there_is_left_to_the_job_to_tell(work):
    made = work(shared=False)
    _, (item,) = made.submission("s1", attempts(0))
    assert item["inputs"].split(",")[-1].endswith("specification.json")


def test_sidecar_that_is_read_alone_travels_without_its_product(work, monkeypatch, store):
    """A report took it from the store, which a job does not see."""
    made = work(shared=False)
    before = make_inputs(made)
    monkeypatch.setattr(After, "described_paths", lambda _: before.paths())
    place = before.folder.relative_to(store)
    names = ["before_1.d", "before_1.d.meta.json", "before_0.d.meta.json"]
    assert made.products_read(1) == [str(place / name) for name in names]


def test_submission_needs_its_bundles(work):
    made = work(shared=False)
    bundles("v1", "tiny")["environment"].path.unlink()
    with pytest.raises(InputError, match=r"has 0 bytes, .*run BundleEnvironment again"):
        made.submission("s1", attempts(0))


def test_explanation_writes_nothing(work, store):
    made = work(shared=False)
    before = sorted(store.rglob("*"))
    told = explain(made.task, made.layout)
    assert "2 of 2 branches would be submitted" in told
    assert "sent to each job: repository_" in told
    assert "and the products it reads\n" in told
    assert sorted(store.rglob("*")) == before


# ---------------------------------------------------------------------- what jobs left


def ran_elsewhere(made, branch, monkeypatch, tmp_path):
    """Run an attempt as a worker would, in a store of its own; its delivery arrives here."""
    make_inputs(made)
    made.submission("s1", attempts(branch))
    specification = json.loads((made.layout.submission("s1") / "specification.json").read_text())
    with monkeypatch.context() as there:
        scratch = tmp_path / "scratch"
        there.setenv("TAUML_STORE", str(scratch))
        there.setenv("TAUML_DELIVERY", str(made.layout.delivery(branch, 1)))
        forget_tasks()
        make_inputs(RemoteWork(After(version="v1", campaign="tiny"), Layout(scratch)))
        report, task = attempt(specification, branch)
        deliver(specification, report, task, branch, 1)
    forget_tasks()


def test_delivery_is_published_with_a_true_sidecar(work, monkeypatch, tmp_path):
    made = work(shared=False)
    ran_elsewhere(made, 1, monkeypatch, tmp_path)
    assert made.report(1, 1)["cause"] == "done"
    assert not made.paths[1].exists()
    assert made.receive(1, 1) == ""
    assert made.paths[1].read_text() == "after 1"
    (source,) = read_sidecar(made.paths[1])["inputs"]
    assert Path(source["path"]) == made.task.as_branch(1).input_paths()[0]
    assert not made.layout.delivery(1, 1).exists()


def test_damaged_delivery_is_refused_and_kept(work, monkeypatch, tmp_path):
    made = work(shared=False)
    ran_elsewhere(made, 1, monkeypatch, tmp_path)
    path = made.layout.delivery(1, 1)
    path.write_bytes(path.read_bytes().replace(b"after 1", b"after 7"))
    assert made.report(1, 1)["cause"] == "done"
    assert "the member 'product' was damaged on its way" in made.receive(1, 1)
    assert not made.paths[1].exists()
    assert not sidecar_path(made.paths[1]).exists()
    assert path.exists()
    path.write_bytes(path.read_bytes()[:1000])
    assert made.report(1, 1) is None


def test_delivery_that_is_not_valid_here_is_refused(work, monkeypatch, tmp_path):
    made = work(shared=False)
    ran_elsewhere(made, 1, monkeypatch, tmp_path)

    def refuse(self, path):
        raise ValueError("made by older code")

    monkeypatch.setattr(After, "validate", refuse)
    assert made.receive(1, 1) == "made by older code"


def test_full_disk_here_does_not_cost_the_delivery(work, monkeypatch, tmp_path):
    made = work(shared=False)
    ran_elsewhere(made, 1, monkeypatch, tmp_path)
    folder = made.paths[1].parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way, as a full disk is")
    with pytest.raises(StoreError, match="cannot publish"):
        made.receive(1, 1)
    folder.unlink()
    assert made.receive(1, 1) == ""


def test_reports_of_shared_file_systems_may_be_missing_or_torn(work):
    made = work()
    path = made.layout.report(0, 1)
    assert made.report(0, 1) is None
    path.parent.mkdir(parents=True)
    path.write_text('{"cause": "do')
    assert made.report(0, 1) is None
    path.write_text('{"cause": "done"}')
    assert made.report(0, 1) == {"cause": "done"}
    assert made.receive(0, 1) == ""
