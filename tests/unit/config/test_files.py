"""Names of files in settings."""

from __future__ import annotations

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config import load_campaign
from taumltools.config.campaign import CampaignConfig
from taumltools.config.datasets import DatasetConfig
from taumltools.config.files import absolute_name, fixed_files
from taumltools.config.identity import identity
from taumltools.config.training import TrainingConfig
from taumltools.errors import ConfigError


def mine(*files):
    names = ",".join(f"'{name}'" for name in files)
    return shlex.quote(f"+datasets.mine={{title:x,source:tautuple,files:[{names}]}}")


def loaded(*files):
    load_campaign.cache_clear()  # as in another process
    return load_campaign("tiny", mine(*files))


def test_relative_files_depended_on_the_working_directory(tmp_path, monkeypatch):
    """The same words in two folders are two datasets, and the settings say which files are meant."""
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    here = loaded("DY/*.root", "./list.txt").datasets["mine"]
    assert here.files == (f"{tmp_path}/DY/*.root", f"{tmp_path}/list.txt")
    monkeypatch.chdir(tmp_path / "a")
    there = loaded("DY/*.root", "./list.txt").datasets["mine"]
    assert there.files == (f"{tmp_path}/a/DY/*.root", f"{tmp_path}/a/list.txt")
    assert identity({"x": here}) != identity({"x": there})
    assert loaded("../DY/*.root", "../list.txt").datasets["mine"] == here


def test_home_and_variables_are_filled_in(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("NANO", "/data/nano")
    monkeypatch.setenv("SERVER", "root://host/")
    found = loaded("~/DY", "$NANO/a.root", "$SERVER/store").datasets["mine"].files
    assert found == ("/home/me/DY", "/data/nano/a.root", "root://host//store")
    assert absolute_name("${NANO}/b") == "/data/nano/b"
    assert absolute_name("das:/A/B/MINIAODSIM instance=prod/phys03") == "das:/A/B/MINIAODSIM instance=prod/phys03"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("$NOT_SET_HERE/x", r"'\$NOT_SET_HERE/x': the environment variable \$NOT_SET_HERE is not set"),
        ("~no-such-user-here/x", "there is no such user"),
    ],
)
def test_what_cannot_be_filled_in_is_refused(name, message):
    with pytest.raises(ConfigError, match=r"datasets\.mine\.files: .*" + message):
        loaded(name)


def test_jobs_are_told_the_files_that_were_meant_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ("DY", "x y/*.root", "root://host//store/DY")
    here = loaded(*files)
    overrides = f"{mine(*files)} {fixed_files(here)}"
    monkeypatch.chdir("/")
    load_campaign.cache_clear()
    assert load_campaign("tiny", overrides) == here


def test_jobs_read_job_files_of_crab_in_another_folder(tmp_path, monkeypatch):
    """Relative names of job files, configuration and masks mean the same in a job as where the command was given."""
    monkeypatch.chdir(tmp_path)
    crab = "crab:{jobs:[a.txt,'x y/b.txt'],config:Production.py,lumi_mask:'https://cms.cern/mask.json',storage:in,target:'~/out'}"
    mine = shlex.quote(f"+datasets.mine={{title:x,source:crab,{crab}}}")
    load_campaign.cache_clear()
    here = load_campaign("tiny", mine)
    assert here.datasets["mine"].crab.jobs == (f"{tmp_path}/a.txt", f"{tmp_path}/x y/b.txt")
    assert here.datasets["mine"].crab.lumi_mask == "https://cms.cern/mask.json"
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", "/home/somebody")
    load_campaign.cache_clear()
    assert load_campaign("tiny", f"{mine} {fixed_files(here)}") == here


def test_datasets_without_files_need_no_overrides():
    assert fixed_files(load_campaign("tiny")) == ""


@given(st.text(st.characters(codec="utf-8", exclude_characters="$\0\n\r", exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_name_survives_the_grammar_of_overrides(name):
    dataset = DatasetConfig(title="x", source="tautuple", files=("/" + name,))
    config = object.__new__(CampaignConfig)
    object.__setattr__(config, "datasets", {"mine": dataset})
    object.__setattr__(config, "training", TrainingConfig())
    (word,) = shlex.split(fixed_files(config))
    assert OverridesParser.create().parse_override(word).value() == list(dataset.files)


def test_files_of_a_control_region_are_fixed_for_jobs(monkeypatch, tmp_path):
    """A job starts in another folder: what was relative has to stay what it was."""
    monkeypatch.chdir(tmp_path)
    given = "model.adversarial=true training.adversarial={samples:{data:{data:true,files:[control/data_*.h5]},dy:{files:[dy.h5]}}}"
    here = load_campaign("demo", given)
    monkeypatch.chdir("/")
    there = load_campaign("demo", f"{given} {fixed_files(here)}")
    assert there.training == here.training
    assert here.training.adversarial.samples["data"].files == (f"{tmp_path}/control/data_*.h5",)
