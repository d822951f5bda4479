"""Settings of datasets: every source has its options and no others."""

from __future__ import annotations

import dataclasses

import pytest
from pydantic import ValidationError

from taumltools.config import load_campaign
from taumltools.config.campaign import SampleConfig
from taumltools.config.datasets import COMMON, NOT_HONOURED, SELECTORS, SOURCES, DatasetConfig
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


def options_of(source):
    """What a dataset of a source needs besides."""
    given = {"process": ("a = 1",)} if source == "pythia" else {"files": ("x",)}
    return {**given, "config": "x.py"} if "config" in SOURCES[source] else given


@pytest.mark.parametrize("source", [name for name, options in SOURCES.items() if "selector" in options])
@pytest.mark.parametrize("selector", sorted(SELECTORS))
def test_selectors_that_a_source_cannot_honour_are_refused_with_the_reason(source, selector):
    given = {"title": "x", "source": source, "selector": selector, **options_of(source)}
    reason = NOT_HONOURED.get(source, {}).get(selector)
    if reason is None:
        assert DatasetConfig(**given).selector == selector
        return
    with pytest.raises(
        ValidationError, match=f"selector '{selector}' cannot be honoured by source '{source}': {reason}"
    ):
        DatasetConfig(**given)


def test_what_is_refused_is_a_selector_of_a_source():
    assert set(NOT_HONOURED) <= set(SOURCES)
    assert all(set(refused) <= SELECTORS for refused in NOT_HONOURED.values())
    assert set(NOT_HONOURED["pythia"]) == {"MuTau", "TagAndProbe"}
    assert set(NOT_HONOURED["pfnano"]) == {"MuTau"}


def test_gen_tau_tau_of_data_was_accepted_and_left_nothing():
    data = {"title": "x", "source": "nanoaod", "files": ("x",), "sample_type": "Data", "require_gen_match": False}
    with pytest.raises(ValidationError, match="selector 'genTauTau' asks for generated taus, and sample_type is Data"):
        DatasetConfig(**data, selector="genTauTau")
    assert DatasetConfig(**data, selector="TagAndProbe", require_gen_or_reco_tau=True).selector == "TagAndProbe"
