"""The example of docs/validation.md runs, and the page lists every option."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from taumltools.config.validation import ValidationConfig
from tests.examples import run_examples

PAGE = (Path(__file__).parents[3] / "docs/validation.md").read_text(encoding="utf-8")


def test_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_examples(PAGE)
    assert capsys.readouterr().out.startswith("True ")
    found = {path.name for path in (tmp_path / "validation.d").iterdir()}
    assert {"verdict.json", "tests.json", "pvalues.json", "p_values.pdf", "chunks.png"} <= found


def test_every_option_is_explained():
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {field.name for field in dataclasses.fields(ValidationConfig)} <= set(listed)
