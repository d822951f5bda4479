"""Vectors are written here as ROOT writes them, by hand, and read back."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.tuples.baskets import Keys, select
from taumltools.tuples.rootvectors import vector_layout


def stored(vectors, cuts, dtype, header, lengths):
    """Values, tables and keys of baskets that hold vectors[cuts[i]:cuts[i+1]]."""
    values, tables, borders, sizes = b"", b"", [], []
    for begin, end, length in zip(cuts[:-1], cuts[1:], lengths, strict=True):
        content, starts = b"", []
        for vector in vectors[begin:end]:
            starts.append(length + len(content))
            data = np.array(vector, dtype).tobytes()
            if header:
                content += struct.pack(">IHI", 0x40000000 | (len(data) + 6), 10, len(vector))
            content += data
        table = struct.pack(f">{len(starts) + 2}i", len(starts) + 1, *starts, 0)
        values, tables = values + content, tables + table
        borders.append(len(content))
        sizes.append(len(content) + len(table))
    none = np.zeros(len(borders), np.int64)
    return values, tables, Keys(none, none, np.array(sizes, int), np.array(lengths, int), np.array(borders, int))


@st.composite
def cases(draw):
    dtype = np.dtype(draw(st.sampled_from([">f4", ">i4", ">u4", ">i8", ">u2", "?", "i1"])))
    number = st.booleans() if dtype.kind == "b" else st.integers(0, 100)
    vectors = draw(st.lists(st.lists(number, max_size=5), max_size=10))
    inner = draw(st.sets(st.integers(0, len(vectors)), max_size=3))
    cuts = sorted({0, *inner, len(vectors)})
    wanted = draw(st.sets(st.integers(0, len(vectors) - 1))) if vectors else set()
    return dtype, vectors, cuts, np.array(sorted(wanted), np.int64), draw(st.sampled_from([0, 10]))


@given(cases(), st.integers(60, 90))
def test_every_wanted_vector_comes_back(case, length):
    dtype, vectors, cuts, rows, header = case
    chosen = select(np.array(cuts, np.int64), rows)
    parts = [stored(vectors, [cuts[k], cuts[k + 1]], dtype, header, [length + k]) for k in chosen.baskets]
    values, tables = b"".join(p[0] for p in parts), b"".join(p[1] for p in parts)
    fields = [np.concatenate([getattr(p[2], n) for p in parts] + [np.zeros(0, int)]) for n in Keys.__dataclass_fields__]
    keys = Keys(*fields)
    layout = vector_layout(tables, keys, chosen, header, dtype)
    found = layout.decode(values, dtype)
    assert found.dtype == dtype.newbyteorder("=")
    assert found.tolist() == [x for row in rows for x in vectors[row]]
    assert np.diff(layout.offsets).tolist() == [len(vectors[row]) for row in rows]
    assert layout.fits(tables, keys)


VECTORS = [[1.0, 2.0], [], [3.0], [4.0, 5.0, 6.0]]
CUTS = [0, 3, 4]
ALL = select(np.array(CUTS), np.arange(4))
F4 = np.dtype(">f4")


def layout_of(vectors=VECTORS, **changes):
    values, tables, keys = stored(vectors, CUTS, F4, 10, [70, 70])
    arguments = {"tables": tables, "keys": keys, "selection": ALL, "header": 10, "dtype": F4} | changes
    return vector_layout(**arguments), values


def test_another_branch_of_the_collection_fits_whatever_its_key_is_long():
    layout, _ = layout_of()
    for lengths in ([70, 70], [81, 81], [81, 89]):
        values, tables, keys = stored([[7, 8], [], [9], [10, 11, 12]], CUTS, np.dtype(">i4"), 10, lengths)
        assert layout.fits(tables, keys)
        assert layout.decode(values, np.dtype(">i4")).tolist() == [7, 8, 9, 10, 11, 12]


def test_what_does_not_fit():
    layout, _ = layout_of()
    for vectors, cuts, dtype in (
        ([[1], [2], [3], [4, 5, 6]], CUTS, F4),
        ([[1, 2], [], [3], [4, 5]], CUTS, F4),
        (VECTORS, [0, 2, 4], F4),
        (VECTORS, [0, 4], F4),
        (VECTORS, CUTS, np.dtype(">f8")),
    ):
        lengths = [70] * (len(cuts) - 1)
        _, tables, keys = stored(vectors, cuts, dtype, 10, lengths)
        assert not layout.fits(tables, keys)


def test_last_place_of_a_table_means_nothing():
    """ROOT leaves 0 there, or the end of the values."""
    _, tables, keys = stored(VECTORS, CUTS, F4, 10, [70, 70])
    words = np.frombuffer(tables, ">i4").copy()
    words[[4, 7]] = [123, -9]
    layout, values = layout_of(tables=words.tobytes())
    assert layout.decode(values, F4).tolist() == [1, 2, 3, 4, 5, 6]
    assert layout.fits(tables, keys)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, 5, "another number of entries than their baskets"),
        (1, 72, "do not begin where their basket does"),
        (2, 89, "do not fit values of 4 bytes"),
        (2, 60, "do not fit values of 4 bytes"),
        (3, 2**31 - 1, "do not fit values of 4 bytes"),
        (6, 71, "do not begin where their basket does"),
    ],
)
def test_impossible_tables(place, value, message):
    _, tables, _ = stored(VECTORS, CUTS, F4, 10, [70, 70])
    words = np.frombuffer(tables, ">i4").copy()
    words[place] = value
    with pytest.raises(ValueError, match=message):
        layout_of(tables=words.tobytes())


def test_tables_of_another_length():
    _, tables, keys = stored(VECTORS, CUTS, F4, 10, [70, 70])
    for bad in (tables[:-4], tables + bytes(4), b""):
        with pytest.raises(ValueError, match="the tables of offsets have the wrong length"):
            layout_of(tables=bad)
    shifted = Keys(keys.start, keys.stop, keys.size, keys.length, keys.border + np.array([4, -4]))
    with pytest.raises(ValueError, match="the tables of offsets have the wrong length"):
        layout_of(keys=shifted)


def test_headers_must_agree_with_the_table():
    layout, values = layout_of()
    broken = bytearray(values)
    broken[9] = 3
    with pytest.raises(ValueError, match="1 vectors have another length than the table of offsets says"):
        layout.decode(bytes(broken), F4)


def test_values_of_unwanted_entries_are_not_touched():
    some = select(np.array(CUTS), np.array([2]))
    values, tables, keys = stored(VECTORS, CUTS, F4, 10, [70, 70])
    first = keys.part(0, 1)
    layout = vector_layout(tables[:20], first, some, 10, F4)
    assert layout.decode(values[: keys.border[0]], F4).tolist() == [3]
    assert layout.index.tolist() == [19, 20]


def test_damaged_bools_stay_bools():
    values, tables, keys = stored([[True, False]], [0, 1], np.dtype("?"), 10, [70])
    layout = vector_layout(tables, keys, select(np.array([0, 1]), np.array([0])), 10, np.dtype("?"))
    assert layout.decode(values[:-2] + b"\x07\x00", np.dtype("?")).tolist() == [True, False]
