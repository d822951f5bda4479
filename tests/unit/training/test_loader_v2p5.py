"""The whole way to the network, through a file and the batches, against what the C++ loader of the CMS tools feeds."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from taumltools.config import load_campaign
from taumltools.config.features import SelectionConfig
from taumltools.config.weights import SpectraWeights
from taumltools.features.flat import FlatFile, make_flat, required_branches, write_flat
from taumltools.features.scaling import load_scaling
from taumltools.training.layers import Scaling
from taumltools.training.layout import InputLayout
from taumltools.training.models import build_model
from taumltools.training.preparation import Preparation
from taumltools.training.reading import blocks_of, read_blocks
from taumltools.training.spectra import Binning
from taumltools.training.weights import spectrum_weights
from taumltools.tuples.io import open_tuples

DATA = Path(__file__).parents[2] / "data"
LABELS = {"egamma": "egamma", "muon": "muon", "hadrons": "hadron"}


@pytest.fixture(scope="module")
def reference():
    with np.load(DATA / "loader_v2p5.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def samples(tmp_path_factory, reference):
    """The 97 candidates of the reference, written in raw values and read in blocks of 40."""
    features = load_campaign("demo", "features=deeptau_v2p5").features
    select = SelectionConfig(require="tau_byDeepTau2017v2p1VSjetraw > -1")
    with open_tuples(DATA / "cms_tools/head/input/DY/eventTuple_1.root") as reader:
        tuples = reader.read(required_branches(features))
        flat = make_flat(tuples, dataclasses.replace(features, selection=select), keep="all").take(reference["entry"])
    path = tmp_path_factory.mktemp("v2p5") / "flat.h5"
    write_flat(path, [flat.slice(0, 30), flat.slice(30, 97)])
    layout = InputLayout.of(features, "cells")
    config = SpectraWeights(input=str(DATA / "weights.root"))
    binning = Binning(config.bins)
    weights = spectrum_weights(config, binning, np.zeros((4, len(binning))))
    with FlatFile(path) as file:
        layout.check(file.layout(), "file")
        return read_blocks(blocks_of(file, layout, 40), layout, weights)


@pytest.fixture(scope="module")
def scalings():
    """What scales in this package: the first layers of the network, and what prepares full grids for others."""
    campaign = load_campaign("demo", "features=deeptau_v2p5 model=deeptau_v2p5")
    constants = load_scaling(DATA / "deeptau_v2p5_scaling.json", campaign.features)
    network = build_model(campaign.model, campaign.features, constants)
    prepared = Preparation.of_settings(campaign.features, "cells", constants)
    layers = {layer.block: layer for layer in network.layers if isinstance(layer, Scaling)}
    return [lambda name, values: np.asarray(layers[name](values)), prepared.scale]


def agree(found, expected):
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= 2 * np.spacing(np.maximum(np.abs(expected), 1))).all()


def test_labels_weights_and_features_of_taus(samples, reference, scalings):
    batch = samples.batch(np.arange(97))
    # the original labels one entry without reconstructed tau (tau_pt -999) a jet, and gives it weight 0: no type here
    no_tau = reference["tau_flat"][:, list(samples.layout.taus).index("tau_pt")] == -1
    assert np.flatnonzero(~batch.target.any(axis=1)).tolist() == [91]
    assert no_tau[91]
    assert reference["weight"][91] == 0
    typed = batch.target.any(axis=1)
    np.testing.assert_array_equal(batch.target[typed], reference["label"][typed])
    np.testing.assert_array_equal(batch.weight, reference["weight"])
    for scale in scalings:
        agree(scale("taus", batch.inputs["taus"]), reference["tau_flat"])


@pytest.mark.parametrize("grid", ["inner", "outer"])
@pytest.mark.parametrize("component", LABELS)
def test_filled_cells_of_batches_of_any_order(samples, reference, scalings, grid, component):
    label, n_cells = LABELS[component], samples.layout.grids[grid]
    width = {"inner": 11, "outer": 21}[grid]
    coord, feat = reference[f"{grid}_{label}_coord"].astype(int), reference[f"{grid}_{label}_feat"]
    order = np.random.default_rng(4).permutation(97)
    for rows in np.split(order, [25, 50, 75]):
        inputs = samples.batch(rows).inputs
        number = inputs[f"{grid}_cell"]
        real = number < len(rows) * n_cells
        wanted = np.concatenate([np.flatnonzero(coord[:, 0] == row) for row in rows])
        place = np.argsort(rows)[np.searchsorted(rows, coord[wanted, 0], sorter=np.argsort(rows))]
        np.testing.assert_array_equal(number[real], place * n_cells + coord[wanted, 1] * width + coord[wanted, 2])
        for scale in scalings:
            agree(scale(f"{grid}_{component}", inputs[f"{grid}_{component}"][real]), feat[wanted])
