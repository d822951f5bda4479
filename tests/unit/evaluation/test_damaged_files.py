"""Prediction files that are cut short, foreign or inconsistent: an error with the path, never a wrong number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.table import NODES, Predictions, PredictionWriter


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "whole.h5"
    mock_predictions(2000).write(path)
    return path.read_bytes()


@pytest.fixture
def copy(content: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "damaged.h5"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_truncated_anywhere(content: bytes, tmp_path: Path, kept: float):
    path = tmp_path / "cut.h5"
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=r"cut\.h5 cannot be read as HDF5 .*apply the network again"):
        Predictions.read(path)


@pytest.mark.parametrize("name", ["predictions/node_tau", "targets/node_jet", "scored", "columns/tau_pt"])
def test_overwritten_bytes_are_noticed(copy: Path, name: str):
    with h5py.File(copy) as file:
        chunk = file[name].id.get_chunk_info(0)
    with copy.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)
    with pytest.raises(InputError, match=r"damaged\.h5 cannot be read as HDF5"):
        Predictions.read(copy)


def test_damage_in_a_column_that_is_not_asked_for_does_no_harm(copy: Path):
    with h5py.File(copy) as file:
        chunk = file["columns/npu"].id.get_chunk_info(0)
    with copy.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)
    assert len(Predictions.read(copy, ["tau_pt"])) == 2000


def test_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(InputError, match=r"gone\.h5 cannot be read"):
        Predictions.read(tmp_path / "gone.h5")


@pytest.mark.parametrize(
    "name",
    ["predictions", "targets", "columns", "scored", *(f"{g}/{n}" for g in ("predictions", "targets") for n in NODES)],
)
def test_missing_parts_are_named(copy: Path, name: str):
    with h5py.File(copy, "r+") as file:
        del file[name]
    with pytest.raises(InputError, match=rf"damaged\.h5 is not a prediction file: it has no {name}"):
        Predictions.read(copy)


@pytest.mark.parametrize("name", ["dataset", "model", "versions"])
def test_missing_attributes_are_named(copy: Path, name: str):
    with h5py.File(copy, "r+") as file:
        del file.attrs[name]
    with pytest.raises(InputError, match=f"it has no attribute {name}"):
        Predictions.read(copy)


@pytest.mark.parametrize("name", ["predictions/node_mu", "targets/node_e", "scored", "columns/tau_eta"])
@pytest.mark.parametrize("rows", [0, 1999, 2001])
def test_wrong_length(copy: Path, name: str, rows: int):
    with h5py.File(copy, "r+") as file:
        file[name].resize(rows, axis=0)
    with pytest.raises(InputError, match=rf"damaged\.h5: its parts differ in length: .*'{name}': {rows}\b"):
        Predictions.read(copy)


def foreign_group(file: h5py.File) -> None:
    file.create_group("events")["pt"] = np.arange(5.0)


def foreign_table(file: h5py.File) -> None:
    file["predictions"] = np.zeros((5, 4))


@pytest.mark.parametrize("fill", [foreign_group, foreign_table])
def test_foreign_file_says_what_it_holds(tmp_path: Path, fill: Callable[[h5py.File], None]):
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        fill(file)
        found = list(file)
    with pytest.raises(InputError, match=rf"foreign\.h5 is not a prediction file.*only \['{found[0]}'\]"):
        Predictions.read(path)


@pytest.mark.parametrize("step", [1, 7, 2000, 5000])
def test_chunks_do_not_show_in_the_content(tmp_path: Path, step: int):
    one = mock_predictions(50 if step == 1 else 2000)
    with PredictionWriter(tmp_path / "chunks.h5", "mock", "mock", one.versions) as writer:
        for start in range(0, len(one), step):
            part = one.take(np.arange(start, min(start + step, len(one))))
            writer.append(part.outputs, part.targets, part.scored, part.columns)
    one.write(tmp_path / "once.h5")
    found, expected = (Predictions.read(tmp_path / f"{name}.h5") for name in ("chunks", "once"))
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    np.testing.assert_array_equal(found.scored, expected.scored)
    np.testing.assert_array_equal(found.columns["evt"], np.arange(len(one)))


def test_file_of_no_entries_joins_with_others(tmp_path: Path):
    mock_predictions(0, dataset="empty").write(tmp_path / "empty.h5")
    mock_predictions(20, dataset="full").write(tmp_path / "full.h5")
    parts = [Predictions.read(tmp_path / f"{name}.h5") for name in ("empty", "full")]
    joined = Predictions.concatenate(parts)
    assert len(joined) == 20
    assert joined.datasets == ("empty", "full")
    assert set(joined.dataset.tolist()) == {1}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_rows_follow_the_order_of_the_files(order: tuple[int, ...]):
    parts = [mock_predictions(10 + i, seed=i, dataset=f"d{i}") for i in range(3)]
    joined = Predictions.concatenate([parts[i] for i in order])
    assert joined.datasets == tuple(f"d{i}" for i in order)
    for i in order:
        mine = joined.take(joined.dataset == joined.datasets.index(f"d{i}"))
        np.testing.assert_array_equal(mine.outputs, parts[i].outputs)
        np.testing.assert_array_equal(mine.columns["tau_pt"], parts[i].columns["tau_pt"])
        np.testing.assert_array_equal(mine.truth, parts[i].truth)
