from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.tuples.data import Collection, Tuples


def ragged(counts):
    """Entry i has counts[i] objects, numbered through."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Collection(offsets, {"pt": np.arange(offsets[-1], dtype=np.float32)})


def as_lists(collection):
    pairs = zip(collection.offsets[:-1], collection.offsets[1:], strict=True)
    return [collection.columns["pt"][a:b].tolist() for a, b in pairs]


COUNTS = st.lists(st.integers(0, 4), min_size=1, max_size=8)


@given(COUNTS, st.data())
def test_take_is_list_indexing(counts, data):
    collection = ragged(counts)
    index = data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=12))
    expected = [as_lists(collection)[i] for i in index]
    assert as_lists(collection.take(np.array(index, int))) == expected


@given(COUNTS, st.data())
def test_slice_is_list_slicing_and_concatenate_undoes_it(counts, data):
    collection = ragged(counts)
    cut = data.draw(st.integers(0, len(counts)))
    parts = [collection.slice(0, cut), collection.slice(cut, len(counts))]
    assert as_lists(parts[0]) == as_lists(collection)[:cut]
    assert as_lists(Collection.concatenate(parts)) == as_lists(collection)


def test_counts_and_owner():
    collection = ragged([2, 0, 1])
    assert collection.counts.tolist() == [2, 0, 1]
    assert collection.owner.tolist() == [0, 0, 2]
    assert len(collection) == 3


def test_columns_must_fit_the_offsets():
    with pytest.raises(InputError, match="collection column 'pt' has 2 rows, its offsets say 3"):
        Collection(np.array([0, 3]), {"pt": np.zeros(2)})


def make(n=3):
    return Tuples({"tau_pt": np.arange(n) + 20.0}, {"pfCand": ragged([1] * n), "photon_shape": ragged([2] * n)})


def test_columns_must_have_one_length():
    with pytest.raises(InputError, match=r"differ in length: .*'tau_pt': 2"):
        Tuples({"tau_pt": np.zeros(2), "tau_eta": np.zeros(3)})
    with pytest.raises(InputError, match="differ in length"):
        Tuples({"tau_pt": np.zeros(2)}, {"pfCand": ragged([1])})


def test_lookup_by_full_name():
    tuples = make()
    assert tuples["photon_shape_pt"].shape == (6,)
    assert tuples.locate("pfCand_pt") == ("pfCand", "pt")
    assert tuples.locate("tau_pt") == ("", "tau_pt")
    assert "pfCand_pt" in tuples
    assert "pfCand_eta" not in tuples
    with pytest.raises(InputError, match="branch 'pfCand_eta' is not among the columns read"):
        tuples["pfCand_eta"]


def test_length_of_tables():
    assert len(make(4)) == 4
    assert len(Tuples({})) == 0
    assert len(Tuples({}, {"pfCand": ragged([1, 2])})) == 2


def test_with_scalars_adds_and_replaces():
    tuples = make()
    more = tuples.with_scalars({"tau_pt": np.ones(3), "tauType": np.zeros(3)})
    assert more["tau_pt"].tolist() == [1, 1, 1]
    assert tuples["tau_pt"].tolist() == [20, 21, 22]
    with pytest.raises(InputError, match="differ in length"):
        tuples.with_scalars({"tauType": np.zeros(4)})


def test_nbytes_counts_columns_and_offsets():
    assert make(3).nbytes == 3 * 8 + (4 * 8 + 3 * 4) + (4 * 8 + 6 * 4)


def test_concatenate_needs_equal_branches():
    with pytest.raises(InputError, match=r"they differ in .*'tau_pt'"):
        Tuples.concatenate([make(), Tuples({}, make().collections)])
    with pytest.raises(InputError, match="nothing to concatenate"):
        Tuples.concatenate([])


def test_take_then_slice():
    tuples = make(4).take(np.array([3, 1, 1]))
    assert tuples["tau_pt"].tolist() == [23, 21, 21]
    assert tuples["pfCand_pt"].tolist() == [3, 1, 1]
    assert tuples.slice(1, 2)["photon_shape_pt"].tolist() == [2, 3]
