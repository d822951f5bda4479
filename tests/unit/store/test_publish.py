"""Atomic publish: whole or not at all, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from taumltools.errors import InputError, StoreError
from taumltools.store import publish, read_sidecar, sidecar_path


def test_file_appears_only_after_the_block(tmp_path):
    target = tmp_path / "deep" / "a.json"
    with publish(target) as temporary:
        temporary.write_text("{}")
        assert not target.exists()
        assert temporary.suffix == ".json"
        assert temporary.name.startswith(".")
    assert target.read_text() == "{}"
    assert [p.name for p in target.parent.iterdir()] == ["a.json"]


def test_folder_is_published_whole(tmp_path):
    with publish(tmp_path / "model") as temporary:
        temporary.mkdir()
        (temporary / "weights.h5").write_bytes(b"w")
        (temporary / "sub").mkdir()
        (temporary / "sub" / "x").write_text("x")
    assert (tmp_path / "model" / "sub" / "x").read_text() == "x"


def test_exception_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="broken"), publish(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError("broken")
    assert list(tmp_path.iterdir()) == []


def test_failed_validation_leaves_nothing_and_keeps_the_older_product(tmp_path):
    (tmp_path / "a.txt").write_text("good")

    def refuse(path):
        raise InputError(f"{path.name} is bad")

    with pytest.raises(InputError, match="is bad"), publish(tmp_path / "a.txt", validate=refuse) as temporary:
        temporary.write_text("bad")
    assert (tmp_path / "a.txt").read_text() == "good"
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="nothing was written"), publish(tmp_path / "a.txt"):
        pass


def test_relative_path_is_refused():
    from pathlib import Path

    with pytest.raises(StoreError, match="absolute"), publish(Path("a.txt")) as temporary:
        temporary.write_text("x")


def test_errors_of_inputs_pass_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), publish(tmp_path / "out" / "a.txt"):
        (tmp_path / "no such input").read_text()


def test_side_file_is_written_before_the_product(tmp_path):
    order = []
    with publish(tmp_path / "a", before_rename=lambda _: order.append((tmp_path / "a").exists())) as temporary:
        temporary.write_text("x")
    assert order == [False]


def test_twins_publish_one_whole_folder(tmp_path):
    first, second = publish(tmp_path / "model"), publish(tmp_path / "model")
    a, b = first.__enter__(), second.__enter__()
    for folder, text in ((a, "first"), (b, "second")):
        folder.mkdir()
        (folder / "w").write_text(text)
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert (tmp_path / "model" / "w").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_failing_twin_does_not_delete_the_good_product(tmp_path):
    with publish(tmp_path / "a.txt") as temporary:
        temporary.write_text("good")
    with pytest.raises(RuntimeError), publish(tmp_path / "a.txt") as temporary:
        temporary.write_text("twin")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "good"


TWIN = """
    import sys, time
    from pathlib import Path
    from taumltools.store import publish
    with publish(Path(sys.argv[1])) as temporary:
        with open(temporary, "w") as handle:
            for _ in range(200):
                handle.write("x" * 1000); handle.flush(); time.sleep(0.002)
"""


def _start(target):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(TWIN), str(target)])


def test_killed_writer_leaves_no_target(tmp_path):
    target = tmp_path / "a.txt"
    writer = _start(target)
    deadline = time.time() + 30
    while not list(tmp_path.glob(".a.tmp-*")) and time.time() < deadline:
        time.sleep(0.01)
    assert list(tmp_path.glob(".a.tmp-*")), "the writer never started"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert not target.exists()


def test_two_processes_at_once_give_one_whole_file(tmp_path):
    target = tmp_path / "a.txt"
    writers = [_start(target), _start(target)]
    assert [w.wait(timeout=60) for w in writers] == [0, 0]
    assert target.read_text() == "x" * 200_000
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


LIMITED = """
    import resource, signal, sys
    from pathlib import Path
    from taumltools.store import publish
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    with publish(Path(sys.argv[1])) as temporary:
        temporary.write_bytes(b"x" * 1_000_000)
"""


def test_file_that_does_not_fit_is_an_error_with_advice_and_leaves_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED), str(tmp_path / "a.bin")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "StoreError: cannot publish" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_explained(tmp_path):
    with pytest.raises(StoreError, match=r"disk is full.*TAUML_STORE"), publish(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
        with open("/dev/full", "w") as full:
            full.write("x")
    assert list(tmp_path.iterdir()) == []


def test_store_below_a_file_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="TAUML_STORE"), publish(tmp_path / "file" / "sub" / "a.txt") as temporary:
        temporary.write_text("x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_store_is_explained(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="permission"), publish(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs procfs, which refuses new files even to root")
def test_file_system_that_refuses_files_is_explained():
    from pathlib import Path

    with pytest.raises(StoreError, match="cannot publish"), publish(Path("/proc/self/a.txt")) as temporary:
        temporary.write_text("x")


def test_sidecar_is_beside_the_product(tmp_path):
    product = tmp_path / "a.root"
    sidecar_path(product).write_text(json.dumps({"task": "T"}))
    assert read_sidecar(product) == {"task": "T"}
    assert sidecar_path(product).name == "a.root.meta.json"


def test_missing_and_broken_sidecars_are_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.root\.meta\.json is missing"):
        read_sidecar(tmp_path / "a.root")
    sidecar_path(tmp_path / "a.root").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_sidecar(tmp_path / "a.root")
