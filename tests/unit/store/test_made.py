from __future__ import annotations

import os
from pathlib import Path

import pytest

from taumltools.errors import InputError
from taumltools.store.made import last_made


def stored(root: Path, version: str, run: str, name: str, time: int) -> Path:
    path = root / "demo" / "Training" / version / run / "model" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(run)
    os.utime(path, (time, time))
    return path


def test_files_of_the_run_with_the_newest_one(tmp_path: Path):
    stored(tmp_path, "v1", "aa", "x.keras", 300)
    wanted = [stored(tmp_path, "v1", "bb", name, time) for name, time in (("a.keras", 100), ("b.keras", 400))]
    stored(tmp_path, "v2", "cc", "x.keras", 900)
    (tmp_path / "demo/Training/v1/dd").mkdir()
    assert last_made(tmp_path, "demo", "v1", "Training", "model/*.keras") == wanted
    assert last_made(tmp_path, "other", "demo:v1", "Training", "model/*.keras") == wanted


def test_what_is_there_is_told(tmp_path: Path):
    stored(tmp_path, "v1", "aa", "x.keras", 1)
    (tmp_path / "demo/Training/v0/dd").mkdir(parents=True)
    with pytest.raises(
        InputError, match=r"no Training of version 'v9' of campaign 'demo' .* there are v1: make it with law run"
    ):
        last_made(tmp_path, "demo", "v9", "Training", "model/*.keras")
    with pytest.raises(InputError, match="there are none"):
        last_made(tmp_path, "other", "v1", "Training", "model/*.keras")
