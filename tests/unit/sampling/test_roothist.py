from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.sampling.roothist import (
    counter,
    edges_axis,
    edges_of,
    histogram2d,
    read_histograms,
    uniform_axis,
    write_histograms,
)

GOLDEN = Path(__file__).parents[2] / "data/cms_tools/v1/expected/spectra_QCD.root"


def test_edges():
    assert edges_of(uniform_axis("xaxis", 4, (1, 3))).tolist() == [1, 1.5, 2, 2.5, 3]
    assert edges_of(edges_axis("yaxis", (20, 30, 1000))).tolist() == [20, 30, 1000]


@pytest.fixture
def written(tmp_path):
    """Columns are |η|: under, 0 to 1, 1 to 2, over; rows are pt: under, 0 to 10, 10 to 40, over."""
    contents = np.array([[9, 0, 0, 0], [0, 1, 0, 5], [0, 2, 4, 0], [0, 7, 0, 0]], float)
    axes = edges_axis("xaxis", (0, 1, 2)), edges_axis("yaxis", (0, 10, 40))
    write_histograms(
        tmp_path / "a.root", {"h": histogram2d("title", *axes, contents, 2 * contents), "n": counter("c", 3)}
    )
    return tmp_path / "a.root", contents


def test_contents_errors_and_axes_come_back(written):
    path, contents = written
    with uproot.open(path) as file:
        h = file["h"]
        assert (h.name, h.title, h.classname) == ("h", "title", "TH2D")
        assert np.array_equal(h.values(flow=True), contents.T)
        assert np.array_equal(h.variances(flow=True), 2 * contents.T)
        assert h.axis("x").edges().tolist() == [0, 1, 2]
        assert h.axis("y").edges().tolist() == [0, 10, 40]


def test_sums_are_those_of_bin_centres_inside_of_the_axes(written):
    with uproot.open(written[0]) as file:
        sums = {name: value for name, value in file["h"].all_members.items() if name.startswith(("fTsum", "fEnt"))}
    assert sums == {
        "fEntries": 28,
        "fTsumw": 7,
        "fTsumw2": 14,
        "fTsumwx": 3 * 0.5 + 4 * 1.5,
        "fTsumwx2": 3 * 0.25 + 4 * 2.25,
        "fTsumwy": 1 * 5 + 6 * 25,
        "fTsumwy2": 1 * 25 + 6 * 625,
        "fTsumwxy": 0.5 * 5 + 2 * 0.5 * 25 + 4 * 1.5 * 25,
    }


def test_counter(written):
    with uproot.open(written[0]) as file:
        assert file["n"].values(flow=True).tolist() == [0, 3, 0]
        assert file["n"].axis().edges().tolist() == [0, 2]
        assert {file["n"].member(n) for n in ("fEntries", "fTsumw", "fTsumw2", "fTsumwx", "fTsumwx2")} == {3.0}


def test_only_histograms_are_read(written):
    path, _ = written
    assert list(read_histograms(path)) == ["h", "n"]
    with uproot.update(path) as file:
        file["text"] = "no histogram"
    assert sorted(read_histograms(path)) == ["h", "n"]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"none.root: no readable ROOT file \(FileNotFoundError"):
        read_histograms(tmp_path / "none.root")
    for size in (0, 100, 3000):
        (tmp_path / "cut.root").write_bytes(GOLDEN.read_bytes()[:size])
        with pytest.raises(InputError, match=r"cut.root: no readable ROOT file"):
            read_histograms(tmp_path / "cut.root")
