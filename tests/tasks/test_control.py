"""Calls that do not run anything; with a real queue: tests/condor/test_scenarios.py."""

from __future__ import annotations

import pytest

from tasks.control import caps_line, queue_line, with_upstream
from tasks.errors import _quiet_interrupt
from tasks.report import Report, all_upstream
from taumltools.batch.resources import Resources
from taumltools.config.site import load_site
from taumltools.errors import ConfigError, PoolError


def test_upstream_is_complete_and_each_workflow_comes_once():
    report = Report(version="v1", workflow="htcondor")
    found = [task.state_folder for task in with_upstream(report)]
    assert found[0] == report.state_folder
    assert len(found) == len(set(found))
    assert set(found[1:]) == {task.state_folder for task in all_upstream(report)}


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(1, 8000), ""),
        (Resources(1, 8001), "more than memory_cap of the site (8000 MB)"),
        (Resources(25, 100), "more than runtime_cap of the site (24 h)"),
    ],
)
def test_requests_above_the_caps_of_the_site_are_told(resources, words):
    line = caps_line(resources, load_site("local-pool"))
    assert words in line
    assert bool(line) == bool(words)


@pytest.mark.parametrize("option", ["dry_run", "cancel_jobs", "retry_failed"])
def test_options_for_htcondor_are_refused_where_branches_run_locally(option):
    with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')} is for --workflow htcondor"):
        Report(version="v1", **{option: True}).complete()
    assert Report(version="v1", workflow="htcondor", **{option: True}).complete() is False


def test_dry_run_tells_that_no_scheduler_answered(monkeypatch):
    task = Report(version="v1", workflow="htcondor", dry_run=True)

    class Silent:
        def jobs(self, workflow):
            raise PoolError("nobody there")

    monkeypatch.setattr(type(task), "pool", lambda self: Silent())
    assert queue_line(task) == "the queue was not asked: nobody there"


def test_ctrl_c_is_no_traceback(capsys, monkeypatch):
    monkeypatch.delenv("TAUML_DEBUG", raising=False)
    _quiet_interrupt(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == "stopped\n"
    _quiet_interrupt(ValueError, ValueError("x"), None)
    assert "ValueError: x" in capsys.readouterr().err
