"""Serialised ROOT objects, byte by byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from taumltools.tuples.rootcursor import Cursor, UnusualError
from taumltools.tuples.rootfile import string

COUNTED = 0x4000_0000
NEW_CLASS = 0xFFFF_FFFF
CLASS = 0x8000_0000


def counted(version, body):
    return struct.pack(">IH", COUNTED | len(body) + 2, version) + body


def named(name, bits=0):
    return counted(1, struct.pack(">HII", 1, 0, bits) + string(name) + string("title"))


@pytest.mark.parametrize("text", ["", "tau_pt", "x" * 254, "x" * 255, "x" * 70_000, "τ"])
def test_strings(text):
    cursor = Cursor(string(text) + b"next")
    assert cursor.string() == text
    assert cursor.data[cursor.place :] == b"next"


def test_string_that_is_cut():
    with pytest.raises(UnusualError, match="ends behind"):
        Cursor(b"\x05abc").string()


def test_named_object():
    cursor = Cursor(named("taus") + b"next")
    assert cursor.named() == "taus"
    assert cursor.data[cursor.place :] == b"next"


def test_objects_that_are_not_as_expected():
    with pytest.raises(UnusualError, match="version 3, expected 13"):
        Cursor(counted(3, b"")).begin(13)
    with pytest.raises(UnusualError, match="version 13"):
        Cursor(struct.pack(">IH", 2, 13)).begin(13)
    with pytest.raises(UnusualError, match="others refer"):
        Cursor(named("taus", bits=0x10)).named()
    with pytest.raises(UnusualError, match="without its size"):
        Cursor(bytes(8)).skip()
    longer = struct.pack(">HII", 1, 0, 0) + string("a") + string("b") + b"more"
    with pytest.raises(UnusualError, match="read to"):
        Cursor(counted(1, longer)).named()


def test_skipping():
    cursor = Cursor(counted(9, b"whatever") + b"next")
    cursor.skip()
    assert cursor.data[cursor.place :] == b"next"


def test_list():
    body = struct.pack(">HIIBii", 1, 0, 0, 0, 4, 0)
    cursor = Cursor(counted(3, body + bytes(16)))
    assert cursor.objects() == (4, 4 + 2 + len(body) + 16)
    assert cursor.place == 6 + len(body)
    with pytest.raises(UnusualError, match="a list with a name"):
        Cursor(counted(3, struct.pack(">HIIBii", 1, 0, 0, 0, -1, 0))).objects()


def pointed(tag, body):
    return struct.pack(">I", COUNTED | len(tag) + len(body)) + tag + body


@pytest.mark.parametrize("key_length", [0, 57])
def test_class_is_named_once(key_length):
    """The second object refers to the place of the first one's tag, counted from two bytes before the key."""
    first = pointed(struct.pack(">I", NEW_CLASS) + b"TBranch\0", b"one")
    second = pointed(struct.pack(">I", CLASS | 4 + key_length + 2), b"two")
    cursor = Cursor(first + second, key_length)
    for expected in (b"one", b"two"):
        kind, end = cursor.pointed()
        assert kind == "TBranch"
        assert cursor.data[cursor.place : end] == expected
        cursor.place = end
    cursor.end(len(first) + len(second))


def test_pointers_that_are_not_followed():
    with pytest.raises(UnusualError, match="unknown class"):
        Cursor(pointed(struct.pack(">I", CLASS | 99), b"")).pointed()
    with pytest.raises(UnusualError, match="nothing, or a reference"):
        Cursor(bytes(8)).pointed()


def test_arrays():
    cursor = Cursor(b"\1" + struct.pack(">3i", 1, -2, 3) + b"\0")
    values = cursor.array(">i4", 3)
    assert values.tolist() == [1, -2, 3]
    assert values.dtype == np.int64
    assert cursor.array(">i8", 0).tolist() == []
    assert cursor.place == len(cursor.data)
    for data, length in [(b"\0" + bytes(8), 1), (b"\1" + bytes(8), -1)]:
        with pytest.raises(UnusualError, match="is missing"):
            Cursor(data).array(">i8", length)
    with pytest.raises(ValueError, match="buffer"):
        Cursor(b"\1" + bytes(8)).array(">i8", 2)
