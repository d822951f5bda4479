"""A remote store and its mirror, on a real xrootd server."""

from __future__ import annotations

import json
import os
import shutil

import pytest

import taumltools.store.remote as remote
from taumltools.errors import ServerError, StoreError
from taumltools.store.mirror import Mirror
from taumltools.store.provenance import files_of, sidecar_path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(remote, "TIMEOUT", 3)


@pytest.fixture
def mirror(xrootd_server, tmp_path):
    return Mirror(xrootd_server.url("store"), tmp_path / "mirror", sleep=lambda _: None)


def make(mirror, name="demo/a.root", text="content", side="{}"):
    """Publish a file with a side-car."""
    path = mirror.root / name
    with mirror.publish(path, None, lambda _: sidecar_path(path).write_text(side)) as temporary:
        temporary.write_text(text)
    return path


def make_folder(mirror, name="demo/a.d", write_side=None):
    path = mirror.root / name
    with mirror.publish(path, None, write_side) as temporary:
        (temporary / "deep").mkdir(parents=True)
        (temporary / "deep/two.txt").write_text("22")
    return path


def there(xrootd_server):
    top = xrootd_server.data / "store"
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


def test_a_product_is_on_the_server_with_its_side_car(mirror, xrootd_server):
    make(mirror)
    make_folder(mirror)
    assert there(xrootd_server) == ["demo/a.d/deep/two.txt", "demo/a.root", "demo/a.root.meta.json"]


def test_products_are_seen_on_the_server_only(mirror, xrootd_server):
    paths = {0: make(mirror), 1: mirror.root / "demo/b.root", 2: make_folder(mirror), 3: mirror.root / "other/c.root"}
    assert [*mirror.present(paths)] == [0, 2]
    assert mirror.present(paths)[0] == (7, paths[0].stat().st_mtime_ns)
    paths[1].write_text("only here")
    (xrootd_server.data / "store/demo/a.root").unlink()
    assert [*mirror.present(paths)] == [2]


def test_what_begins_with_an_underscore_stays_local(mirror, xrootd_server):
    path = make(mirror, "_bundles/x.tar")
    assert path.read_text() == "content"
    assert [*mirror.present({5: path})] == [5]
    mirror.bring(path)
    assert not (xrootd_server.data / "store").exists()


def test_the_mirror_may_be_lost(mirror):
    path, folder = make(mirror, side='{"a": 1}'), make_folder(mirror)
    shutil.rmtree(mirror.root)
    mirror.bring(path)
    mirror.bring(folder)
    assert path.read_text() == "content"
    assert sidecar_path(path).read_text() == '{"a": 1}'
    assert (folder / "deep/two.txt").read_text() == "22"


def test_a_copy_that_is_the_same_is_not_fetched_again(mirror, monkeypatch):
    path, folder = make(mirror), make_folder(mirror)
    monkeypatch.setattr("taumltools.store.mirror.fetch", lambda *_: pytest.fail("it is here already"))
    mirror.bring(path)
    mirror.bring(folder)


@pytest.mark.parametrize("change", ["content", "more", "less"])
def test_a_copy_that_differs_is_replaced(mirror, change):
    path, folder = make(mirror), make_folder(mirror)
    path.write_text("altered")  # of the same size: the time tells
    if change == "content":
        (folder / "deep/two.txt").write_text("33")
    elif change == "more":
        (folder / "another.txt").touch()
    else:
        (folder / "deep/two.txt").unlink()
    mirror.bring(path)
    mirror.bring(folder)
    assert path.read_text() == "content"
    assert [file.name for file in folder.rglob("*") if file.is_file()] == ["two.txt"]
    assert (folder / "deep/two.txt").read_text() == "22"


def test_what_the_server_does_not_have_cannot_be_brought(mirror):
    with pytest.raises(FileNotFoundError):
        mirror.bring(mirror.root / "demo/none.root")


def test_a_copy_of_a_product_that_was_removed_on_the_server_does_not_come_back(mirror, xrootd_server):
    """It was taken for one that another process had published, and the new one was thrown away."""
    make(mirror, text="old")
    (xrootd_server.data / "store/demo/a.root").unlink()
    path = make(mirror, text="new")
    assert (xrootd_server.data / "store/demo/a.root").read_text() == path.read_text() == "new"
    (xrootd_server.data / "store/demo/a.root").unlink()
    mirror.forget(path)
    assert not path.exists()


