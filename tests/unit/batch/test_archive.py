"""Archives: the same content gives the same bytes, whatever the clock and the number of threads."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.batch import archive
from taumltools.batch.archive import write_archive
from taumltools.errors import InputError

CONTENTS = st.dictionaries(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
        lambda name: name not in {".", ".."} and len(name.encode()) < 200
    ),
    st.binary(max_size=3000),
    max_size=6,
)


def tree(folder, contents):
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [(name, folder / name) for name in sorted(contents)]


@given(contents=CONTENTS)
@settings(max_examples=40, deadline=None)
def test_what_goes_in_comes_out(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("archive")
    made = write_archive(folder / "a.tar.gz", tree(folder / "in", contents))
    data = made.path.read_bytes()
    assert (made.bytes, made.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    with tarfile.open(made.path) as tar:
        assert {m.name: tar.extractfile(m).read() for m in tar.getmembers()} == contents


def test_gnu_tar_reads_it(tmp_path):
    members = tree(tmp_path / "in", {"a name with blanks": b"x", "l" * 180: b"long", "ü": b"umlaut"})
    write_archive(tmp_path / "a.tar.gz", members)
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xzf", "a.tar.gz", "-C", "out"], cwd=tmp_path, check=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "in").iterdir()
    }


def test_bytes_do_not_depend_on_times_owners_or_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "BLOCK", 1000)
    content = {f"{n}.txt": random.Random(n).randbytes(5000) for n in range(5)}
    first = write_archive(tmp_path / "1.tar.gz", tree(tmp_path / "in", content), threads=1)
    for path in (tmp_path / "in").iterdir():
        os.utime(path, (1, 1))
        path.chmod(0o600)
    second = write_archive(tmp_path / "other name.tar.gz", tree(tmp_path / "in2", content), threads=7)
    assert first.sha256 == second.sha256
    with tarfile.open(second.path) as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in tar} == {(0, 0, 0, "", "", 0o644)}


def test_permission_to_execute_and_links_are_kept(tmp_path):
    members = tree(tmp_path / "in", {"run": b"#!/bin/sh\n", "text": b"x"})
    (tmp_path / "in" / "run").chmod(0o700)
    (tmp_path / "in" / "link").symlink_to("text")
    made = write_archive(tmp_path / "a.tar.gz", [*members, ("link", tmp_path / "in" / "link")])
    with tarfile.open(made.path) as tar:
        assert tar.getmember("run").mode == 0o755
        assert tar.getmember("link").linkname == "text"


def test_blocks_are_members_of_one_gzip_file(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "BLOCK", 512)
    made = write_archive(tmp_path / "a.tar.gz", tree(tmp_path / "in", {"a": b"a" * 10_000}))
    assert made.path.read_bytes().count(b"\x1f\x8b\x08") > 10
    assert len(gzip.decompress(made.path.read_bytes())) % 512 == 0


def test_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "BLOCK", 1000)
    taken, most = 0, 0

    class Counted(archive.GzipStream):
        def _hand_on(self, block):
            nonlocal taken, most
            taken += 1
            most = max(most, taken)
            super()._hand_on(block)

        def _store(self):
            nonlocal taken
            super()._store()
            taken -= 1

    monkeypatch.setattr(archive, "GzipStream", Counted)
    write_archive(tmp_path / "a.tar.gz", tree(tmp_path / "in", {"a": b"a" * 300_000}), threads=3)
    assert taken == 0
    assert most == 2 * 3 + 1


def test_file_that_vanishes_is_named(tmp_path):
    with pytest.raises(InputError, match=r"in/b vanished while it was packed"):
        write_archive(tmp_path / "a.tar.gz", [*tree(tmp_path / "in", {"a": b""}), ("b", tmp_path / "in" / "b")])


@pytest.mark.parametrize("change", [b"", b"abcdefgh"], ids=["shorter", "longer"])
def test_file_that_changes_is_named(tmp_path, monkeypatch, change):
    members = tree(tmp_path / "in", {"a": b"abcd"})
    fstat = os.fstat

    def changed_after(handle):
        status = fstat(handle)
        if status.st_size == 4:
            (tmp_path / "in" / "a").write_bytes(change)
        return status

    monkeypatch.setattr(os, "fstat", changed_after)
    with pytest.raises(InputError, match=r"in/a was changed while it was packed; run the task again"):
        write_archive(tmp_path / "a.tar.gz", members)


def test_disk_errors_pass(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        write_archive(Path("/dev/full"), tree(tmp_path / "in", {"a": b"a" * 100_000}))
