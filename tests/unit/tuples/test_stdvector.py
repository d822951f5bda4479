"""Trees with std::vector branches: against uproot, against baskets that ROOT wrote, and read by ROOT."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.stdvector import VectorLayout, VectorTreeWriter
from taumltools.tuples.ttree_header import LEAVES
from tests.outside import ROOT_PYTHON, needs_root, run_outside

GOLDEN = Path(__file__).parents[2] / "data/cms_tools"
TYPES = [np.dtype(code) for code in LEAVES]


def numbers(rng, dtype, size):
    """Any bit patterns, which includes NaN and the extremes."""
    if dtype.kind == "b":
        return rng.integers(0, 2, size).astype(bool)
    return np.frombuffer(rng.bytes(size * dtype.itemsize), dtype)


def table(counts, seed=0, types=TYPES):
    """A scalar of every type, and two collections with a field of every type."""
    rng = np.random.default_rng(seed)
    counts = np.asarray(counts, np.int64)
    scalars = {f"s_{d.name}": numbers(rng, d, len(counts)) for d in types}
    collections = {}
    for prefix, c in (("a", counts), ("bb", counts[::-1])):
        offsets = np.concatenate([[0], np.cumsum(c)]).astype(np.int64)
        collections[prefix] = Collection(offsets, {f"x_{d.name}": numbers(rng, d, int(offsets[-1])) for d in types})
    return Tuples(scalars, collections)


def write(path, *tables, compression=("zstd", 1), **options):
    writer = VectorTreeWriter(path, "taus", "title", tables[0], compression, **options)
    for tuples in tables:
        writer.write(tuples)
    writer.finish()
    writer.close()
    return path


def assert_holds(path, tuples):
    """Bit by bit, NaN included."""
    with uproot.open(path) as file:
        tree = file["taus"]
        assert tree.num_entries == len(tuples)
        assert tree.keys() == tuples.branches
        for name in tuples.branches:
            prefix, _ = tuples.locate(name)
            array = ak.to_layout(tree[name].array())
            expected = tuples[name]
            if prefix:
                array = array.to_ListOffsetArray64(start_at_zero=True)
                assert np.array_equal(array.offsets.data, tuples.collections[prefix].offsets), name
                array = array.content
            found = np.asarray(array.data)[: len(expected)]
            assert found.dtype == expected.dtype, name
            assert found.tobytes() == expected.tobytes(), name


@pytest.mark.parametrize("compression", [("none", 0), ("zstd", 5), ("lz4", 1), ("zlib", 9), ("lzma", 9)], ids=str)
def test_every_type_and_compression(compression, tmp_path):
    tuples = table([0, 3, 1, 0, 200, 2])
    assert_holds(write(tmp_path / "x.root", tuples, compression=compression), tuples)


@pytest.mark.parametrize("counts", [[], [0], [1], [0] * 40, [70_000], list(range(60))], ids=str)
def test_any_number_of_entries_and_elements(counts, tmp_path):
    tuples = table(counts, types=[np.dtype("f4"), np.dtype(bool)])
    assert_holds(write(tmp_path / "x.root", tuples), tuples)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(0, 9), max_size=60),
    block=st.integers(1, 61),
    types=st.lists(st.sampled_from(TYPES), min_size=1, max_size=4, unique=True),
    compression=st.sampled_from([("none", 0), ("zstd", 1), ("lz4", 1), ("zlib", 1)]),
    seed=st.integers(0, 1000),
)
def test_any_table_in_any_blocks(counts, block, types, compression, seed, tmp_path):
    tuples = table(counts, seed, types)
    parts = [tuples.slice(i, min(i + block, len(counts))) for i in range(0, len(counts), block)]
    path = write(tmp_path / "x.root", *(parts or [tuples]), compression=compression)
    assert_holds(path, tuples)
    with uproot.open(path) as file:
        assert {b.num_baskets for b in file["taus"].branches} == {len(parts)}


def test_many_baskets(tmp_path):
    tuples = table(np.arange(300) % 4, types=[np.dtype("f4"), np.dtype("i8")])
    path = write(tmp_path / "x.root", *(tuples.slice(i, i + 2) for i in range(0, 300, 2)))
    assert_holds(path, tuples)
    with uproot.open(path) as file:
        assert file["taus/a_x_float32"].array(entry_start=211, entry_stop=214).tolist() == [
            tuples["a_x_float32"][slice(*tuples.collections["a"].offsets[i : i + 2])].tolist() for i in (211, 212, 213)
        ]


def test_sizes_in_the_header_are_those_of_the_baskets(tmp_path):
    path = write(tmp_path / "x.root", table([1, 2, 3]), table([5] * 20))
    with uproot.open(path) as file:
        tree = file["taus"]
        for branch in tree.branches:
            keys = [branch.basket_key(i) for i in range(2)]
            assert [k.fNbytes for k in keys] == branch.member("fBasketBytes")[:2].tolist()
            assert branch.member("fZipBytes") == sum(k.fNbytes for k in keys)
            assert branch.member("fTotBytes") == sum(k.fObjlen + k.fKeylen for k in keys)
            assert [branch.basket(i).member("fNevBuf") for i in range(2)] == [3, 20]
        assert tree.member("fTotBytes") == sum(b.member("fTotBytes") for b in tree.branches)
        assert tree.member("fZipBytes") < tree.member("fTotBytes")
        assert path.stat().st_size > tree.member("fZipBytes")


@pytest.mark.parametrize("name", ["head/input/DY", "v1/input/QCD", "v1/input/DY"])
def test_baskets_are_those_that_root_writes(name, tmp_path):
    """The CMS tools' own file, written again: uncompressed baskets agree in every byte."""
    with uproot.open(GOLDEN / name / "eventTuple_1.root") as file:
        theirs = {b.name: b for b in file["taus"].branches if b.num_baskets == 1}
        assert len(theirs) > 0.9 * len(file["taus"].branches)
        scalars: dict = {}
        jagged: dict = {}
        for branch in theirs.values():
            layout = ak.to_layout(branch.array())
            if layout.is_numpy:
                scalars[branch.name] = np.asarray(layout.data)
                continue
            packed = layout.to_ListOffsetArray64(start_at_zero=True)
            prefix, _, field = branch.name.rpartition("_")
            offsets, columns = jagged.setdefault(prefix, (np.asarray(packed.offsets), {}))
            columns[field] = np.asarray(packed.content.data)[: offsets[-1]]
        tuples = Tuples(scalars, {prefix: Collection(*parts) for prefix, parts in jagged.items()})
        with uproot.open(write(tmp_path / "x.root", tuples)) as file:
            ours = file["taus"]
            assert set(ours.keys()) == set(theirs)
            for branch in ours.branches:
                a, b = theirs[branch.name].basket(0), branch.basket(0)
                assert a.raw_data.tobytes() == b.raw_data.tobytes()
                for member in ("fVersion", "fKeylen", "fObjlen", "fNevBuf", "fLast"):
                    assert a.member(member) == b.member(member)


