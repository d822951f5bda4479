"""Domain adaptation by the whole fit: what the shared layers no longer tell, and what they still do."""

import numpy as np
import pytest

from taumltools.config.adversarial import AdversarialConfig, ControlSample
from taumltools.errors import ConfigError
from taumltools.features.flat import FlatTuples, write_flat
from taumltools.training.batches import Samples
from taumltools.training.fit import train
from taumltools.training.layout import InputLayout
from taumltools.training.metrics import auc
from taumltools.training.network import load_network
from tests.unit.training.conftest import toy_flat


def shifted(n, seed, sign):
    """Candidates that differ between data and simulation in the sign of eta, which says nothing of their type."""
    flat = toy_flat(n, seed)
    return FlatTuples(flat.index, {**flat.taus, "tau_eta": sign * np.abs(flat.taus["tau_eta"])}, flat.objects)


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    folder = tmp_path_factory.mktemp("region")
    for name, seed, sign in (("data", 30, 1), ("simulation", 31, -1)):
        write_flat(folder / f"{name}.h5", [shifted(900, seed, sign)])
    files = {name: (str(folder / f"{name}.h5"),) for name in ("data", "simulation")}
    return {name: ControlSample(data=name == "data", files=paths, rows=32) for name, paths in files.items()}


def probe(network, layout):
    """How well a linear function of what both heads see tells data from simulation, in new candidates (AUC)."""
    import keras

    inner = keras.Model(network.model.inputs, network.model.get_layer("features_concat").output)
    seen, kind = [], []
    for seed, sign in ((40, 1), (41, -1)):
        batch = Samples.of(shifted(600, seed, sign), layout).batch(np.arange(600))
        order = [tensor.name for tensor in network.model.inputs]
        seen.append(np.asarray(inner.predict_on_batch([batch.inputs[name] for name in order]), np.float64))
        kind.append(np.full(600, sign > 0))
    x, y = np.concatenate(seen), np.concatenate(kind)
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    half = np.arange(len(x)) % 2 == 0
    weights = np.linalg.lstsq(x[half], y[half] * 2.0 - 1.0, rcond=1e-6)[0]
    return auc(x[~half] @ weights, y[~half])


@pytest.fixture(scope="module")
def fits(tmp_path_factory, paths, features, scaling, model, training, region):
    import dataclasses

    found = {}
    for k2 in (0.0, 1.0):
        out = tmp_path_factory.mktemp(f"k2_{k2:g}")
        config = AdversarialConfig(samples=region, k2=k2)
        setting = dataclasses.replace(training, adversarial=config, epochs=12, keep="last", schedule="constant")
        result = train(paths, scaling, features, dataclasses.replace(model, adversarial=True), setting, out, seed=3)
        found[k2] = result, load_network(out)
    return found


def test_shared_layers_forget_what_tells_data_from_simulation(fits, features):
    layout = InputLayout.of(features)
    free, bound = (probe(fits[k2][1], layout) for k2 in (0.0, 1.0))
    free_head, bound_head = (fits[k2][0].metrics["val_adv_auc"] for k2 in (0.0, 1.0))
    assert free > 0.95
    assert free_head > 0.95
    assert bound < free - 0.15
    assert bound_head < free_head - 0.15


def test_types_are_told_apart_as_before(fits):
    free, bound = (fits[k2][0].metrics["val_auc_jet"] for k2 in (0.0, 1.0))
    assert free > 0.85
    assert bound > free - 0.05


def test_figures_of_both_heads_are_in_the_history(fits):
    history = fits[1.0][0].history
    assert history["adv_loss"][-1] > fits[0.0][0].history["adv_loss"][-1]
    assert all(value > 0 for value in history["mean_grad_adv"])
    assert 0.3 < history["val_adv_accuracy"][-1] < 0.9
    assert len(history["val_adv_loss"]) == 12


def test_a_region_without_a_second_head_is_refused(
    tmp_path, paths, features, scaling, model, training, replace, region
):
    config = replace(training, adversarial=AdversarialConfig(samples=region))
    with pytest.raises(ConfigError, match=r"set model\.adversarial to true"):
        train(paths, scaling, features, model, config, tmp_path, seed=1)
