import json

import h5py
import numpy as np
import pytest

from taumltools.config.identity import plain
from taumltools.errors import InputError
from taumltools.features.flat import FlatFile, FlatTuples, make_flat, write_flat
from taumltools.tuples.mock import mock_tuples


@pytest.fixture
def flat(config):
    return make_flat(mock_tuples(80, seed=1), config)


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
    with pytest.raises(InputError, match="'no format', expected 'taumltools flat tuples 1'"):
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
