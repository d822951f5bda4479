"""Input tensors of chosen candidates: those that the network is given, in the layout of the CMS software."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.compare_inputs import read_dump
from taumltools.evaluation.tensors import choose_entries, export_inputs, input_tensors, write_dump
from taumltools.features.flat import make_flat, write_flat
from taumltools.training.batches import Samples
from taumltools.training.preparation import Preparation
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.unit.evaluation.stored_case import candidates, cell_case, small_network
from tests.unit.training.deeptau_case import some_scaling

FEATURES = cell_case()


@pytest.fixture(scope="module")
def preparation() -> Preparation:
    return Preparation.of_settings(FEATURES, "cells", some_scaling(FEATURES))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("tuples")
    for seed in range(2):
        write_tuples(folder / f"{seed}.arrow", mock_tuples(30, seed=seed))
    return [folder / f"{seed}.arrow" for seed in range(2)]


def good(seed: int) -> int:
    """An entry with a reconstructed tau and filled cells."""
    return int(np.flatnonzero(mock_tuples(30, seed=seed)["tau_index"] >= 0)[3 + 2 * seed])


def test_tensors_are_what_the_network_sees(preparation: Preparation):
    """The network in parts on these grids gives the score of the network on filled cells."""
    flat = candidates(40)
    assert all(len(grid.cell) > 20 for grid in flat.cells.values())
    one = flat.slice(5, 6)
    tensors = input_tensors(one, preparation)
    shapes = {name: values.shape for name, values in tensors.items()}
    assert shapes == {
        "input_tau": (5,), "input_inner_a": (3, 3, 4), "input_inner_b": (3, 3, 3),
        "input_outer_a": (5, 4, 4), "input_outer_b": (5, 4, 3),
    }  # fmt: skip
    model = small_network()
    inputs = Samples.of(one, preparation.layout).batch(np.arange(1)).inputs
    layers = {layer.block: layer for layer in model.layers if type(layer).__name__ == "Scaling"}
    rows = np.asarray(layers["outer_a"](inputs["outer_a"]))
    cells = inputs["outer_cell"]
    for row, cell in zip(rows[cells < 20], cells[cells < 20], strict=True):
        np.testing.assert_allclose(tensors["input_outer_a"].reshape(20, 4)[cell], row, rtol=1e-6)
    empty = np.setdiff1d(np.arange(20), cells)
    assert not tensors["input_outer_a"].reshape(20, 4)[empty].any()


def test_files_name_candidate_and_features(files: list[Path], preparation: Preparation, tmp_path: Path):
    second = 30 + good(1)
    entries = choose_entries(files, [str(good(0)), str(second)], FEATURES)
    names = export_inputs(files, entries, preparation, FEATURES, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    tuples = mock_tuples(30, seed=1)
    row = good(1)
    name = f"inputs_{tuples['evt'][row]}_{tuples['tau_index'][row]}.json"
    content = json.loads((tmp_path / "out" / name).read_text())
    assert content["candidate"] == {
        "run": int(tuples["run"][row]), "lumi": int(tuples["lumi"][row]), "evt": int(tuples["evt"][row]),
        "tau_index": int(tuples["tau_index"][row]), "entry": second,
    }  # fmt: skip
    assert content["features"]["input_inner_b"] == ["b.b_0", "b.b_1", "b.b_2"]
    flat = make_flat(tuples.slice(row, row + 1), FEATURES, keep="reconstructed")
    for key, values in input_tensors(flat, preparation).items():
        np.testing.assert_array_equal(np.array(content[key], np.float32), values)


def test_candidates_are_chosen_by_event_and_from_flat_tuples(files: list[Path], tmp_path: Path):
    tuples = mock_tuples(30, seed=0)
    row = good(0)
    item = f"{tuples['evt'][row]}:{tuples['tau_index'][row]}"
    assert list(choose_entries(files[:1], [item], FEATURES)) == [row]
    flat = make_flat(tuples, FEATURES, keep="reconstructed")
    write_flat(tmp_path / "flat.h5", [flat], config=FEATURES)
    found = choose_entries([tmp_path / "flat.h5"], [item], FEATURES)
    assert [flat.index["entry"][entry] for entry in found] == [row]


def test_networks_on_sets_have_raw_values(tmp_path: Path):
    features = cell_case(cells=False)
    preparation = Preparation.of_settings(features, "sets")
    flat = make_flat(mock_tuples(30), features, keep="reconstructed")
    tensors = input_tensors(flat.slice(0, 1), preparation)
    np.testing.assert_array_equal(tensors["a"][:, 0], flat.slice(0, 1).objects["a"].columns["a_0"])
    write_dump(tmp_path / "x.json", {"taus": np.float32([1, np.nan])}, preparation.labels(), {"evt": 1})
    np.testing.assert_array_equal(read_dump(tmp_path / "x.json").tensors["taus"], [1, np.nan])


def test_what_cannot_be_chosen_is_named(files: list[Path]):
    with pytest.raises(ConfigError, match=r"'first' is neither an entry, e\.g\. 17, nor evt:tau_index"):
        choose_entries(files, ["first"], FEATURES)
    with pytest.raises(InputError, match="among the 60 entries there is no 60"):
        choose_entries(files, ["60"], FEATURES)
    missing = int(np.flatnonzero(mock_tuples(30, seed=0)["tau_index"] < 0)[0])
    with pytest.raises(InputError, match=f"entry {missing} has no reconstructed tau"):
        choose_entries(files, [str(missing)], FEATURES)
    with pytest.raises(InputError, match=f"entries {good(0)} and {30 + good(0)} have the same evt and tau_index"):
        choose_entries([files[0]] * 2, [str(good(0)), str(30 + good(0))], FEATURES)
