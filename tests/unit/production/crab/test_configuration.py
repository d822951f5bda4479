"""The configuration file is executed, as CRAB does it."""

from __future__ import annotations

import runpy
import sys
import types
from pathlib import Path

import pytest

from taumltools.errors import ConfigError
from taumltools.production.crab.configuration import Placement, crab_config
from taumltools.production.crab.jobs import CrabJob, Output

AREA = Path("/area/projects")


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """What the file sets, by section."""

    def execute(job, placement):
        made = types.SimpleNamespace(
            **{n: types.SimpleNamespace() for n in ("General", "JobType", "Data", "Site", "User")}
        )
        module = types.ModuleType("CRABClient.UserUtilities")
        module.config, module.getUsername = (lambda: made), (lambda: "me")
        monkeypatch.setitem(sys.modules, "CRABClient", types.ModuleType("CRABClient"))
        monkeypatch.setitem(sys.modules, "CRABClient.UserUtilities", module)
        path = tmp_path / "crabConfig.py"
        path.write_text(crab_config(job, placement))
        assert runpy.run_path(str(path))["config"] is made
        return {name: vars(section) for name, section in vars(made).items()}

    return execute


def job(**more):
    return CrabJob("DY", "/DY/Summer-v1/MINIAODSIM", config="/cfg/Production.py", site="T2_CH_CERN", **more)


def test_defaults_are_those_of_the_cms_tool(executed):
    found = executed(job(parameters={"sampleType": "MC_18"}), Placement(AREA, "tau/v1"))
    assert found == {
        "General": {
            "requestName": "DY", "workArea": "/area/projects", "transferOutputs": True, "transferLogs": False,
        },
        "JobType": {
            "pluginName": "Analysis", "psetName": "/cfg/Production.py", "pyCfgParams": ["sampleType=MC_18"],
            "maxMemoryMB": 2000, "numCores": 1,
        },
        "Data": {
            "inputDataset": "/DY/Summer-v1/MINIAODSIM", "inputDBS": "global", "splitting": "Automatic", "unitsPerJob": 1000,
            "publication": False, "outLFNDirBase": "/store/user/me/tau/v1",
        },
        "Site": {"storageSite": "T2_CH_CERN"},
        "User": {},
    }  # fmt: skip


def test_all_options(executed):
    found = executed(
        job(
            lumi_mask="certified.json", splitting="FileBased", units_per_job=5, total_units=50, max_memory=4000, cores=4,
            input_dbs="phys03", allow_non_valid=True, ignore_locality=True, whitelist=("T2_*",), blacklist=("T3_X",),
            script="run.sh", files=("more.txt",), voms_group="g", voms_role="r",
            outputs=(Output("eventTuple.root", "T2_DE_DESY:/store/group/tau", "x"),),
        ),
        Placement(AREA, "ignored", runtime=48.0),
    )  # fmt: skip
    data = found["Data"]
    assert data["lumiMask"] == str(Path.cwd() / "certified.json")
    assert (data["unitsPerJob"], data["totalUnits"], data["inputDBS"]) == (5, 50, "phys03")
    assert data["allowNonValidInputDataset"] is data["ignoreLocality"] is True
    assert data["outLFNDirBase"] == "/store/group/tau"
    assert found["Site"] == {"storageSite": "T2_DE_DESY", "whitelist": ["T2_*"], "blacklist": ["T3_X"]}
    assert found["User"] == {"voGroup": "g", "voRole": "r"}
    kind = found["JobType"]
    assert (kind["maxJobRuntimeMin"], kind["maxMemoryMB"], kind["numCores"], kind["scriptExe"]) == (
        2880,
        4000,
        4,
        "run.sh",
    )
    assert kind["inputFiles"] == [str(Path.cwd() / "more.txt")]
    assert kind["outputFiles"] == ["eventTuple.root"]


def test_masks_at_addresses_and_of_recoveries(executed):
    address = "https://cms.example/mask.json"
    assert executed(job(lumi_mask=address), Placement(AREA, "/store/x"))["Data"]["lumiMask"] == address
    assert executed(job(lumi_mask=address), Placement(AREA, "/store/x", lumi_mask="/m"))["Data"]["lumiMask"] == "/m"


def test_a_list_of_files_in_place_of_a_dataset(executed):
    one = CrabJob("DY", "T2_X:/store/mine", config="c.py", site="T2_X", splitting="FileBased", whitelist=("T2_X",))
    data = executed(one, Placement(AREA, "/store/x", files=("/store/mine/a.root",)))["Data"]
    assert data["userInputFiles"] == ["/store/mine/a.root"]
    assert data["outputPrimaryDataset"] == "DY"
    assert "inputDataset" not in data


@pytest.mark.parametrize(
    ("changes", "output", "message"),
    [
        ({}, "", "output is empty"),
        ({"config": ""}, "x", "no configuration for cmsRun"),
        ({"site": ""}, "x", "no site for the output"),
        ({"name": "x" * 101}, "x", "has 101 characters, CRAB takes 100"),
        ({"ignore_locality": True}, "x", "give a whitelist"),
        ({"dataset": "local:/data"}, "x", "which jobs on the grid cannot read"),
        ({"dataset": "T2_X:/store/x"}, "x", "its files are not known"),
        (
            {"outputs": (Output("a", "S:/a"), Output("b", "S:/b"))},
            "x",
            "outputs go to S:/a, S:/b; CRAB takes one place",
        ),
    ],
)
def test_what_crab_would_refuse(changes, output, message):
    fields = {"name": "DY", "dataset": "/A/B/C", "config": "c.py", "site": "T2_X"} | changes
    with pytest.raises(ConfigError, match=message):
        crab_config(CrabJob(**fields), Placement(AREA, output))
