from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from taumltools.tuples.baskets import branch_baskets, read_contents, read_keys, select, values_and_tables

DATA = Path(__file__).parents[2] / "data/cms_tools"
FILES = [DATA / "head/input/DY/eventTuple_1.root", *(DATA / f"v1/input/{x}/eventTuple_1.root" for x in ("DY", "QCD"))]


@pytest.fixture(scope="module")
def tree():
    """ZSTD, 711 branches of every type."""
    with uproot.open(FILES[0]) as file:
        yield file["taus"]


@pytest.fixture(scope="module")
def file():
    return np.fromfile(FILES[0], np.uint8)


def keys_of(file, baskets, **changes):
    entries = np.diff(baskets.first)
    return read_keys(**{"file": file, "seek": baskets.seek, "stored": baskets.stored, "entries": entries} | changes)


@pytest.mark.parametrize("path", FILES, ids=["ZSTD", "LZ4", "ZLIB"])
def test_contents_are_those_that_uproot_finds(path):
    file = np.fromfile(path, np.uint8)
    with uproot.open(path) as root:
        for branch in root["taus"].branches[::5]:
            baskets = branch_baskets(branch)
            keys = keys_of(file, baskets)
            values, _ = values_and_tables(read_contents(file.data, keys), keys)
            assert values == b"".join(branch.basket(i).data.tobytes() for i in range(branch.num_baskets)), branch.name
            assert baskets.first.tolist() == branch.entry_offsets


@pytest.mark.parametrize(
    ("name", "dtype", "header"),
    [
        ("evt", ">u8", -1),
        ("tau_pt", ">f4", -1),
        ("tauSpinnerWTEven", ">f8", -1),
        ("tau_byDeepTau2018v2p5VSjet", ">u2", -1),
        ("pfCand_pt", ">f4", 10),
        ("muon_type", ">u4", 10),
        ("genParticle_mother", ">i8", 10),
        ("photon_hasPixelSeed", "?", 10),
    ],
)
def test_types(tree, name, dtype, header):
    baskets = branch_baskets(tree[name])
    assert (baskets.dtype, baskets.header, baskets.jagged) == (np.dtype(dtype), header, header >= 0)
    assert baskets.name == name


def make_branch(tmp_path, values):
    with uproot.recreate(tmp_path / "x.root") as file:
        file.mktree("t", {"x": values.type if isinstance(values, ak.Array) else (values.dtype, values.shape[1:])})
        file["t"].extend({"x": values})
    return uproot.open(tmp_path / "x.root")["t"]["x"]


def test_arrays_with_a_counter(tmp_path):
    baskets = branch_baskets(make_branch(tmp_path, ak.Array([[1.0], [], [2.0, 3.0]])))
    assert (baskets.header, baskets.dtype, baskets.first.tolist()) == (0, np.dtype(">f8"), [0, 3])


def test_what_is_left_to_uproot(tmp_path):
    assert branch_baskets(make_branch(tmp_path, np.zeros((4, 3)))) is None
    assert branch_baskets(make_branch(tmp_path, ak.Array(["text", "more"]))) is None


class Branch:
    """A branch whose lists are changed, as damaged bytes would."""

    def __init__(self, branch, **members):
        self._branch, self._members = branch, members

    def __getattr__(self, name):
        return getattr(self._branch, name)

    def member(self, name):
        return self._members.get(name, self._branch.member(name))


def test_lists_of_a_branch_are_checked(tree):
    branch = tree["pfCand_pt"]
    assert branch.member("fBasketEntry")[:3].tolist() == [0, 161, 200]
    for first in ([0, 161, 199], [1, 161, 200], [0, 201, 200], [0, -1, 200]):
        with pytest.raises(ValueError, match="the baskets of branch 'pfCand_pt' do not hold its 200 entries"):
            branch_baskets(Branch(branch, fBasketEntry=np.array([*first, 0])))
    for count in (-1, 11, 1000):
        with pytest.raises(ValueError, match=f"branch 'pfCand_pt' has {count} baskets, but lists"):
            branch_baskets(Branch(branch, fWriteBasket=count))


