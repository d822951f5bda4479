"""The example of docs/binned.md runs, and the page lists every option and true numbers."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from taumltools.config.binned import BinnedConfig, MergeStepConfig, SourceConfig
from taumltools.sampling.legacy_merge import LegacyDraws, legacy_places
from taumltools.sampling.legacy_stream import LegacyStream
from tests.examples import run_examples

PAGE = (Path(__file__).parents[3] / "docs/binned.md").read_text(encoding="utf-8")


def test_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run_examples(PAGE)
    assert "tau_pt_20_eta_0.000" in capsys.readouterr().out
    assert names["done"]["written"] == names["plan"].total > 0
    assert names["done"]["weight_sum"] == pytest.approx(1)


@pytest.mark.parametrize("config", [BinnedConfig, MergeStepConfig, SourceConfig])
def test_every_option_is_explained(config):
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"\w+", cell)}
    assert {field.name for field in dataclasses.fields(config)} <= listed


ROWS = re.findall(r"^\| (\d[\d and]*) \| (\d[\d and]*) \| (\d+)% \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("bins", "entries", "percent"), ROWS)
def test_share_that_the_legacy_order_writes(bins, entries, percent):
    # a bin of n entries out of N is exhausted at about N / n times a gamma variable of shape n
    pairs = zip(bins.split(" and "), entries.split(" and "), strict=True)
    sizes = np.repeat(*np.array([(int(n), int(k)) for k, n in pairs]).T)
    ends = np.random.default_rng(1).gamma(sizes, 1 / sizes, (5000, len(sizes))).min(axis=1)
    assert np.minimum(ends, 1).mean() == pytest.approx(int(percent) / 100, abs=0.01)


def test_share_by_the_draws_themselves():
    assert ("120", "50", "67") in ROWS
    assert len(ROWS) == 4
    shares = []
    for seed in range(10):
        places = legacy_places([[50]] * 120, stop_early=True, draws=LegacyDraws(LegacyStream(seed)))
        shares.append(sum(len(part) for sources in places for part in sources) / 6000)
    assert np.mean(shares) == pytest.approx(0.68, abs=0.04)
