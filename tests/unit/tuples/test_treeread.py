"""The header of a TTree without uproot: equal to what uproot finds, or left to it."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.tuples import rootread
from taumltools.tuples.baskets import branch_baskets
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.treeread import read_tree

DATA = Path(__file__).parents[2] / "data"
CMS = sorted((DATA / "cms_tools").glob("*/input/*/*.root"))
V1_DY = DATA / "cms_tools/v1/input/DY/eventTuple_1.root"


def assert_as_uproot_finds_it(header, path):
    with uproot.open(path) as file:
        tree = file["taus"]
        assert header.entries == tree.num_entries
        assert list(header.branches) == tree.keys(recursive=False)
        for name, found in header.branches.items():
            expected = branch_baskets(tree[name])
            assert (found.name, found.dtype, found.header) == (expected.name, expected.dtype, expected.header)
            for part in ("seek", "stored", "first"):
                assert np.array_equal(getattr(found, part), getattr(expected, part)), (name, part)


@pytest.mark.parametrize("path", CMS, ids=lambda path: "-".join(path.parts[-4:-1]))
def test_header_of_cms_files(path):
    assert len(CMS) >= 3
    header = read_tree(path, "taus")
    assert len(header.branches) == (len(tautuple_schema().branches) if "head" in path.parts else 386)
    assert_as_uproot_finds_it(header, path)


@pytest.mark.parametrize("compression", ["none", "zlib", "lzma", "lz4", "zstd"])
def test_header_of_own_files_in_every_compression(compression, tmp_path):
    write_tuples(tmp_path / "taus.root", mock_tuples(20), compression=compression)
    header = read_tree(tmp_path / "taus.root", "taus")
    assert header.entries == 20
    assert_as_uproot_finds_it(header, tmp_path / "taus.root")


@pytest.mark.parametrize("entries", [0, 1])
def test_header_of_short_trees(entries, tmp_path):
    write_tuples(tmp_path / "taus.root", mock_tuples(entries), ["tau_pt", "pfCand_pt", "evt"])
    header = read_tree(tmp_path / "taus.root", "taus")
    assert header.entries == entries
    assert_as_uproot_finds_it(header, tmp_path / "taus.root")


def test_last_cycle_is_read(tmp_path):
    with uproot.recreate(tmp_path / "two.root") as file:
        for entries in (3, 5):
            file.mktree("taus", {"tau_pt": np.float32}).extend({"tau_pt": np.ones(entries, np.float32)})
    with uproot.open(tmp_path / "two.root") as file:
        assert sorted(file.keys()) == ["taus;1", "taus;2"]
        assert file["taus"].num_entries == 5
    header = read_tree(tmp_path / "two.root", "taus")
    assert header is None or header.entries == 5
    with open_tuples(tmp_path / "two.root") as file:
        assert file.entries == 5


def unusual_file(path, what):
    columns = {
        "arrays with a counter": {"sv": ak.zip({"x": ak.values_astype([[1.5], [2.5, 3.5]], np.float32)})},
        "arrays of fixed length": {"x": np.zeros((4, 3), np.float32)},
        "texts": {"x": ak.Array(["text", "more"])},
    }[what]
    with uproot.recreate(path) as file:
        types = {
            name: c.type if isinstance(c, ak.Array) else np.dtype((c.dtype, c.shape[1:])) for name, c in columns.items()
        }
        file.mktree("taus", types).extend(columns)


@pytest.mark.parametrize("what", ["arrays with a counter", "arrays of fixed length", "texts"])
def test_other_branches_are_left_to_uproot(what, tmp_path):
    unusual_file(tmp_path / "unusual.root", what)
    assert read_tree(tmp_path / "unusual.root", "taus") is None


def test_other_objects_are_left_to_uproot(tmp_path):
    assert read_tree(DATA / "cms_tools/head/expected/spectra_DY.root", "taus") is None
    assert read_tree(V1_DY, "events") is None
    (tmp_path / "text.root").write_text("no ROOT file at all")
    assert read_tree(tmp_path / "text.root", "taus") is None


def test_file_is_read_without_uproot(monkeypatch):
    monkeypatch.setattr(uproot, "open", lambda *args, **kwargs: pytest.fail("uproot was asked"))
    with open_tuples(V1_DY) as file:
        assert len(file.read(["tau_pt", "pfCand_pt"])) == 400


def test_uproot_reads_the_same(monkeypatch):
    with open_tuples(V1_DY) as file:
        ours = file.read()
    monkeypatch.setattr(rootread, "read_tree", lambda path, name: None)
    with open_tuples(V1_DY) as file:
        theirs = file.read()
    assert set(ours.branches) == set(theirs.branches)
    assert all(np.array_equal(ours[n], theirs[n], equal_nan=theirs[n].dtype.kind == "f") for n in ours.branches)


def test_branches_of_unequal_lengths_are_left_to_uproot(monkeypatch, tmp_path):
    """Numbers of entries lie in the header of the tree and of every branch; one of them is changed here."""
    write_tuples(tmp_path / "taus.root", mock_tuples(7), ["tau_pt"], compression="none")
    data = (tmp_path / "taus.root").read_bytes()
    places = [i for i in range(len(data) - 8) if data[i : i + 8] == struct.pack(">q", 7)]
    assert len(places) >= 3
    for place in places:
        changed = data[:place] + struct.pack(">q", 6) + data[place + 8 :]
        (tmp_path / "changed.root").write_bytes(changed)
        header = read_tree(tmp_path / "changed.root", "taus")
        assert header is None or header.entries == 7


@settings(max_examples=300, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), both=st.booleans())
def test_any_changed_byte_gives_the_truth_or_none(place, byte, both, tmp_path_factory):
    """A header without compression has no checksum: the answer may be wrong in numbers, but never in shape."""
    folder = tmp_path_factory.getbasetemp() / "changed"
    folder.mkdir(exist_ok=True)
    plain = folder / "plain.root"
    if not plain.exists():
        write_tuples(plain, mock_tuples(5), ["tau_pt", "evt", "pfCand_pt", "photon_hasPixelSeed"], compression="none")
    data = bytearray(plain.read_bytes())
    start = data.rindex(b"TTree") - 30 if both else 0
    data[start + int(place * (len(data) - start))] = byte
    (folder / "changed.root").write_bytes(data)
    header = read_tree(folder / "changed.root", "taus")
    if header is not None:
        for branch in header.branches.values():
            assert branch.first[-1] == header.entries
            assert len(branch.seek) == len(branch.stored) == len(branch.first) - 1
        with contextlib.suppress(InputError), open_tuples(folder / "changed.root") as file:
            assert len(file.read()) == header.entries


@pytest.mark.parametrize("kept", [0, 4, 50, 99, 150, 300])
def test_cut_files_are_left_to_uproot(kept, tmp_path):
    (tmp_path / "cut.root").write_bytes(V1_DY.read_bytes()[:kept])
    if kept:
        assert read_tree(tmp_path / "cut.root", "taus") is None
    with pytest.raises(InputError, match=r"cut\.root"):
        open_tuples(tmp_path / "cut.root")
