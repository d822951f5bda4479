"""Settings of the batch system."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from taumltools.batch.resources import resolve
from taumltools.config import available_campaigns, load_campaign
from taumltools.config.batch import BatchConfig, ResourcesConfig, RetryConfig
from taumltools.errors import ConfigError

TASKS = Path(__file__).resolve().parents[3] / "tasks"


@pytest.mark.parametrize("campaign", available_campaigns())
def test_every_stage_of_every_campaign_has_complete_resources(campaign):
    batch = load_campaign(campaign).batch
    for layer in (None, *batch.stages.values()):
        asked = resolve(batch.default, layer)
        assert asked.max_memory >= 1300  # the largest processes of the demo need 1.2 GB
        assert asked.max_runtime >= 1
        assert asked.disk > 0


@pytest.mark.parametrize("campaign", available_campaigns())
def test_stages_are_tasks_that_exist(campaign):
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in TASKS.glob("*.py")]
    tasks = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    assert set(load_campaign(campaign).batch.stages) <= tasks


def test_settings_of_the_batch_system_change_nothing_else():
    before, after = load_campaign("demo"), load_campaign("demo", "batch.default.max_memory=9000 batch.retry.retries=7")
    assert after.batch.default.max_memory == 9000
    assert after.batch.retry == dataclasses.replace(before.batch.retry, retries=7)
    assert dataclasses.replace(after, batch=before.batch) == before


def test_shipped_defaults_are_those_of_the_class():
    batch = load_campaign("demo").batch
    assert batch.retry == RetryConfig()
    assert (batch.tolerance, batch.parallel_jobs) == (0, 0)


def test_a_stage_can_be_given_resources_from_the_command_line():
    stages = load_campaign("demo", "+batch.stages.Evaluate.max_memory=7000 batch.stages.Training.cpus=4").batch.stages
    assert stages["Evaluate"] == ResourcesConfig(max_memory=7000)
    assert stages["Training"].cpus == 4


def test_resources_that_are_not_given_are_unknown_not_zero():
    assert set(dataclasses.asdict(ResourcesConfig()).values()) == {None}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+batch.default.ram=3", r"batch\.default\.ram: unknown setting"),
        ("+batch.stages.Training.time=3", r"batch\.stages\.Training\.time: unknown setting"),
        ("+batch.retry.more=3", r"batch\.retry\.more: unknown setting"),
        ("+batch.retrys=3", r"batch\.retrys: unknown setting"),
        ("batch.default.max_memory=0", r"batch\.default\.max_memory: .*greater than 0.*found 0"),
        ("batch.default.max_memory=2GB", r"batch\.default\.max_memory: .*integer.*'2GB'"),
        ("batch.default.max_runtime=-1", r"batch\.default\.max_runtime: .*greater than 0"),
        ("batch.default.cpus=0", r"batch\.default\.cpus: .*greater than or equal to 1"),
        ("batch.default.gpus=-1", r"batch\.default\.gpus: .*greater than or equal to 0"),
        ("batch.default.disk=0", r"batch\.default\.disk: .*greater than 0"),
        ("batch.retry.retries=-1", r"batch\.retry\.retries: .*greater than or equal to 0"),
        ("batch.retry.transient_retries=-1", r"batch\.retry\.transient_retries: .*greater than or equal to 0"),
        ("batch.retry.over_runtime=wait", r"batch\.retry\.over_runtime: .*'longer' or 'stop'.*'wait'"),
        ("batch.retry.memory_factor=1", r"batch\.retry\.memory_factor: .*greater than 1"),
        ("batch.retry.runtime_factor=0.5", r"batch\.retry\.runtime_factor: .*greater than 1"),
        ("batch.tolerance=-0.1", r"batch\.tolerance: .*greater than or equal to 0"),
        ("batch.parallel_jobs=-3", r"batch\.parallel_jobs: .*greater than or equal to 0"),
        ("batch=nosuch", r"nosuch"),
    ],
)
def test_wrong_settings_are_named(override, message):
    with pytest.raises(ConfigError, match=message):
        load_campaign("demo", override)


def test_campaigns_that_say_nothing_of_batch_systems_ask_for_the_default():
    nothing = BatchConfig()
    assert (nothing.default.max_runtime, nothing.default.max_memory) == (2, 2000)
    assert nothing.stages == {}


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_campaign("demo").batch.tolerance = 3
