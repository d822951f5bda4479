"""Single steps by hand."""

from __future__ import annotations

import json

import pytest

from taumltools.config.crab import CrabConfig, CrabSite
from taumltools.errors import ConfigError, CrabError, InputError
from taumltools.production.crab.actions import ACTIONS, act
from taumltools.production.crab.setup import make_workers
from tests.standins.grid import BASE, CRAB, DATASET, dataset_files


@pytest.fixture
def given(grid, tmp_path):
    """A command on two tasks; gives back its lines."""
    (tmp_path / "jobs.txt").write_text(f"sampleType=MC_18\nDY {DATASET}\nTT {DATASET}\n")
    site = CrabSite(command=CRAB, settle_time=0.0, timeout=20.0)
    whole = {"splitting": "FileBased", "units_per_job": 2, "site": "T2_X", "output": BASE, "config": "Production.py"}

    def give(action, dry_run=False, **options):
        config = CrabConfig(jobs=(str(tmp_path / "jobs.txt"),), storage=str(grid.storage), **options)
        lines = []
        act(make_workers(config, site, tmp_path / "area"), action, dry_run, lines.append)
        return lines

    give.whole = whole
    return give


def test_later_commands_go_on_with_the_options_of_the_submission(given, grid, caplog):
    grid.plan(looks=0, fail={"/store/mc/f1.root": 1})
    caplog.set_level("INFO")
    assert [line.partition(" as ")[0] for line in given("submit", **given.whole)] == ["DY: submitted", "TT: submitted"]
    for _ in range(2):
        given("status")
    given("recover", names=("DY",))  # nothing but the job file
    task = list(grid.server["tasks"].values())[-1]
    assert (task["request"], task["units"], task["splitting"]) == ("DY_recovery_1", 1, "FileBased")
    assert "DY: was submitted with other options, which stay: config, splitting, units_per_job, site" in caplog.text
    assert grid.finished_files().count("/store/mc/f1.root") == 1


def test_each_action_has_its_dry_run(given, grid):
    said = {action: given(action, dry_run=True, **given.whole)[0] for action in ACTIONS}
    assert said["submit"].startswith("DY: would be submitted with")
    assert said["status"] == "DY: not submitted"
    assert all("would" in said[action] for action in ("resubmit", "kill", "recover", "report", "move"))
    assert not (grid.folder / "server.json").exists()


@pytest.mark.parametrize("action", ["resubmit", "kill", "recover", "report", "move"])
def test_what_was_not_submitted_cannot_be_worked_on(given, grid, action):
    with pytest.raises(CrabError, match=f"{action}: not done for 2 of 2 tasks: DY, TT"):
        given(action, **given.whole)
    assert not (grid.folder / "server.json").exists()


def test_one_that_is_refused_does_not_stop_the_others(given, grid):
    grid.plan(faults=[{"command": "submit", "call": 1, "do": "refuse"}])
    with pytest.raises(CrabError, match="submit: not done for 1 of 2 tasks: DY"):
        given("submit", **given.whole)
    assert grid.requests == ["TT"]
    assert given("submit", **given.whole)[0].startswith("DY: submitted as")


def test_a_refused_submission_may_be_given_other_options(given, grid, tmp_path):
    grid.plan(faults=[{"command": "submit", "call": 1, "do": "refuse"}])
    with pytest.raises(CrabError):
        given("submit", names=("DY",), **given.whole)
    given("submit", names=("DY",), **given.whole | {"units_per_job": 3})
    assert json.loads((tmp_path / "area/DY/options.json").read_text())["job"]["units_per_job"] == 3


def test_only_jobs_of_whole_files_are_recovered(given):
    given("submit", **given.whole | {"splitting": "LumiBased"})
    with pytest.raises(CrabError, match="recover: not done"):
        given("recover")


def test_nothing_is_left_of_what_is_complete(given, grid):
    grid.plan(looks=0)
    given("submit", **given.whole)
    for _ in range(2):
        given("status")
    assert given("recover") == ["DY: nothing is left", "TT: nothing is left"]
    assert [line.split(";")[0] for line in given("report")] == [
        f"{name}: {2 * len(dataset_files(6))} luminosity sections processed, 0 not" for name in ("DY", "TT")
    ]
    assert given("move")[0].startswith("DY: 3 files in")


def test_lost_options_are_named(given, grid, tmp_path):
    given("submit", **given.whole)
    (tmp_path / "area/TT/options.json").write_text("{}")
    with pytest.raises(InputError, match=r"options\.json: the options of the submission cannot be read"):
        given("status")


def test_unknown_actions_are_named(given):
    with pytest.raises(ConfigError, match="there is no action 'fly'; there are submit, status"):
        given("fly")
