from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from taumltools.config.evaluation import EvaluationConfig, RegionsConfig
from taumltools.errors import InputError
from taumltools.evaluation.frame import Region, make_frame, passes_cuts, regions
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.table import Predictions


def columns(**changes: float) -> dict[str, np.ndarray]:
    one = {"tau_pt": 30.0, "tau_eta": 0.0, "tau_dz": 0.0, "tau_decayMode": 0} | changes
    return {name: np.array([value]) for name, value in one.items()}


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"tau_pt": 20.0}, True),
        ({"tau_pt": 1000.0}, False),
        ({"tau_eta": -2.29}, True),
        ({"tau_eta": -2.3}, False),
        ({"tau_dz": -0.2}, False),
        ({"tau_dz": np.nan}, False),
        ({"tau_decayMode": 5}, False),
        ({"tau_decayMode": 11}, True),
    ],
)
def test_cuts(config: EvaluationConfig, changes: dict, passes: bool):
    assert passes_cuts(columns(**changes), config.cuts)[0] == passes


@pytest.mark.parametrize(
    ("changes", "inside"),
    [
        ({"tau_pt": 20.0}, True),
        ({"tau_pt": 100.0}, False),
        ({"tau_eta": -1.0}, True),
        ({"tau_eta": 1.5}, False),
        ({"tau_decayMode": 2}, False),
    ],
)
def test_region_edges(changes: dict, inside: bool):
    region = Region((20, 100), (0, 1.5), (0, 1))
    assert region.contains(columns(**changes))[0] == inside


def test_regions_are_all_combinations():
    bins = RegionsConfig(pt=((20, 50), (50, 100)), abs_eta=((0, 1), (1, 2)), decay_modes=((0,), (1, 10)))
    found = regions(EvaluationConfig(regions=bins))
    assert len(found) == 8
    assert found[0] == Region((20, 50), (0, 1), (0,))


def test_counts_add_up(config: EvaluationConfig):
    frame = make_frame(mock_predictions(5000), config)
    counts = dict(frame.counts)
    assert counts.pop("read") == 5000 == sum(counts.values())
    assert len(frame) == sum(counts[name] for name in ("e", "mu", "tau", "jet"))
    assert set(frame.truth) == {0, 1, 2, 3}
    assert frame.weight is None


def test_events_are_not_split(config: EvaluationConfig):
    predictions = mock_predictions(2000)
    predictions.columns["evt"] //= 4
    frame = make_frame(predictions, config)
    event = frame.columns["lumi"].astype(np.int64) * 10_000 + frame.columns["evt"].astype(np.int64)
    assert not set(event[frame.derive]) & set(event[~frame.derive])


def test_sources_choose_datasets_by_type(config: EvaluationConfig):
    both = Predictions.concatenate([mock_predictions(1000, seed, dataset=name) for seed, name in enumerate("ab")])
    frame = make_frame(both, replace(config, sources={"tau": ("b",)}))
    everything = make_frame(both, config)
    only_b = make_frame(mock_predictions(1000, 1, dataset="b"), config)
    assert frame.counts["tau"] == only_b.counts["tau"]
    assert frame.counts["jet"] == everything.counts["jet"]
    assert frame.counts["other_source"] == everything.counts["tau"] - only_b.counts["tau"]


def test_unknown_source_is_named(config: EvaluationConfig):
    with pytest.raises(InputError, match=r"evaluation\.sources\.tau: no predictions of nowhere, only of mock"):
        make_frame(mock_predictions(10), replace(config, sources={"tau": ("nowhere",)}))


def test_nothing_left_is_an_error(config: EvaluationConfig):
    predictions = mock_predictions(10)
    predictions.columns["tau_pt"][:] = 5
    with pytest.raises(InputError, match="no entry is left"):
        make_frame(predictions, config)


def test_weights_are_those_of_the_branch(config: EvaluationConfig):
    frame = make_frame(mock_predictions(100), replace(config, weight="npu"))
    np.testing.assert_array_equal(frame.weight, frame.columns["npu"])
    assert len(frame.weight_of(frame.is_tau)) == frame.counts["tau"]
