"""Remote files, on a real xrootd server that is killed and started again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import taumltools.store.remote as remote
from taumltools.errors import StoreError
from taumltools.store.remote import RemoteFile, fetch, is_remote, list_folder, local_copy, stat


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(remote, "BLOCK", 100_000)
    monkeypatch.setattr(remote, "TIMEOUT", 3)


def put(xrootd_server, name, size=1_050_000):
    content = os.urandom(size)
    path = xrootd_server.data / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content


def test_file_is_copied_whole(xrootd_server, tmp_path):
    content = put(xrootd_server, "a.root")
    known = fetch(xrootd_server.url("a.root"), tmp_path / "copy.root")
    assert (tmp_path / "copy.root").read_bytes() == content
    assert known.bytes == len(content)
    assert known == stat(xrootd_server.url("a.root"))
    assert [path.name for path in tmp_path.iterdir()] == ["copy.root"]
    put(xrootd_server, "empty.root", 0)
    fetch(xrootd_server.url("empty.root"), tmp_path / "empty.root")
    assert (tmp_path / "empty.root").stat().st_size == 0


def test_folders_are_listed_with_those_in_them(xrootd_server):
    put(xrootd_server, "DY/a.root", 10)
    put(xrootd_server, "DY/deep/b.root", 20)
    put(xrootd_server, "TT/c.root", 30)
    found = list_folder(xrootd_server.url("DY"))
    assert [(file.url.rpartition("/data/")[2], file.bytes) for file in found] == [
        ("DY/a.root", 10),
        ("DY/deep/b.root", 20),
    ]
    assert stat(found[1].url) == found[1]


def test_read_that_breaks_half_way_goes_on_where_it_was(xrootd_server, tmp_path, monkeypatch):
    """The server is killed in the middle, and comes back after some seconds."""
    content = put(xrootd_server, "a.root")
    asked = []
    real = remote.connect

    def connect(url):
        files, path = real(url)
        read = files.cat_file

        def cat_file(where, start, end):
            asked.append(start)
            if len(asked) == 6:
                xrootd_server.kill()
                xrootd_server.start_after(2.0)
            return read(where, start=start, end=end)

        files.cat_file = cat_file
        return files, path

    monkeypatch.setattr(remote, "connect", connect)
    fetch(xrootd_server.url("a.root"), tmp_path / "copy.root")
    assert (tmp_path / "copy.root").read_bytes() == content
    assert asked[:5] == [0, 100_000, 200_000, 300_000, 400_000]
    assert set(asked[5:7]) == {500_000}  # again from there
    assert asked.count(0) == 1  # and not from the beginning


def test_server_that_is_gone_is_named_and_nothing_stays(xrootd_server, tmp_path):
    put(xrootd_server, "a.root")
    xrootd_server.kill()
    start = time.monotonic()
    with pytest.raises(
        StoreError, match=r"root://127.*a\.root failed 5 times, .* is the server up, and the proxy valid"
    ):
        fetch(xrootd_server.url("a.root"), tmp_path / "copy.root", sleep=lambda _: None)
    assert time.monotonic() - start < 60
    assert list(tmp_path.iterdir()) == []


def test_server_that_dies_for_good_leaves_nothing(xrootd_server, tmp_path, monkeypatch):
    put(xrootd_server, "a.root")
    real = remote._blocks

    def blocks(file, sleep):
        for number, data in enumerate(real(file, sleep)):
            if number == 3:
                xrootd_server.kill()
            yield data

    monkeypatch.setattr(remote, "_blocks", blocks)
    with pytest.raises(StoreError, match=r"reading root://.* from byte 400000 of 1050000 failed 5 times"):
        fetch(xrootd_server.url("a.root"), tmp_path / "copy.root", sleep=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_not_there_is_not_waited_for(xrootd_server, tmp_path):
    start = time.monotonic()
    with pytest.raises(FileNotFoundError, match=r"none\.root"):
        fetch(xrootd_server.url("none.root"), tmp_path / "copy.root")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        put(xrootd_server, "DY/a.root", 10)
        stat(xrootd_server.url("DY"))
    assert time.monotonic() - start < 10


def test_file_that_changes_while_it_is_copied_is_refused(xrootd_server, tmp_path, monkeypatch):
    put(xrootd_server, "a.root", 500_000)
    real = remote._blocks

    def blocks(file, sleep):
        for number, data in enumerate(real(file, sleep)):
            if number == 2:
                put(xrootd_server, "a.root", 700_000)
            yield data

    monkeypatch.setattr(remote, "_blocks", blocks)
    with pytest.raises(StoreError, match="changed while it was copied"):
        fetch(xrootd_server.url("a.root"), tmp_path / "copy.root")
    assert list(tmp_path.iterdir()) == []


def test_copy_lives_as_long_as_it_is_used(xrootd_server, tmp_path):
    content = put(xrootd_server, "a.root", 1000)
    with local_copy(xrootd_server.url("a.root"), tmp_path) as path:
        assert path.name == "a.root"
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == []
    with local_copy(tmp_path / "local.root") as path:
        assert path == tmp_path / "local.root"


def test_other_file_systems_of_fsspec(tmp_path):
    import fsspec

    files = fsspec.filesystem("memory")
    files.pipe_file("/there/a.root", b"12345")
    assert stat("memory://there/a.root").bytes == 5
    fetch("memory://there/a.root", tmp_path / "a.root")
    assert (tmp_path / "a.root").read_bytes() == b"12345"
    assert [file.url for file in list_folder("memory://there")] == ["memory://there/a.root"]


def test_what_is_remote():
    assert is_remote("root://h//a")
    assert not is_remote(Path("/a/b"))
    assert RemoteFile("root://h//a", 1, 2).bytes == 1
