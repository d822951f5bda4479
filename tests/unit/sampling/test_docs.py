"""The example of docs/sampling.md runs, and the page lists every option."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from tasks.sampling_options import OPTIONS
from taumltools.config.sampling import SamplingConfig
from taumltools.tuples.io import open_tuples
from tests.examples import run_examples

PAGE = (Path(__file__).parents[3] / "docs/sampling.md").read_text(encoding="utf-8")


def test_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run_examples(PAGE)
    assert "'tau'" in capsys.readouterr().out
    with open_tuples(tmp_path / "part_0.arrow") as file:
        assert file.entries == names["part"].yields.total > 0


def test_every_option_is_explained():
    table = PAGE[PAGE.index("## Options") : PAGE.index("## Methods")]
    listed = re.findall(r"`(\w+)`", table)
    assert {field.name for field in dataclasses.fields(SamplingConfig)} <= set(listed)
    options = {name.replace("-", "_") for name in re.findall(r"`--([\w-]+)`", table)}
    assert set(OPTIONS) <= options
