"""Pages of incomplete runs: what is missing is said in its own section, all others stay as they are."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from taumltools.report.content import Section, Table, Text, plots
from taumltools.report.inputs import ReportInputs
from taumltools.report.page import render, sections
from taumltools.report.resources import costs, resources_section, total_time
from taumltools.report.training import training_section

PERFORMANCE = {"summary", "roc", "working-points", "efficiency", "scores"}

CHANGED = {
    "train_spectra": {"datasets", "spectra"},
    "test_spectra": {"datasets"},
    "plan": {"spectra"},
    "merged": {"spectra"},
    "flat": {"inputs"},
    "scaling": {"settings"},
    "training": {"training", "provenance"},
    "runs": {"runs"},
    "performance": PERFORMANCE,
    "resources": {"resources", "provenance"},
}
"""Which sections know each input."""


def described(section: Section) -> str:
    """All of a section but the ids of its plots, as text."""

    def walk(item: Any) -> Any:
        if dataclasses.is_dataclass(item):
            return [type(item).__name__, *(walk(getattr(item, f.name)) for f in dataclasses.fields(item))]
        if isinstance(item, tuple | list):
            return [walk(one) for one in item]
        return item if isinstance(item, str | int | float | bool) else type(item).__name__

    return json.dumps(walk(section), ensure_ascii=False)


def without(inputs: ReportInputs, name: str) -> ReportInputs:
    empty = next(f for f in dataclasses.fields(ReportInputs) if f.name == name)
    default = empty.default if empty.default is not dataclasses.MISSING else {}
    return replace(inputs, **{name: default})


def notes(section: Section) -> list[str]:
    return [item.text for item in section.items if isinstance(item, Text) and item.note]


@pytest.fixture(scope="module")
def complete(inputs: ReportInputs) -> dict[str, Section]:
    return {section.anchor: section for section in sections(inputs)}


def test_complete_inputs_leave_nothing_to_say(complete: dict[str, Section]):
    assert {anchor: notes(section) for anchor, section in complete.items() if notes(section)} == {}


@pytest.mark.parametrize("name", list(CHANGED))
def test_one_missing_input_changes_its_sections_only(inputs: ReportInputs, complete: dict[str, Section], name: str):
    found = {section.anchor: section for section in sections(without(inputs, name))}
    assert list(found) == list(complete)
    changed = {anchor for anchor in found if described(found[anchor]) != described(complete[anchor])}
    assert changed == CHANGED[name]
    said = {anchor for anchor in found if notes(found[anchor])}
    # Settings and the mlflow run are extras of their sections: there is nothing to run for them.
    assert said == CHANGED[name] - {"settings"} - ({"provenance"} if name == "training" else set())
    assert all("run " in note for anchor in said for note in notes(found[anchor]))


@pytest.mark.parametrize("name", ["metrics.json", "run.json"])
def test_training_folder_may_lack_a_file(inputs: ReportInputs, tmp_path: Path, name: str):
    assert inputs.training is not None
    for file in inputs.training.iterdir():
        if file.name != name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    section = training_section(replace(inputs, training=tmp_path))
    assert len(list(plots(section.items))) == 4
    assert bool(notes(section)) == (name == "metrics.json")


def test_one_of_several_discriminators_alone(inputs: ReportInputs):
    """A page of the reference alone is a page: it leads, and there is no ratio."""
    found = {s.anchor: s for s in sections(replace(inputs, performance=inputs.performance[1:2]))}
    assert "Charged isolation" in described(found["working-points"])
    assert "times fewer" not in described(found["summary"])
    table = next(item for item in found["roc"].items if isinstance(item, Table))
    assert table.columns[4:] == ("Charged isolation",)


@pytest.mark.parametrize(
    "record",
    [
        {"task": "Training"},
        {"task": "Training", "wall_s": None, "peak_rss_mb": None, "host": None, "packages": None, "code": None},
        {"task": "Training", "code": {"commit": "", "dirty": True}},
    ],
)
def test_side_cars_may_know_little(inputs: ReportInputs, record: dict):
    text = render(ReportInputs("mock", "v1", inputs.config, resources=[record]))
    assert "measured on unknown hosts" in text
    assert "<td>unknown</td>" in text
    assert "last task started" not in text


@pytest.mark.parametrize("count", [1, 7, 2000])
def test_resources_sum_whatever_their_number(inputs: ReportInputs, count: int):
    records = [
        {"task": f"T{i % 5}", "branch": i, "wall_s": 0.5 + i, "peak_rss_mb": 100 + i % 13, "host": f"n{i % 2}"}
        for i in range(count)
    ]
    found = costs(records)
    assert sum(cost.branches for cost in found) == count
    assert sum(cost.wall_s for cost in found) == pytest.approx(sum(r["wall_s"] for r in records))
    assert max(cost.longest_s for cost in found) == 0.5 + count - 1
    section = resources_section(replace(inputs, resources=records))
    table = next(item for item in section.items if isinstance(item, Table))
    assert table.rows[-1][1].replace("\u202f", "") == str(count)
    assert table.rows[-1][2] == total_time(records)
    assert table.rows[-1][4] == f"{max(r['peak_rss_mb'] for r in records)} MB"
    time, memory = plots(section.items)
    bars = [dict(p.model.renderers[0].data_source.data) for p in (time, memory)]
    assert list(bars[0]["right"]) == [cost.wall_s for cost in found]
    assert list(bars[1]["right"]) == [cost.peak_mb for cost in found]
