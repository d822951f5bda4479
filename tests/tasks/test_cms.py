"""Tuples from MiniAOD: the tasks with stand-ins for the CMS software, set up as a site does it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot
import yaml

from tasks.cms import sandbox_environment
from tasks.production import ListFiles, ProduceTuples
from taumltools.errors import ConfigError, ServerError
from taumltools.production.cmssw.tool import CmsRunError
from taumltools.store import read_sidecar
from taumltools.tuples.io import open_tuples
from tests.tasks.making import make

STANDINS = Path(__file__).parents[1] / "standins"


@pytest.fixture
def mini(tmp_path, monkeypatch):
    """Five files of ten events, a configuration, and a site."""
    (tmp_path / "Production.py").write_text("# configuration\n")
    for number in range(5):
        with uproot.recreate(tmp_path / f"mini_{number}.root") as file:
            file["Events"] = {"event": np.arange(10 * number, 10 * number + 10, dtype=np.uint64)}
    (tmp_path / "setup.sh").write_text(
        f"export PATH={STANDINS}:{Path(sys.executable).parent}:$PATH PYTHONPATH={STANDINS.parents[1]}\n"
    )
    site(tmp_path, setup=[f"source {tmp_path}/setup.sh"])
    monkeypatch.setenv("TAUML_SITE", str(tmp_path / "site.yaml"))
    return tmp_path


def site(folder, **cmssw):
    content = {"title": "Test", "submit": {}, "cmssw": cmssw}
    (folder / "site.yaml").write_text(yaml.safe_dump(content))


def task(task_class, mini, files="", chunks="chunks:2", more="", store="root", **options):
    files = files or f"{mini}/mini_*.root"
    dataset = f"title:Mine,source:cmssw,files:['{files}'],config:'{mini}/Production.py',era:Run2_2018{more}"
    overrides = f"+datasets.mine={{{dataset}}} ~samples.train +samples.train.mine={{{chunks}}} tuple_format={store}"
    return task_class(version="v1", campaign="tiny", overrides=overrides, dataset="mine", **options)


def test_each_branch_runs_the_producer_on_its_files(mini):
    workflow = make(task(ProduceTuples, mini))
    details = [read_sidecar(path)["details"] for path in workflow.paths()]
    assert [d["events"] for d in details] == [30, 20]
    assert [sorted(Path(name).name for name in d["events_by_file"]) for d in details] == [
        ["mini_0.root", "mini_2.root", "mini_4.root"], ["mini_1.root", "mini_3.root"],
    ]  # fmt: skip
    assert "era=Run2_2018" in details[0]["arguments"]
    events = []
    for path in workflow.paths():
        with open_tuples(path) as file:
            events.append(file.read(["evt"])["evt"])
    assert np.array_equal(np.unique(np.concatenate(events)), np.arange(50))
    with uproot.open(workflow.path_of(0)) as file:  # as the producer wrote it
        assert file["summary"]["numberOfProcessedEvents"].array(library="np").tolist() == [30]


def test_the_default_store_gets_the_same_entries(mini):
    root, arrow = (make(task(ProduceTuples, mini, store=store)) for store in ("root", "arrow"))
    assert arrow.path_of(1).suffix == ".arrow"
    with open_tuples(root.path_of(1)) as one, open_tuples(arrow.path_of(1)) as other:
        assert one.entries == other.entries == 40
        assert one.branches == other.branches
        for name in ("evt", "tau_pt", "genLepton_kind"):
            np.testing.assert_array_equal(one.read([name])[name], other.read([name])[name])


def test_events_are_limited(mini):
    workflow = make(task(ProduceTuples, mini, chunks="chunks:1,events:25"))
    assert read_sidecar(workflow.path_of(0))["details"]["events"] == 25


def test_a_sandbox_of_law_does_as_well(mini):
    site(mini, sandbox=f"bash::{mini}/setup.sh")
    workflow = make(task(ProduceTuples, mini, f"{mini}/mini_0.root", "chunks:1"))
    assert read_sidecar(workflow.path_of(0))["details"]["events"] == 10


@pytest.mark.parametrize("key", ["nonsense::x", "cmssw::"])
def test_a_sandbox_that_law_does_not_know(key):
    with pytest.raises(ConfigError, match=f"cmssw.sandbox '{key}' of the site cannot be set up"):
        sandbox_environment(key)


def test_files_come_from_the_catalogue(mini, monkeypatch):
    rows = [{"name": f"/store/mc/DY/{n}.root"} for n in (1, 0)]
    (mini / "DY_S-v1_MINIAODSIM.json").write_text(json.dumps(rows))
    monkeypatch.setenv("STANDIN_DAS", str(mini))
    workflow = make(task(ListFiles, mini, "das:/DY/S-v1/MINIAODSIM"))
    listed = json.loads(workflow.path_of(0).read_text())["files"]
    assert [file["path"] for file in listed] == ["/store/mc/DY/0.root", "/store/mc/DY/1.root"]


@pytest.mark.parametrize(
    ("more", "error", "match"),
    [
        (",arguments:{sampleType:MC_18}", CmsRunError, "sampleType = MC_18"),
        ("", ServerError, "FileReadError"),
    ],
)
def test_a_failure_leaves_the_log_and_nothing_else(mini, more, error, match):
    if error is ServerError:
        (mini / "mini_3.root").rename(mini / "unreadable.root")
    workflow = task(ProduceTuples, mini, f"{mini}/*.root", "chunks:1", more)
    with pytest.raises(error, match=match) as caught:
        make(workflow)
    (note,) = caught.value.__notes__
    log = Path(note.removeprefix("the whole output is in "))
    assert "Begin Fatal Exception" in log.read_text()
    assert [*workflow.folder.rglob("*")] == []


def test_a_product_made_elsewhere_is_not_published(mini, monkeypatch):
    monkeypatch.setenv("STANDIN_CMSRUN", "cut")
    workflow = task(ProduceTuples, mini, chunks="chunks:1")
    with pytest.raises(Exception, match="the job was cut off"):
        make(workflow)
    assert [*workflow.folder.rglob("*")] == []


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ("Production.py", "is relative"),
        ("/nowhere/Production.py", "no such file"),
        ("$NO_SUCH_BASE/P.py", "a variable is not set"),
    ],
)
def test_a_configuration_that_is_not_there_is_told_without_a_traceback(mini, config, match):
    overrides = task(ProduceTuples, mini, chunks="chunks:1").overrides.replace(f"{mini}/Production.py", config)
    with pytest.raises(ConfigError, match=match):
        make(ProduceTuples(version="v1", campaign="tiny", overrides=overrides, dataset="mine"))


def test_a_site_with_the_cms_software_alone_is_enough_for_local_runs(mini):
    content = yaml.safe_load((mini / "site.yaml").read_text())
    (mini / "site.yaml").write_text(yaml.safe_dump({name: content[name] for name in ("title", "cmssw")}))
    assert make(task(ProduceTuples, mini, chunks="chunks:1")).path_of(0).exists()
