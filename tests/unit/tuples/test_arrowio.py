"""The Arrow file as other programs see it."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest

from taumltools.errors import InputError
from taumltools.tuples import arrowio
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples

FEW = ["evt", "tau_pt", "pfCand_pt", "pfCand_charge", "photon_hasPixelSeed"]


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(arrowio, "BLOCK", 10)
    write_tuples(tmp_path / "taus.arrow", mock_tuples(25), FEW)
    return tmp_path / "taus.arrow"


def test_one_column_per_scalar_and_one_per_collection(path):
    with pa.memory_map(str(path)) as source:
        file = pa.ipc.open_file(source)
        assert file.schema.names == ["evt", "tau_pt", "pfCand", "photon"]
        fields = {field.name: str(field.type) for field in file.schema.field("pfCand").type.value_type.fields}
        assert fields == {"pt": "float", "charge": "int32"}
        assert [file.get_batch(i).num_rows for i in range(file.num_record_batches)] == [10, 10, 5]


def test_awkward_reads_it(path):
    taus = mock_tuples(25)
    with pa.memory_map(str(path)) as source:
        array = ak.from_arrow(pa.ipc.open_file(source).read_all())
    assert str(array.pfCand.type) == "25 * var * {pt: float32, charge: int32}"
    assert np.array_equal(ak.to_numpy(ak.flatten(array.pfCand.charge)), taus["pfCand_charge"])
    assert ak.num(array.pfCand).tolist() == taus.collections["pfCand"].counts.tolist()


def test_nan_is_stored_as_nan(path):
    with pa.memory_map(str(path)) as source:
        column = pa.ipc.open_file(source).read_all()["tau_pt"]
        values = np.concatenate([chunk.to_numpy() for chunk in column.chunks])
    assert np.array_equal(values, mock_tuples(25)["tau_pt"], equal_nan=True)
    assert column.null_count == 0


def test_ranges_across_batches(path):
    taus = mock_tuples(25)
    with open_tuples(path) as file:
        for start, stop in ((0, 10), (9, 11), (3, 25), (10, 10), (25, 25)):
            part = file.read(FEW, start, stop)
            assert np.array_equal(part["pfCand_pt"], taus.slice(start, stop)["pfCand_pt"])
            assert len(part) == stop - start


def test_a_table_without_columns_is_an_empty_file(tmp_path):
    schema = pa.schema([])
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema):
        pass
    with open_tuples(tmp_path / "x.arrow") as file:
        assert (file.entries, file.branches, file.other_branches) == (0, [], [])


def test_header_alone_is_truncated(path):
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"taus.arrow: truncated or damaged Arrow file"):
        open_tuples(path)