def test_selected_entries_are_few_baskets():
    chosen = select(np.array([0, 10, 10, 30, 40]), np.array([10, 29]))
    assert (chosen.baskets.tolist(), chosen.entries.tolist(), chosen.rows.tolist()) == ([2], [20], [0, 19])


@given(st.lists(st.integers(0, 6), max_size=12), st.data())
def test_selection_covers_the_wanted_entries(sizes, data):
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    wanted = data.draw(st.sets(st.integers(0, max(int(first[-1]) - 1, 0))) if first[-1] else st.just(set()))
    rows = np.array(sorted(wanted), np.int64)
    chosen = select(first, rows)
    loaded = [np.arange(first[k], first[k + 1]) for k in chosen.baskets]
    assert np.array_equal(np.concatenate([*loaded, []])[chosen.rows], rows)
    assert all(np.isin(entries, rows).any() for entries in loaded)
    assert chosen.entries.tolist() == [len(entries) for entries in loaded]


def test_keys_of_some_baskets(tree, file):
    keys = keys_of(file, branch_baskets(tree["pfCand_pt"]))
    assert (len(keys.start), keys.part(1, 2).size.tolist()) == (2, keys.size[1:].tolist())
    none = read_keys(file, *[np.zeros(0, np.int64)] * 3)
    assert len(none.start) == 0
    assert read_contents(file.data, none) == []


def test_size_that_the_branch_does_not_say(tree, file):
    baskets = branch_baskets(tree["pfCand_pt"])
    keys = keys_of(file, baskets, stored=np.zeros(2, np.int64))
    assert np.array_equal(keys.stop, keys_of(file, baskets).stop)


def test_known_contents_are_not_read_again(tree, file):
    keys = keys_of(file, branch_baskets(tree["pfCand_pt"]))
    first, second = read_contents(file.data, keys)
    blank = np.zeros_like(file)
    blank[keys.start[0] : keys.stop[0]] = file[keys.start[0] : keys.stop[0]]
    assert [bytes(x) for x in read_contents(blank.data, keys, {1: bytes(second)})] == [bytes(first), bytes(second)]


def changed(file, at, value, size):
    out = file.copy()
    out[at : at + size] = np.frombuffer(int(value).to_bytes(size, "big", signed=True), np.uint8)
    return out


def test_damaged_keys(tree, file):
    """Each number of a key that decides about memory is checked against the others."""
    baskets = branch_baskets(tree["pfCand_pt"])
    at = int(baskets.seek[1])
    keys = keys_of(file, baskets)
    tail = int(keys.start[1]) - 19
    cases = [
        (at, 77, 4, "1 baskets have another size than the branch says, first the one at byte 618715"),
        (at + 6, -1, 4, "have an impossible key"),
        (at + 14, 34, 2, "have an impossible key"),
        (at + 14, 30_000, 2, "have an impossible key"),
        (tail + 10, 38, 4, "have another number of entries than the branch says"),
        (tail + 14, int(keys.length[1]) - 1, 4, "have more values than content"),
        (tail + 14, 2**31 - 1, 4, "have more values than content"),
    ]
    for place, value, size, message in cases:
        with pytest.raises(ValueError, match=message):
            keys_of(changed(file, place, value, size), baskets)


def test_keys_outside_of_the_file(tree, file):
    baskets = branch_baskets(tree["pfCand_pt"])
    for seek in (-1, len(file) - 10, 2**60):
        with pytest.raises(ValueError, match=f"1 baskets lie outside of the file, first the one at byte {seek}"):
            keys_of(file, baskets, seek=np.array([baskets.seek[0], seek]))
    with pytest.raises(ValueError, match="end behind the file"):
        keys_of(file[: int(baskets.seek[1]) + 1000], baskets)
