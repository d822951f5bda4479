"""Settings of datasets: every source has its options and no others."""

from __future__ import annotations

import dataclasses

import pytest
from pydantic import ValidationError

from taumltools.config import load_campaign
from taumltools.config.campaign import SampleConfig
from taumltools.config.datasets import COMMON, SOURCES, DatasetConfig
from taumltools.errors import ConfigError


def test_every_option_belongs_to_a_source():
    fields = {field.name for field in dataclasses.fields(DatasetConfig)}
    assert fields == COMMON.union(*SOURCES.values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"process": ()}, "name at least one Pythia process"),
        (
            {"process": ("a = 1",), "source": "magic"},
            "unknown source 'magic'; known are pythia, tautuple, nanoaod, pfnano",
        ),
        ({"process": ("a = 1",), "proces": 1}, "proces"),
        ({"process": ("a = 1",), "files": ("x",)}, "source 'pythia' has no option 'files'"),
        ({"source": "tautuple"}, "files is empty: source 'tautuple' needs"),
        ({"source": "tautuple", "files": ("x",), "process": ("a = 1",)}, "source 'tautuple' has no option 'process'"),
        (
            {"source": "tautuple", "files": ("x",), "sample_type": "Data"},
            "source 'tautuple' has no option 'sample_type'",
        ),
        ({"source": "nanoaod", "files": ("x",), "sample_type": "Data"}, "set require_gen_match to false"),
        ({"source": "nanoaod", "files": ("x",), "sample_type": "data"}, "'MC', 'Embedded' or 'Data'"),
    ],
)
def test_wrong_datasets_are_named(given, message):
    with pytest.raises(ValidationError, match=message):
        DatasetConfig(title="x", **given)


FILES = "+datasets.mine={title:x,source:%s,files:['/x.root']} "


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            FILES % "tautuple" + "+samples.train.mine={events:5}",
            "samples.train.mine.events: has no meaning for source 'tautuple'",
        ),
        ("+samples.train.wjets={events:null} samples.train.wjets.events=null", "samples.train.wjets.events: how many"),
        (FILES % "nanoaod" + "+samples.train.mine={events:0}", "must be at least 1, found 0"),
    ],
)
def test_events_fit_the_source(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_campaign("tiny", overrides)


def test_datasets_from_files_need_no_number_of_events():
    config = load_campaign("tiny", FILES % "nanoaod" + "+samples.train.mine={chunks:3}")
    assert config.samples["train"]["mine"].chunk_events(1) is None
    assert config.datasets["mine"].from_files
    assert sum(SampleConfig(events=10, chunks=3).chunk_events(i) for i in range(3)) == 10
