import dataclasses
import json

import h5py
import numpy as np
import pytest

from taumltools.config.features import CellsConfig, FeatureConfig, GridConfig
from taumltools.config.identity import plain
from taumltools.errors import InputError
from taumltools.features.flat import FlatFile, FlatTuples, make_flat, write_flat
from taumltools.tuples.mock import mock_tuples


@pytest.fixture
def flat(config):
    return make_flat(mock_tuples(80, seed=1), config)


@pytest.fixture
def cell_config(config):
    """With two grids, filled with all objects."""
    block = dataclasses.replace(config.objects["pf"], max_objects=0)
    grids = {"inner": GridConfig(11, 11, 0.02), "outer": GridConfig(21, 21, 0.05, cone=0.5)}
    cells = CellsConfig(grids, {"all": ("pf",)}, {"rho": FeatureConfig(), "tau_pt": FeatureConfig()})
    return dataclasses.replace(config, objects={"pf": block}, cells=cells)


def assert_equal(a: FlatTuples, b: FlatTuples):
    for name, column in a.index.items():
        np.testing.assert_array_equal(column, b.index[name])
        assert column.dtype == b.index[name].dtype
    for name, column in a.taus.items():
        np.testing.assert_array_equal(column, b.taus[name])
    for name, block in a.objects.items():
        np.testing.assert_array_equal(block.offsets, b.objects[name].offsets)
        for field, column in block.columns.items():
            np.testing.assert_array_equal(column, b.objects[name].columns[field])
    for name, column in a.cell_features.items():
        np.testing.assert_array_equal(column, b.cell_features[name])
    for name, cells in a.cells.items():
        np.testing.assert_array_equal(cells.offsets, b.cells[name].offsets)
        np.testing.assert_array_equal(cells.cell, b.cells[name].cell)
        assert cells.cell.dtype == b.cells[name].cell.dtype == np.uint16
        for block, objects in cells.objects.items():
            np.testing.assert_array_equal(objects, b.cells[name].objects[block])


def test_round_trip_in_parts(tmp_path, flat, config):
    n = write_flat(
        tmp_path / "a.h5", (flat.slice(a, min(a + 30, len(flat))) for a in range(0, len(flat), 30)), config=config
    )
    assert n == len(flat)
    with FlatFile(tmp_path / "a.h5") as file:
        assert file.entries == n
        assert_equal(flat, file.read())
        assert_equal(flat.slice(7, 41), file.read(7, 41))
        assert len(file.read(5, 5)) == 0
        np.testing.assert_array_equal(file.read_index()["evt"], flat.index["evt"])
        assert file.object_counts() == {"pf": int(flat.objects["pf"].offsets[-1])}


def test_cells_come_back_in_any_range(tmp_path, cell_config):
    flat = make_flat(mock_tuples(80, seed=1), cell_config)
    parts = [flat.slice(0, 11), flat.slice(11, 11), flat.slice(11, len(flat))]
    assert_equal(flat, FlatTuples.concatenate(parts))
    write_flat(tmp_path / "a.h5", parts, config=cell_config)
    with FlatFile(tmp_path / "a.h5") as file:
        assert file.layout() == {part: sorted(names) for part, names in flat.layout().items()}
        assert file.layout()["cells/inner"] == ["pf"]
        assert file.cell_counts() == {grid: len(cells.cell) for grid, cells in flat.cells.items()}
        assert_equal(flat, file.read())
        assert_equal(flat.slice(7, 21), file.read(7, 21))
        assert_equal(flat.take(np.array([20, 3, 3])), file.read().take(np.array([20, 3, 3])))
    assert sum(flat.cells["outer"].objects["pf"] >= 0) == len(flat.cells["outer"].cell) > len(flat)


def test_files_of_format_1_are_still_read(tmp_path, flat, config):
    write_flat(tmp_path / "a.h5", [flat], config=config)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["format"] = "taumltools flat tuples 1"
        file.attrs["features"] = file["definition"][()]
        del file["definition"], file["nan"]
    with FlatFile(tmp_path / "a.h5") as file:
        assert_equal(flat, file.read())
        assert file.features == json.loads(json.dumps(plain(config)))
        assert (file.read().cells, file.nan) == ({}, {})


