"""What the tests of tasks share."""

from __future__ import annotations

import luigi
import pytest


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """A store of its own for every test, which nothing around it knows to run on a batch system."""
    for name in ("TAUML_BATCH", "TAUML_SITE", "CONDOR_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TAUML_STORE", str(tmp_path / "store"))
    luigi.task_register.Register.clear_instance_cache()  # tasks remember their folder, a status that it was shown
    return tmp_path / "store"
