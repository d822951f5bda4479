"""Which entries are there for training."""

import dataclasses

import numpy as np
import pytest

from taumltools.config.features import SelectionConfig
from taumltools.errors import ConfigError, InputError
from taumltools.features.evaluate import make_flat, required_branches
from taumltools.tuples.data import Tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.truth import truth_type


def selected(config, tuples, **changes):
    return make_flat(tuples, dataclasses.replace(config, selection=SelectionConfig(**changes)))


def test_unmatched_entries_stay_without_type(config, tuples):
    flat = selected(config, tuples, unmatched=True)
    assert flat.index["tau_type"].tolist() == [2, 3, -1]
    assert "no truth type" not in flat.dropped


def test_a_condition_is_asked_of_typed_entries_only(config, tuples):
    flat = selected(config, tuples, require="tau_pt > 45", unmatched=True)
    assert flat.index["evt"].tolist() == [0, 2]
    assert flat.dropped["not tau_pt > 45"] == 1


def test_an_undefined_score_does_not_pass(config, tuples):
    score = Tuples({**tuples.scalars, "tau_dxy": np.float32([np.nan, 1, 1, 1])}, tuples.collections)
    assert selected(config, score, require="tau_dxy > 0").index["evt"].tolist() == [1]


def test_types_can_be_chosen(config, tuples):
    flat = selected(config, tuples, types=("jet",))
    assert flat.index["tau_type"].tolist() == [3]
    assert flat.dropped["type is not jet"] == 1


def test_embedded_and_data_types_are_kept_on_demand(config):
    tuples = mock_tuples(100, seed=3)
    config = dataclasses.replace(config, selection=SelectionConfig(types=("data",)))
    genless = {**tuples.scalars, "genLepton_index": np.full(100, -1, np.int32)}
    flat = make_flat(Tuples(genless, tuples.collections), config, sample_type="Data")
    assert set(flat.index["tau_type"].tolist()) == {8}


def test_reasons_add_up(config):
    tuples = mock_tuples(300, seed=5)
    flat = selected(config, tuples, require="tau_pt > 40", types=("tau", "jet"))
    assert len(flat) + sum(flat.dropped.values()) == 300
    assert min(flat.dropped.values()) > 0


def test_the_condition_is_only_needed_for_training(config):
    config = dataclasses.replace(config, selection=SelectionConfig(require="tau_byDeepTau2017v2p1VSjetraw > -1"))
    assert "tau_byDeepTau2017v2p1VSjetraw" in required_branches(config)
    assert "tau_byDeepTau2017v2p1VSjetraw" not in required_branches(config, keep="reconstructed")


def test_a_number_is_no_condition(config, tuples):
    with pytest.raises(ConfigError, match='"tau_pt" is a number, not a condition'):
        selected(config, tuples, require="tau_pt")
    with pytest.raises(ConfigError, match=r"selection\.require: .*'tau_typ' is not a branch"):
        selected(config, tuples, require="tau_typ > 1")


def stored(config, tuples, types, **options):
    tuples = Tuples({**tuples.scalars, "tauType": np.asarray(types, np.int32)}, tuples.collections)
    config = dataclasses.replace(
        config, selection=SelectionConfig(types_from="stored", types=("e", "mu", "tau", "jet", "emb_tau", "data"))
    )
    return make_flat(tuples, config, **options)


def test_stored_types_count_where_there_is_one_by_generated_particles(config):
    """As in CMS's loader: the generator match decides whether an entry has a type, the branch which one."""
    tuples = mock_tuples(300, seed=6)
    computed = truth_type(tuples, "MC")
    other = np.where(computed >= 0, (computed + 1) % 4, 3)
    flat = stored(config, tuples, other)
    np.testing.assert_array_equal(flat.index["entry"], np.flatnonzero(computed >= 0))
    np.testing.assert_array_equal(flat.index["tau_type"], other[computed >= 0])
    assert stored(config, tuples, computed).index["tau_type"].tolist() == computed[computed >= 0].tolist()


def test_stored_data_count_without_generated_particles(config):
    tuples = mock_tuples(100, seed=7)
    types = truth_type(tuples, "MC")
    flat = stored(config, tuples, np.where(types < 0, 8, 6))
    expected = np.flatnonzero((types >= 0) | (tuples["tau_index"] >= 0))
    np.testing.assert_array_equal(flat.index["entry"], expected)
    np.testing.assert_array_equal(flat.index["tau_type"], np.where(types < 0, 8, 6)[expected])


def test_stored_types_of_no_kind_and_a_branch_that_nobody_filled_are_refused(config):
    tuples = mock_tuples(200, seed=8)
    types = truth_type(tuples, "MC")
    first = int(np.flatnonzero(types >= 0)[3])
    with pytest.raises(InputError, match=f"tauType is 77 in row {first}: expected -1 to 8"):
        stored(config, tuples, np.where(np.arange(200) == first, 77, types))
    no_electrons = tuples.take(np.flatnonzero(types != 0))
    with pytest.raises(InputError, match=r"tauType is 0 \(e\) in all \d+ entries .* only mixed files have it"):
        stored(config, no_electrons, np.zeros(len(no_electrons)))


def test_the_stored_type_is_only_read_for_training(config):
    config = dataclasses.replace(config, selection=SelectionConfig(types_from="stored"))
    assert "tauType" in required_branches(config)
    assert "tauType" not in required_branches(config, keep="reconstructed")
    assert "tauType" not in required_branches(dataclasses.replace(config, selection=SelectionConfig()))
