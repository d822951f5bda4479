"""Comparing inputs with those of another program: every difference is found, and named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.evaluation.compare_inputs import Dump, compare_dumps, compare_inputs, inputs_text, read_dump
from taumltools.evaluation.tensors import write_dump

LABELS = {"input_tau": ["pt", "eta"], "input_inner_a": ["a.pt", "a.deta", "a.dphi"]}


def tensors(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "input_tau": rng.normal(size=2).astype(np.float32),
        "input_inner_a": rng.normal(size=(3, 5, 3)).astype(np.float32),
    }


def write_cms(path: Path, values: dict[str, np.ndarray]) -> None:
    """As the CMS software prints numbers: six digits, nothing but tensors."""
    path.write_text(json.dumps({n: np.vectorize(lambda x: float(f"{x:.6g}"))(v).tolist() for n, v in values.items()}))


def test_six_digits_are_no_difference(tmp_path: Path):
    write_dump(tmp_path / "a.json", tensors(), LABELS, {"evt": 1})
    write_cms(tmp_path / "b.json", tensors())
    result = compare_inputs(tmp_path / "a.json", tmp_path / "b.json")
    assert result["candidates"][""]["values"] == 2 + 45
    assert result["features"] == {}
    assert "0 differ" in inputs_text(result)


def test_block_cell_and_name_of_a_difference(tmp_path: Path):
    write_dump(tmp_path / "a.json", tensors(), LABELS, {"evt": 1})
    other = tensors()
    other["input_inner_a"][0, 4, 1] += 0.5
    other["input_tau"][0] -= 1
    write_cms(tmp_path / "b.json", other)
    result = compare_inputs(tmp_path / "a.json", tmp_path / "b.json")
    first, second = result["candidates"][""]["differences"]
    assert (first["input"], first["cell"], first["feature"]) == ("input_tau", None, "pt")
    assert (second["input"], second["cell"], second["feature"]) == ("input_inner_a", [-1, 2], "a.deta")
    assert second["difference"] == pytest.approx(0.5, abs=1e-5)
    assert result["features"] == {"input_tau: pt": 1, "input_inner_a: a.deta": 1}
    text = inputs_text(result)
    assert "input_inner_a cell (-1, +2) a.deta: " in text
    assert "input_tau pt: " in text


@given(st.sets(st.integers(0, 44), max_size=10), st.floats(1e-4, 10))
@settings(max_examples=30, deadline=None)
def test_exactly_what_was_changed_is_found(places: set[int], shift: float):
    a, b = ({name: values.astype(np.float64) for name, values in tensors().items()} for _ in range(2))
    for place in places:
        b["input_inner_a"].reshape(-1)[place] += shift
    rows = compare_dumps(Dump(a, LABELS), Dump(b, {}))["differences"]
    found = {
        ((row["cell"][0] + 1) * 5 + row["cell"][1] + 2) * 3 + LABELS["input_inner_a"].index(row["feature"])
        for row in rows
    }
    assert found == places


def test_undefined_values_and_unknown_names():
    a = Dump({"taus": np.array([1.0, np.nan, np.nan]), "pf": np.zeros((2, 2))}, {})
    b = Dump({"taus": np.array([np.nan, np.nan, 2.0]), "pf": np.array([[0, 0], [0, 1.0]])}, {})
    rows = compare_dumps(a, b, {"taus": ["one", "two"]})["differences"]
    assert {(row["feature"], row["object"], row["difference"]) for row in rows} == {
        ("one", None, None), ("column 2", None, None), ("column 1", 1, 1.0),
    }  # fmt: skip


def test_inputs_that_cannot_be_compared_are_listed():
    a = Dump({"input_tau": np.zeros(3), "only": np.zeros(1)}, {})
    b = Dump({"input_tau": np.zeros(4)}, {})
    result = compare_dumps(a, b)
    assert result["not_comparable"] == {
        "input_tau": "shape (3,) in the first, (4,) in the second", "only": "only in the first",
    }  # fmt: skip


def test_nothing_compared_is_not_called_no_difference(tmp_path: Path):
    for name, shape in (("a", (3,)), ("b", (1, 3))):
        (tmp_path / f"{name}.json").write_text(json.dumps({"input_tau": np.zeros(shape).tolist()}))
    text = inputs_text(compare_inputs(tmp_path / "a.json", tmp_path / "b.json"))
    assert text.startswith("1 candidates, 0 values, 0 differ by more than 1e-05; 1 inputs cannot be compared\n")
    assert "nothing was compared" in text
    assert "no difference" not in text


def test_two_files_of_one_candidate_are_refused(tmp_path: Path):
    for folder, names in (("ours", ["a_12_0", "b_12_0"]), ("cms", ["a_12_0"])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.json").write_text('{"input_tau": [1]}')
    with pytest.raises(InputError, match=r"a_12_0.json and .*b_12_0.json are both of evt 12, tau 0"):
        compare_inputs(tmp_path / "ours", tmp_path / "cms")


def test_folders_are_paired_by_event_and_tau(tmp_path: Path):
    for folder in ("ours", "cms"):
        (tmp_path / folder).mkdir()
    for number in (11, 12):
        write_dump(tmp_path / f"ours/inputs_{number}_0.json", tensors(number), LABELS, {"evt": number})
    for number in (12, 13):
        write_cms(tmp_path / f"cms/DeepTauId_{number}_0.json", tensors(number))
    result = compare_inputs(tmp_path / "ours", tmp_path / "cms")
    assert list(result["candidates"]) == ["evt 12, tau 0"]
    assert result["only_in"] == {"first": ["evt 11, tau 0"], "second": ["evt 13, tau 0"]}
    assert "only in the second: evt 13, tau 0" in inputs_text(result)
    (tmp_path / "cms/DeepTauId_12_0.json").unlink()
    with pytest.raises(InputError, match="have no candidate in common"):
        compare_inputs(tmp_path / "ours", tmp_path / "cms")


@pytest.mark.parametrize(
    ("text", "match"),
    [("{", "not a readable JSON file"), ("[1]", "expected an object"), ('{"a": [[1], [1, 2]]}', "'a' is no tensor")],
)
def test_damaged_files_are_named(tmp_path: Path, text: str, match: str):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=match):
        read_dump(tmp_path / "a.json")
