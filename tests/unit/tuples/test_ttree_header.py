"""The header of a tree: the members that uproot finds in it, next to those in a file that ROOT wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.tuples.rootfile import Record, RootFile, key_length, key_names
from taumltools.tuples.ttree_header import LEAVES, VECTORS, Branch, tree_object, type_code

GOLDEN = Path(__file__).parents[2] / "data/cms_tools/head/input/DY/eventTuple_1.root"
TYPES = [np.dtype(code) for code in LEAVES]


def write(path, branches, ends, name="taus", title="a title"):
    """A file with the header alone: nothing is at the places of the baskets."""
    names = key_names("TTree", name, title)
    payload = tree_object(name, title, key_length(names), branches, ends, 505)
    file = RootFile(path, "x.root", 505)
    file.finish(Record(names, payload, len(payload), cycle=1))
    file.close()
    return uproot.open(path)[name]


def members(model):
    """Members that do not depend on the content of the file."""
    skip = {
        "fBasketBytes", "fBasketEntry", "fBasketSeek", "fLeaves", "fBranches", "fBaskets", "fIOFeatures", "fCompress",
        "fTotBytes", "fZipBytes", "fBasketSize", "fEntryOffsetLen", "@fBits",
    }  # fmt: skip
    return {name: str(value) for name, value in model.all_members.items() if name not in skip}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """All branches of the CMS tools' file, theirs and ours."""
    with uproot.open(GOLDEN) as file:
        theirs = file["taus"]
        branches = []
        for b in theirs.branches:
            vector = b.classname == "TBranchElement"
            dtype = b.interpretation.content.from_dtype if vector else b.interpretation.from_dtype
            branches.append(Branch(b.name, dtype.newbyteorder("="), vector, [1234], [100], 200))
        yield theirs, write(tmp_path_factory.mktemp("header") / "x.root", branches, [200])


def test_branches_are_those_of_root(pair):
    theirs, ours = pair
    assert len(theirs.branches) == len(ours.branches) == 711
    for a, b in zip(theirs.branches, ours.branches, strict=True):
        if a.num_baskets == 1:
            assert (b.classname, members(b)) == (a.classname, members(a))


def test_leaves_are_those_of_root(pair):
    for a, b in zip(*(tree.branches for tree in pair), strict=True):
        (x,), (y,) = a.member("fLeaves"), b.member("fLeaves")
        assert (y.classname, members(y)) == (x.classname, members(x))


def test_tree_is_that_of_root(pair):
    theirs, ours = (members(tree) for tree in pair)
    for name in ("fTitle", "fMaxVirtualSize", "fAutoFlush"):  # the CMS tools set them themselves
        theirs.pop(name), ours.pop(name)
    assert ours == theirs


def test_every_type_has_its_classes(tmp_path):
    branches = [Branch(f"{d.name}_{v}", d, v) for d in TYPES for v in (False, True)]
    tree = write(tmp_path / "x.root", branches, [])
    assert len(tree.branches) == 22
    for branch, found in zip(branches, tree.branches, strict=True):
        code, leaf = type_code(branch.dtype), found.member("fLeaves")[0]
        if branch.vector:
            assert str(found.member("fClassName")) == VECTORS[code][0]
            assert found.interpretation.content.from_dtype == branch.dtype.newbyteorder(">")
            assert leaf.classname == "TLeafElement"
        else:
            assert found.interpretation.from_dtype == branch.dtype.newbyteorder(">")
            assert leaf.classname == f"TLeaf{LEAVES[code].upper()}"
            assert leaf.member("fIsUnsigned") == (branch.dtype.kind == "u")


@pytest.mark.parametrize("dtype", ["complex64", "U3", "float16", "datetime64[s]", "O"])
def test_types_that_root_does_not_have(dtype):
    with pytest.raises(InputError, match=r"branch 'odd' is .*, which a TTree cannot hold; use bool, integers"):
        Branch("odd", np.dtype(dtype), vector=False)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([], []),
        ([7], [(6, 7)]),
        ([10, 20, 30], [(29, 10)]),
        ([10, 20, 24], [(19, 10), (23, 4)]),
        ([1, 11, 21, 22, 32], [(0, 1), (20, 10), (21, 1), (31, 10)]),
    ],
)
def test_clusters_tell_root_where_baskets_end(ends, expected, tmp_path):
    places = list(range(len(ends)))
    tree = write(tmp_path / "x.root", [Branch("a", np.dtype("f4"), True, places, places, 0)], ends)
    ranges = zip(tree.member("fClusterRangeEnd").tolist(), tree.member("fClusterSize").tolist(), strict=True)
    assert list(ranges) == expected
    assert tree.member("fNClusterRange") == len(expected)
    assert tree.num_entries == (ends[-1] if ends else 0)


@pytest.mark.parametrize("count", [0, 1, 9, 10, 250])
def test_lists_of_baskets(count, tmp_path):
    ends = [3 * (i + 1) for i in range(count)]
    places, sizes = [2**33 + i for i in range(count)], [100 + i for i in range(count)]
    branches = [
        Branch("a", np.dtype("f4"), True, places, sizes, 5 * count),
        Branch("b", np.dtype("u2"), False, places, sizes, 7 * count),
    ]
    tree = write(tmp_path / "x.root", branches, ends)
    for branch in tree.branches:
        capacity = max(10, count + 1)
        assert branch.num_baskets == branch.member("fWriteBasket") == count
        assert branch.member("fMaxBaskets") == capacity
        assert branch.member("fBasketSeek").tolist() == places + [0] * (capacity - count)
        assert branch.member("fBasketBytes").tolist() == sizes + [0] * (capacity - count)
        assert branch.member("fBasketEntry").tolist() == [0, *ends] + [0] * (capacity - count - 1)
        assert branch.member("fZipBytes") == sum(sizes)
    assert tree.member("fTotBytes") == 12 * count
    assert tree.member("fZipBytes") == 2 * sum(sizes)


def test_long_names(tmp_path):
    branches = [Branch(name * 300, np.dtype("f4"), vector) for name, vector in (("a", True), ("b", False))]
    tree = write(tmp_path / "x.root", branches, [], name="t" * 256, title="")
    assert [b.name for b in tree.branches] == ["a" * 300, "b" * 300]


def test_list_of_leaves_refers_to_the_leaves_of_the_branches(tmp_path):
    branches = [
        Branch("a", np.dtype("f4"), True),
        Branch("bb", np.dtype("i8"), False),
        Branch("c", np.dtype(bool), True),
    ]
    tree = write(tmp_path / "x.root", branches, [], title="t" * 300)
    leaves = list(tree.member("fLeaves"))
    assert [leaf.member("fName") for leaf in leaves] == ["a", "bb", "c"]
    assert all(leaf is branch.member("fLeaves")[0] for leaf, branch in zip(leaves, tree.branches, strict=True))
