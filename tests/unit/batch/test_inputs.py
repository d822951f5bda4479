"""The products that a job reads, in one file."""

from __future__ import annotations

import tarfile

import pytest

from taumltools.batch.inputs import INPUTS, pack_inputs, remove_inputs
from taumltools.errors import StoreError


@pytest.fixture
def store(tmp_path):
    store = tmp_path / "store"
    (store / "demo" / "a=b" / "model.d" / "deep").mkdir(parents=True)
    (store / "demo" / "a=b" / "model.d" / "deep" / "weights.h5").write_bytes(b"\0w")
    (store / "demo" / "a=b" / "x_0.txt").write_text("0")
    (store / "demo" / "other").mkdir()
    (store / "demo" / "other" / "x_0.txt").write_text("another of the same name")
    return store


def test_files_and_folders_keep_their_places(store, tmp_path):
    path = tmp_path / "submissions" / "s" / "s" / INPUTS.format(branch=3)
    names = ["demo/a=b/model.d", "demo/a=b/x_0.txt", "demo/other/x_0.txt"]
    pack_inputs(path, store, names)
    scratch = tmp_path / "scratch"
    with tarfile.open(path) as tar:
        tar.extractall(scratch)  # no filter: Python 3.11.2 has none
    for file in ("a=b/model.d/deep/weights.h5", "a=b/x_0.txt", "other/x_0.txt"):
        assert (scratch / "demo" / file).read_bytes() == (store / "demo" / file).read_bytes()


def test_nothing_to_read_gives_an_empty_archive(store, tmp_path):
    pack_inputs(tmp_path / "inputs_0.tar", store, [])
    with tarfile.open(tmp_path / "inputs_0.tar") as tar:
        assert tar.getnames() == []


def test_earlier_file_is_replaced(store, tmp_path):
    for names in (["demo/a=b"], ["demo/other/x_0.txt"]):
        pack_inputs(tmp_path / "inputs_0.tar", store, names)
    with tarfile.open(tmp_path / "inputs_0.tar") as tar:
        assert tar.getnames() == ["demo/other/x_0.txt"]


def test_product_that_is_gone_leaves_nothing(store, tmp_path):
    with pytest.raises(FileNotFoundError, match="x_9"):
        pack_inputs(tmp_path / "batch" / "inputs_0.tar", store, ["demo/a=b/x_0.txt", "demo/a=b/x_9.txt"])
    assert list((tmp_path / "batch").iterdir()) == []


def test_place_that_cannot_be_written_is_said(store, tmp_path):
    (tmp_path / "s").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot publish .*inputs_0\.tar"):
        pack_inputs(tmp_path / "s" / "inputs_0.tar", store, [])


def test_what_was_packed_is_removed_and_nothing_else(store, tmp_path):
    folder = tmp_path / "submissions"
    for name in ("s1/s1", "s2/s2"):
        pack_inputs(folder / name / INPUTS.format(branch=12), store, [])
        (folder / name / "jobs.sub").write_text("")
    remove_inputs(folder)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "s1/s1/jobs.sub",
        "s2/s2/jobs.sub",
    ]
    remove_inputs(tmp_path / "nothing")
