"""Identity of outputs and random streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config import load_campaign
from taumltools.config.identity import identity, plain, plain_members, seed_sequence, select
from taumltools.errors import ConfigError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values))
def test_identity_depends_on_content_not_on_order(settings):
    backwards = dict(reversed(list(settings.items())))
    assert identity(settings) == identity(backwards)
    assert len(identity(settings)) == 8


@given(st.dictionaries(st.text(), values), st.text(min_size=1))
def test_identity_changes_with_any_setting(settings, key):
    changed = settings | {key: [settings.get(key), "changed"]}
    assert identity(settings) != identity(changed)


def test_identity_changes_with_upstream_but_not_with_its_order():
    assert identity({}, ["a", "b"]) == identity({}, ["b", "a"])
    assert identity({}, ["a"]) != identity({}, ["b"])


def test_identity_is_stable_over_processes_and_machines():
    # A changed value here means that every user's outputs move: do so only on purpose.
    assert identity({"a": 1, "b": [1.5, "x"]}, ["deadbeef"]) == "0027c14f"


def test_plain_turns_settings_into_json_types():
    content = plain(load_campaign("demo"))
    assert content["samples"]["train"]["ztautau"]["events"] > 0
    assert isinstance(content["datasets"]["ztautau"]["process"], list)


def test_select_walks_dataclasses_and_mappings():
    config = load_campaign("demo")
    assert select(config, "samples.train.ztautau.events") == config.samples["train"]["ztautau"].events


def test_select_names_what_is_missing_and_what_exists():
    with pytest.raises(ConfigError, match=r"no setting 'training.epoch'.*epochs"):
        select(load_campaign("demo"), "training.epoch")


def test_plain_members_of_a_plain_value_is_empty():
    assert plain_members(3) == {}


def test_streams_are_reproducible_and_independent():
    first = np.random.default_rng(seed_sequence(1, "ProduceTuples", 0)).random(1000)
    again = np.random.default_rng(seed_sequence(1, "ProduceTuples", 0)).random(1000)
    other = np.random.default_rng(seed_sequence(1, "ProduceTuples", 1)).random(1000)
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.15
    assert not np.any(first == other)


def test_keys_do_not_run_into_each_other():
    assert seed_sequence(1, "ab", "c").entropy != seed_sequence(1, "a", "bc").entropy
    assert seed_sequence(1, 11).entropy != seed_sequence(1, "11").entropy
