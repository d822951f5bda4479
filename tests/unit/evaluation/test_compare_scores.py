"""Comparing scores: numbers against a calculation by hand, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.evaluation.compare_scores import (
    LARGEST,
    compare_columns,
    compare_scores,
    compare_with_branches,
    scores_text,
)
from taumltools.evaluation.legacy import write_legacy
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.scores import vs_score
from taumltools.evaluation.table import Predictions


def test_a_file_does_not_differ_from_itself_in_either_layout(tmp_path: Path):
    predictions = mock_predictions(400)
    predictions.write(tmp_path / "a.h5")
    write_legacy(predictions, tmp_path / "b.h5")
    result = compare_scores(tmp_path / "a.h5", tmp_path / "b.h5", 1e-5)
    for one in result["vs"].values():
        assert (one["compared"], one["differ"], one["largest"], one["worst"]) == (
            int(predictions.scored.sum()),
            0,
            0,
            [],
        )
        assert sum(one["counts"]) == one["compared"]
    assert result["only_in"] == {"first": 0, "second": 0}


def test_differences_by_hand(tmp_path: Path):
    predictions = mock_predictions(400)
    changed = predictions.outputs.copy()
    rows = np.flatnonzero(predictions.scored)[:50]
    changed[rows, 3] *= np.linspace(1.1, 2, 50, dtype=np.float32)
    scored = predictions.scored.copy()
    scored[np.flatnonzero(scored)[-1]] = False
    other = Predictions(**vars(predictions) | {"outputs": np.where(scored[:, None], changed, np.nan), "scored": scored})
    predictions.write(tmp_path / "a.h5")
    other.write(tmp_path / "b.h5")
    result = compare_scores(tmp_path / "a.h5", tmp_path / "b.h5", 1e-5)
    difference = vs_score(other.outputs, "jet").astype(float) - vs_score(predictions.outputs, "jet").astype(float)
    size = np.abs(difference[rows])
    one = result["vs"]["jet"]
    assert one["differ"] == int((size > 1e-5).sum()) > 20
    assert one["largest"] == pytest.approx(size.max())
    assert one["rms"] == pytest.approx(np.sqrt(np.nanmean(difference**2)))
    assert one["mean"] == pytest.approx(np.nanmean(difference))
    assert [row["entry"] for row in one["worst"]] == rows[np.argsort(-size)][:LARGEST].tolist()
    assert one["worst"][0]["evt"] == int(predictions.columns["evt"][one["worst"][0]["entry"]])
    assert result["vs"]["e"]["differ"] == 0
    assert result["only_in"] == {"first": 1, "second": 0}
    text = scores_text(result)
    assert f"vs jet: {one['differ']} of {one['compared']} entries differ" in text
    assert "scored only in the first: 1 entries" in text


def test_scores_that_the_input_had(tmp_path: Path):
    predictions = mock_predictions(100)
    stored = np.nan_to_num(vs_score(predictions.outputs, "jet"), nan=-1.0) + np.float32(0.25)
    stored[:10] = -1
    predictions.columns["tau_byVSjetraw"] = stored
    predictions.write(tmp_path / "a.h5")
    one = compare_with_branches(tmp_path / "a.h5", "tau_byVS{vs}raw", 1e-5)["vs"]
    assert list(one) == ["jet"]
    assert one["jet"]["compared"] == int(predictions.scored[10:].sum())
    assert one["jet"]["mean"] == pytest.approx(0.25, abs=1e-6)
    with pytest.raises(InputError, match="has none of the columns tau_rawe, tau_rawmu, tau_rawjet"):
        compare_with_branches(tmp_path / "a.h5", "tau_raw{vs}", 1e-5)


def test_other_entries_are_refused(tmp_path: Path):
    a, b = mock_predictions(20), mock_predictions(20)
    b.columns["evt"] = b.columns["evt"][::-1].copy()
    mock_predictions(21).write(tmp_path / "c.h5")
    a.write(tmp_path / "a.h5")
    b.write(tmp_path / "b.h5")
    with pytest.raises(InputError, match=r"evt of entry 0 is \d+ and \d+"):
        compare_scores(tmp_path / "a.h5", tmp_path / "b.h5", 1e-5)
    with pytest.raises(InputError, match=r"has 20 entries, .* has 21"):
        compare_scores(tmp_path / "a.h5", tmp_path / "c.h5", 1e-5)
    nothing = {"jet": (np.array([np.nan, 1.0]), np.array([1.0, np.nan]))}
    with pytest.raises(InputError, match="no entry has both scores vs jet"):
        compare_columns(nothing, {}, 1e-5)
