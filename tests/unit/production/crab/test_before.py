"""What is refused before anything is submitted, since it would go wrong later."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from taumltools.errors import ConfigError, CrabError, InputError
from taumltools.production.crab.area import Area
from taumltools.production.crab.before import check_places
from taumltools.production.crab.drive import drive
from taumltools.production.crab.tool import CrabClient


def run(worker):
    drive([worker], 0.0, 3, sleep=lambda _: None)


def nothing_was_submitted(grid):
    return not (grid.folder / "server.json").exists()


def test_a_foreign_timestamp_was_noticed_only_after_the_whole_dataset_was_processed(grid, make_worker):
    """Empty folders count as well: they would make the collection refuse."""
    (grid.storage / "DYJetsToLL/crab_DY/200101_000000/0000").mkdir(parents=True)
    with pytest.raises(
        CrabError, match=r"200101_000000: is the output of another task of this name(.|\n)*another name"
    ):
        run(make_worker())
    assert nothing_was_submitted(grid)
    with pytest.raises(InputError, match="nothing was submitted"):
        make_worker().prepare(0, None)
    assert make_worker(name="TT").prepare(0, None).exists()


@pytest.mark.parametrize("folder", ["DY", "DY_rest"])
def test_an_existing_target_was_noticed_only_after_the_whole_dataset_was_processed(grid, make_worker, tmp_path, folder):
    (tmp_path / "final" / folder).mkdir(parents=True)
    with pytest.raises(CrabError, match=f"final/{folder}: exists already"):
        run(make_worker())
    assert nothing_was_submitted(grid)


def test_places_that_are_not_known_are_not_looked_at(tmp_path):
    check_places("DY", ("DY",), None, None)
    check_places("DY", ("DY",), tmp_path / "nowhere", tmp_path / "nowhere")


def elsewhere(worker, root, *where):
    """The same task as another command has it, which looks at all work areas."""
    area = Area(root.joinpath(*where, worker.job.name))
    return replace(worker, area=area, client=CrabClient(worker.client.command, area.log), root=root)


@pytest.mark.parametrize("where", [("jobs",), ("mine", "dy", "v1", "01234567")])
def test_another_version_submitted_the_same_request_again(grid, make_worker, tmp_path, where):
    root = tmp_path / "_crab"
    first = elsewhere(make_worker(), root, *where)
    first.submit(0, None)
    second = elsewhere(make_worker(), root, "mine", "dy", "v2", "89abcdef")
    with pytest.raises(ConfigError, match=rf"was submitted to the same place from {first.area.folder}"):
        second.submit(0, None)
    assert grid.requests == ["DY"]
    assert second.history().submissions == ()
    second.places = replace(second.places, output="/store/user/me/other", storage="")
    second.submit(0, None)
    assert grid.requests == ["DY", "DY"]


def test_what_the_server_has_refused_is_no_other_task(grid, make_worker, tmp_path):
    grid.plan(faults=[{"command": "submit", "call": 1, "do": "refuse"}])
    root = tmp_path / "_crab"
    with pytest.raises(CrabError):
        elsewhere(make_worker(), root, "jobs").submit(0, None)
    elsewhere(make_worker(), root, "mine", "dy", "v1", "01234567").submit(0, None)
    assert grid.requests == ["DY"]


def test_a_configuration_that_does_not_exist_was_submitted(grid, make_worker, tmp_path):
    worker = make_worker(config=str(tmp_path / "Producton.py"))
    with pytest.raises(ConfigError, match=r"there is no configuration /.*/Producton\.py for cmsRun: set 'config'"):
        worker.prepare(0, None)
    with pytest.raises(CrabError, match="there is no configuration"):
        run(worker)
    assert nothing_was_submitted(grid)


def test_variables_of_the_clients_environment_are_left_to_it(grid, make_worker, tmp_path, monkeypatch):
    """They were taken for the name of a folder of the working directory."""
    monkeypatch.delenv("CMSSW_BASE", raising=False)
    worker = make_worker(config="$CMSSW_BASE/Production.py")
    text = worker.prepare(0, None).read_text()
    assert text.startswith("import os\n")
    assert "config.JobType.psetName = os.path.expandvars('$CMSSW_BASE/Production.py')\n" in text
    worker.submit(0, None)
    monkeypatch.setenv("CMSSW_BASE", str(tmp_path))
    again = make_worker(name="TT", config="$CMSSW_BASE/Production.py")
    assert f"psetName = '{tmp_path}/Production.py'" in again.prepare(0, None).read_text()


def test_lost_sizes_of_older_journals_are_no_error(grid, make_worker):
    run(make_worker())
    worker = make_worker()
    lines = [json.loads(text) for text in worker.area.journal.read_text().splitlines()]
    for line in lines:
        line.pop("sizes", None)
    worker.area.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert worker.history().sizes == {}
    assert len(worker.verified()) == 3