def test_of_two_who_publish_the_first_stays(mirror, tmp_path, xrootd_server):
    other = Mirror(mirror.url, tmp_path / "other")
    path = mirror.root / "demo/a.root"
    with mirror.publish(path, None, lambda _: sidecar_path(path).write_text("mine")) as temporary:
        temporary.write_text("mine")
        make(other, text="theirs", side="theirs")
    assert (xrootd_server.data / "store/demo/a.root").read_text() == "theirs"
    assert (xrootd_server.data / "store/demo/a.root.meta.json").read_text() == "theirs"
    mirror.bring(path)
    assert path.read_text() == sidecar_path(path).read_text() == "theirs"


def test_a_product_that_is_not_valid_does_not_reach_the_server(mirror, xrootd_server):
    def refuse(_path):
        raise ValueError("not good")

    path = mirror.root / "demo/a.root"
    with pytest.raises(ValueError, match="not good"), mirror.publish(path, refuse) as temporary:
        temporary.write_text("x")
    assert not (xrootd_server.data / "store").exists()
    assert [*path.parent.iterdir()] == []


def test_a_server_that_is_gone_is_named_and_there_is_no_product(mirror, xrootd_server):
    path = mirror.root / "demo/a.root"
    context = mirror.publish(path)
    temporary = context.__enter__()
    temporary.write_text("x")
    xrootd_server.kill()
    with pytest.raises(ServerError, match=r"root://127.* failed 5 times"):
        context.__exit__(None, None, None)
    assert [*path.parent.iterdir()] == []
    with pytest.raises(ServerError, match="failed 5 times"):
        mirror.present({0: path})


def test_invalid_products_are_put_aside_and_rests_removed(mirror, xrootd_server):
    path = make(mirror)
    mirror.put_aside(path, ".a.root.invalid-1")
    assert not path.exists()
    (xrootd_server.data / "store/demo/.b.tmp-host-1-abc.root").write_text("half")
    mirror.clean(path.parent)
    assert there(xrootd_server) == ["demo/.a.root.invalid-1", "demo/a.root.meta.json"]


def test_a_side_car_comes_without_its_product(mirror):
    path = make(mirror, side='{"a": 1}')
    shutil.rmtree(mirror.root)
    mirror.bring_sidecar(path)
    assert sidecar_path(path).read_text() == '{"a": 1}'
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        mirror.bring_sidecar(mirror.root / "demo/none.root")


@pytest.mark.parametrize("rest", [["one.txt"], []])
def test_a_folder_whose_files_were_removed_on_the_server_is_named(mirror, xrootd_server, rest):
    """It was brought as it was, and whoever read it did not find a file of the mirror."""
    path = mirror.root / "demo/a.d"
    sidecar_path(path).parent.mkdir(parents=True)
    make_folder(mirror, write_side=lambda made: sidecar_path(path).write_text(json.dumps({"files": files_of(made)})))
    there = xrootd_server.data / "store/demo/a.d"
    for name in rest:
        (there / name).touch()  # more than the list is nothing bad
    mirror.bring(path)
    shutil.rmtree(there / "deep")
    with pytest.raises(
        StoreError, match=r"root://.*a\.d: 1 of its 1 files are missing on the server, e.g. deep/two.txt"
    ):
        mirror.bring(path)


def test_what_was_made_elsewhere_is_sent(mirror, xrootd_server):
    path = mirror.root / "demo/a.root"
    path.parent.mkdir(parents=True)
    path.write_text("from a job")
    sidecar_path(path).write_text("{}")
    mirror.send(path)
    assert there(xrootd_server) == ["demo/a.root", "demo/a.root.meta.json"]
    (xrootd_server.data / "store/demo/a.root").write_text("first")
    mirror.send(path)
    assert (xrootd_server.data / "store/demo/a.root").read_text() == "first"


def test_any_address_of_fsspec_will_do(tmp_path):
    mirror = Mirror(f"file://{tmp_path}/there", tmp_path / "mirror")
    path, folder = make(mirror), make_folder(mirror)
    shutil.rmtree(mirror.root)
    mirror.bring(path)
    mirror.bring(folder)
    assert (path.read_text(), [*mirror.present({0: path, 1: folder})]) == ("content", [0, 1])
    assert sorted(os.listdir(tmp_path / "there/demo")) == ["a.d", "a.root", "a.root.meta.json"]
