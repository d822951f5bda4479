"""Trainings with many settings: all of a grid, or those that a sampler chooses."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import luigi

from tasks.features import FeatureScaling, ProduceFlatTuples
from tasks.remote import RESOURCE_PARAMETERS
from tasks.training import FitTask, Training

log = logging.getLogger(__name__)


class ScanTraining(FitTask):
    """Trains with many settings and compares: a table, and the best.

    With ``--grid`` all combinations are trained, with ``--sweep`` those that Optuna chooses, round by round.  Resources,
    devices (``--gpu``, ``--threads``), ``--checkpoint-minutes`` and ``--workflow htcondor`` are those of the trainings; the scan itself runs here.
    """

    product = "scan.d"

    grid = luigi.Parameter(
        default="",
        description="settings with their values, all combinations are trained, e.g. "
        '"training.learning_rate=1e-3,3e-3 model=mini,deepset"; default: none',
    )
    sweep = luigi.Parameter(
        default="",
        description="settings with their ranges, uniform(low,high), log(low,high), int(low,high) or choice(a,b,...), e.g. "
        '"training.learning_rate=log(1e-4,1e-2)"; default: none',
    )
    trials = luigi.IntParameter(default=20, description="trainings of a sweep; default: 20")
    round_size = luigi.IntParameter(
        default=4, description="trainings of one round of a sweep, which do not know of each other; default: 4"
    )
    metric = luigi.Parameter(
        default="val_loss",
        description="by which trainings are compared, a figure of their metrics.json; default: val_loss",
    )
    direction = luigi.ChoiceParameter(
        default="minimize", choices=["minimize", "maximize"], description="what is best; default: minimize"
    )

    @classmethod
    def modify_param_values(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The scan itself runs here whatever runs its trainings."""
        params = super().modify_param_values(params)
        return params | {"effective_workflow": "local"}

    def reads(self) -> tuple[str, ...]:
        """What a training reads."""
        return ("seed", "features", "model", "training")

    def trainings(self, overrides: tuple[str, ...]) -> Training:
        """Trainings with some overrides each, as one workflow, with the resources, devices and so on that were given."""
        resources = {name: getattr(self, name) for name in RESOURCE_PARAMETERS}
        return self.need(Training, input_cmds=overrides, **self.how(), **resources)

    @functools.cached_property
    def combinations(self) -> tuple[str, ...]:
        """The combinations of the grid; empty for a sweep.

        Raises:
            ConfigError: it is not clear which of both is meant, or a range is none.
        """
        from taumltools.config.commands import grid
        from taumltools.errors import ConfigError
        from taumltools.training.sweep import parse_space

        if bool(self.grid) == bool(self.sweep):
            raise ConfigError("expected either --grid or --sweep, e.g. --grid 'training.learning_rate=1e-3,3e-3'")
        if self.trials < 1 or self.round_size < 1:
            raise ConfigError(
                f"--trials and --round-size have to be at least 1, found {self.trials} and {self.round_size}"
            )
        if self.sweep:
            parse_space(self.sweep)
        return grid(self.grid) if self.grid else ()

    @functools.cached_property
    def identity(self) -> str:
        """That of all trainings of a grid; for a sweep that of what they are chosen from."""
        from taumltools.config.identity import identity

        scan: dict[str, Any] = {"metric": self.metric, "direction": self.direction}
        if not self.combinations:
            scan |= {"sweep": self.sweep, "trials": self.trials, "parallel": self.round_size} | self.settings()
        return identity(scan, [task.identity for task in self.upstream_tasks()])

    def upstream(self) -> dict[str, Any]:
        """The trainings of a grid; what those of a sweep will read."""
        if self.combinations:
            return {"trainings": self.trainings(self.combinations)}
        return {"flat": self.need(ProduceFlatTuples), "scaling": self.need(FeatureScaling)}

    def broken(self, lines: Sequence[str]) -> dict[str, str]:
        """Why the fits of some trainings broke down, by overrides; those that did not are left out."""
        singles = self.trainings(tuple(lines)).singles if lines else []
        return {line: why for line, single in zip(lines, singles, strict=True) if (why := single.broken())}

    def standing(self) -> Training:
        """The trainings of a grid whose fits did not break down when they were tried.

        Raises:
            InputError: all of them did.
        """
        from taumltools.errors import InputError

        broken = self.broken(self.combinations)
        left = tuple(line for line in self.combinations if line not in broken)
        if not left:
            line, why = next(iter(broken.items()))
            raise InputError(f"all {len(broken)} trainings of the grid broke down, e.g. {line}: {why}")
        return self.trainings(left)

    def requires(self) -> dict[str, Any]:
        """Of a grid what can be compared."""
        return {"trainings": self.standing()} if self.combinations else super().requires()

    def workflow_requires(self) -> Any:
        """The same for the workflow."""
        requirements = super().workflow_requires()
        if self.combinations:
            requirements["trainings"] = self.standing()
        return requirements

    def input_paths(self) -> list[Path]:
        """What is compared; of a sweep what its trainings read."""
        return self.standing().paths() if self.combinations else super().input_paths()

    def run(self) -> Iterator[Training]:  # type: ignore[override]  # luigi runs generators as well
        """Compare the trainings; those of a sweep are asked for round by round, and found again after an interruption.

        Yields:
            What has to be trained first.
        """
        self.asked = list(self.combinations)
        if self.sweep:
            yield from self._rounds()
        super().run()

    def _rounds(self) -> Iterator[Training]:
        from taumltools.training.sweep import Scan, parse_space, sweep

        seed = int(self.random_seed().generate_state(1)[0])
        rounds = sweep(parse_space(self.sweep), self.trials, self.round_size, seed, self.direction)
        asked: list[str] | None = next(rounds)
        while asked:
            lines = tuple(dict.fromkeys(asked))
            broken = self.broken(lines)
            if left := tuple(line for line in lines if line not in broken):
                yield self.trainings(left)
            found = dict(zip(lines, self.trainings(lines).paths(), strict=True))
            self.asked += asked
            values = Scan(self.metric, self.direction, asked, [found[line] for line in asked], broken).values()
            try:
                asked = rounds.send(values)
            except StopIteration:
                asked = None

    def produce(self, path: Path) -> dict[str, Any]:
        """Write the table."""
        from taumltools.training.sweep import Scan

        lines = tuple(dict.fromkeys(self.asked))
        broken = self.broken(lines)
        best = Scan(self.metric, self.direction, lines, self.trainings(lines).paths(), broken).write(path)
        told = f", {len(broken)} of which broke down" if broken else ""
        log.info(
            "best of %d trainings%s: %s %.5g with %s", len(lines), told, self.metric, best["value"], best["overrides"]
        )
        return {"best": best, "trainings": len(lines), "broken": broken}
