"""YAML files of crabOverseer in both dialects."""

from __future__ import annotations

import pytest
import yaml

from taumltools.errors import ConfigError
from taumltools.production.crab.jobs import Output
from taumltools.production.crab.overseer import FIELDS, added, parse_tasks, read_overseer

OLD = """
cmsswPython: RunKit/crabJob_PSet.py
params: {cmsRunCfg: Production.py, cmsRunOptions: "sampleType=MC,era=Run2_2018"}
splitting: FileBased
unitsPerJob: 10
scriptExe: RunKit/crabJob.sh
outputFiles: [eventTuple.root]
filesToTransfer: [RunKit/sh_tools.py]
site: T2_CH_CERN
crabOutput: T2_CH_CERN:/store/user/x/crab
localCrabOutput: /eos/x/crab
finalOutput: /eos/x/final
maxMemory: 2500
inputDBS: global
whitelistFinalRecovery: [T1_*, T2_*]
maxRecoveryCount: 3
targetOutputFileSize: 2048
updateInterval: 30
localProcessing: {lawTask: ProdTask, workflow: htcondor}
"""

NEW = """
cmsswPython: RunKit/crabJob_PSet.py
params:
  cmsRunCfg: Production.py
  cmsRunOptions: "sampleType=MC,era=Run2_2018,selector=TagAndProbe"
  outputs:
    - {file: eventTuple.root, crabOutput: "T2_CH_CERN:/store/x/crab", finalOutput: "T2_CH_CERN:/store/x/final"}
    - {file: nano.root, crabOutput: "A:/b", finalOutput: "A:/c", skimCfg: skim.yaml, skimSetup: s}
unitsPerJob: 4
autoIgnoreCorrupt: true
"""

TASKS = """
config:
  params: {cmsRunOptions: "sampleType=MC,era=Run3_2022"}
  filesToTransfer: [more.txt]
DY: /DYJetsToLL/Run2/MINIAODSIM
TT: {inputDataset: /TTTo/Run2/MINIAODSIM, unitsPerJob: 2, ignoreFiles: [bad.root]}
private: local:/data/private
"""


def parse(main, tasks=TASKS):
    return parse_tasks(yaml.safe_load(main), yaml.safe_load(tasks), "tasks.yaml")


def test_older_dialect():
    dy, tt, private = parse(OLD)
    assert (dy.name, dy.dataset, private.dataset) == ("DY", "/DYJetsToLL/Run2/MINIAODSIM", "local:/data/private")
    assert dy.config == "Production.py"
    assert dy.parameters == {"sampleType": "MC", "era": "Run3_2022"}
    assert dy.outputs == (Output("eventTuple.root", "T2_CH_CERN:/store/user/x/crab", "/eos/x/final"),)
    assert dy.files == ("RunKit/sh_tools.py", "more.txt")  # lists are added
    assert (dy.units_per_job, tt.units_per_job) == (10, 2)
    assert tt.ignored_files == ("bad.root",)
    assert (dy.max_memory, dy.max_recoveries, dy.target_size, dy.site) == (2500, 3, 2048, "T2_CH_CERN")
    assert dy.whitelist_final == ("T1_*", "T2_*")


def test_newer_dialect():
    (dy,) = parse(NEW, "DY: /DYJetsToLL/Run2/MINIAODSIM\n")
    assert dy.splitting == "FileBased"
    assert dy.parameters["selector"] == "TagAndProbe"
    assert dy.outputs == (
        Output("eventTuple.root", "T2_CH_CERN:/store/x/crab", "T2_CH_CERN:/store/x/final"),
        Output("nano.root", "A:/b", "A:/c", {"skimCfg": "skim.yaml", "skimSetup": "s"}),
    )


@pytest.mark.parametrize(
    ("main", "tasks", "message"),
    [
        (NEW + "site: T2_X\n", TASKS, "tasks.yaml: DY: site belong to the older dialect"),
        ("unitsPerJob: 4\n", TASKS, r"tasks.yaml: DY: neither params.outputs \(newer dialect\) nor outputFiles"),
        ("params: {outputs: []}\n", TASKS, "params.outputs is empty: no outputs"),
        ("params: {outputs: [{file: a.root}]}\n", TASKS, "an output lacks crabOutput, finalOutput"),
        (OLD + "unitPerJob: 3\n", TASKS, "tasks.yaml: DY: unknown keys unitPerJob"),
        (OLD, "DY: {unitsPerJob: 3}\n", "tasks.yaml: task 'DY' has no inputDataset"),
        (OLD, "config: {}\n", "tasks.yaml: names no task"),
        (OLD, "DY: {inputDataset: /a/b/c, unitsPerJob: many}\n", "tasks.yaml: DY: unitsPerJob is 'many'"),
        (
            OLD,
            "DY: {inputDataset: /a/b/c, filesToTransfer: x}\n",
            "filesToTransfer is str, expected list as in the main file",
        ),
        (OLD, "config: {params: {cmsRunOptions: sampleType}}\nDY: /a/b/c\n", "'sampleType' is no argument of the form"),
    ],
)
def test_what_is_not_understood_is_named(main, tasks, message):
    with pytest.raises(ConfigError, match=message):
        parse(main, tasks)


def test_files(tmp_path):
    (tmp_path / "main.yaml").write_text(OLD)
    (tmp_path / "a.yaml").write_text(TASKS)
    (tmp_path / "b.yaml").write_text("QCD: /QCD/x/MINIAODSIM\n")
    jobs = read_overseer(tmp_path / "main.yaml", [tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert [job.name for job in jobs] == ["DY", "TT", "private", "QCD"]
    assert jobs[3].parameters["era"] == "Run2_2018"  # the additions of another file do not count
    (tmp_path / "c.yaml").write_text("- a\n")
    for name, message in (("c.yaml", "holds list"), ("none.yaml", "cannot be read as YAML")):
        with pytest.raises(ConfigError, match=message):
            read_overseer(tmp_path / "main.yaml", [tmp_path / name])


def test_adding_leaves_the_main_file_as_it_is():
    base = {"a": [1], "b": {"c": [2]}}
    assert added(base, {"a": [3], "b": {"c": [4]}}, "x") == {"a": [1, 3], "b": {"c": [2, 4]}}
    assert base == {"a": [1], "b": {"c": [2]}}


def test_every_field_is_one_of_jobs():
    from dataclasses import fields

    from taumltools.production.crab.jobs import CrabJob

    assert {field for field, _ in FIELDS.values()} <= {field.name for field in fields(CrabJob)}
