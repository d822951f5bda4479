from __future__ import annotations

import numpy as np
import pytest

from taumltools.config.sampling import SpectraConfig
from taumltools.errors import InputError
from taumltools.sampling.counted import count_range, typed_chunks
from taumltools.sampling.partition import FileRange, InputFile
from taumltools.sampling.spectra import Spectra, count_spectra
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.truth import truth_type

N = 500


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("counted") / "taus.arrow"
    write_tuples(path, mock_tuples(N, seed=4))
    return InputFile(path, N, "DY")


def test_chunks_cover_a_range_once(file):
    chunks = list(typed_chunks(FileRange(file, 17, 411), ("evt",), step=100))
    assert [chunk.first for chunk in chunks] == [17, 117, 217, 317]
    tuples = mock_tuples(N, seed=4)
    assert np.array_equal(np.concatenate([c.types for c in chunks]), truth_type(tuples)[17:411])
    assert np.array_equal(np.concatenate([c.tuples["evt"] for c in chunks]), tuples["evt"][17:411])
    assert "pfCand_pt" in chunks[0].available


def test_the_stated_sample_type_counts(file):
    embedded = next(typed_chunks(FileRange(InputFile(file.path, N, "x", "Embedded"), 0, 1), step=10)).types
    assert embedded.shape == (1,)


def test_an_empty_range_still_names_the_branches(tmp_path):
    write_tuples(tmp_path / "empty.arrow", mock_tuples(1).slice(0, 0))
    (chunk,) = typed_chunks(FileRange(InputFile(tmp_path / "empty.arrow", 0, "x"), 0, 0))
    assert len(chunk.types) == 0
    assert chunk.available


def test_ranges_add_up_to_the_file(file):
    config = SpectraConfig()
    parts = [count_range(FileRange(file, a, b), config) for a, b in ((0, 120), (120, 121), (121, N))]
    whole = count_spectra(file.path, config)
    total = Spectra.merge(parts)
    assert total.entries_by_type == whole.entries_by_type
    assert all(np.array_equal(total.counts[name], whole.counts[name]) for name in whole.counts)


def test_some_rows_and_the_rest_add_up(file):
    config = SpectraConfig()
    whole, rows = count_spectra(file.path, config), np.arange(0, N, 7)
    some = count_range(FileRange(file, 0, N), config, rows)
    assert some.entries == len(rows)
    rest = whole.without(some)
    assert rest.entries == N - len(rows)
    assert rest.not_valid == whole.not_valid - some.not_valid
    assert Spectra.merge([some, rest]).entries_by_type == whole.entries_by_type


def test_a_file_that_changed_is_refused(file):
    with pytest.raises(InputError, match=r"taus.arrow: has 500 entries, its spectra say 7; the file has changed"):
        next(typed_chunks(FileRange(InputFile(file.path, 7, "x"), 0, 7)))
