"""The example of docs/validation.md runs, and the page lists every option."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from taumltools.config.validation import ValidationConfig

PAGE = (Path(__file__).parents[3] / "docs/validation.md").read_text(encoding="utf-8")


def test_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, {})
    assert capsys.readouterr().out.startswith("True ")
    found = {path.name for path in (tmp_path / "validation.d").iterdir()}
    assert {"verdict.json", "tests.json", "pvalues.json", "p_values.pdf", "chunks.png"} <= found


def test_every_option_is_explained():
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {field.name for field in dataclasses.fields(ValidationConfig)} <= set(listed)