def test_layout_of_a_basket():
    """By hand: size | 0x40000000, version 10, number of elements, elements; then the offsets."""
    layout = VectorLayout(np.array([2, 0, 1]), 4)
    basket = layout.fill(np.array([1, 2, 3], np.int32), 70).tobytes()
    entries = ["4000000e 000a 00000002 00000001 00000002", "40000006 000a 00000000", "4000000a 000a 00000001 00000003"]
    assert basket[: layout.size] == bytes.fromhex("".join(entries))
    assert basket[layout.size :] == np.array([4, 70, 88, 98, 0], ">i4").tobytes()


@pytest.mark.parametrize("itemsize", [1, 2, 4, 8])
@pytest.mark.parametrize("counts", [[0, 0, 1, 0], [5, 6, 7]])
def test_sparse_and_dense_layouts(itemsize, counts):
    values = np.arange(sum(counts), dtype=f"u{itemsize}")
    basket = VectorLayout(np.array(counts), itemsize).fill(values, 0).tobytes()
    position = 0
    for i, count in enumerate(counts):
        expected = values[sum(counts[:i]) :][:count].astype(f">u{itemsize}").tobytes()
        assert basket[position + 10 : position + 10 + count * itemsize] == expected
        position += 10 + count * itemsize


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_do_not_change_the_file(threads, tmp_path):
    tables = table(np.arange(200) % 7), table([3] * 50)
    one = write(tmp_path / "one.root", *tables)
    many = write(tmp_path / "many.root", *tables, threads=threads)
    assert one.read_bytes() == many.read_bytes()


def test_other_content_is_another_file_for_caches(tmp_path):
    """Equal sizes, one bit of difference: uproot must not take one for the other."""
    data = np.zeros(1000, "i4")
    other = data.copy()
    other[500] = 1
    paths = [
        write(tmp_path / f"{i}.root", Tuples({"x": x}), compression=("none", 0)) for i, x in enumerate((data, other))
    ]
    assert paths[0].stat().st_size == paths[1].stat().st_size
    with uproot.open(paths[0]) as a, uproot.open(paths[1]) as b:
        assert a.file.uuid != b.file.uuid
        assert [int(f["taus/x"].array(library="np").sum()) for f in (a, b)] == [0, 1]


