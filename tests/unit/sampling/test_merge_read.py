from __future__ import annotations

import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.sampling import merge_read
from taumltools.sampling.merge_read import Head, chunks_of
from taumltools.tuples.arrowio import read_heads
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples

BRANCHES = ("evt", "tau_pt", "pfCand_pt", "photon_passElectronVeto", "trainingWeight")


@pytest.fixture
def files(tmp_path):
    paths = []
    for i, size in enumerate((5, 1, 40, 7)):
        paths.append(tmp_path / f"{i}.{'root' if i == 3 else 'arrow'}")
        taus = mock_tuples(size, seed=i)
        write_tuples(paths[-1], [taus.slice(0, size // 2), taus.slice(size // 2, size)], BRANCHES)
    return paths


def heads(files, sizes, **values):
    places = np.cumsum([0, *sizes])
    return [
        Head(path, BRANCHES, np.arange(first, first + size), values)
        for path, size, first in zip(files, sizes, places[:-1], strict=True)
    ]


def expected(files, sizes):
    parts = []
    for path, size in zip(files, sizes, strict=True):
        with open_tuples(path) as file:
            parts.append(file.read(BRANCHES, 0, size))
    return Tuples.concatenate(parts)


@pytest.mark.parametrize("sizes", [(5, 1, 40, 7), (3, 1, 39, 0), (0, 0, 2, 1), (5, 0, 0, 0)])
@pytest.mark.parametrize("chunk", [1, 6, 45, 5000])
def test_the_first_entries_of_each_file(files, sizes, chunk, monkeypatch):
    monkeypatch.setattr(merge_read, "CHUNK", chunk)
    parts = list(chunks_of(heads(files, sizes), BRANCHES))
    assert max(len(tuples) for tuples, _ in parts) <= chunk
    assert np.concatenate([places for _, places in parts]).tolist() == list(range(sum(sizes)))
    found = Tuples.concatenate([tuples for tuples, _ in parts])
    for name in BRANCHES:
        np.testing.assert_array_equal(found[name], expected(files, sizes)[name], name)


def test_small_files_are_read_together(files):
    assert [len(tuples) for tuples, _ in chunks_of(heads(files, (5, 1, 40, 7)), BRANCHES)] == [46, 7]


def test_values_are_set(files):
    first = heads(files[:1], (5,), trainingWeight=np.float32(0.5))
    second = heads(files[1:3], (1, 30), trainingWeight=np.float32(0.25))
    (tuples, _), = chunks_of([*first, *second], BRANCHES)  # fmt: skip
    assert tuples["trainingWeight"].tolist() == [0.5] * 5 + [0.25] * 31
    assert tuples["trainingWeight"].dtype == np.float32


def test_what_a_file_lacks_is_missing(files):
    (tuples, _), = chunks_of(heads(files[:2], (5, 1)), [*BRANCHES, "tau_eta", "muon_pt"])  # fmt: skip
    assert np.isnan(tuples["tau_eta"]).all()
    assert len(tuples["muon_pt"]) == 0


@pytest.mark.parametrize("which", [0, 3])
def test_a_file_shorter_than_its_list_says(files, which):
    with pytest.raises(InputError, match=rf"{which}\.\w+: entries 0 to 9 were asked for, the file has [57]"):
        list(chunks_of(heads([files[which]], (9,)), BRANCHES))


def test_broken_files_among_many(files, tmp_path):
    with pytest.raises(InputError, match=r"1.arrow: entries 0 to 2 were asked for, the file has 1"):
        read_heads([(files[0], 5), (files[1], 2)], BRANCHES)
    (tmp_path / "bad.arrow").write_bytes(files[0].read_bytes()[:-200])
    with pytest.raises(InputError, match=r"bad.arrow: truncated or damaged"):
        read_heads([(files[0], 5), (tmp_path / "bad.arrow", 5)], BRANCHES)
    with pytest.raises(InputError, match=r"none.arrow: no such file"):
        read_heads([(files[0], 5), (tmp_path / "none.arrow", 5)], BRANCHES)
    write_tuples(tmp_path / "few.arrow", mock_tuples(3), ["evt"])
    with pytest.raises(InputError, match=r"few.arrow: its branches are not those of .*0.arrow"):
        read_heads([(files[0], 5), (tmp_path / "few.arrow", 3)], ["evt"])
