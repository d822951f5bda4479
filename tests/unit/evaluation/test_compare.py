"""A comparison as files; what is no pair of things to compare is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from taumltools.config.plots import StyleConfig
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.compare import compare_to_folder, labels_of
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.tensors import write_dump
from tests.unit.evaluation.stored_case import cell_case

OPTIONS = {"tolerance": 1e-5, "features": cell_case(), "style": StyleConfig(formats=("png",))}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    mock_predictions(100).write(tmp_path / "a.h5")
    mock_predictions(100, separation=2.4).write(tmp_path / "b.h5")
    for name, pt in (("a", 1.0), ("b", 2.0)):
        write_dump(tmp_path / f"{name}.json", {"input_tau": np.array([pt, 0, 0, 0, 3])}, {}, {})
    return tmp_path


def test_scores_have_text_numbers_and_plots(files: Path):
    account = compare_to_folder(files / "a.h5", files / "b.h5", files / "out", **OPTIONS)
    found = json.loads((files / "out/comparison.json").read_text())
    assert account == {
        "kind": "scores",
        "differ": sum(one["differ"] for one in found["vs"].values()),
        "not_comparable": 0,
    }
    assert account["differ"] > 100
    assert (files / "out/comparison.txt").read_text().count("entries differ by more than 1e-05") == 3
    assert {path.name for path in (files / "out").glob("*.png")} == {f"scores_vs_{vs}.png" for vs in ("e", "mu", "jet")}
    again = compare_to_folder(files / "a.h5", files / "b.h5", files / "again", **OPTIONS)
    assert again == account
    for path in (files / "out").iterdir():
        assert path.read_bytes() == (files / "again" / path.name).read_bytes()


def test_equal_scores_are_drawn_too(files: Path):
    account = compare_to_folder(files / "a.h5", files / "a.h5", files / "out", **OPTIONS)
    assert account["differ"] == 0
    assert len(list((files / "out").glob("*.png"))) == 3


def test_inputs_take_names_from_the_features(files: Path):
    assert compare_to_folder(files / "a.json", files / "b.json", files / "out", **OPTIONS) == {
        "kind": "inputs",
        "differ": 1,
        "not_comparable": 0,
    }
    assert "input_tau pt: 1 and 2" in (files / "out/comparison.txt").read_text()
    assert set(labels_of(cell_case(cells=False))) == {"taus", "a", "b"}


def test_what_does_not_fit_together_is_refused(files: Path):
    for first, second, branches in (
        ("a.h5", "b.json", ""), ("a.json", "b.h5", ""), ("a.h5", "b.h5", "x{vs}"), ("a.h5", None, ""),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="two prediction files"):
            compare_to_folder(
                files / first, files / second if second else None, files / "o", branches=branches, **OPTIONS
            )
    with pytest.raises(ConfigError, match="--score-branches belongs to a prediction file"):
        compare_to_folder(files / "a.json", None, files / "o", branches="x{vs}", **OPTIONS)
    with pytest.raises(InputError, match=r"c\.h5: there is nothing of that name"):
        compare_to_folder(files / "c.h5", files / "a.h5", files / "o", **OPTIONS)
