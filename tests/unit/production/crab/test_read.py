"""Tasks by the settings of a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from taumltools.config.crab import CrabConfig, CrabSite
from taumltools.config.datasets import DatasetConfig
from taumltools.errors import ConfigError, InputError
from taumltools.production.crab.history import replay
from taumltools.production.crab.read import check_recoverable, processed, read_tasks

TEXT = "lumiMask=first.json\nsampleType=MC_18\nDY /DY/Summer/MINIAODSIM\nTT /TT/Summer/MINIAODSIM own.json\n"


@pytest.fixture
def jobs(tmp_path):
    path = tmp_path / "jobs.txt"
    path.write_text(TEXT)
    return path


def test_files_and_options(jobs):
    config = CrabConfig(
        jobs=(str(jobs),), suffix="_v2", config="Production.py", site="T2_X", splitting="FileBased", units_per_job=3,
        max_recoveries=2, lumi_mask="given.json", whitelist=("T2_*",),
    )  # fmt: skip
    dy, tt = read_tasks(config)
    assert (dy.name, dy.lumi_mask, tt.lumi_mask) == ("DY_v2", str(Path("given.json").absolute()), "own.json")
    assert (dy.splitting, dy.units_per_job, dy.max_recoveries, dy.whitelist) == ("FileBased", 3, 2, ("T2_*",))
    assert dy.max_memory == 2000
    assert dy.config.endswith("/Production.py")


def test_some_of_the_jobs(jobs):
    assert [job.name for job in read_tasks(CrabConfig(jobs=(str(jobs),), names=("TT",)))] == ["TT"]
    with pytest.raises(ConfigError, match="no job is called QCD; there are DY, TT"):
        read_tasks(CrabConfig(jobs=(str(jobs),), names=("QCD",)))


def test_files_of_crab_overseer(tmp_path):
    (tmp_path / "main.yaml").write_text(
        "unitsPerJob: 4\noutputFiles: [eventTuple.root]\nmaxRecoveryCount: 3\nsite: T2_X\n"
    )
    (tmp_path / "tasks.yaml").write_text("DY: /DY/Summer/MINIAODSIM\n")
    (job,) = read_tasks(CrabConfig(jobs=(str(tmp_path / "tasks.yaml"),), overseer=str(tmp_path / "main.yaml")))
    assert (job.units_per_job, job.max_recoveries, job.splitting) == (4, 3, "FileBased")


def test_recoveries_need_jobs_of_whole_files(jobs):
    with pytest.raises(ConfigError, match="CRAB task 'DY': it is split Automatic, and only jobs of whole files"):
        check_recoverable(read_tasks(CrabConfig(jobs=(str(jobs),), max_recoveries=1))[0])


def test_settings_that_cannot_be():
    with pytest.raises(ValidationError, match="jobs is empty"):
        CrabConfig(jobs=())
    with pytest.raises(ValidationError, match="lumi_mask belongs to text files"):
        CrabConfig(jobs=("a",), overseer="b", lumi_mask="c")
    with pytest.raises(ValidationError, match=r"the environment variable \$NO_SUCH_VARIABLE is not set"):
        CrabConfig(jobs=("$NO_SUCH_VARIABLE/a",))
    with pytest.raises(ValidationError, match="command is empty"):
        CrabSite(command=())


def test_the_source_needs_its_settings_and_no_others(jobs):
    crab = CrabConfig(jobs=(str(jobs),))
    assert DatasetConfig(title="x", source="crab", crab=crab).from_files
    with pytest.raises(ValidationError, match="crab is empty: source 'crab' needs job files"):
        DatasetConfig(title="x", source="crab")
    with pytest.raises(ValidationError, match="source 'tautuple' has no option 'crab'"):
        DatasetConfig(title="x", source="tautuple", files=("a",), crab=crab)


HOW = {
    "site": "T2_Y", "output": "other", "user": "you", "storage": "/s", "target": "/t", "splitting": "FileBased",
    "units_per_job": 3, "max_memory": 4000, "cores": 4, "whitelist": ("T2_*",), "blacklist": ("T3_*",), "voms_group": "g",
    "voms_role": "r", "max_recoveries": 3, "accept_missing": True,
}  # fmt: skip
WHAT = {
    "names": ("TT",), "suffix": "_v2", "config": "Other.py", "script": "run.sh", "total_units": 10, "input_dbs": "phys03",
    "allow_non_valid": True, "lumi_mask": "other.json",
}  # fmt: skip


def what(jobs, **options):
    return [processed(job) for job in read_tasks(CrabConfig(jobs=(str(jobs),), **options))]


@pytest.mark.parametrize("name", HOW)
def test_options_that_do_not_say_what_is_processed_made_another_production(jobs, name):
    assert what(jobs, **{name: HOW[name]}) == what(jobs)


@pytest.mark.parametrize("name", WHAT)
def test_options_that_say_what_is_processed_make_another_production(jobs, name):
    assert what(jobs, **{name: WHAT[name]}) != what(jobs)


def test_each_option_says_what_is_processed_or_how():
    assert set(HOW) | set(WHAT) | {"jobs", "overseer"} == set(CrabConfig.__dataclass_fields__)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"event": "flown"}, "'flown' is no event of a CRAB production"),
        ({"event": "submitted", "number": 0, "task": "x", "time": 0}, "cannot be understood"),
        ({"event": "intended"}, "cannot be understood"),
    ],
)
def test_journals_that_are_not_understood(event, message):
    with pytest.raises(InputError, match=message):
        replay([event])
