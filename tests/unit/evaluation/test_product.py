"""What applying several models leaves in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.apply import Reading
from taumltools.evaluation.compare_inputs import compare_inputs
from taumltools.evaluation.legacy import is_legacy, read_any
from taumltools.evaluation.models import StoredModel
from taumltools.evaluation.product import Sample, Wanted, apply_to_file, apply_to_folder, check_product
from taumltools.training.preparation import Preparation
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.unit.evaluation.stored_case import cell_case
from tests.unit.training.deeptau_case import some_scaling

READING = Reading(cell_case(), ("run", "lumi", "evt", "tau_pt"), step=35)


class Constant:
    """Stands for a network that gives every candidate the same."""

    def __init__(self, tau: float) -> None:
        self.outputs = np.float32([0.1, 0.2, tau, 0.7 - tau])

    def predict(self, flat, batch_size=1):
        return np.repeat(self.outputs[None], len(flat), axis=0)


def models() -> dict[str, StoredModel]:
    preparation = Preparation.of_settings(cell_case(), "cells", some_scaling(cell_case()))
    return {name: StoredModel(Constant(tau), name, preparation) for name, tau in (("one", 0.3), ("two", 0.5))}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("tuples")
    for seed in range(2):
        write_tuples(folder / f"taus_{seed}.root", mock_tuples(50, seed=seed))
    return [str(folder / f"taus_{seed}.root") for seed in range(2)]


def test_folder_with_everything(files: list[str], tmp_path: Path):
    row = int(np.flatnonzero(mock_tuples(50, seed=1)["tau_index"] >= 0)[0])
    wanted = Wanted("legacy", "copy", (str(50 + row),))
    account = apply_to_folder(tmp_path / "out", models(), Sample("mock", files, READING), wanted)
    assert account["files"] == dict.fromkeys(files, 50)
    reconstructed = np.concatenate([mock_tuples(50, seed=seed)["tau_index"] >= 0 for seed in range(2)])
    for name, tau in (("one", 0.3), ("two", 0.5)):
        assert is_legacy(tmp_path / f"out/{name}.h5")
        found = read_any(tmp_path / f"out/{name}.h5")
        np.testing.assert_array_equal(found.scored, reconstructed)
        np.testing.assert_allclose(found.outputs[reconstructed, 2], tau)
    assert account["friends"] == ["taus_0.root", "taus_1.root"]
    with uproot.open(tmp_path / "out/friends/taus_1.root") as file:
        tree = file["scores"].arrays(library="np")
        np.testing.assert_array_equal(tree["evt"], mock_tuples(50, seed=1)["evt"])
        np.testing.assert_array_equal(tree["two_scored"], reconstructed[50:])
        assert file["taus"].num_entries == 50
    (one,) = (tmp_path / "out/inputs/one").iterdir()
    assert json.loads(one.read_text())["candidate"]["entry"] == 50 + row
    assert compare_inputs(tmp_path / "out/inputs/one", tmp_path / "out/inputs/two")["features"] == {}
    check_product(tmp_path / "out")


@pytest.mark.parametrize("layout", ["plain", "legacy"])
def test_one_model_gives_one_file(files: list[str], tmp_path: Path, layout):
    account = apply_to_file(tmp_path / "p.h5", models()["one"], "one", Sample("mock", files, READING), Wanted(layout))
    assert is_legacy(tmp_path / "p.h5") == (layout == "legacy")
    assert len(read_any(tmp_path / "p.h5")) == account["entries"] == 100
    check_product(tmp_path / "p.h5")


def test_wrong_wishes_are_refused_before_anything_is_scored(files: list[str], tmp_path: Path):
    class Never:
        def predict(self, flat, batch_size=1):
            raise AssertionError("scored")

    model = {"one": StoredModel(Never())}
    for wanted, error, match in (
        (Wanted(save_inputs=("x",)), ConfigError, "neither an entry"),
        (Wanted(save_inputs=("100",)), InputError, "there is no 100"),
    ):
        with pytest.raises(error, match=match):
            apply_to_folder(tmp_path / "out", model, Sample("mock", files, READING), wanted)
    with pytest.raises(ConfigError, match="--friend copy"):
        apply_to_folder(tmp_path / "out", model, Sample("mock", ["a.arrow"], READING), Wanted(friend="copy"))
    assert not (tmp_path / "out").exists()


def test_empty_folder_is_no_product(tmp_path: Path):
    with pytest.raises(InputError, match="there is no prediction file in it"):
        check_product(tmp_path)