def test_nan_in_spite_of_the_condition_is_counted(tmp_path, tuples, config):
    flat = make_flat(tuples, config)
    assert flat.nan == {"taus.prongs": 1, "pf.charge": 1}
    write_flat(tmp_path / "a.h5", [flat, flat], config=config)
    with FlatFile(tmp_path / "a.h5") as file:
        assert file.nan == {"pf.charge": 2, "taus.prongs": 2}


def test_definitions_above_64_kb_fit_in(tmp_path, flat, config):
    many = {f"f{i}": FeatureConfig(expression="tau_pt + " * 90 + "1") for i in range(100)}
    large = dataclasses.replace(config, taus={**config.taus, **many})
    write_flat(tmp_path / "a.h5", [flat], config=large)
    with FlatFile(tmp_path / "a.h5") as file:
        assert len(json.dumps(file.features)) > 65536


def test_attributes(tmp_path, flat, config):
    write_flat(tmp_path / "a.h5", [flat, flat], config=config)
    with FlatFile(tmp_path / "a.h5") as file:
        assert file.features == json.loads(json.dumps(plain(config)))
        assert file.dropped == {
            reason: 2 * n for reason, n in make_flat(mock_tuples(80, seed=1), config).dropped.items()
        }
    with h5py.File(tmp_path / "a.h5") as file:
        assert set(json.loads(file.attrs["versions"])) == {"h5py", "numpy"}
        assert file["taus/tau_pt"].dtype == np.float32
        assert file["taus/tau_pt"].chunks is not None


def test_empty_parts_are_fine_but_no_part_is_not(tmp_path, flat, config):
    assert write_flat(tmp_path / "a.h5", [flat.slice(0, 0), flat, flat.slice(0, 0)], config=config) == len(flat)
    assert write_flat(tmp_path / "b.h5", [flat.slice(0, 0)]) == 0
    with FlatFile(tmp_path / "b.h5") as file:
        assert len(file.read()) == 0
        assert file.features == {}
    with pytest.raises(InputError, match="nothing to write"):
        write_flat(tmp_path / "c.h5", [])


def test_parts_with_other_columns_are_refused(tmp_path, flat):
    other = FlatTuples(flat.index, {"tau_pt": flat.taus["tau_pt"]}, flat.objects)
    with pytest.raises(InputError, match="a part with other columns"):
        write_flat(tmp_path / "a.h5", [flat, other])


def test_layout_of_the_file(tmp_path, flat):
    write_flat(tmp_path / "a.h5", [flat])
    with FlatFile(tmp_path / "a.h5") as file:
        assert {part: sorted(names) for part, names in flat.layout().items()} == file.layout()


def test_missing_foreign_and_truncated_files(tmp_path, flat):
    with pytest.raises(InputError, match=r"none\.h5: no such file"):
        FlatFile(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        FlatFile(tmp_path / "text.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="'no format', expected 'taumltools flat tuples 2'"):
        FlatFile(tmp_path / "foreign.h5")
    write_flat(tmp_path / "a.h5", [flat])
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "half.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        FlatFile(tmp_path / "half.h5")


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 2), (0, 1000)])
def test_range_outside_the_file(tmp_path, flat, start, stop):
    write_flat(tmp_path / "a.h5", [flat])
    with FlatFile(tmp_path / "a.h5") as file, pytest.raises(InputError, match="the file has"):
        file.read(start, stop)


def test_infinite_memory_is_not_needed(tmp_path, flat):
    """Parts are consumed one by one, each is written before the next is asked for."""
    sizes = []

    def parts():
        for _ in range(3):
            sizes.append((tmp_path / "a.h5").exists())
            yield flat

    assert write_flat(tmp_path / "a.h5", parts()) == 3 * len(flat)
    assert sizes == [True] * 3
