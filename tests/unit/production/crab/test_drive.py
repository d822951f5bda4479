"""Whole productions against the stand-in client, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from taumltools.batch.lock import driver_lock
from taumltools.errors import BatchError, CrabError
from taumltools.production.crab.decide import Limits
from taumltools.production.crab.drive import drive
from taumltools.production.crab.report import production_report
from tests.standins.grid import dataset_files


def run(worker, patience=3):
    drive([worker], 0.0, patience, sleep=lambda _: None)
    return worker


def names(worker):
    return sorted(f"{path.parent.name}/{path.name}" for path in worker.outputs())


def test_a_clean_run(grid, make_worker, tmp_path):
    worker = run(make_worker())
    assert names(worker) == [f"DY/eventTuple_{n}.root" for n in (1, 2, 3)]
    assert all(path.parent == tmp_path / "final/DY" and path.exists() for path in worker.outputs())
    assert not list(grid.storage.rglob("*.root"))
    assert grid.requests == ["DY"]
    assert grid.finished_files() == sorted(dataset_files(6))
    report = production_report(worker.job, worker.history(), worker.outputs())
    assert report["processedLumis"] == {"1": [[1, 12]]}
    assert report["notProcessedLumis"] == {}
    assert [output["size"] for output in report["outputs"]] == [35] * 3


def test_a_finished_production_does_not_ask_again(grid, make_worker):
    run(make_worker())
    calls = grid.server["calls"]
    run(make_worker())
    assert grid.server["calls"] == calls


def test_files_stay_in_place_without_a_target(grid, make_worker):
    worker = run(make_worker(target=""))
    assert sorted(worker.outputs()) == sorted(grid.storage.rglob("*.root"))


def test_resubmission_mends_failures(grid, make_worker):
    grid.plan(fail={"/store/mc/f1.root": 2})
    worker = run(make_worker())
    assert grid.server["calls"]["resubmit"] == 2
    assert worker.history().last.resubmissions == 2
    assert len(worker.outputs()) == 3


def test_what_fails_for_good_is_recovered_with_smaller_jobs(grid, make_worker):
    """f1 fails in its first runs: with no resubmissions, the second recovery has it alone."""
    grid.plan(fail={"/store/mc/f1.root": 2})
    worker = run(make_worker(Limits(resubmissions=0, settle=0.0), units_per_job=4, max_recoveries=4))
    assert grid.requests == ["DY", "DY_recovery_1", "DY_recovery_2"]
    units = [task["units"] for task in grid.server["tasks"].values()]
    assert units == [4, 2, 1]
    assert grid.finished_files() == sorted(dataset_files(6))
    assert names(worker) == [
        "DY/eventTuple_2.root", "DY_recovery_1/eventTuple_2.root", "DY_recovery_2/eventTuple_1.root",
        "DY_recovery_2/eventTuple_2.root",
    ]  # fmt: skip


def test_recovery_when_nothing_was_processed_takes_everything_again(grid, make_worker):
    grid.plan(files=2, fail={"/store/mc/f0.root": 1})
    worker = run(make_worker(Limits(resubmissions=0, settle=0.0), max_recoveries=3))
    assert grid.requests == ["DY", "DY_recovery_1"]
    assert grid.finished_files() == sorted(dataset_files(2))
    assert len(worker.outputs()) == 2


def test_output_of_failed_jobs_is_not_taken(grid, make_worker):
    grid.plan(fail={"/store/mc/f1.root": -1}, leaves_output=True)
    limits = Limits(resubmissions=0, settle=0.0, accept_missing=True)
    worker = run(make_worker(limits))
    assert names(worker) == ["DY/eventTuple_2.root", "DY/eventTuple_3.root"]
    assert [path.name for path in grid.storage.rglob("*.root")] == ["eventTuple_1.root"]
    report = production_report(worker.job, worker.history(), worker.outputs())
    assert report["notProcessedLumis"] == {"1": [[1, 4]]}


def test_without_recoveries_failures_end_it_and_say_what_is_missing(grid, make_worker):
    grid.plan(fail={"/store/mc/f1.root": -1})
    with pytest.raises(CrabError, match=r"1 of 1 CRAB tasks failed.*\n  DY: 4 luminosity sections are left"):
        run(make_worker(Limits(resubmissions=1, settle=0.0)))
    assert grid.server["calls"]["resubmit"] == 1


def test_the_last_recovery_is_not_for_the_grid_and_leaves_a_mask(grid, make_worker):
    grid.plan(fail={"/store/mc/f1.root": -1})
    worker = make_worker(Limits(resubmissions=0, settle=0.0), max_recoveries=2)
    with pytest.raises(
        CrabError, match=r"2 luminosity sections are left after the last recovery on the grid: .*DY_rest.json"
    ):
        run(worker)
    assert json.loads(worker.area.mask("DY_rest").read_text()) == {"1": [[3, 4]]}
    assert grid.requests == ["DY", "DY_recovery_1"]


def test_sections_in_several_files_are_not_guessed(grid, make_worker):
    files = dataset_files(4)
    files["/store/mc/f2.root"] = {"1": [[2, 2], [5, 6]]}  # 2 is in f0 as well
    grid.plan(datasets={make_worker().job.dataset: files}, fail={"/store/mc/f2.root": -1})
    with pytest.raises(CrabError, match="1 luminosity sections lie in several files"):
        run(make_worker(Limits(resubmissions=0, settle=0.0), max_recoveries=3))


def test_a_task_that_the_server_lost_is_resubmitted_and_given_up_with_its_message(grid, make_worker):
    grid.plan(submitfailed=1)
    assert len(run(make_worker()).outputs()) == 3
    assert grid.server["calls"]["resubmit"] == 1


def test_a_server_that_loses_everything_is_given_up(grid, make_worker):
    grid.plan(submitfailed=99)
    with pytest.raises(
        CrabError, match=r"could not submit it: The CRAB server backend could not submit the task\.\nPlease"
    ):
        run(make_worker(Limits(resubmissions=2, settle=0.0)))


@pytest.mark.parametrize("do", ["hang", "refuse"])
def test_a_status_without_an_answer_is_asked_again(grid, make_worker, do):
    grid.plan(faults=[{"command": "status", "call": n, "do": do} for n in (2, 3)])
    assert len(run(make_worker(timeout=1.0 if do == "hang" else 20.0)).outputs()) == 3
    assert grid.requests == ["DY"]


def test_patience_ends(grid, make_worker):
    grid.plan(faults=[{"command": "status", "call": n, "do": "refuse"} for n in range(1, 9)])
    with pytest.raises(CrabError, match=r"crab status .* ended with exit code 1:(.|\n)*Service unavailable"):
        run(make_worker())


def test_a_lost_proxy_stops_at_once_and_the_next_command_goes_on(grid, make_worker):
    grid.plan(faults=[{"command": "status", "call": 2, "do": "proxy"}])
    with pytest.raises(CrabError, match="there is no valid grid proxy: run 'voms-proxy-init"):
        run(make_worker())
    assert len(run(make_worker()).outputs()) == 3
    assert grid.requests == ["DY"]


def test_a_new_word_is_not_taken_for_finished(grid, make_worker):
    grid.plan(faults=[{"command": "status", "call": 1, "do": "unknown"}])
    with pytest.raises(CrabError, match="the status on the CRAB server is 'CONFUSED', which is not known"):
        run(make_worker())


def test_a_refused_submission_is_tried_by_the_next_command(grid, make_worker):
    grid.plan(faults=[{"command": "submit", "call": 1, "do": "refuse"}])
    with pytest.raises(CrabError, match="Service unavailable"):
        run(make_worker())
    assert make_worker().history().last.state == "refused"
    assert len(run(make_worker()).outputs()) == 3


def test_a_task_that_takes_too_long_is_killed_and_what_it_left_recovered(grid, make_worker):
    grid.plan(looks=40)
    worker = make_worker(Limits(hours=60 / 3600, settle=5.0), max_recoveries=2)
    with pytest.raises(CrabError, match="DY: nothing was processed after the last recovery on the grid"):
        run(worker)
    assert grid.server["calls"]["kill"] == 2
    assert grid.requests == ["DY", "DY_recovery_1"]


def test_a_second_timestamp_refuses_all_moves(grid, make_worker):
    grid.plan(stray=True)
    with pytest.raises(CrabError, match=r"nothing was moved:\n.*crab_DY: expected one timestamp, found 2"):
        run(make_worker())
    assert len(list(grid.storage.rglob("*.root"))) == 6


def test_a_project_directory_of_somebody_else_is_left_alone(grid, make_worker):
    worker = make_worker()
    worker.area.project("DY").mkdir(parents=True)
    with pytest.raises(CrabError, match="there is a project directory already that this command did not make"):
        run(worker)
    assert not (grid.folder / "server.json").exists()


def test_one_task_that_fails_does_not_stop_the_others(grid, make_worker):
    grid.plan(submitfailed=1)
    workers = [make_worker(Limits(resubmissions=0, settle=0.0), name=name) for name in ("DY", "TT")]
    with pytest.raises(CrabError, match=r"1 of 2 CRAB tasks failed.*\n  DY: the server could not submit it"):
        drive(workers, 0.0, 3, sleep=lambda _: None)
    assert names(workers[1]) == [f"TT/eventTuple_{n}.root" for n in (1, 2, 3)]


def test_without_a_storage_folder_it_ends_with_what_to_set(grid, make_worker):
    worker = make_worker()
    worker.places = replace(worker.places, storage="")
    with pytest.raises(CrabError, match="all is processed; to collect it, set 'storage'"):
        run(worker)


def test_one_command_at_a_time(grid, make_worker):
    worker = make_worker()
    with driver_lock(worker.area.lock, "x", None), pytest.raises(BatchError, match="is at work"):
        run(make_worker())


def test_a_machine_without_crab_is_told_what_to_do(grid, make_worker):
    worker = make_worker()
    object.__setattr__(worker.client, "command", ("/no/such/crab",))
    with pytest.raises(CrabError, match=r"'/no/such/crab' does not run a CRAB client .*set up CMSSW and CRAB first"):
        run(worker)
