import os

import numpy as np
import pytest

from taumltools.training.checkpoint import Checkpoint, Checkpoints


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "fit", minutes=10.0)


def saved(checkpoints, *epochs, fingerprint=""):
    for epoch in epochs:
        checkpoints.save(
            Checkpoint({"epoch": epoch, "fingerprint": fingerprint}, {"a/x": np.full(3, epoch, np.uint32)})
        )


def test_what_was_saved_comes_back(checkpoints):
    meta = {"epoch": 2, "loss": 0.1 + 0.2, "history": {"loss": [1e-300, float("nan")]}, "fingerprint": "f"}
    arrays = {"a/x": np.arange(3, dtype=np.uint32), "a/y": np.float32(2.5), "b/x": np.zeros((0, 4))}
    checkpoints.save(Checkpoint(meta, arrays))
    found = checkpoints.load("f")
    assert str(found.meta) == str(meta)
    assert list(found.part("a/")) == ["x", "y"]
    for name, value in arrays.items():
        np.testing.assert_array_equal(found.arrays[name], value)
        assert found.arrays[name].dtype == value.dtype


def test_the_last_two_are_kept(checkpoints):
    saved(checkpoints, 1, 2, 3, 4)
    assert sorted(p.name for p in checkpoints.folder.iterdir()) == ["checkpoint_000003.npz", "checkpoint_000004.npz"]
    assert checkpoints.load("").meta["epoch"] == 4


@pytest.mark.parametrize("size", [0, 10, 200])
def test_a_damaged_one_is_passed_over(checkpoints, size, caplog):
    saved(checkpoints, 1, 2)
    last = max(checkpoints.folder.iterdir())
    os.truncate(last, size)
    assert checkpoints.load("").meta["epoch"] == 1
    assert f"{last} cannot be read" in caplog.text
    saved(checkpoints, 3)
    assert checkpoints.load("").meta["epoch"] == 3


def test_what_a_killed_process_left_is_not_taken(checkpoints):
    saved(checkpoints, 1)
    (checkpoints.folder / ".checkpoint_000002.tmp-host-1-abc.npz").write_bytes(b"half")
    assert checkpoints.load("").meta["epoch"] == 1
    checkpoints.remove()
    assert not checkpoints.folder.exists()


def test_of_another_fit_or_none(checkpoints, caplog):
    assert checkpoints.load("a") is None
    saved(checkpoints, 1, fingerprint="b")
    assert checkpoints.load("a") is None
    assert "other settings" in caplog.text


def test_due_by_time(tmp_path):
    assert Checkpoints(tmp_path, minutes=0).due()
    assert not Checkpoints(tmp_path, minutes=1).due()


def test_a_full_disk_does_not_end_the_fit(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    saved(Checkpoints(tmp_path / "file" / "fit"), 1)
    assert "no checkpoint could be written" in caplog.text
