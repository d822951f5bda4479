"""Files to remote servers, on a real xrootd server that is killed in the middle."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import taumltools.store.remote as remote
import taumltools.store.upload as module
from taumltools.errors import ServerError, StoreError
from taumltools.store.upload import remove_temporaries, rename, upload


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 100_000)
    monkeypatch.setattr(remote, "TIMEOUT", 3)


@pytest.fixture
def product(tmp_path):
    path = tmp_path / "a.root"
    path.write_bytes(os.urandom(1_050_000))
    return path


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "a.d"
    (where / "deep").mkdir(parents=True)
    (where / "one.txt").write_text("1")
    (where / "deep" / "two.txt").write_text("22")
    return where


def tree(xrootd_server, name="") -> list[str]:
    top = xrootd_server.data / name
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


def test_a_file_arrives_whole_in_a_new_folder(xrootd_server, product):
    upload(product, xrootd_server.url("new/deep/a.root"))
    assert (xrootd_server.data / "new/deep/a.root").read_bytes() == product.read_bytes()
    assert tree(xrootd_server) == ["new/deep/a.root"]


def test_a_file_is_replaced(xrootd_server, tmp_path):
    for text in ("first", "second, longer"):
        (tmp_path / "meta.json").write_text(text)
        upload(tmp_path / "meta.json", xrootd_server.url("meta.json"))
        assert (xrootd_server.data / "meta.json").read_text() == text
    (tmp_path / "empty").touch()
    upload(tmp_path / "empty", xrootd_server.url("empty"))
    assert (xrootd_server.data / "empty").stat().st_size == 0


def test_a_folder_arrives_whole_and_one_that_is_there_stays(xrootd_server, folder):
    upload(folder, xrootd_server.url("x/a.d"))
    assert tree(xrootd_server) == ["x/a.d/deep/two.txt", "x/a.d/one.txt"]
    (folder / "one.txt").write_text("other")
    upload(folder, xrootd_server.url("x/a.d"))
    assert (xrootd_server.data / "x/a.d/one.txt").read_text() == "1"
    assert tree(xrootd_server) == ["x/a.d/deep/two.txt", "x/a.d/one.txt"]


def test_an_empty_folder_is_refused(xrootd_server, tmp_path):
    (tmp_path / "e.d").mkdir()
    with pytest.raises(StoreError, match="is an empty folder"):
        upload(tmp_path / "e.d", xrootd_server.url("e.d"))


def test_a_write_that_breaks_half_way_is_done_again(xrootd_server, product, monkeypatch):
    """The server is killed in the middle, and comes back after some seconds; what it had is not taken for the file."""
    real, calls, seen = module._write, [], []

    def write(path, url):
        calls.append(url)
        if len(calls) == 1:
            files, there = remote.connect(url)
            with files.open(there, "wb") as target:
                target.write(path.read_bytes()[:300_000])
            seen.append(tree(xrootd_server))
            xrootd_server.kill()
            xrootd_server.start_after(2.0)
        real(path, url)

    monkeypatch.setattr(module, "_write", write)
    upload(product, xrootd_server.url("a.root"))
    assert len(calls) >= 2
    assert seen[0][0].startswith(".a.tmp-")
    assert (xrootd_server.data / "a.root").read_bytes() == product.read_bytes()
    assert tree(xrootd_server) == ["a.root"]


def test_a_server_that_dies_for_good_has_no_product(xrootd_server, product, monkeypatch):
    real = module._name

    def name(*arguments):
        xrootd_server.kill()
        return real(*arguments)

    monkeypatch.setattr(module, "_name", name)
    with pytest.raises(ServerError, match=r"naming root://.*a\.root failed 5 times.*is the server up"):
        upload(product, xrootd_server.url("a.root"), sleep=lambda _: None)
    (left,) = tree(xrootd_server)
    assert left.startswith(".a.tmp-")
    xrootd_server.start()
    assert remove_temporaries(xrootd_server.url("").rstrip("/")) == 1
    assert tree(xrootd_server) == []


def test_a_rename_whose_answer_was_lost_is_not_done_twice(xrootd_server, product, monkeypatch):
    real = module._name
    calls = []

    def name(*arguments):
        calls.append(1)
        real(*arguments)
        if len(calls) == 1:
            raise OSError("the connection broke before the answer")

    monkeypatch.setattr(module, "_name", name)
    upload(product, xrootd_server.url("a.root"), sleep=lambda _: None)
    assert len(calls) == 2
    assert (xrootd_server.data / "a.root").read_bytes() == product.read_bytes()


def test_an_error_takes_the_temporary_with_it(xrootd_server, product, monkeypatch):
    monkeypatch.setattr(module, "_name", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        upload(product, xrootd_server.url("a.root"))
    assert tree(xrootd_server) == []


def test_names_change_on_the_server(xrootd_server, product, folder):
    upload(product, xrootd_server.url("x/a.root"))
    upload(folder, xrootd_server.url("x/a.d"))
    rename(xrootd_server.url("x/a.root"), ".a.root.invalid")
    rename(xrootd_server.url("x/a.d"), "b.d")
    assert tree(xrootd_server, "x") == [".a.root.invalid", "b.d/deep/two.txt", "b.d/one.txt"]
    with pytest.raises(FileNotFoundError):
        rename(xrootd_server.url("x/a.root"), "c.root")


def test_cleaning_spares_products_and_folders_that_are_not_there(xrootd_server, product):
    upload(product, xrootd_server.url("x/a.root"))
    assert remove_temporaries(xrootd_server.url("nowhere")) == 0
    assert remove_temporaries(xrootd_server.url("x")) == 0
    assert tree(xrootd_server) == ["x/a.root"]


def test_any_address_of_fsspec_will_do(tmp_path, product, folder):
    upload(product, f"file://{tmp_path}/there/a.root")
    upload(folder, f"file://{tmp_path}/there/a.d")
    assert (tmp_path / "there/a.root").read_bytes() == product.read_bytes()
    assert [path.name for path in sorted(Path(tmp_path, "there").iterdir())] == ["a.d", "a.root"]
