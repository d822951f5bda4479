"""The shipped features, the mini network and the tiny fit, end to end on mock tuples."""

import json

import numpy as np
import pytest

from taumltools.config import load_campaign
from taumltools.errors import InputError
from taumltools.features.flat import FlatFile, make_flat, write_flat
from taumltools.features.scaling import FeatureSums, make_scaling, sum_features
from taumltools.training.fit import train
from taumltools.training.network import load_network
from taumltools.tuples.mock import mock_tuples


@pytest.fixture(scope="module")
def campaign():
    return load_campaign("demo", "model=mini training=tiny training.epochs=1")


@pytest.fixture(scope="module")
def paths(tmp_path_factory, campaign):
    directory = tmp_path_factory.mktemp("flat")
    for seed in (1, 2):
        write_flat(directory / f"{seed}.h5", [make_flat(mock_tuples(300, seed=seed), campaign.features)])
    return sorted(directory.iterdir())


@pytest.fixture(scope="module")
def scaling(paths, campaign):
    return make_scaling(FeatureSums.merge([sum_features(p, campaign.features) for p in paths]), campaign.features)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, campaign, paths, scaling):
    out = tmp_path_factory.mktemp("model")
    train(paths, scaling, campaign.features, campaign.model, campaign.training, out, seed=1)
    return out


def test_every_shipped_feature_has_constants(campaign, scaling):
    for block, features in campaign.features.blocks().items():
        assert list(scaling[block]) == list(features)
        assert all(entry["global"]["num"] > 0 for entry in scaling[block].values())


def test_network_takes_raw_flat_tuples(fitted, paths):
    network = load_network(fitted)
    with FlatFile(paths[0]) as file:
        p = network.predict(file.read())
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-5)
    assert p.std(axis=0).min() > 0


def test_data_can_be_scored_without_truth(fitted, campaign):
    flat = make_flat(mock_tuples(50, seed=9), campaign.features, keep="reconstructed")
    assert len(load_network(fitted).predict(flat)) == len(flat)


def test_network_remembers_the_features_it_was_trained_on(fitted, campaign):
    run = json.loads((fitted / "run.json").read_text())
    blocks = load_network(fitted).layout.blocks()
    assert list(blocks["taus"]) == list(run["features"]["taus"]) == list(campaign.features.taus)
    assert list(blocks["pfcand"]) == list(campaign.features.objects["pfcand"].features)


def test_flat_tuples_of_other_features_are_refused(fitted, campaign):
    other = load_campaign("demo", "~features.taus.rho").features
    with pytest.raises(InputError, match=r"needs the features \['rho'\] of block 'taus'"):
        load_network(fitted).predict(make_flat(mock_tuples(20), other))


def test_files_hold_raw_values(paths, campaign):
    with FlatFile(paths[0]) as file:
        flat = file.read()
    raw = make_flat(mock_tuples(300, seed=1), campaign.features)
    for name, column in raw.taus.items():
        np.testing.assert_array_equal(flat.taus[name], column)
