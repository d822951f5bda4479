"""Bundles as tasks: made here, once for each content, wherever the rest runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tasks.bundles import BundleEnvironment, BundleRepository, BundleTask, bundles
from taumltools.errors import InputError
from taumltools.store import read_sidecar, sidecar_path
from tests.tasks.making import forget_tasks

ROOT = Path(__file__).resolve().parents[2]


def forget():
    """Tasks remember what they saw; a new process would not."""
    forget_tasks()


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A small environment as that of this process."""
    prefix = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    site = prefix / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "tiny.py").write_text("VALUE = 42\n")
    monkeypatch.setattr(sys, "prefix", str(prefix))
    return site


def repository(**parameters):
    return BundleRepository(**{"version": "v1", "branch": 0} | parameters)


def test_repository_is_packed_with_its_checksum(project, store):
    task = repository()
    task.run()
    assert task.path.parent == store / "_bundles"
    assert task.path.name == f"repository_{task.identity}.tar.gz"
    assert task.complete()
    details = read_sidecar(task.path)["details"]
    bundle = task.bundle
    assert (bundle.path, bundle.sha256, bundle.bytes) == (task.path, details["sha256"], task.path.stat().st_size)
    with tarfile.open(bundle.path) as tar:
        assert set(tar.getnames()) == {"law.cfg", "tasks/job.py", "taumltools/__init__.py", "configs/a.yaml"}


def test_bundle_is_made_again_only_when_the_content_changes(project):
    repository().run()
    forget()
    assert repository().complete()
    assert repository(version="v2", campaign="tiny").complete()
    (project / "tasks" / "job.py").write_text("y")
    forget()
    assert not repository().complete()
    (project / "tasks" / "job.py").write_text("x")
    forget()
    assert repository().complete()


def test_content_is_looked_at_once(project):
    task = repository()
    before = task.path
    (project / "law.cfg").write_text("y")
    assert (repository().path, task.path) == (before, before)


def test_change_while_packing_leaves_no_bundle(project, store):
    task = repository()
    assert task.identity
    (project / "law.cfg").write_text("y")
    with pytest.raises(
        InputError, match=r"BundleRepository: what was packed changed meanwhile .*do not edit or install"
    ):
        task.run()
    assert list((store / "_bundles").iterdir()) == []


def test_environment_is_packed(environment):
    task = BundleEnvironment(version="v1", branch=0)
    task.run()
    assert task.path.name == f"environment_{task.identity}.tar.gz"
    with tarfile.open(task.bundle.path) as tar:
        assert any(name.endswith("site-packages/tiny.py") for name in tar.getnames())
    (environment / "more.py").write_text("")
    forget()
    assert not BundleEnvironment(version="v1", branch=0).complete()


def test_torn_bundle_is_said(project):
    repository().run()
    path = repository().path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        InputError, match=r"repository_.* has \d+ bytes, its side-car tells \d+: remove it and run BundleRepository"
    ):
        _ = repository().bundle
    path.unlink()
    with pytest.raises(InputError, match="has 0 bytes, its side-car tells"):
        _ = repository().bundle
    sidecar_path(path).unlink()
    with pytest.raises(InputError, match=r"meta\.json is missing"):
        _ = repository().bundle


def test_bundles_run_here_whatever_runs_elsewhere():
    found = bundles("v1", "tiny")
    assert [(name, type(task)) for name, task in found.items()] == [
        ("repository", BundleRepository),
        ("environment", BundleEnvironment),
    ]
    for task in found.values():
        assert (task.version, task.campaign, task.effective_workflow) == ("v1", "tiny", "local")
        assert task.branch == -1
        assert task.n_branches() == 1
        assert list(task.upstream_tasks()) == []


def test_other_kinds_of_workflow_are_refused():
    with pytest.raises(ValueError, match="htcondor"):
        BundleRepository.from_str_params({"version": "v1", "workflow": "htcondor"})


def test_paths_do_not_depend_on_version_or_campaign(project):
    paths = {repository(version=v, campaign=c).path for v in ("v1", "v2") for c in ("demo", "tiny")}
    assert len(paths) == 1


def test_base_says_what_is_missing(tmp_path):
    class Empty(BundleTask):
        product = "x_{identity}.tar.gz"

    with pytest.raises(NotImplementedError, match="Empty"):
        Empty(version="v1").checksum()
    with pytest.raises(NotImplementedError, match="Empty"):
        Empty(version="v1").pack(tmp_path / "x.tar.gz")


def test_law_finds_and_runs_the_tasks(store, tmp_path):
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "LAW_HOME": str(tmp_path / "law"), "LAW_CONFIG_FILE": str(ROOT / "law.cfg"),
    }  # fmt: skip
    law = Path(sys.executable).with_name("law")

    def run(*arguments):
        return subprocess.run([law, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert run("index").returncode == 0
    assert "tasks.bundles:BundleEnvironment" in (tmp_path / "law" / "index").read_text()
    done = run("run", "BundleRepository", "--version", "v1")
    assert done.returncode == 0, done.stderr
    assert [p.name.split("_")[0] for p in (store / "_bundles").glob("*.tar.gz")] == ["repository"]