def test_files_larger_than_2_gb(tmp_path):
    """A hole of 5 GB before the second block stands in for data."""
    tuples = table([1, 0, 4], types=[np.dtype("f4"), np.dtype(bool)])
    writer = VectorTreeWriter(tmp_path / "big.root", "taus", "", tuples, ("zlib", 1))
    writer.write(tuples)
    writer._file._file.seek(5_000_000_000)
    writer.write(tuples)
    writer.finish()
    writer.close()
    assert (tmp_path / "big.root").stat().st_size > 5_000_000_000
    assert_holds(tmp_path / "big.root", Tuples.concatenate([tuples, tuples]))
    with uproot.open(tmp_path / "big.root") as file:
        assert file.file.fEND == (tmp_path / "big.root").stat().st_size
        assert {int(b.member("fBasketSeek")[1]) // 1_000_000_000 for b in file["taus"].branches} == {5}
    (tmp_path / "big.root").unlink()


def test_baskets_above_16_mb(tmp_path):
    tuples = Tuples({}, {"a": Collection(np.array([0, 3, 6_000_000]), {"x": np.arange(6_000_000, dtype="i4")})})
    assert_holds(write(tmp_path / "x.root", tuples), tuples)


def test_basket_too_large_for_root():
    with pytest.raises(InputError, match=r"a basket of 1200000010 bytes is too large for ROOT \(1 GB\); write fewer"):
        VectorLayout(np.array([300_000_000]), 4)


def test_values_may_change_on_their_way(tmp_path):
    tuples = table([2, 0, 1], types=[np.dtype("i4")])
    path = write(tmp_path / "x.root", tuples, stored=lambda column: column + column.dtype.type(1))
    with uproot.open(path) as file:
        assert ak.flatten(file["taus/a_x_int32"].array()).tolist() == (tuples["a_x_int32"] + np.int32(1)).tolist()


@pytest.mark.parametrize(
    ("tuples", "message"),
    [
        (Tuples({"s": np.zeros(1), "t": np.zeros(1)}), r"the tree differ in the branches \['a_x', 't'\]"),
        (
            Tuples({"s": np.zeros(1, "f4")}, {"a": Collection(np.array([0, 0]), {"x": np.zeros(0)})}),
            "'s' is a single float64 in the tree, and a single float32 in these entries",
        ),
        (
            Tuples({"s": np.zeros(1), "a_x": np.zeros(1)}),
            "'a_x' is a vector of float64 in the tree, and a single float64 in these entries",
        ),
    ],
)
def test_blocks_must_have_the_branches_of_the_tree(tuples, message, tmp_path):
    first = Tuples({"s": np.zeros(1)}, {"a": Collection(np.array([0, 1]), {"x": np.zeros(1)})})
    writer = VectorTreeWriter(tmp_path / "x.root", "taus", "", first, ("zstd", 1))
    with pytest.raises(InputError, match=message):
        writer.write(tuples)
    writer.close()


def test_type_that_a_tree_cannot_hold(tmp_path):
    with pytest.raises(InputError, match="branch 's' is <U1, which a TTree cannot hold"):
        VectorTreeWriter(tmp_path / "x.root", "taus", "", Tuples({"s": np.array(["a"])}), ("zstd", 1))
    assert not (tmp_path / "x.root").exists()


READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import ROOT

def plain(value):
    if isinstance(value, str):  # a char
        return ord(value) - 256 * (ord(value) > 127)
    return value if isinstance(value, (int, float)) else [plain(value[i]) for i in range(len(value))]

out = []
for path in sys.argv[1:]:
    file = ROOT.TFile(path)
    assert not file.TestBit(ROOT.TFile.kRecovered)
    tree = file.Get("taus")
    names = [branch.GetName() for branch in tree.GetListOfBranches()]
    entries = []
    for i in range(tree.GetEntries()):
        assert tree.GetEntry(i) > 0
        entries.append({name: plain(getattr(tree, name)) for name in names})
    cluster = tree.GetClusterIterator(0)
    out.append({"entries": entries, "clusters": [cluster() for _ in range(3)]})
frame = ROOT.RDataFrame(tree)
sums = {name: frame.Sum(name) for name in ("s_float32", "a_float32", "a_int64", "a_bool")}
out[-1]["sums"] = {name: float(total.GetValue()) for name, total in sums.items()}
print(json.dumps(out))
"""


@needs_root
def test_root_reads_it(tmp_path):
    """Entry by entry, every type and compression, and through RDataFrame, without any complaint."""
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 4, 100)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    limits = {d: 2 if d.kind == "b" else 100 if d.itemsize < 8 else 2**50 for d in TYPES}
    columns = {d.name: rng.integers(0, limits[d], offsets[-1]).astype(d) for d in TYPES}
    scalars = {f"s_{d.name}": rng.integers(0, limits[d], 100).astype(d) for d in TYPES}
    tuples = Tuples(scalars, {"a": Collection(offsets, columns)})
    paths = []
    for compression in (("none", 0), ("zstd", 19), ("lz4", 1), ("lz4", 9), ("zlib", 1), ("lzma", 9)):
        paths.append(tmp_path / "{}{}.root".format(*compression))
        write(paths[-1], tuples.slice(0, 70), tuples.slice(70, 100), compression=compression)
    out = json.loads(run_outside(ROOT_PYTHON, READ, *paths))
    for found in out:
        assert found["clusters"] == [0, 70, 100]
        assert len(found["entries"]) == 100
        for i, entry in enumerate(found["entries"]):
            assert [entry[name] for name in scalars] == [values[i] for values in scalars.values()]
            assert [entry[f"a_{n}"] for n in columns] == [
                x[offsets[i] : offsets[i + 1]].tolist() for x in columns.values()
            ]
    for name, total in out[-1]["sums"].items():
        assert total == float(tuples[name].sum()), name
