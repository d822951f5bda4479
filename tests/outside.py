"""Programs that are no part of the environment; tests that need one are skipped where it is not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

ROOT_PYTHON = os.environ.get("TAUML_ROOT_PYTHON") or (sys.executable if importlib.util.find_spec("ROOT") else "")
LUMIN_PYTHON = os.environ.get("TAUML_LUMIN_PYTHON", "")

needs_root = pytest.mark.skipif(
    not ROOT_PYTHON, reason="ROOT is not installed; TAUML_ROOT_PYTHON may name a Python that has it"
)
needs_lumin = pytest.mark.skipif(not LUMIN_PYTHON, reason="TAUML_LUMIN_PYTHON names no Python that has lumin")


def run_outside(python: str, code: str, *arguments: object) -> str:
    """What a program prints that another Python runs; any complaint of it fails the test."""
    done = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout
