"""Sections on cost and origin: time and memory by task, settings, versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taumltools.config.identity import plain
from taumltools.report.content import Details, Facts, Grid, Plot, Section, Table, Text, missing, thousands
from taumltools.report.figures import add_hover, new_figure
from taumltools.report.inputs import ReportInputs, read_json

BAR_COLOUR = "#4C6A92"


@dataclass(frozen=True)
class Cost:
    """What all branches of one task took.

    Attributes:
        task: its name.
        branches: how many.
        wall_s: sum over branches in seconds.
        longest_s: the longest branch.
        peak_mb: largest memory of a branch in MB.
    """

    task: str
    branches: int
    wall_s: float
    longest_s: float
    peak_mb: float


def costs(resources: Sequence[Mapping[str, Any]]) -> list[Cost]:
    """Costs by task, in the order in which tasks appear first.

    Args:
        resources: side-cars with ``task``, ``wall_s`` and ``peak_rss_mb``.

    Returns:
        One entry per task.

    Examples:
        >>> costs([{"task": "A", "wall_s": 1.0, "peak_rss_mb": 5}, {"task": "A", "wall_s": 3.0, "peak_rss_mb": 4}])
        [Cost(task='A', branches=2, wall_s=4.0, longest_s=3.0, peak_mb=5.0)]
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in resources:
        groups.setdefault(str(record["task"]), []).append(record)
    found = []
    for task, records in groups.items():
        times = [float(r.get("wall_s") or 0) for r in records]
        memory = [float(r.get("peak_rss_mb") or 0) for r in records]
        found.append(Cost(task, len(records), sum(times), max(times), max(memory)))
    return found


def duration(seconds: float) -> str:
    """Seconds as people read them.

    Examples:
        >>> duration(3.21), duration(75), duration(7260)
        ('3.2 s', '1 min 15 s', '2 h 01 min')
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def resources_section(inputs: ReportInputs) -> Section:
    """Time and memory of every task."""
    title, found = "Time and memory", costs(inputs.resources)
    if not found:
        return Section("resources", title, (missing("Side-cars with time and memory", "the pipeline"),))
    rows = [
        (c.task, thousands(c.branches), duration(c.wall_s), duration(c.longest_s), f"{thousands(c.peak_mb)} MB")
        for c in found
    ]
    largest = max(c.peak_mb for c in found)
    rows.append(
        (
            "All",
            thousands(len(inputs.resources)),
            duration(sum(c.wall_s for c in found)),
            "",
            f"{thousands(largest)} MB",
        )
    )
    hosts = sorted({str(record["host"]) for record in inputs.resources if record.get("host")})
    intro = Text(f"Wall time summed over branches, measured on {', '.join(hosts) or 'unknown hosts'}.")
    bars = Grid(
        (
            Plot(_bars(found, [c.wall_s for c in found], "Wall time [s]"), title="Time"),
            Plot(_bars(found, [c.peak_mb for c in found], "Peak memory of a branch [MB]"), title="Memory"),
        )
    )
    heads = ("Task", "Branches", "Wall time", "Longest branch", "Peak memory")
    return Section("resources", title, (intro, Table(heads, tuple(rows), total=True), bars))


def _bars(found: list[Cost], values: list[float], label: str) -> Any:
    names = [cost.task for cost in found]
    plot = new_figure(label, "", y_range=names[::-1], height=40 + 26 * len(names))
    bars = plot.hbar(y=names, right=values, height=0.62, color=BAR_COLOUR)
    plot.x_range.start = 0
    plot.ygrid.grid_line_color = None
    plot.yaxis.axis_label = None
    add_hover(plot, [bars], [("", "@y"), (label, "@right{0.[0]}")])
    return plot


def settings_section(inputs: ReportInputs) -> Section:
    """All settings as YAML, a group each."""
    import yaml

    groups = plain(inputs.config)
    simple = {name: value for name, value in groups.items() if not isinstance(value, dict)}
    parts = [("campaign", simple), *((name, value) for name, value in groups.items() if name not in simple)]
    items = [
        Details(name, yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None))
        for name, value in parts
    ]
    if inputs.scaling is not None:
        items.append(Details("feature scaling", _scaling_text(read_json(inputs.scaling))))
    intro = Text(f"Resolved settings of campaign '{inputs.campaign}', version '{inputs.version}'.")
    return Section("settings", "Settings", (intro, *items))


def _scaling_text(scaling: dict[str, Any]) -> str:
    """One line per feature and cone."""
    lines = []
    for block, features in scaling.items():
        for feature, cones in features.items():
            lines += [f"{block}.{feature}.{cone}: {json.dumps(constants)}" for cone, constants in cones.items()]
    return "\n".join(lines) + "\n"


def provenance_section(inputs: ReportInputs) -> Section:
    """Code, packages, hosts and the mlflow run."""
    commits = sorted({_commit(record) for record in inputs.resources} - {""})
    rows = [("Campaign", inputs.campaign), ("Version", inputs.version), ("Seed", str(inputs.config.seed))]
    rows += [("Code", ", ".join(commits) or "unknown")]
    if inputs.training is not None and (run := Path(inputs.training) / "run.json").is_file():
        rows += [(f"mlflow {name.replace('_', ' ')}", str(value)) for name, value in read_json(run)["mlflow"].items()]
    packages: dict[str, set[str]] = {}
    for record in inputs.resources:
        for name, version in (record.get("packages") or {}).items():
            packages.setdefault(name, set()).add(version)
    items: list[Any] = [Table(("What", "Value"), tuple(rows), text_columns=2)]
    if packages:
        versions = tuple((name, ", ".join(sorted(found))) for name, found in sorted(packages.items()))
        items += [Text("Packages:"), Facts(versions)]
    else:
        items.append(missing("Package versions", "the pipeline"))
    return Section("provenance", "Provenance", tuple(items))


def _commit(record: Mapping[str, Any]) -> str:
    code = record.get("code") or {}
    return f"{code['commit'][:12]}{' with local changes' if code.get('dirty') else ''}" if code.get("commit") else ""


def total_time(resources: Sequence[Mapping[str, Any]]) -> str:
    """Wall time of all branches together, as text; empty if nothing is known."""
    seconds = sum(cost.wall_s for cost in costs(resources))
    return duration(seconds) if seconds else ""
