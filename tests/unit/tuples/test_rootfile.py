"""The frame of a ROOT file, byte by byte."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

import pytest
import uproot

from taumltools.tuples.root_streamers import KEY_LENGTH, UNCOMPRESSED, streamers
from taumltools.tuples.rootfile import BEGIN, Record, RootFile, key_length, key_names, string

GOLDEN = Path(__file__).parents[2] / "data/cms_tools/head/input/DY/eventTuple_1.root"


def write(path, text="some text", *records):
    """A file with one TObjString."""
    payload = b"\x40\x00\x00" + bytes([len(text) + 13]) + b"\x00\x01" + struct.pack(">HII", 1, 0, 0) + string(text)
    file = RootFile(path, "frame.root", 101)
    places = [file.append(record) for record in records]
    file.finish(Record(key_names("TObjString", "words", ""), payload, len(payload), cycle=1))
    file.close()
    return places


@pytest.mark.parametrize("length", [0, 1, 254, 255, 256, 70_000])
def test_strings(length):
    data = string("x" * length)
    assert data.endswith(b"x" * length)
    assert data[: len(data) - length] == (bytes([length]) if length < 255 else b"\xff" + struct.pack(">I", length))


def test_length_of_a_string_counts_bytes():
    assert string("τ") == b"\x02\xcf\x84"


def test_uproot_reads_the_object(tmp_path):
    write(tmp_path / "frame.root")
    with uproot.open(tmp_path / "frame.root") as file:
        assert file.classnames() == {"words;1": "TObjString"}
        assert str(file["words"]) == "some text"
        assert file.file.fVersion // 100 >= 624
        assert file.file.fCompress == 101
        assert file.file.fUnits == 8


def test_header_describes_the_file(tmp_path):
    write(tmp_path / "frame.root")
    content = (tmp_path / "frame.root").read_bytes()
    with uproot.open(tmp_path / "frame.root") as file:
        frame = file.file
        assert (frame.fBEGIN, frame.fEND) == (BEGIN, len(content))
        assert frame.fSeekFree + frame.fNbytesFree == len(content)
        # the only free segment is what follows the end
        assert struct.unpack(">Hqq", content[-18:]) == (1001, len(content), 2_000_000_000)


def test_keys_form_a_chain(tmp_path):
    """ROOT recovers damaged files by walking from key to key: the sizes must join up."""
    records = [Record(key_names("TBasket", f"b{i}", "t"), bytes(10 * i), 10 * i, b"xyz") for i in range(3)]
    places = write(tmp_path / "frame.root", "a", *records)
    content = (tmp_path / "frame.root").read_bytes()
    place, found = BEGIN, []
    while place < len(content):
        size, version, _, _, length, _ = struct.unpack(">ihiIhh", content[place : place + 18])
        seek = struct.unpack(">q" if version > 1000 else ">i", content[place + 18 :][: 8 if version > 1000 else 4])[0]
        start = place + (34 if version > 1000 else 26)
        found.append((content[start + 1 : start + 1 + content[start]].decode(), seek == place, length))
        place += size
    assert place == len(content)
    assert [kind for kind, _, _ in found] == ["TFile", "TList", *["TBasket"] * 3, "TObjString", "TFile", "TFile"]
    assert all(right for _, right, _ in found)
    assert [length for kind, _, length in found if kind == "TBasket"] == [records[0].key_length] * 3
    assert [size for _, size in places] == [records[0].key_length + 10 * i for i in range(3)]


def test_key_length():
    names = key_names("TBasket", "tau_pt", "taus")
    assert (
        Record(names, b"12", 2, b"more").key_length
        == key_length(names, 4)
        == len(Record(names, b"", 0, b"more").key(7))
    )


def test_equal_content_gives_equal_bytes_and_other_content_another_identity(tmp_path):
    for name, text in (("a", "one"), ("b", "one"), ("c", "two")):
        write(tmp_path / name, text)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert len(a) == len(c)
    identities = []
    for name in "abc":
        with uproot.open(tmp_path / name) as file:
            identities.append(file.file.uuid)
    assert identities[0] == identities[1] != identities[2]
    assert all(isinstance(x, uuid.UUID) for x in identities)


def test_unfinished_file_is_no_root_file(tmp_path):
    file = RootFile(tmp_path / "x.root", "x", 0)
    file.append(Record(key_names("TBasket", "b", "t"), bytes(1000), 1000))
    file.close()
    assert (tmp_path / "x.root").read_bytes()[:BEGIN] == bytes(BEGIN)
    with pytest.raises(ValueError, match="not a ROOT file"):
        uproot.open(tmp_path / "x.root")


def test_classes_are_described(tmp_path):
    """Name, version and checksum of every class of which the CMS tools' files speak are the same here."""
    write(tmp_path / "frame.root")
    with uproot.open(GOLDEN) as theirs, uproot.open(tmp_path / "frame.root") as ours:
        for name, versions in theirs.file.streamers.items():
            for version, info in versions.items():
                mine = ours.file.streamers[name][version]
                assert mine.member("fCheckSum") == info.member("fCheckSum"), name
                assert [e.name for e in mine.elements] == [e.name for e in info.elements], name
                assert [e.typename for e in mine.elements] == [e.typename for e in info.elements], name
        assert {"TLeafO", "TLeafB"} <= set(ours.file.streamers)


def test_size_of_the_descriptions():
    block = streamers()
    assert block[:3] == b"ZL\x08"
    assert int.from_bytes(block[3:6], "little") == len(block) - 9
    assert int.from_bytes(block[6:9], "little") == UNCOMPRESSED
    assert key_length(key_names("TList", "StreamerInfo", "Doubly linked list")) - 8 == KEY_LENGTH
