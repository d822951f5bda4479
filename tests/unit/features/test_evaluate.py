import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taumltools.config.features import FeatureConfig, ScalingRule
from taumltools.errors import ConfigError, InputError
from taumltools.features.evaluate import make_flat, required_branches
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.mock import mock_tuples


def test_required_branches_are_enough_and_sorted_as_in_the_schema(config, tuples):
    names = required_branches(config)
    assert set(names) <= set(tuples.branches)
    assert names.index("run") < names.index("tau_pt") < names.index("pfCand_pt")
    assert "genLepton_kind" in names
    assert "genLepton_kind" not in required_branches(config, truth=False)


def test_values_nan_and_missing_integers(config, tuples):
    flat = make_flat(tuples, config)
    assert flat.index["tau_type"].tolist() == [2, 3]
    assert flat.taus["tau_pt"].tolist() == [50, 40]
    np.testing.assert_allclose(flat.taus["sig"], [2.0, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(flat.taus["prongs"], np.float32([3, np.nan]))
    assert all(column.dtype == np.float32 for column in flat.taus.values())


def test_objects_in_the_cone_by_descending_pt_up_to_the_maximum(config, tuples):
    block = make_flat(tuples, config).objects["pf"]
    assert block.offsets.tolist() == [0, 2, 3]
    np.testing.assert_allclose(block.columns["rel_pt"], [0.5, 0.2, 0.2])
    np.testing.assert_array_equal(block.columns["charge"], np.float32([-1, 0, np.nan]))


def test_dropped_entries_are_counted_by_reason(config, tuples):
    assert make_flat(tuples, config).dropped == {
        "no reconstructed tau": 1,
        "no truth type": 1,
        "type is not e, mu, tau or jet": 0,
    }


@pytest.mark.parametrize(
    ("keep", "entries"), [("labelled", [10, 11]), ("reconstructed", [10, 11, 12]), ("all", [10, 11, 12, 13])]
)
def test_entry_is_the_position_in_the_file(config, tuples, keep, entries):
    flat = make_flat(tuples, config, keep=keep, first_entry=10)
    assert flat.index["entry"].tolist() == entries
    assert flat.index["evt"].tolist() == [e - 10 for e in entries]


def test_without_truth_branches_everything_but_the_type_is_there(config, tuples):
    data = Tuples({n: c for n, c in tuples.scalars.items() if not n.startswith("gen")}, tuples.collections)
    flat = make_flat(data, config, keep="reconstructed")
    assert flat.index["tau_type"].tolist() == [-1, -1, -1]
    with pytest.raises(InputError, match="branch 'genLepton_index' is not among the columns"):
        make_flat(data, config)


def test_embedded_taus_are_not_labelled(config, tuples):
    flat = make_flat(tuples, config, sample_type="Embedded")
    assert len(flat) == 0
    assert flat.dropped["type is not e, mu, tau or jet"] == 2
    assert flat.objects["pf"].offsets.tolist() == [0]


def test_mixed_samples_keep_their_origin(config, tuples):
    mixed = Tuples({**tuples.scalars, "dataset_id": np.arange(4, dtype=np.uint64)}, tuples.collections)
    assert make_flat(mixed, config).index["dataset_id"].tolist() == [0, 1]


def test_infinite_feature_is_refused_with_feature_and_entry(config, tuples):
    bad = dataclasses.replace(config, taus={"ratio": FeatureConfig(expression="tau_dxy / tau_dxy_error")})
    with pytest.raises(InputError, match=r"taus\.ratio is infinite in 1 of 2 rows, first in entry 101: .*valid"):
        make_flat(tuples, bad, first_entry=100)


def test_infinite_feature_with_limits_is_kept_on_demand_and_one_without_is_not(config, tuples):
    ratio = FeatureConfig(expression="tau_dxy / tau_dxy_error", scaling=ScalingRule(type="normal"))
    kept = dataclasses.replace(config, taus={"ratio": ratio}, infinite="keep")
    assert np.isposinf(make_flat(tuples, kept).taus["ratio"][1])
    bare = dataclasses.replace(kept, taus={"ratio": FeatureConfig(expression="tau_dxy / tau_dxy_error")})
    with pytest.raises(InputError, match=r"taus\.ratio is infinite"):
        make_flat(tuples, bare)


def test_overflow_of_float32_counts_as_infinite(config, tuples):
    bad = dataclasses.replace(config, taus={"f": FeatureConfig(expression="exp(tau_decayMode * 20)")})
    with pytest.raises(InputError, match=r"taus\.f is infinite"):
        make_flat(tuples, bad)


def test_number_as_condition_is_refused(config, tuples):
    block = dataclasses.replace(config.objects["pf"], select="pfCand_charge")
    with pytest.raises(ConfigError, match='"pfCand_charge" is a number, not a condition'):
        make_flat(tuples, dataclasses.replace(config, objects={"pf": block}))


def test_missing_branch_is_named(config, tuples):
    less = Tuples({n: c for n, c in tuples.scalars.items() if n != "tau_dxy"}, tuples.collections)
    with pytest.raises(InputError, match="'tau_dxy'"):
        make_flat(less, config)


def test_constant_feature_fills_the_column(config, tuples):
    flat = make_flat(tuples, dataclasses.replace(config, taus={"one": FeatureConfig(expression="1")}))
    assert flat.taus["one"].tolist() == [1, 1]


def test_block_without_selection_keeps_all(config, tuples):
    block = dataclasses.replace(config.objects["pf"], select="", order="pfCand_eta", max_objects=9)
    flat = make_flat(tuples, dataclasses.replace(config, objects={"pf": block}))
    assert flat.objects["pf"].counts.tolist() == [4, 1]
    np.testing.assert_allclose(flat.objects["pf"].columns["rel_pt"][:2], [0.2, 0.1])


def test_chunks_give_the_same_as_the_whole(config):
    tuples = mock_tuples(60, seed=3)
    whole = make_flat(tuples, config)
    parts = [make_flat(tuples.slice(a, a + 20), config, first_entry=a) for a in (0, 20, 40)]
    joined = type(whole).concatenate(parts)
    assert joined.dropped == whole.dropped
    np.testing.assert_array_equal(joined.index["entry"], whole.index["entry"])
    np.testing.assert_array_equal(joined.objects["pf"].columns["rel_pt"], whole.objects["pf"].columns["rel_pt"])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(1, 20), max_size=6), min_size=2, max_size=2))
def test_leading_objects_against_sorting_by_hand(config, tuples, pts):
    pf = Collection(
        np.cumsum([0, *map(len, pts)]),
        {
            "pt": np.array([p for entry in pts for p in entry], np.float32),
            "eta": np.repeat(np.float32([0, 1]), [len(p) for p in pts]),
            "phi": np.repeat(np.float32([3.1, 0]), [len(p) for p in pts]),
            "charge": np.ones(len(pts[0] + pts[1]), np.int32),
        },
    )
    block = make_flat(Tuples(tuples.slice(0, 2).scalars, {"pfCand": pf}), config).objects["pf"]
    for i, tau_pt in enumerate((50, 40)):
        found = block.columns["rel_pt"][block.offsets[i] : block.offsets[i + 1]]
        np.testing.assert_allclose(found * tau_pt, sorted(pts[i], reverse=True)[:2], rtol=1e-5)
