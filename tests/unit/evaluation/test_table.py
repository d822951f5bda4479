from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.predictions import Predictions, PredictionWriter


def assert_same(a: Predictions, b: Predictions) -> None:
    for name in ("outputs", "targets", "scored", "dataset"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype
    assert a.columns.keys() == b.columns.keys()
    for name, column in a.columns.items():
        np.testing.assert_array_equal(column, b.columns[name])
        assert column.dtype == b.columns[name].dtype
    assert (a.datasets, a.model, a.versions) == (b.datasets, b.model, b.versions)


def test_what_is_written_reads_back(tmp_path: Path):
    predictions = mock_predictions(300)
    predictions.write(tmp_path / "p.h5")
    found = Predictions.read(tmp_path / "p.h5")
    assert_same(
        found, Predictions(**vars(predictions) | {"columns": {n: predictions.columns[n] for n in found.columns}})
    )


def test_layout_of_the_file(tmp_path: Path):
    mock_predictions(10).write(tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5") as file:
        assert sorted(file["predictions"]) == ["node_e", "node_jet", "node_mu", "node_tau"]
        assert file["predictions/node_tau"].dtype == np.float32
        assert file["targets/node_tau"].dtype == np.uint8
        assert file["scored"].dtype == bool
        assert file.attrs["model"] == "mock"


def test_same_content_gives_the_same_bytes(tmp_path: Path):
    for name in ("a.h5", "b.h5"):
        mock_predictions(500).write(tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_only_some_columns(tmp_path: Path):
    mock_predictions(10).write(tmp_path / "p.h5")
    assert list(Predictions.read(tmp_path / "p.h5", ["tau_pt"]).columns) == ["tau_pt"]
    with pytest.raises(InputError, match="no column tau_mass"):
        Predictions.read(tmp_path / "p.h5", ["tau_mass"])


def test_truth_is_the_class_or_minus_one():
    predictions = mock_predictions(1000)
    assert set(predictions.truth.tolist()) == {-1, 0, 1, 2, 3}
    typed = predictions.truth >= 0
    np.testing.assert_array_equal(predictions.targets[typed].argmax(axis=1), predictions.truth[typed])
    assert not predictions.targets[~typed].any()


def test_concatenate_keeps_order_and_datasets():
    a, b, c = (mock_predictions(20, seed, dataset=name) for seed, name in enumerate(("x", "y", "x")))
    joined = Predictions.concatenate([a, b, c])
    assert joined.datasets == ("x", "y")
    assert joined.dataset.tolist() == [0] * 20 + [1] * 20 + [0] * 20
    np.testing.assert_array_equal(joined.outputs[20:40], b.outputs)
    assert_same(
        joined.take(np.arange(20, 40)), Predictions(**vars(b) | {"dataset": b.dataset + 1, "datasets": ("x", "y")})
    )


def test_what_cannot_be_joined():
    one = mock_predictions(5)
    other = Predictions(**vars(one) | {"model": "other"})
    less = Predictions(**vars(one) | {"columns": {"tau_pt": one.columns["tau_pt"]}})
    with pytest.raises(InputError, match="nothing to concatenate"):
        Predictions.concatenate([])
    with pytest.raises(InputError, match=r"different models .*mock.*other"):
        Predictions.concatenate([one, other])
    with pytest.raises(InputError, match=r"differ in their columns .*tau_eta"):
        Predictions.concatenate([one, less])


def test_two_datasets_do_not_go_into_one_file(tmp_path: Path):
    joined = Predictions.concatenate([mock_predictions(5, dataset=name) for name in ("x", "y")])
    with pytest.raises(InputError, match="holds one dataset"):
        joined.write(tmp_path / "p.h5")


def test_lengths_must_agree():
    one = mock_predictions(5)
    with pytest.raises(InputError, match="differ in length"):
        Predictions(**vars(one) | {"scored": np.ones(4, bool)})


def test_not_scored_is_never_a_number(tmp_path: Path):
    one = mock_predictions(4)
    with PredictionWriter(tmp_path / "p.h5", "x", "m") as writer:
        writer.append(np.zeros((4, 4)), one.targets, np.array([True, False, False, True]), {})
    found = Predictions.read(tmp_path / "p.h5")
    assert np.isnan(found.outputs[1:3]).all()
    assert (found.outputs[[0, 3]] == 0).all()


def test_columns_must_stay_the_same(tmp_path: Path):
    one = mock_predictions(4)
    with PredictionWriter(tmp_path / "p.h5", "x", "m") as writer:
        writer.append(one.outputs, one.targets, one.scored, {"a": np.zeros(4)})
        with pytest.raises(InputError, match="columns changed between chunks"):
            writer.append(one.outputs, one.targets, one.scored, {})


def test_unusable_files(tmp_path: Path):
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(InputError, match=r"text\.h5 cannot be read as HDF5"):
        Predictions.read(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["scored"] = [1]
    with pytest.raises(InputError, match="has no predictions, targets, columns"):
        Predictions.read(tmp_path / "other.h5")


def test_columns_have_one_value_per_entry(tmp_path: Path):
    one = mock_predictions(4)
    with (
        PredictionWriter(tmp_path / "p.h5", "x", "m") as writer,
        pytest.raises(InputError, match=r"'columns/pfCand_pt': 9} values for 4 entries"),
    ):
        writer.append(one.outputs, one.targets, one.scored, {"pfCand_pt": np.zeros(9)})
