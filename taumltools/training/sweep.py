"""Scans of the settings of trainings: which ones to try next, and which was best."""

from __future__ import annotations

import json
import logging
import math
import re
import shlex
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from taumltools.config.commands import split_values
from taumltools.errors import ConfigError, InputError

RANGE = re.compile(r"^(?P<key>[\w./@]+)=(?P<kind>uniform|log|int|choice)\((?P<values>.*)\)$")

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Range:
    """What a setting may be.

    Attributes:
        kind: ``uniform``, ``log`` (uniform in the logarithm), ``int`` or ``choice``.
        values: lowest and highest value, or the choices.
    """

    kind: str
    values: tuple[str, ...]

    def distribution(self) -> Any:
        """The same for Optuna."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.kind == "choice":
            return CategoricalDistribution(self.values)
        low, high = self.values
        if self.kind == "int":
            return IntDistribution(int(low), int(high))
        return FloatDistribution(float(low), float(high), log=self.kind == "log")


def parse_space(text: str) -> dict[str, Range]:
    """What a sweep may change.

    Args:
        text: e.g. ``training.learning_rate=log(1e-4,1e-2) model.dropout=uniform(0,0.3) training.batch_size=choice(128,512)``.

    Returns:
        Ranges by setting.

    Raises:
        ConfigError: it is no such list; the message names the word.

    Examples:
        >>> parse_space("training.learning_rate=log(1e-4,1e-2)")
        {'training.learning_rate': Range(kind='log', values=('1e-4', '1e-2'))}
    """
    space: dict[str, Range] = {}
    for word in shlex.split(text):
        found = RANGE.match(word)
        values = tuple(split_values(found["values"])) if found else ()
        if found is None or not all(values) or not _is_range(found["kind"], values):
            raise ConfigError(
                f"'{word}' is no range of a setting: expected key=uniform(low,high), log(low,high), int(low,high) or choice(a,b,...)"
            )
        space[found["key"]] = Range(found["kind"], values)
    if not space:
        raise ConfigError("no setting is to be swept: give e.g. --sweep 'training.learning_rate=log(1e-4,1e-2)'")
    return space


def _is_range(kind: str, values: Sequence[str]) -> bool:
    if kind == "choice":
        return len(values) > 0
    try:
        low, high = (int(v) if kind == "int" else float(v) for v in values)
    except ValueError:
        return False
    return math.isfinite(low) and low < high < math.inf and (kind != "log" or low > 0)


def sweep(
    space: Mapping[str, Range], trials: int, parallel: int, seed: int, direction: Direction
) -> Generator[list[str], list[float], None]:
    """Ask which settings to try, round by round; tell how good they were with ``send``.

    The same arguments and the same answers give the same questions, so that a sweep that was interrupted is asked again
    from the beginning, and answered from what is there.  The trials of a round know nothing of each other.

    Args:
        space: what may be changed.
        trials: how many in all.
        parallel: how many in one round.
        seed: of the sampler (tree-structured Parzen estimator of Optuna).
        direction: whether low or high values are good.

    Yields:
        Overrides of each trial of a round; the values are to be sent in the same order, NaN for a trial without one.
    """
    import optuna

    logging.getLogger("optuna").setLevel(logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=max(parallel, min(10, trials // 3)))
    study = optuna.create_study(sampler=sampler, direction=direction)
    distributions = {name: allowed.distribution() for name, allowed in space.items()}
    for start in range(0, trials, parallel):
        asked = [study.ask(distributions) for _ in range(min(parallel, trials - start))]
        values = yield [_overrides(trial.params) for trial in asked]
        for trial, value in zip(asked, values, strict=True):
            if math.isfinite(value):
                study.tell(trial, value)
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _overrides(params: Mapping[str, Any]) -> str:
    return shlex.join(f"{name}={value}" for name, value in params.items())


@dataclass(frozen=True)
class Scan:
    """The trainings of a scan.

    Attributes:
        metric: by which they are compared, a figure of ``metrics.json``.
        direction: whether low or high values are good.
        overrides: of each training.
        folders: their products.
        broken: by overrides, why fits broke down; these have no product.
    """

    metric: str
    direction: Direction
    overrides: Sequence[str]
    folders: Sequence[Path]
    broken: Mapping[str, str] = field(default_factory=dict)

    def figures(self) -> list[dict[str, float]]:
        """All numbers of the kept epoch of each training; none of one that broke down."""
        return [
            {} if line in self.broken else read_figures(folder)
            for line, folder in zip(self.overrides, self.folders, strict=True)
        ]

    def values(self) -> list[float]:
        """The metric of each training; NaN for one that broke down.

        Raises:
            InputError: one lacks it; the message lists what there is.
        """
        return [
            value_of(figures, self.metric, folder) if figures else math.nan
            for figures, folder in zip(self.figures(), self.folders, strict=True)
        ]

    def best(self) -> int:
        """Number of the best training; of equals the first.

        Raises:
            InputError: all of them broke down.
        """
        if all(line in self.broken for line in self.overrides):
            raise InputError(f"all {len(self.overrides)} trainings broke down: {next(iter(self.broken.values()), '')}")
        sign = 1 if self.direction == "minimize" else -1
        values = self.values()
        return min(range(len(values)), key=lambda n: _last_if_nan(sign * values[n]))

    def write(self, directory: Path) -> dict[str, Any]:
        """Write ``scan.csv``, ``scan.html`` and ``scan.json``.

        Args:
            directory: where to; made if it does not exist.

        Returns:
            The best training: its number, overrides, value and folder.
        """
        from taumltools.training.tracking.results import Results

        settings = [dict(word.split("=", 1) for word in shlex.split(line)) for line in self.overrides]
        rows = [
            {"training": number} | own | figures | {"folder": str(folder)}
            for number, (own, figures, folder) in enumerate(zip(settings, self.figures(), self.folders, strict=True))
        ]
        for row, line in zip(rows, self.overrides, strict=True):
            if line in self.broken:
                row["broken"] = self.broken[line]
        best = self.best()
        summary = {
            "training": best,
            "overrides": self.overrides[best],
            "value": self.values()[best],
            "folder": str(self.folders[best]),
        }
        columns = tuple(dict.fromkeys(["training", *(n for row in rows for n in row if n != "folder"), "folder"]))
        table = Results(columns, tuple(rows))
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "scan.csv").write_text(table.as_csv(), encoding="utf-8")
        (directory / "scan.html").write_text(table.as_html(f"Scan: {self.metric}"), encoding="utf-8")
        content = {"metric": self.metric, "direction": self.direction, "best": summary, "trainings": rows}
        (directory / "scan.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return summary


def read_figures(folder: Path) -> dict[str, float]:
    """All numbers in the ``metrics.json`` of a training.

    Args:
        folder: the product of the training.

    Returns:
        Figures by name.

    Raises:
        InputError: there is none.
    """
    path = folder / "metrics.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): expected the figures of a training") from error
    return {name: value for name, value in content.items() if isinstance(value, int | float)}


def value_of(figures: Mapping[str, float], metric: str, folder: Path) -> float:
    """One figure of a training.

    Args:
        figures: of :func:`read_figures`.
        metric: name of the figure.
        folder: of the training, for the message.

    Returns:
        The figure.

    Raises:
        InputError: it lacks it.
    """
    if metric not in figures:
        raise InputError(
            f"{folder} has no figure '{metric}' to compare trainings by; it has {', '.join(sorted(figures))}"
        )
    return float(figures[metric])


def _last_if_nan(value: float) -> float:
    return math.inf if math.isnan(value) else value
