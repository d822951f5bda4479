"""The examples of docs/tuples.md run as they are printed."""

from __future__ import annotations

from pathlib import Path

from tests.examples import run_examples

DOCS = Path(__file__).parents[3] / "docs"


def test_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_examples((DOCS / "tuples.md").read_text(encoding="utf-8"))
    assert capsys.readouterr().out.split() == ["1000", "711", "500", "500"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["some.root", "taus.arrow"]
