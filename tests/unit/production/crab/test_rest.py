"""What the grid left, run here: stand-ins for ``cmsRun`` and the catalogue."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.config.cmssw import CmsswConfig
from taumltools.errors import CrabError, InputError, ServerError
from taumltools.production.cmssw.tool import CmsRunError, CmsShell
from taumltools.production.crab.decide import Limits
from taumltools.production.crab.drive import drive
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.report import production_report
from taumltools.production.crab.rest import RestRunner, parse_sections
from taumltools.tuples.io import open_tuples
from tests.standins.grid import DATASET

STANDINS = Path(__file__).resolve().parents[3] / "standins"
JOB = CrabJob("DY", DATASET, parameters={"sampleType": "MC"}, splitting="FileBased")


@pytest.fixture
def runner(tmp_path):
    """Six files of ten events with two sections each, and a catalogue that knows them."""
    (tmp_path / "store/mc").mkdir(parents=True)
    lines = []
    for number in range(6):
        with uproot.recreate(tmp_path / f"store/mc/f{number}.root") as file:
            file["Events"] = {"event": np.arange(10, dtype=np.uint64)}
        lines.append(f"/store/mc/f{number}.root 1 [{2 * number + 1},{2 * number + 2}]")
    answer = tmp_path / "answer.txt"
    answer.write_text("\n".join(lines) + "\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    asked = tmp_path / "asked.txt"
    (tools / "dasgoclient").write_text(f'#!/bin/bash\necho "$@" >> {asked}\ncat {answer}\n')
    (tools / "dasgoclient").chmod(0o755)
    path = f"export PATH={tools}:{STANDINS}:{Path(sys.executable).parent}:$PATH PYTHONPATH={STANDINS.parents[1]}"
    return RestRunner(CmsShell(CmsswConfig(setup=(path,))), redirector=f"file:{tmp_path}")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "Production.py"
    path.write_text("# configuration\n")
    return str(path)


def job(config, **more):
    fields = {"parameters": {"sampleType": "MC"}, "splitting": "FileBased", "config": config} | more
    return CrabJob("DY", DATASET, **fields)


def test_the_last_part_of_a_production_runs_here(grid, make_worker, runner, config, tmp_path):
    """f1 fails on the grid for good: its ten events are run here, and its output collected with the others."""
    grid.plan(fail={"/store/mc/f1.root": -1})
    limits = Limits(resubmissions=0, settle=0.0)
    worker = make_worker(limits, rest=runner, max_recoveries=2, config=config, parameters={"sampleType": "MC"})
    drive([worker], 0.0, 3, sleep=lambda _: None)
    names = sorted(f"{path.parent.name}/{path.name}" for path in worker.outputs())
    assert names == [
        "DY/eventTuple_2.root", "DY/eventTuple_3.root", "DY_recovery_1/eventTuple_1.root", "DY_rest/eventTuple_1.root",
    ]  # fmt: skip
    with open_tuples(tmp_path / "final/DY_rest/eventTuple_1.root") as file:
        assert file.entries == 20
    report = production_report(worker.job, worker.history(), worker.outputs())
    assert report["processedLumis"] == {"1": [[1, 12]]}
    assert report["notProcessedLumis"] == {}
    assert f"-query=file,run,lumi dataset={DATASET} run=1" in (tmp_path / "asked.txt").read_text()


def test_what_was_made_is_not_made_again(runner, config, tmp_path):
    sections = frozenset({(1, 3), (1, 4), (1, 5)})
    made = runner.run(job(config), sections, tmp_path / "rest")
    assert [path.name for path in made] == ["eventTuple_1.root", "eventTuple_2.root"]
    times = [path.stat().st_mtime_ns for path in made]
    made[1].unlink()
    again = runner.run(job(config), sections, tmp_path / "rest")
    assert again == made
    assert again[0].stat().st_mtime_ns == times[0]


def test_a_failure_keeps_its_log_and_no_output(runner, config, tmp_path):
    (tmp_path / "store/mc/f2.root").rename(tmp_path / "store/mc/gone.root")
    with pytest.raises((CmsRunError, ServerError), match=r"f2\.root"):
        runner.run(job(config), frozenset({(1, 3), (1, 5)}), tmp_path / "rest")
    assert sorted(path.name for path in (tmp_path / "rest").iterdir()) == ["eventTuple_1.root", "eventTuple_2.log"]


def test_sections_that_the_catalogue_does_not_place(runner, tmp_path):
    with pytest.raises(InputError, match="of 2 luminosity sections the catalogue has 1 in none of its files"):
        runner.files_with(JOB, frozenset({(1, 3), (1, 99)}))
    with (tmp_path / "answer.txt").open("a") as file:
        file.write("/store/mc/copy.root 1 [3]\n")
    with pytest.raises(InputError, match="has 1 in several of its files"):
        runner.files_with(JOB, frozenset({(1, 3)}))


def test_the_stand_in_for_the_catalogue_did_not_answer_what_the_rest_asks(grid, runner, tmp_path):
    """It wanted -json, so that the local recovery could not be tried with it."""
    (tmp_path / "bin/dasgoclient").unlink()  # so that the stand-in is found, which knows the files of the stand-in grid
    found = runner.files_with(JOB, frozenset({(1, 3), (1, 4), (1, 5)}))
    assert found == {"/store/mc/f1.root": {(1, 3), (1, 4)}, "/store/mc/f2.root": {(1, 5)}}
    assert runner.files_with(CrabJob("DY", DATASET, input_dbs="phys03"), frozenset({(1, 3)})).keys() == {
        "/store/mc/f1.root"
    }


def test_a_catalogue_that_does_not_answer(runner, tmp_path):
    (tmp_path / "bin/dasgoclient").write_text("#!/bin/bash\necho 'x509: certificate has expired' >&2\nexit 1\n")
    with pytest.raises(ServerError, match=r"is the proxy valid\? It said:\nx509: certificate has expired"):
        runner.files_with(JOB, frozenset({(1, 3)}))


@pytest.mark.parametrize(
    "line", ["/store/a.root 1", "/store/a.root one [1]", "/store/a.root 1 [1", "/store/a.root 1 7"]
)
def test_answers_that_are_not_understood(line):
    with pytest.raises(InputError, match="the catalogue answered"):
        parse_sections([line], "/A/B/C")


def test_without_cmsrun_it_says_what_is_left(grid, make_worker):
    grid.plan(fail={"/store/mc/f1.root": -1})
    worker = make_worker(Limits(resubmissions=0, settle=0.0), max_recoveries=1)
    with pytest.raises(CrabError, match=r"set up cmsRun in the site's file \(cmssw\) so that it runs here"):
        drive([worker], 0.0, 3, sleep=lambda _: None)
