"""What the tests of tasks share."""

from __future__ import annotations

import pytest

import tasks.bundles
from tests.tasks.making import forget_tasks


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """A store of its own for every test, which nothing around it knows to run on a batch system."""
    for name in ("TAUML_BATCH", "TAUML_SITE", "CONDOR_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TAUML_STORE", str(tmp_path / "store"))
    forget_tasks()  # tasks remember their folder, a status that it was shown
    return tmp_path / "store"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small copy of a project, whose repository is bundled."""
    root = tmp_path / "project"
    for name in ("law.cfg", "tasks/job.py", "taumltools/__init__.py", "configs/a.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    monkeypatch.setattr(tasks.bundles, "ROOT", root)
    return root
