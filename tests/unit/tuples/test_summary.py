from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.summary import collect_summaries, is_summary, read_summary

CMS = Path(__file__).parents[2] / "data/cms_tools"
DY = CMS / "v1/input/DY/eventTuple_1.root"
QCD = CMS / "v1/input/QCD/eventTuple_1.root"


def make(path, **columns):
    with uproot.recreate(path) as file:
        file.mktree("summary", {name: np.asarray(column).dtype for name, column in columns.items()}).extend(columns)
    return path


def test_summary_of_a_cms_file():
    summary = read_summary(DY)
    assert {name: (column.dtype.name, column.tolist()) for name, column in summary.items()} == {
        "exeTime": ("uint32", [1]),
        "numberOfProcessedEvents": ("uint64", [400]),
    }
    assert not is_summary(DY)


def test_summaries_are_appended_in_order(tmp_path):
    assert collect_summaries([DY, QCD, DY], tmp_path, ".root") == 3
    assert is_summary(tmp_path / "summary.root")
    assert read_summary(tmp_path / "summary.root")["numberOfProcessedEvents"].tolist() == [400, 200, 400]
    with uproot.open(tmp_path / "summary.root") as file:
        assert file.keys(cycle=False) == ["summary"]
        assert file["summary"].typenames() == {"exeTime": "uint32_t", "numberOfProcessedEvents": "uint64_t"}


def test_summaries_of_a_chain(tmp_path, caplog):
    """Files that are taken in place come as a chain, whose summaries were lost."""
    content = {
        "files": [{"path": str(path), "dataset": "x"} for path in (DY, QCD)],
        "branches": [],
    }
    (tmp_path / "tuples_0.json").write_text(json.dumps(content))
    assert read_summary(tmp_path / "tuples_0.json")["numberOfProcessedEvents"].tolist() == [400, 200]
    content["files"][1]["path"] = "root://server//QCD.root"
    (tmp_path / "tuples_0.json").write_text(json.dumps(content))
    assert read_summary(tmp_path / "tuples_0.json")["numberOfProcessedEvents"].tolist() == [400]
    assert "the summaries of 1 files on servers are left out" in caplog.text


def test_json_in_arrow_format(tmp_path):
    assert collect_summaries([DY, QCD], tmp_path, ".arrow") == 2
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content == {"exeTime": [1, 1], "numberOfProcessedEvents": [400, 200]}


@pytest.mark.parametrize("suffix", [".root", ".arrow"])
def test_inputs_without_summaries_make_no_file(tmp_path, suffix, caplog):
    write_tuples(tmp_path / "taus.arrow", mock_tuples(5), ["evt"])
    write_tuples(tmp_path / "taus.root", mock_tuples(5), ["evt"])
    with caplog.at_level("INFO"):
        inputs = [tmp_path / "taus.arrow", tmp_path / "taus.root"]
        assert collect_summaries(inputs, tmp_path, suffix) == 0
    assert "2 of 2 inputs have no tree 'summary'" in caplog.text
    assert not list(tmp_path.glob("summary*"))


def test_large_numbers_survive(tmp_path):
    make(tmp_path / "a.root", exeTime=np.uint32([2**32 - 1]), numberOfProcessedEvents=np.uint64([2**63]))
    assert collect_summaries([tmp_path / "a.root"], tmp_path, ".root") == 1
    summary = read_summary(tmp_path / "summary.root")
    assert [int(column[0]) for column in summary.values()] == [2**32 - 1, 2**63]


def test_broken_files(tmp_path):
    (tmp_path / "bad.root").write_bytes(b"nonsense" * 100)
    with pytest.raises(InputError, match=r"bad.root: no readable ROOT file"):
        read_summary(tmp_path / "bad.root")
    make(tmp_path / "old.root", exeTime=np.uint32([1]))
    with pytest.raises(InputError, match=r"old.root: the tree 'summary' cannot be read.*numberOfProcessedEvents"):
        read_summary(tmp_path / "old.root")
