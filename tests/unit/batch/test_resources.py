"""What a job asks for, and the layers it is joined from."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.batch.resources import Resources, resolve
from taumltools.config.batch import ResourcesConfig
from taumltools.config.site import SUBMIT_FIELDS
from taumltools.errors import ConfigError

FULL = ResourcesConfig(max_runtime=2, max_memory=1000, cpus=1, gpus=0, disk=500, requirements="A")
FIELDS = {
    "max_runtime": st.floats(0.01, 100),
    "max_memory": st.integers(1, 10_000),
    "cpus": st.integers(1, 8),
    "gpus": st.integers(0, 4),
    "disk": st.integers(1, 10_000),
    "requirements": st.sampled_from(["", "A", "B"]),
}
layers = st.lists(st.fixed_dictionaries({}, optional=FIELDS).map(lambda known: ResourcesConfig(**known)), max_size=4)


def test_configuration_and_request_have_the_same_fields():
    names = [field.name for field in dataclasses.fields(ResourcesConfig)]
    assert names == [field.name for field in dataclasses.fields(Resources)]
    assert set(names) == set(FIELDS)


def test_later_layers_win_field_by_field():
    found = resolve(
        FULL, ResourcesConfig(max_memory=3000, requirements="B"), None, ResourcesConfig(max_memory=4000, gpus=1)
    )
    assert found == Resources(2.0, 4000, cpus=1, gpus=1, disk=500, requirements="B")


def test_zero_and_the_empty_text_are_values():
    found = resolve(FULL, ResourcesConfig(gpus=2), ResourcesConfig(gpus=0, requirements=""))
    assert (found.gpus, found.requirements) == (0, "")


def test_fields_that_are_nowhere_given_have_defaults():
    assert resolve(ResourcesConfig(max_runtime=1, max_memory=10)) == Resources(1.0, 10)


@given(layers)
@settings(deadline=None)
def test_each_field_is_that_of_the_last_layer_that_has_it(layers):
    found = resolve(FULL, *layers)
    for name in FIELDS:
        given_values = [getattr(layer, name) for layer in (FULL, *layers) if getattr(layer, name) is not None]
        assert getattr(found, name) == given_values[-1]
    assert resolve(FULL, *layers, ResourcesConfig()) == found


@pytest.mark.parametrize(
    ("layers", "name"),
    [
        ((), "max_runtime"),
        ((None,), "max_runtime"),
        ((ResourcesConfig(max_memory=1),), "max_runtime"),
        ((ResourcesConfig(max_runtime=1),), "max_memory"),
    ],
)
def test_runtime_and_memory_must_be_given(layers, name):
    with pytest.raises(ConfigError, match=rf"batch\.default\.{name} is not set: give it in configs/batch"):
        resolve(*layers)


def test_values_of_submit_files():
    assert Resources(1.5, 2000, cpus=2, gpus=1, disk=3000).submit_fields == {
        "runtime_s": "5400", "runtime_h": "1.5", "memory_mb": "2000", "cpus": "2", "gpus": "1", "disk_mb": "3000",
        "disk_kb": "3072000",
    }  # fmt: skip


def test_values_are_those_that_sites_may_use():
    assert set(Resources(1, 1).submit_fields) | {"task", "version", "campaign"} == set(SUBMIT_FIELDS)


@pytest.mark.parametrize(
    ("hours", "seconds"), [(1, "3600"), (0.001, "4"), (0.00001, "1"), (1 / 3, "1200"), (168, "604800")]
)
def test_seconds_are_whole_and_at_least_one(hours, seconds):
    assert Resources(hours, 1).submit_fields["runtime_s"] == seconds


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        (Resources(2, 2000), "2000 MB, 1 core, 2 h, 2000 MB of disk"),
        (Resources(0.5, 4000, cpus=4, gpus=1, disk=10), "4000 MB, 4 cores, 0.5 h, 1 GPU, 10 MB of disk"),
        (Resources(168, 4000, gpus=2), "4000 MB, 1 core, 168 h, 2 GPUs, 2000 MB of disk"),
    ],
)
def test_words(resources, text):
    assert str(resources) == text


def test_requests_come_back_from_json():
    asked = Resources(1 / 3, 2000, cpus=2, gpus=1, disk=7, requirements='OpSys == "X"')
    assert Resources(**json.loads(json.dumps(asked.plain()))) == asked


def test_changes_leave_the_rest_and_the_original():
    asked = Resources(1.0, 2000, cpus=3)
    assert asked.with_(max_memory=3000) == Resources(1.0, 3000, cpus=3)
    assert asked.max_memory == 2000
    with pytest.raises(TypeError, match="ram"):
        asked.with_(ram=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        asked.cpus = 2
    assert len({asked, asked.with_(cpus=3), asked.with_(cpus=4)}) == 2  # equal requests are one in a set
