from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from taumltools.tuples.describe import describe
from taumltools.tuples.schema import tautuple_schema

PAGE = Path(__file__).parents[3] / "docs/branches.md"


def test_committed_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == describe(), (
        "run: python -m taumltools.tuples.describe > docs/branches.md"
    )


def test_every_branch_has_one_row_of_seven_cells():
    rows = [line for line in describe().splitlines() if line.startswith("| `")]
    assert len(rows) == 711
    assert [row.split("`")[1] for row in rows] == sorted_by_group(tautuple_schema())
    assert all(row.replace("\\|", "").count("|") == 8 for row in rows)


def sorted_by_group(schema):
    groups = list(dict.fromkeys(b.group for b in schema.branches.values()))
    return [b.name for g in groups for b in schema.branches.values() if b.group == g]


def test_units_and_types_are_shown():
    page = describe()
    assert "| `tau_pt` | float32 | GeV | NaN | 2020 |" in page
    assert "| `pfCand_charge` | int32[] | e |" in page


def test_command_prints_the_page():
    done = subprocess.run(
        [sys.executable, "-m", "taumltools.tuples.describe"], capture_output=True, text=True, check=True
    )
    assert done.stdout == describe()
