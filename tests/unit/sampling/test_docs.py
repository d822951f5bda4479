"""The example of docs/sampling.md runs, and the page lists every option."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from taumltools.config.sampling import SamplingConfig

PAGE = (Path(__file__).parents[3] / "docs/sampling.md").read_text(encoding="utf-8")


def test_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)
    assert "'tau'" in capsys.readouterr().out
    assert len(names["part"].tuples) == names["part"].yields.total > 0


def test_every_option_is_explained():
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {field.name for field in dataclasses.fields(SamplingConfig)} <= set(listed)
