"""Job files of the CMS tools in all documented forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import ConfigError
from taumltools.production.crab.jobs import CrabJob, parse_arguments, with_options
from taumltools.production.crab.textfile import parse_jobs, read_jobs

PLAIN = """
# 2018 samples
sampleType=MC_18 applyRecoPtSieve=True

DY     /DYJetsToLL_M-50/RunIIAutumn18/MINIAODSIM
  TT   /TTToHadronic/RunIIAutumn18/MINIAODSIM
#QCD   /QCD/RunIIAutumn18/MINIAODSIM
"""

DATA = """lumiMask=https://cms.example/Cert_314472.txt
sampleType=Run2018ABC\trequireGenMatch=False
A  /SingleMuon/Run2018A/MINIAOD
B  /SingleMuon/Run2018B/MINIAOD  own.json
"""

SIGNAL = """Signal
sampleType=MC_18
250 500, 1000
VBF_{M} /VBFToRadion_M-{M}/RunII/MINIAODSIM
"""


def test_plain():
    jobs = parse_jobs(PLAIN)
    assert [(job.name, job.dataset) for job in jobs] == [
        ("DY", "/DYJetsToLL_M-50/RunIIAutumn18/MINIAODSIM"),
        ("TT", "/TTToHadronic/RunIIAutumn18/MINIAODSIM"),
    ]
    assert all(job.parameters == {"sampleType": "MC_18", "applyRecoPtSieve": "True"} for job in jobs)
    assert all(job.lumi_mask == "" for job in jobs)


def test_lumi_masks_third_column_then_option_then_first_line():
    assert [job.lumi_mask for job in parse_jobs(DATA)] == ["https://cms.example/Cert_314472.txt", "own.json"]
    assert [job.lumi_mask for job in parse_jobs(DATA, lumi_mask="option.json")] == ["option.json", "own.json"]


def test_signal_makes_a_job_for_each_mass_and_keeps_its_arguments():
    """The CMS tool takes the line "signal" for the arguments of the configuration."""
    jobs = parse_jobs(SIGNAL)
    assert [job.name for job in jobs] == ["VBF_250", "VBF_500", "VBF_1000"]
    assert jobs[2].dataset == "/VBFToRadion_M-1000/RunII/MINIAODSIM"
    assert jobs[0].parameters == {"sampleType": "MC_18"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "jobs: a line with arguments and one for each job are needed, found 0 lines"),
        ("# only\nsampleType=MC\n", "found 1 lines"),
        (
            "sampleType=MC\nDY /a /b /c\n",
            r"jobs:2: found 4 fields in 'DY /a /b /c', expected: name dataset \[lumi mask\]",
        ),
        ("sampleType=MC\n\nDY\n", "jobs:3: found 1 fields"),
        ("sampleType MC\nDY /a\n", "jobs:1: 'sampleType' is no argument of the form name=value"),
        ("a=1 a=2\nDY /a\n", "jobs:1: 'a' is given twice"),
        ("lumiMask=x\na=1\n", "there is no job after the arguments in line 2"),
        ("Automatic\nglobalTag=x sampleType=MC_17\nDY 100 /a\n", "jobs:1: this is the format of 2017"),
        ("signal\na=1\n250\n", "a signal file has four lines"),
        ("signal\na=1\n250\nVBF /x\n", r"jobs:4: the template has no \{M\} for the mass"),
    ],
)
def test_lines_that_are_not_understood_are_named(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_jobs(text)


def test_files(tmp_path):
    (tmp_path / "jobs.txt").write_text(PLAIN)
    assert len(read_jobs(tmp_path / "jobs.txt")) == 2
    with pytest.raises(ConfigError, match=r"none\.txt: cannot be read as a job file"):
        read_jobs(tmp_path / "none.txt")


def test_options_of_the_command_line():
    jobs = with_options(parse_jobs(PLAIN), suffix="_v2", names=("TT",), splitting="FileBased", units_per_job=5)
    assert [(job.name, job.splitting, job.units_per_job) for job in jobs] == [("TT_v2", "FileBased", 5)]
    with pytest.raises(ConfigError, match="no job is called QCD; there are DY, TT"):
        with_options(parse_jobs(PLAIN), names=("QCD",))
    with pytest.raises(ConfigError, match="two jobs are called 'DY'"):
        with_options(parse_jobs("a=1\nDY /x\nDY /y\n"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splitting": "file"}, "CRAB task 'DY': splitting is 'file'; known are Automatic, FileBased"),
        ({"units_per_job": 0}, "units_per_job is 0"),
        ({"name": "a b"}, "CRAB task 'a b': name is 'a b'"),
        ({"dataset": ""}, "dataset is ''"),
    ],
)
def test_jobs_that_crab_would_refuse_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        CrabJob(**{"name": "DY", "dataset": "/a/b/c"} | options)


@given(st.dictionaries(st.text("abcXYZ_", min_size=1), st.text("abc123.:/=,", max_size=8), max_size=5))
def test_arguments_are_read_back(arguments):
    assert parse_arguments([f"{name}={value}" for name, value in arguments.items()], "x") == arguments
