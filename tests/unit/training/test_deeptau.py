import keras
import numpy as np
import pytest

from taumltools.config import load_campaign
from taumltools.config.compose import CONFIG_DIR
from taumltools.config.features import GridConfig
from taumltools.config.model import ModelConfig
from taumltools.config.networks import DeepTauConfig, StackConfig, WindowsConfig
from taumltools.errors import ConfigError
from taumltools.training.layers import Scaling
from taumltools.training.layers_cells import EmptyCells
from taumltools.training.legacy_weights import set_weights, weights_of
from taumltools.training.models import build_model
from tests.unit.training.deeptau_case import (
    cell_features,
    no_scaling,
    phase2_features,
    random_cells,
    some_scaling,
    tiny_features,
    to_dense,
    v2p5_features,
)
from tests.unit.training.dense_deeptau import V2P5, dense_deeptau


def shipped(name):
    import yaml
    from pydantic import TypeAdapter

    return TypeAdapter(ModelConfig).validate_python(yaml.safe_load((CONFIG_DIR / "model" / f"{name}.yaml").read_text()))


def tiny(dropout=0.0, **changes):
    stack = {"reduction": 2.0, "dropout": dropout}
    return ModelConfig(
        name="deeptau",
        deeptau=DeepTauConfig(
            tau=StackConfig(6, 4, **stack),
            component=StackConfig("2*n", "n", **stack),
            merge=StackConfig("n", 4, **stack),
            windows=WindowsConfig(dropout=dropout),
            dense=StackConfig(8, 8, reduction=1.0, min_layers=2, dropout=dropout),
            **{"empty_cells": 4, **changes},
        ),
    )


@pytest.fixture(scope="module")
def features():
    return tiny_features()


def counts(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights), model.count_params()


@pytest.mark.parametrize(
    ("name", "case", "trainable", "total"),
    [
        ("deeptau_v2p5", v2p5_features, 1_151_378, 1_161_286),
        ("deeptau_phase2", phase2_features, 551_959, 559_739),
    ],
)
def test_number_of_parameters(name, case, trainable, total):
    features = case()
    assert counts(build_model(shipped(name), features, no_scaling(features))) == (trainable, total)


@pytest.mark.parametrize(("name", "total"), [("deeptau_v2p5", 1_161_286), ("deeptau_phase2", 559_739)])
def test_number_of_parameters_with_the_shipped_features(name, total):
    campaign = load_campaign("tiny", f"features={name} model={name}")
    model = build_model(campaign.model, campaign.features, no_scaling(campaign.features))
    assert model.count_params() == total


def test_layers_of_v2p5_as_tabulated():
    features = v2p5_features()
    model = build_model(shipped("deeptau_v2p5"), features, no_scaling(features))
    stacks = {"tau": "dense", "inner_egamma": "conv", "outer_muon": "conv", "inner_hadrons": "conv", "final": "dense"}
    for stack, kind in {**stacks, "outer_all": "conv"}.items():
        widths = V2P5[{"final": "dense", "outer_all": "merge"}.get(stack, stack.split("_")[-1])]
        found = [model.get_layer(f"{stack}_{kind}_{k}").output.shape[-1] for k in range(1, len(widths) + 1)]
        assert found == widths
    sizes = [model.get_layer(f"outer_all_3x3_conv_{k}").output.shape[1:] for k in range(1, 11)]
    assert sizes == [(n, n, 64) for n in range(19, 0, -2)]
    assert model.get_layer("features_concat").output.shape == (None, 180)


def test_pooling_of_phase2():
    features = phase2_features()
    model = build_model(shipped("deeptau_phase2"), features, no_scaling(features))
    grids = [layer.output.shape[1] for layer in model.layers if layer.name.startswith("outer_all_3x3_activation")]
    assert grids == [23, 21, 7, 5, 3, 1]


def step(model, inputs, target, weight):
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="categorical_crossentropy", jit_compile=False)
    return model.train_on_batch(inputs, target, weight)


def test_training_step_equals_the_dense_one(features):
    """Loss, gradients of all weights and moving averages of all normalisations, without dropout."""
    sparse = build_model(tiny(), features, no_scaling(features))
    grids = {name: (grid.n_eta, grid.n_phi) for name, grid in features.cells.grids.items()}
    widths = {"tau": [6, 4], "a": [8, 4], "b": [6, 3], "merge": [7, 4], "dense": [8, 8]}
    dense = dense_deeptau(grids, {"a": 4, "b": 3}, 5, widths, drop=0.0)
    assert set_weights(dense, weights_of(sparse)) == []
    inputs = random_cells(features, 30, {"inner": 2, "outer": 4})
    target = np.eye(4, dtype=np.float32)[np.arange(30) % 4]
    weight = np.linspace(0.5, 1.5, 30).astype(np.float32)
    for _ in range(3):
        ours, theirs = step(sparse, inputs, target, weight), step(dense, to_dense(features, inputs), target, weight)
        assert ours == pytest.approx(theirs, rel=1e-5)
    reference = weights_of(dense)
    for layer, variables in weights_of(sparse).items():
        for name, values in variables.items():
            expected = reference[layer][name].reshape(values.shape)
            np.testing.assert_allclose(values, expected, rtol=2e-3, atol=2e-5, err_msg=f"{layer}/{name}")


