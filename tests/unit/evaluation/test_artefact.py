from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.evaluation.artefact import load_performance, number, rounded, save_performance, to_text

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
trees = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(trees)
def test_text_is_json_of_the_content(content: object):
    assert json.loads(to_text(content)) == content


def test_lists_of_numbers_are_on_one_line():
    text = to_text({"curves": [{"tpr": list(range(50))}]})
    assert max(len(line) for line in text.splitlines()) > 150
    assert len(text.splitlines()) == 7


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_nan_or_infinity(value: float):
    with pytest.raises(ValueError, match="JSON compliant"):
        to_text({"x": [1.0, value]})
    assert number(value) is None
    assert rounded(np.array([value])) == [None]


def test_digits():
    assert rounded(np.array([1.23456789e-5, 1 / 3]), 3) == [1.23e-05, 0.333]


def test_save_and_load(tmp_path: Path):
    content = {"curves": [], "x": 1}
    save_performance(tmp_path / "performance.json", content)
    assert load_performance(tmp_path) == load_performance(tmp_path / "performance.json") == content


def test_unusable_files(tmp_path: Path):
    with pytest.raises(InputError, match=r"performance\.json: no such file"):
        load_performance(tmp_path)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        load_performance(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("[1]")
    with pytest.raises(InputError, match="no 'curves'"):
        load_performance(tmp_path / "b.json")
