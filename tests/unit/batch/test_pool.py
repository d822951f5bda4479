"""The adapter to HTCondor, as far as it can be seen without a pool; with one: tests/condor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taumltools.batch.pool import plain

ROOT = Path(__file__).resolve().parents[3]


def test_undefined_attributes_and_expressions_are_left_out():
    class Undefined(int):
        """classad2.Value.Undefined is an int, too."""

    ad = {"A": 1, "B": "x", "C": True, "D": 1.5, "E": Undefined(2), "F": object(), "G": None}
    assert plain(ad) == {"A": 1, "B": "x", "C": True, "D": 1.5}


@pytest.mark.parametrize(
    "call", ["jobs('w')", "remove(['1.0'], 'x')", "submit('executable = /bin/true', [])", "where()"]
)
def test_machine_without_a_scheduler_is_told_soon(tmp_path, call):
    """In a process of its own, since the bindings read their configuration once."""
    config = tmp_path / "condor_config"
    config.write_text(
        f"LOCAL_DIR = {tmp_path}\nLOG = {tmp_path}\nCONDOR_HOST = 127.0.0.1:1\nNETWORK_INTERFACE = 127.0.0.1\n"
    )
    code = f"""
from taumltools.batch.pool import CondorPool
from taumltools.errors import BatchError
try:
    print(CondorPool().{call})
except BatchError as error:
    print("told:", error)
"""
    env = os.environ | {"CONDOR_CONFIG": str(config), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("told: there is no HTCondor scheduler for this machine"), done.stdout + done.stderr


def test_nothing_is_asked_when_there_is_nothing_to_remove(monkeypatch):
    from taumltools.batch.pool import CondorPool

    monkeypatch.setattr(CondorPool, "_place", None)
    CondorPool().remove([], "x")
