"""Predictions as the CMS tools have them: read by pandas, and read back."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from taumltools.errors import InputError
from taumltools.evaluation.legacy import read_any, read_legacy, write_legacy
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.table import NODES


def test_pandas_reads_both_groups(tmp_path: Path):
    predictions = mock_predictions(300)
    write_legacy(predictions, tmp_path / "p.h5")
    outputs, targets = (pd.read_hdf(tmp_path / "p.h5", group) for group in ("predictions", "targets"))
    assert list(outputs.columns) == list(targets.columns) == ["node_e", "node_mu", "node_tau", "node_jet"]
    assert set(outputs.dtypes) == {np.dtype(np.float64)}
    assert set(targets.dtypes) == {np.dtype(np.int64)}
    np.testing.assert_array_equal(outputs.to_numpy(np.float32), predictions.outputs)
    np.testing.assert_array_equal(targets.to_numpy(), predictions.targets)
    assert outputs.index.equals(pd.RangeIndex(300)) or list(outputs.index) == list(range(300))
    scored = pd.read_hdf(tmp_path / "p.h5", "scored")["scored"].to_numpy()
    np.testing.assert_array_equal(scored, predictions.scored)
    assert np.isnan(outputs.to_numpy()[~scored]).all()
    assert (~scored).any()


def test_layout_inside_is_that_of_the_original(tmp_path: Path):
    write_legacy(mock_predictions(20), tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5") as file:
        for group, kind in (("predictions", np.float64), ("targets", np.int64)):
            assert {"axis0", "axis1", "block0_items", "block0_values"} <= set(file[group])
            assert file[group]["block0_values"].dtype == kind
            assert file[group]["block0_values"].shape == (20, 4)
            assert file[group]["block0_values"].compression == "gzip"


def test_what_is_written_reads_back(tmp_path: Path):
    predictions = mock_predictions(300)
    write_legacy(predictions, tmp_path / "p.h5")
    predictions.write(tmp_path / "q.h5")
    for name in ("p.h5", "q.h5"):
        found = read_any(tmp_path / name)
        np.testing.assert_array_equal(found.outputs, predictions.outputs)
        np.testing.assert_array_equal(found.targets, predictions.targets)
        np.testing.assert_array_equal(found.scored, predictions.scored)


def test_zeros_of_the_original_are_no_scores(tmp_path: Path):
    """The CMS tools write rows of zeros for what they skip."""
    frame = pd.DataFrame(np.array([[0.1, 0.2, 0.3, 0.4], [0, 0, 0, 0]]), columns=NODES)
    with pd.HDFStore(tmp_path / "p.h5", "w") as store:
        store.put("predictions", frame, format="fixed", track_times=True)
        store.put("targets", (frame > 0.35).astype(np.int64), format="fixed", track_times=True)
    found = read_legacy(tmp_path / "p.h5")
    assert found.scored.tolist() == [True, False]
    assert found.truth.tolist() == [3, -1]
    assert np.isnan(found.outputs[1]).all()


def test_empty_predictions(tmp_path: Path):
    write_legacy(mock_predictions(5).take(np.arange(0)), tmp_path / "p.h5")
    assert len(pd.read_hdf(tmp_path / "p.h5", "predictions")) == 0
    assert len(read_legacy(tmp_path / "p.h5")) == 0


def test_other_files_are_refused(tmp_path: Path):
    (tmp_path / "text.h5").write_text("no table")
    with pytest.raises(InputError, match=r"text\.h5 cannot be read as HDF5"):
        read_any(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match=r"other\.h5 is not a prediction file"):
        read_any(tmp_path / "other.h5")
    with pytest.raises(InputError, match="expected the pandas groups predictions, targets"):
        read_legacy(tmp_path / "other.h5")
