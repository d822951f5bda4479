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
    whole = {"splitting": "FileBased", "units_per_job": 2, "site": "T2_X", "output": BASE}
    whole["config"] = str(tmp_path / "Production.py")

    def give(action, dry_run=False, **options):
        config = CrabConfig(jobs=(str(tmp_path / "jobs.txt"),), storage=str(grid.storage), **options)
        lines = give.lines = []
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
    assert "was submitted with other options" not in caplog.text
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


@pytest.fixture
def ended(given, grid):
    """Two tasks that are at their end; the first file fails in its first run, i.e. for DY."""
    grid.plan(looks=0, fail={"/store/mc/f0.root": 1})
    given("submit", **given.whole)
    for _ in range(2):
        given("status")
    return given


def test_defaults_were_taken_for_contradictions(ended, caplog):
    caplog.set_level("INFO")
    ended("status")
    assert "was submitted with other options" not in caplog.text
    ended("status", splitting="LumiBased", max_recoveries=0)
    assert "DY: was submitted with other options, which stay: splitting\n" in caplog.text


def test_names_were_doubled(ended):
    assert ended("status")[0].startswith("DY: SUBMITTED; FAILED; 1 failed, 2 finished")
    ended("recover", names=("DY",))
    assert ended("status")[0].startswith("DY: DY_recovery_1: ")


def test_recover_wanted_the_splitting_again_when_the_number_of_recoveries_was_given(ended, grid):
    ended("recover", names=("DY",), max_recoveries=4)
    task = list(grid.server["tasks"].values())[-1]
    assert (task["request"], task["units"], task["splitting"]) == ("DY_recovery_1", 1, "FileBased")


def test_the_number_of_recoveries_is_remembered(given, grid, tmp_path):
    grid.plan(looks=0, fail={"/store/mc/f0.root": -1})
    given("submit", **given.whole | {"units_per_job": 4}, max_recoveries=4, names=("DY",))
    for _ in range(2):
        given("status", names=("DY",))
    given("recover", names=("DY",))
    assert [task["units"] for task in grid.server["tasks"].values()] == [4, 2]


def test_recoveries_of_what_was_submitted_with_another_splitting_are_refused(given):
    given("submit", **given.whole | {"splitting": "LumiBased"})
    with pytest.raises(ConfigError, match="CRAB task 'DY': it is split LumiBased, and only jobs of whole files"):
        given("status", splitting="FileBased", max_recoveries=2)


def test_resubmit_claimed_success_for_tasks_without_failed_jobs(ended, grid):
    """And one that is finished made it fail for all."""
    said = ended("resubmit")
    assert said[0] == "DY: failed jobs submitted again"
    assert said[1].startswith("TT: no job has failed, nothing was submitted again: SUBMITTED; COMPLETED; 3 finished")
    assert [task["submissions"] for task in grid.server["tasks"].values()] == [2, 1]
    for _ in range(2):
        ended("status")
    ended("move")
    assert ended("resubmit") == [f"{name}: is finished; nothing was submitted again" for name in ("DY", "TT")]
    assert grid.server["calls"]["resubmit"] == 1


def test_kill_claimed_to_have_killed_what_was_finished(ended, grid):
    assert [line[:49] for line in ended("kill")] == [
        f"{name}: is at its end, there is nothing to kill: SUBM"[:49] for name in ("DY", "TT")
    ]
    ended("move", names=("TT",))
    assert ended("kill", names=("TT",)) == ["TT: is finished; there is nothing to kill"]
    assert "kill" not in grid.server["calls"]


def test_move_named_a_folder_that_the_files_are_not_in(ended, tmp_path):
    first, other = tmp_path / "first", tmp_path / "other"
    assert ended("move", names=("TT",), target=str(first)) == [f"TT: 3 files in {first}/TT"]
    there = f"TT: 3 files in {first}/TT, where an earlier command has moved them"
    assert ended("move", names=("TT",), target=str(first)) == [there]
    assert ended("move", names=("TT",), target=str(other)) == [f"{there}; nothing was moved to {other}"]
    assert ended("move", dry_run=True, names=("TT",)) == [there]
    assert ended("status", names=("TT",)) == [f"TT: finished, 3 files in {first}/TT"]


@pytest.mark.parametrize("action", ["move", "status", "report", "verify"])
def test_a_moved_file_that_is_gone_was_not_noticed_or_ended_in_a_traceback(ended, tmp_path, capsys, action):
    ended("move", names=("TT",), target=str(tmp_path / "out"))
    (tmp_path / "out/TT/eventTuple_2.root").unlink()
    (tmp_path / "out/TT/eventTuple_3.root").write_text("cut")
    with pytest.raises(CrabError, match=f"{action}: not done for 1 of 1 tasks: TT"):
        ended(action, names=("TT",))
    (line,) = ended.lines
    assert "TT: error: 2 of 3 outputs are not as they were collected:" in line
    assert f"{tmp_path}/out/TT/eventTuple_2.root: is not there any more" in line
    assert "eventTuple_3.root: has 3 bytes, and had 35 when it was collected" in line


def test_changed_content_is_found_by_the_checksums_of_the_report(ended, tmp_path):
    with pytest.raises(CrabError):
        ended("verify", names=("TT",))
    assert "have not been collected yet; give --action move" in ended.lines[0]
    ended("move", names=("TT",), target=str(tmp_path / "out"))
    assert ended("verify", names=("TT",))[0].endswith(
        "are there, 0 with the checksum of the report; --action report writes checksums of the others"
    )
    ended("report", names=("TT",))
    assert ended("verify", names=("TT",)) == [
        f"TT: 3 files in {tmp_path}/out/TT are there, 3 with the checksum of the report"
    ]
    (tmp_path / "out/TT/eventTuple_2.root").write_bytes(b"x" * 35)
    ended("move", names=("TT",))  # which looks at sizes alone
    for action, message in (("verify", "its adler32 is"), ("report", "1 outputs have other content than")):
        with pytest.raises(CrabError):
            ended(action, names=("TT",))
        assert message in ended.lines[0]


def test_a_configuration_that_does_not_exist_passed_the_dry_run(given, grid, tmp_path):
    with pytest.raises(CrabError, match="submit: not done for 2 of 2 tasks"):
        given("submit", dry_run=True, **given.whole | {"config": str(tmp_path / "none.py")})
    assert "DY: error: there is no configuration" in given.lines[0]
    assert not (grid.folder / "server.json").exists()


def test_a_dry_run_says_that_a_configuration_was_not_looked_at(given, grid, tmp_path, monkeypatch):
    monkeypatch.delenv("CMSSW_BASE", raising=False)
    (tmp_path / "main.yaml").write_text(
        "cmsswPython: $CMSSW_BASE/Production.py\noutputFiles: [eventTuple.root]\nsite: T2_X\n"
    )
    (tmp_path / "jobs.txt").write_text(f"DY: {DATASET}\n")
    (line,) = given("submit", dry_run=True, overseer=str(tmp_path / "main.yaml"), output=BASE)
    assert line.endswith(
        "the configuration $CMSSW_BASE/Production.py was not looked at: it has variables that are not set here"
    )