def test_padding_and_order_of_cells_do_not_matter(features):
    model = build_model(tiny(), features, some_scaling(features))
    few = random_cells(features, 6, {"inner": 2, "outer": 4}, padding=0)
    expected = model.predict_on_batch(few)
    other = dict(few)
    for grid, config in features.cells.grids.items():
        order = np.random.default_rng(1).permutation(len(few[f"{grid}_cell"]))
        padding = np.full(11, 6 * config.n_cells, np.int32)
        other[f"{grid}_cell"] = np.concatenate([few[f"{grid}_cell"][order], padding])
        for c in features.cells.components:
            rows = few[f"{grid}_{c}"][order]
            other[f"{grid}_{c}"] = np.concatenate([rows, np.full((11, rows.shape[1]), np.nan, np.float32)])
    np.testing.assert_allclose(model.predict_on_batch(other), expected, rtol=1e-5, atol=1e-6)


def test_no_cell_filled_at_all(features):
    model = build_model(tiny(), features, some_scaling(features))
    inputs = random_cells(features, 5, {"inner": 0, "outer": 0}, padding=0)
    assert np.isfinite(model.predict_on_batch(inputs)).all()


def test_cells_are_scaled_with_the_constants_of_their_grid(features):
    constants = some_scaling(features)
    model = build_model(tiny(), features, constants)
    layers = {layer.block: layer for layer in model.layers if isinstance(layer, Scaling)}
    assert set(layers) == {"taus", "inner_a", "inner_b", "outer_a", "outer_b"}
    for grid in ("inner", "outer"):
        assert layers[f"{grid}_b"].features == ["b.b_0", "b.b_1", "b.b_2"]
        assert layers[f"{grid}_b"].mean == [constants["b"][f"b_{i}"][grid]["mean"] for i in range(3)]


def test_empty_cells_have_dropout_of_their_own(features):
    """One empty cell for all would be shifted as one by every training step."""
    model = build_model(tiny(0.5, empty_cells=6), features, no_scaling(features))
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))  # offsets: else empty cells give zeros
    cells = keras.Model(model.inputs, model.get_layer("outer_grid").output)
    inputs = random_cells(features, 3, {"inner": 0, "outer": 0}, padding=0)

    def distinct(training):
        out = keras.ops.convert_to_numpy(cells(inputs, training=training))
        return len(np.unique(out.reshape(-1, out.shape[-1]).round(5), axis=0))

    assert distinct(training=True) > 3
    assert distinct(training=False) == 1
    assert model.get_layer("outer_a_empty").number == 6
    assert isinstance(model.get_layer("outer_a_empty"), EmptyCells)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
def test_network_survives_a_file(features, tmp_path):
    model = build_model(tiny(0.2, first_layer_reg="L1,1e-3"), features, some_scaling(features))
    inputs = random_cells(features, 4, {"inner": 2, "outer": 4})
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict_on_batch(inputs), model.predict_on_batch(inputs))


def test_first_layers_are_regularised(features):
    model = build_model(tiny(first_layer_reg="L1,1e-3"), features, no_scaling(features))
    names = {layer.name for layer in model.layers if getattr(layer, "kernel_regularizer", None)}
    assert names == {"tau_dense_1", "inner_a_conv_1", "inner_b_conv_1", "outer_a_conv_1", "outer_b_conv_1"}
    with pytest.raises(ConfigError, match="regularizer 'L3,1': expected L1 or L2"):
        build_model(tiny(first_layer_reg="L3,1"), features, no_scaling(features))


def test_selu_has_no_normalisation():
    features = cell_features({"inner": GridConfig(3, 3, 0.02)}, {"a": 2}, taus=2)
    stack = {"activation": "selu", "dropout": 0.1}
    config = DeepTauConfig(
        tau=StackConfig(4, 4, **stack), component=StackConfig(4, 4, **stack), merge=StackConfig(4, 4, **stack),
        windows=WindowsConfig(**stack, reduction=2.0), dense=StackConfig(4, 4, **stack),
    )  # fmt: skip
    model = build_model(ModelConfig(name="deeptau", deeptau=config), features, no_scaling(features))
    kinds = {type(layer).__name__ for layer in model.layers}
    assert {"AlphaDropout"} <= kinds
    assert not {"BatchNormalization", "WeightedNormalization", "Dropout"} & kinds
    assert model.get_layer("inner_all_3x3_conv_1").filters == 18  # 4 channels, 9 cells become 1, halved


def test_wrong_settings_are_refused(features):
    with pytest.raises(ConfigError, match="needs features with cells, 'test' has none"):
        flat = cell_features({"inner": GridConfig(3, 3, 0.02)}, {"a": 2})
        import dataclasses

        build_model(tiny(), dataclasses.replace(flat, cells=None), no_scaling(flat))
    with pytest.raises(ConfigError, match=r"no grids \['inside'\], known are \['inner', 'outer'\]"):
        changed = ModelConfig(name="deeptau", deeptau=DeepTauConfig(windows=WindowsConfig(pooling={"inside": 2})))
        build_model(changed, features, no_scaling(features))
    one_cone = {
        block: {name: {"inner": numbers["global"]} if block == "a" else numbers for name, numbers in names.items()}
        for block, names in no_scaling(features).items()
    }
    with pytest.raises(ConfigError, match=r"scaling of a.a_0 has the cones \['inner'\], needed is one of \('outer'"):
        build_model(tiny(), features, one_cone)
