"""The state for ``law run Status``: replaced as a whole, never an error to read."""

from __future__ import annotations

import threading

import pytest

from taumltools.batch.causes import Cause
from taumltools.batch.decide import GiveUp
from taumltools.batch.snapshot import Snapshot
from taumltools.batch.states import State


def test_what_is_written_is_read(tmp_path):
    snapshot = Snapshot(tmp_path / "snapshot.json")
    snapshot.write(12.34567, {3: State.RUNNING, 10: State.IDLE}, {5: GiveUp(Cause.MEMORY, "too much")})
    assert snapshot.read() == {
        "time": 12.346,
        "states": {"3": "running", "10": "idle"},
        "given_up": {"5": {"cause": "out of memory", "message": "too much"}},
    }
    snapshot.write(13.0, {}, {})
    assert Snapshot(tmp_path / "snapshot.json").read() == {"time": 13.0, "states": {}, "given_up": {}}
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot.json"]


def test_states_and_causes_are_read_back(tmp_path):
    snapshot = Snapshot(tmp_path / "s")
    snapshot.write(0.0, dict(enumerate(State)), {i: GiveUp(cause, "") for i, cause in enumerate(Cause)})
    content = snapshot.read()
    assert [State(value) for value in content["states"].values()] == list(State)
    assert [Cause(item["cause"]) for item in content["given_up"].values()] == list(Cause)


@pytest.mark.parametrize("content", [b"", b"{", b'{"time": 1', b"[1, 2]", b"3", b"null", b"\xff\xfe\x00", b"\x00" * 50])
def test_unreadable_content_is_an_empty_state(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    assert Snapshot(tmp_path / "s").read() == {}


def test_no_file_is_an_empty_state(tmp_path):
    assert Snapshot(tmp_path / "none" / "s").read() == {}
    assert Snapshot(tmp_path).read() == {}  # a folder


def test_readers_see_whole_states_only(tmp_path):
    snapshot = Snapshot(tmp_path / "s")
    snapshot.write(0.0, {}, {})
    many = dict.fromkeys(range(3000), State.RUNNING)

    def rewrite():
        for time in range(1, 31):
            snapshot.write(float(time), many, {})

    writer = threading.Thread(target=rewrite)
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append(snapshot.read())
    writer.join()
    assert all(
        len(state.get("states", ())) == (3000 if state.get("time") else 0) and "given_up" in state for state in seen
    )
    assert snapshot.read()["time"] == 30.0
    assert seen


def test_a_folder_in_its_place_is_not_replaced(tmp_path):
    (tmp_path / "s").mkdir()
    with pytest.raises(OSError, match="directory"):
        Snapshot(tmp_path / "s").write(1.0, {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
