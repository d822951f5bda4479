"""The lock, between real processes."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from taumltools.batch.lock import driver_lock, holder, is_locked

HOLDER = """
    import sys, time
    from pathlib import Path
    from taumltools.batch.lock import driver_lock
    with driver_lock(Path(sys.argv[1]), "other", 0.02):
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
        print("freed", flush=True)
"""


def start(path, seconds):
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(path), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "deep" / "driver.lock"


@pytest.fixture
def other(lock):
    """Another process that holds the lock for long."""
    process = start(lock, 60)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_nobody_holds_a_lock_that_is_not_there(lock):
    assert not is_locked(lock)
    assert holder(lock) == ""


def test_a_lock_says_who_holds_it_and_who_held_it(lock):
    with driver_lock(lock, "label", 1.0):
        assert is_locked(lock)
        assert holder(lock) == f"process {os.getpid()} on {socket.gethostname()}"
    assert not is_locked(lock)
    assert holder(lock) == f"process {os.getpid()} on {socket.gethostname()}"


def test_an_exception_frees_the_lock(lock):
    with pytest.raises(RuntimeError, match="broken"), driver_lock(lock, "label", 1.0):
        raise RuntimeError("broken")
    assert not is_locked(lock)


def test_asking_does_not_free_the_lock(lock, other):
    assert is_locked(lock)
    assert is_locked(lock)
    assert holder(lock) == f"process {other.pid} on {socket.gethostname()}"


def test_a_second_driver_waits_says_so_once_and_goes_on_when_the_first_is_killed(lock, other, caplog):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            other.send_signal(signal.SIGKILL)
            other.wait()

    with caplog.at_level(logging.INFO), driver_lock(lock, "Training v1", 7.5, nap):
        assert naps == [7.5] * 3
        assert f"process {os.getpid()} " in holder(lock)
    told = [record.message for record in caplog.records]
    assert told == [
        f"Training v1: another driver (process {other.pid} on {socket.gethostname()}) is at work; waiting for it"
    ]


def test_a_killed_driver_leaves_no_lock(lock, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert lock.exists()
    assert not is_locked(lock)
    with driver_lock(lock, "label", 1.0, sleep=lambda _: pytest.fail("had to wait")):
        pass


def test_an_interrupted_wait_leaves_the_lock_with_its_holder(lock, other):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), driver_lock(lock, "label", 1.0, interrupt):
        pytest.fail("the lock was held by another process")
    assert is_locked(lock)
    assert holder(lock).startswith(f"process {other.pid} ")


def test_drivers_never_work_at_the_same_time(lock):
    diary = lock.parent.parent / "diary"
    script = textwrap.dedent(HOLDER).replace('print("held", flush=True)', "d.write('in\\n'); d.flush()")
    script = script.replace('print("freed", flush=True)', "d.write('out\\n'); d.flush()")
    script = script.replace("import sys, time\n", "import sys, time\nd = open(sys.argv[3], 'a')\n")
    drivers = [subprocess.Popen([sys.executable, "-c", script, str(lock), "0.05", str(diary)]) for _ in range(4)]
    assert [driver.wait(timeout=60) for driver in drivers] == [0] * 4
    assert diary.read_text().split() == ["in", "out"] * 4


def test_programs_that_a_driver_starts_do_not_keep_the_lock(lock):
    with driver_lock(lock, "label", 1.0):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    try:
        deadline = time.monotonic() + 10  # the kernel starts the program a moment before it closes the file for it
        while is_locked(lock) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not is_locked(lock)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("content", ["", "{", "5", "null", '{"pid": 3}', "[]"])
def test_unreadable_lock_files_have_no_holder_and_can_be_taken(lock, content):
    lock.parent.mkdir()
    lock.write_text(content)
    assert holder(lock) == ""
    with driver_lock(lock, "label", 1.0):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


def test_a_longer_note_of_an_earlier_holder_is_replaced(lock):
    lock.parent.mkdir()
    lock.write_text(json.dumps({"pid": 1, "host": "x" * 500}))
    with driver_lock(lock, "label", 1.0):
        assert json.loads(lock.read_text())["host"] == socket.gethostname()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_the_work_goes_on_with_a_warning(lock, monkeypatch, caplog, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with driver_lock(lock, "label", 1.0, sleep=lambda _: pytest.fail("had to wait")):
        assert not is_locked(lock)
    assert "no locks" in caplog.text
    assert "one driver of this workflow at a time" in caplog.text


def test_other_errors_of_the_file_system_are_not_hidden(lock, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output"), driver_lock(lock, "label", 1.0):
        pytest.fail("there is no lock")


def test_waiting_is_over_soon_after_the_first_is_done(lock):
    first = start(lock, 0.2)
    assert first.stdout.readline() == "held\n"
    begin = time.monotonic()
    with driver_lock(lock, "label", 0.02):
        assert first.stdout.read() == "freed\n"
    assert time.monotonic() - begin < 20
    first.wait()
    first.stdout.close()
