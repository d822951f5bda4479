from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import InputError
from taumltools.sampling.counted import CountedFile, count_range
from taumltools.sampling.partition import FileRange, InputFile
from taumltools.sampling.repeated import find_in_dataset, load_repeated, save_repeated, without_repeated
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples


@pytest.fixture
def files(tmp_path):
    """The second file holds the first 30 entries of the first one again, and the third is empty."""
    first, other = mock_tuples(80, seed=1), mock_tuples(50, seed=2)
    tables = [first, Tuples.concatenate([other, first.slice(0, 30)]), first.slice(0, 0)]
    out = []
    for number, tuples in enumerate(tables):
        path = tmp_path / f"{number}.arrow"
        write_tuples(path, tuples)
        out.append(InputFile(path, len(tuples), "DY"))
    return out


def test_repeated_entries_are_found_saved_and_left_out(files, tmp_path, caplog):
    found = find_in_dataset(files, 100, tmp_path)
    assert {path.name: rows.tolist() for path, rows in found.items()} == {"1.arrow": list(range(50, 80))}
    assert "dataset 'DY': 30 entries in 1 files repeat earlier ones, first in" in caplog.text
    save_repeated(tmp_path / "repeated.npz", found)
    loaded = load_repeated(tmp_path / "repeated.npz")
    assert {path: rows.tolist() for path, rows in loaded.items()} == {
        path: rows.tolist() for path, rows in found.items()
    }
    config = SamplingConfig()
    counted = [CountedFile(f, count_range(FileRange(f, 0, f.entries), config.spectra)) for f in files]
    used = list(without_repeated(counted, loaded, config))
    assert [item.spectra.entries for item in used] == [80, 50, 0]
    only = count_range(FileRange(files[1], 0, 50), config.spectra)
    assert used[1].spectra.entries_by_type == only.entries_by_type
    assert used[1].spectra.not_valid == only.not_valid
    kept = list(without_repeated(counted, loaded, SamplingConfig(duplicates="keep")))
    assert [item.spectra.entries for item in kept] == [80, 80, 0]


def test_the_order_of_files_says_which_is_the_original(files, tmp_path):
    found = find_in_dataset(files[::-1], 100, tmp_path)
    assert {path.name: rows.tolist() for path, rows in found.items()} == {"0.arrow": list(range(30))}


def test_no_repetition_is_an_empty_archive(files, tmp_path):
    assert find_in_dataset(files[:1], 100, tmp_path) == {}
    save_repeated(tmp_path / "none.npz", {})
    assert load_repeated(tmp_path / "none.npz") == {}


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04broken"])
def test_what_is_no_archive_is_refused(content, tmp_path):
    path = tmp_path / "repeated.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"repeated.npz: no usable list of repeated entries"):
        load_repeated(path)
    np.savez(path, rows=np.zeros(2))
    with pytest.raises(InputError, match="KeyError"):
        load_repeated(path)
    with pytest.raises(InputError, match="FileNotFoundError"):
        load_repeated(Path(tmp_path, "none.npz"))
