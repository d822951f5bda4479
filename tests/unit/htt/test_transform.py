import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from taumltools.config.htt import PcaConfig, PreprocessConfig, ScalerConfig
from taumltools.errors import InputError
from taumltools.htt.table import EventTable
from taumltools.htt.transform import Transform, codes, fit_transform

NAMES = ("a", "b", "c", "d")


def events(n=400, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (n, 4)) @ rng.normal(0, 2, (4, 4)) + [100, 0, -5, 3]
    found = {name: values[:, i].astype(np.float32) for i, name in enumerate(NAMES)}
    return EventTable(found | {"njets": rng.choice([0, 2, 5], n), "evt": np.arange(n)})


def config(**changes):
    return PreprocessConfig(cont_features=NAMES, cat_features=("njets",), **changes)


def test_scaler_does_what_scikit_learn_does():
    table = events()
    done = fit_transform(table, config()).apply(table)
    expected = StandardScaler().fit_transform(table.matrix(NAMES, np.float64))
    np.testing.assert_allclose(done.matrix(NAMES), expected, atol=1e-5)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("count", [2, 4])
def test_principal_components_do_what_scikit_learn_does(count, whiten):
    table = events()
    transform = fit_transform(table, config(pca=PcaConfig(n_components=count, whiten=whiten)))
    assert transform.outputs == tuple(f"pca_{i}" for i in range(count))
    found = transform.apply(table).matrix(transform.outputs)
    steps = make_pipeline(PCA(count, whiten=whiten), StandardScaler())
    expected = steps.fit_transform(table.matrix(NAMES, np.float64))
    signs = np.sign((found * expected).sum(axis=0))  # a direction and its opposite are the same component
    np.testing.assert_allclose(found, expected * signs, atol=1e-3)


def test_without_scaler_and_components_values_stay():
    table = events()
    done = fit_transform(table, config(scaler=None)).apply(table)
    np.testing.assert_array_equal(done.matrix(NAMES), table.matrix(NAMES))


@pytest.mark.parametrize("scaler", [ScalerConfig(with_std=False), ScalerConfig(with_mean=False)])
def test_half_a_scaler(scaler):
    table = events()
    done = fit_transform(table, config(scaler=scaler)).apply(table).matrix(NAMES, np.float64)
    raw = table.matrix(NAMES, np.float64)
    expected = raw - raw.mean(axis=0) if scaler.with_mean else raw / raw.std(axis=0)
    np.testing.assert_allclose(done, expected, rtol=1e-4, atol=1e-4)


def test_constant_feature_is_not_divided_by_zero():
    table = events().having({"a": np.full(400, 7, np.float32)})
    assert (fit_transform(table, config()).apply(table)["a"] == 0).all()


def test_it_is_read_back_as_it_was_and_is_plain_json(tmp_path):
    transform = fit_transform(events(), config(pca=PcaConfig(n_components=3)))
    transform.save(tmp_path / "t.json")
    assert Transform.load(tmp_path / "t.json") == transform
    assert json.loads((tmp_path / "t.json").read_text())["version"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a stored transformation"),
        ("{}", "not a stored transformation"),
        ('{"format": "taumltools event transformation", "version": 9}', "version 9, expected"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match=message):
        Transform.load(tmp_path / "t.json")


def test_categories_are_codes_and_unknown_ones_are_marked():
    table = events()
    transform = fit_transform(table, config())
    assert transform.categories == {"njets": (0.0, 2.0, 5.0)}
    assert transform.apply(table.having({"njets": np.full(400, 2)}))["njets"].tolist() == [1] * 400
    assert set(transform.apply(table.having({"njets": np.full(400, 4)}))["njets"]) == {-1}


@given(st.lists(st.integers(-3, 9), min_size=1), st.sets(st.integers(-3, 9), min_size=1))
def test_codes_lead_back_to_values(values, known):
    categories = tuple(float(value) for value in sorted(known))
    found = codes(np.array(values), categories)
    assert [categories[c] if c >= 0 else None for c in found] == [float(v) if v in known else None for v in values]


def test_feature_that_is_no_category_is_named():
    with pytest.raises(InputError, match="'njets' has 400 different values"):
        fit_transform(events().having({"njets": np.random.default_rng(0).normal(size=400)}), config())
