"""Settings: composition, checks and messages."""

from __future__ import annotations

import dataclasses

import pytest

from taumltools.config import available_campaigns, load_campaign
from taumltools.config.campaign import SampleConfig
from taumltools.config.compose import CONFIG_DIR
from taumltools.errors import ConfigError


@pytest.mark.parametrize("campaign", available_campaigns())
def test_every_shipped_campaign_composes(campaign):
    config = load_campaign(campaign)
    assert config.title
    assert set(config.samples) == {"train", "test"}


def test_settings_are_frozen():
    config = load_campaign("demo")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1


def test_overrides_change_a_value_and_only_that():
    before, after = load_campaign("demo"), load_campaign("demo", "training.epochs=3")
    assert after.training.epochs == 3
    assert after.production == before.production
    assert after.samples == before.samples


def test_overrides_with_blanks_and_quotes():
    config = load_campaign("demo", "training.epochs=3 title='two words'")
    assert config.title == "two words"
    assert config.training.epochs == 3


def test_unknown_campaign_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown campaign 'demmo'.*demo"):
        load_campaign("demmo")


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_unknown_key_is_named_with_the_one_that_may_be_meant(prefix):
    with pytest.raises(ConfigError, match=r"training\.epoch: unknown setting.*epochs"):
        load_campaign("demo", f"{prefix}training.epoch=3")


def test_settings_that_the_yaml_leaves_at_their_default_could_not_be_overridden():
    assert load_campaign("tiny", "training.deterministic=true").training.deterministic
    assert load_campaign("demo", "samples.train.qcd.chunks=3").samples["train"]["qcd"].chunks == 3
    working_points = load_campaign("demo", "training.working_points.e=[0.1]").training.working_points
    assert (working_points.e, len(working_points.mu)) == ((0.1,), 4)


def test_wrong_type_names_key_value_and_expectation():
    with pytest.raises(ConfigError, match=r"training\.epochs: .*integer.*'many'"):
        load_campaign("demo", "training.epochs=many")


def test_bad_override_grammar_is_explained():
    with pytest.raises(ConfigError, match="cannot be composed"):
        load_campaign("demo", "training.epochs=[1,")
    with pytest.raises(ConfigError, match="an override looks like"):
        load_campaign("demo", "trainning=demo")


def test_unknown_option_of_a_group_is_explained():
    with pytest.raises(ConfigError, match="nosuchmodel"):
        load_campaign("demo", "model=nosuchmodel")


def test_sample_with_unknown_dataset_is_refused():
    with pytest.raises(ConfigError, match=r"no such dataset; known are .*ztautau"):
        load_campaign("demo", "+samples.train.zjets={events:10}")


def test_empty_sample_is_refused():
    with pytest.raises(ConfigError, match=r"samples\.test is empty"):
        load_campaign("demo", " ".join(f"~samples.test.{name}" for name in load_campaign("demo").samples["test"]))


def test_config_dir_is_beside_the_package():
    assert (CONFIG_DIR / "campaign" / "demo.yaml").is_file()


@pytest.mark.parametrize(("events", "chunks"), [(10, 3), (7, 7), (1, 1), (1000, 6)])
def test_chunks_partition_the_events(events, chunks):
    sample = SampleConfig(events=events, chunks=chunks)
    parts = [sample.chunk_events(chunk) for chunk in range(chunks)]
    assert sum(parts) == events
    assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize(("field", "value"), [("events", 0), ("chunks", -1)])
def test_sample_needs_positive_numbers(field, value):
    with pytest.raises(ValueError, match="at least 1"):
        SampleConfig(**{"events": 5, "chunks": 1, field: value})
