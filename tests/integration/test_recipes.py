"""The recipes of CONTRIBUTING.md and docs/sources.md, executed as they stand, each in a fresh copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections(name: str) -> dict[str, list[tuple[str, str, str]]]:
    """Title to (language, file name or empty, text) of the fenced blocks below it."""
    parts = re.split(r"^## ", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: BLOCK.findall(part) for part in parts}


def recipes() -> dict[str, list[tuple[str, str, str]]]:
    """All of CONTRIBUTING.md, and what docs/sources.md calls a recipe."""
    title = "Only your own files"
    return sections("CONTRIBUTING.md") | {title: sections("docs/sources.md")[title]}


@pytest.fixture
def copy(tmp_path):
    """A copy of what git tracks, with an environment as setup.sh makes it."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LAW_", "TAUML_"))}
    environment |= {
        "PYTHONPATH": str(tmp_path),
        "LAW_HOME": str(tmp_path / ".law"),
        "LAW_CONFIG_FILE": str(tmp_path / "law.cfg"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    subprocess.run(["law", "index", "--quiet"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    return tmp_path, environment


def test_there_are_six_recipes():
    added = {f"Add a {what}" for what in ("dataset", "feature", "model", "task", "site")}
    assert set(recipes()) == added | {"Only your own files"}
    assert all(blocks for blocks in recipes().values())


@pytest.mark.parametrize("title", list(recipes()))
def test_recipe_works_as_it_stands(copy, title):
    folder, environment = copy
    ran = 0
    for language, name, text in recipes()[title]:
        if name:
            assert not (folder / name).exists(), f"{name} is there already"
            (folder / name).write_text(text, encoding="utf-8")
            continue
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        ran += 1
    assert ran
