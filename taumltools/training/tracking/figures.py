"""Plots of the figures of a training: losses and other metrics against the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taumltools.training.tracking.scalars import VALIDATION, split_name

NOT_DRAWN = {"wall_s"}
LINES = {"train": {"ls": "--", "label": "training"}, VALIDATION: {"ls": "-", "label": "validation"}}


def draw_history(rows: Mapping[int, Mapping[str, float]], directory: Path) -> list[Path]:
    """Draw each figure against the epoch, training and validation in one frame.

    Args:
        rows: figures by name, by epoch.
        directory: where PNG files go; made if something is drawn.

    Returns:
        The files.
    """
    from taumltools.plotstyle import cms_style

    frames: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys(name for row in rows.values() for name in row if name not in NOT_DRAWN):
        curve, title = split_name(name)
        frames.setdefault(title, {})[curve] = name
    paths = []
    for title, curves in frames.items():
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{title.replace('/', '_')}.png"
        with cms_style():
            _draw(title, {curve: _points(rows, name) for curve, name in curves.items()}).savefig(path, dpi=80)
        paths.append(path)
    return paths


def _points(rows: Mapping[int, Mapping[str, float]], name: str) -> tuple[list[int], list[float]]:
    steps = [step for step in sorted(rows) if name in rows[step]]
    return steps, [rows[step][name] for step in steps]


def _draw(title: str, curves: Mapping[str, tuple[list[int], list[float]]]) -> Any:
    from taumltools.plotstyle import new_figure

    figure = new_figure(8, 6)
    axes = figure.subplots()
    for curve, (steps, values) in sorted(curves.items()):
        axes.plot(steps, values, marker="o", ms=4, **LINES[curve])
    axes.set_xlabel("epoch")
    axes.set_ylabel(title.replace("_", " "))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    return figure
