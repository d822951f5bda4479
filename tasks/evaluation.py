"""Working points, how well every discriminator does, and its plots."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

import law

from tasks.apply import ApplyTraining, absolute
from tasks.base import PipelineTask
from tasks.store import store_root

log = logging.getLogger(__name__)


class EvaluationTask(PipelineTask):
    """A task that evaluates the network of this version, or what --predictions names."""

    exclude_index = True

    predictions = law.CSVParameter(
        default=(),
        description="prediction files to evaluate instead of those of this version's network, of any model "
        "(ApplyTraining --models, or of somebody else), separated by commas: files, or patterns in quotes; default: none",
    )

    @functools.cached_property
    def given(self) -> list[Path]:
        """The files that --predictions names, in order.

        Raises:
            InputError: there is none of a name.
        """
        from taumltools.evaluation.outside import prediction_files

        return prediction_files([absolute(item) for item in self.predictions])

    def keys(self) -> tuple[str, ...]:
        """Evaluations of files are apart from those of this version."""
        return ("files",) if self.predictions else ()

    def settings(self) -> dict[str, Any]:
        """What is read, and the content of the files."""
        from taumltools.evaluation.outside import content_of

        return super().settings() | ({"predictions": list(map(content_of, self.given))} if self.predictions else {})

    def scored(self) -> dict[str, Any]:
        """The task that makes the predictions; none if they were given."""
        return {} if self.predictions else {"predictions": self.need(ApplyTraining)}

    def prediction_paths(self) -> list[Path]:
        """Predictions of all test datasets, or those that were given."""
        return self.given if self.predictions else self.need(ApplyTraining).paths()

    def need_evaluation(self, task_class: type[EvaluationTask]) -> Any:
        """Another task of the same evaluation."""
        return self.need(task_class, predictions=self.predictions)


class DiscriminatorTask(EvaluationTask):
    """A task about the discriminators of the settings; a branch for each."""

    exclude_index = True

    def reads(self) -> tuple[str, ...]:
        """The evaluation section."""
        return ("evaluation",)

    def path_of(self, branch: int) -> Path:
        """Named after the discriminator."""
        return self.folder / self.product.format(discriminator=self.discriminators()[branch])

    def discriminators(self) -> list[str]:
        """Names of the discriminators, by branch."""
        return list(self.setting("evaluation.discriminators"))

    def n_branches(self) -> int:
        """One branch per discriminator."""
        return len(self.discriminators())

    def evaluation(self) -> Any:
        """The evaluation section as far as this task reads it; everything else has its default."""
        from taumltools.config.evaluation import EvaluationConfig, StyleConfig

        read = {key.removeprefix("evaluation."): self.setting(key) for key in self.reads()}
        if "style.energy" in read:
            read["style"] = StyleConfig(energy=read.pop("style.energy"))
        return EvaluationConfig(**read)


class DeriveWorkingPoints(DiscriminatorTask):
    """Thresholds for the target efficiencies of one discriminator, from one part of the test events."""

    product = "working_points_{discriminator}"

    def reads(self) -> tuple[str, ...]:
        """What defines thresholds; neither regions nor plots."""
        names = ("discriminators", "working_points", "cuts", "sources", "weight")
        return tuple(f"evaluation.{name}" for name in names)

    def upstream(self) -> dict[str, Any]:
        """Predictions of all test datasets (they carry the columns of the other discriminators)."""
        return self.scored()

    def input_paths(self) -> list[Path]:
        """The predictions."""
        return self.prediction_paths()

    def produce(self, path: Path) -> dict[str, Any]:
        """Derive, and measure on the other events."""
        from taumltools.evaluation.derive import derive_to_folder

        return derive_to_folder(self.prediction_paths(), self.evaluation(), self.discriminators()[self.branch], path)

    def validate(self, path: Path) -> None:
        """The thresholds read back."""
        from taumltools.evaluation.derive import load_thresholds

        load_thresholds(path)


class EvaluatePerformance(DiscriminatorTask):
    """ROC curves, working points and efficiencies of one discriminator, as JSON."""

    product = "performance_{discriminator}"

    def reads(self) -> tuple[str, ...]:
        """Everything but how plots look; of that only the data-taking period."""
        from taumltools.config.identity import plain_members

        names = plain_members(self.campaign_config.evaluation)
        return (*(f"evaluation.{name}" for name in names if name != "style"), "evaluation.style.energy")

    def upstream(self) -> dict[str, Any]:
        """Predictions of all test datasets, and working points."""
        return self.scored() | {"points": self.need_evaluation(DeriveWorkingPoints)}

    def requires(self) -> dict[str, Any]:
        """A branch needs all predictions and the working points of its own discriminator."""
        upstream = self.upstream()
        return upstream | {"points": upstream["points"].req_branch(self.branch)}

    def input_paths(self) -> list[Path]:
        """All predictions, and the working points of this discriminator."""
        return [*self.prediction_paths(), self.upstream()["points"].path_of(self.branch)]

    def produce(self, path: Path) -> dict[str, Any]:
        """Evaluate."""
        from taumltools.evaluation.performance import evaluate_to_folder

        return evaluate_to_folder(
            self.prediction_paths(),
            self.evaluation(),
            self.discriminators()[self.branch],
            path,
            self.upstream()["points"].path_of(self.branch),
        )

    def validate(self, path: Path) -> None:
        """The numbers read back."""
        from taumltools.evaluation.artefact import load_performance

        load_performance(path)


class PlotROC(EvaluationTask):
    """ROC curves of all discriminators vs one fake type, as PDF, PNG and JSON; a branch per fake type."""

    product = "roc_vs_{vs}"

    compare = law.CSVParameter(
        default=(),
        description="other runs to draw as well, separated by commas: versions of this campaign (v0) or CAMPAIGN:VERSION, "
        "as they were made, or files performance.json (a path with /), each optionally as NAME=RUN for the legend; default: none",
    )

    def reads(self) -> tuple[str, ...]:
        """The evaluation section."""
        return ("evaluation",)

    def fake_types(self) -> list[str]:
        """Fake types that a discriminator is meant for, by branch."""
        chosen = self.setting("evaluation.discriminators").values()
        return [vs for vs in ("e", "mu", "jet") if any(vs in one.vs for one in chosen)]

    def n_branches(self) -> int:
        """One branch per fake type."""
        return len(self.fake_types())

    def path_of(self, branch: int) -> Path:
        """Named after the fake type."""
        return self.folder / self.product.format(vs=self.fake_types()[branch])

    @functools.cached_property
    def runs(self) -> list[tuple[str, str]]:
        """Name and run of each item of ``--compare``."""
        pairs = [item.partition("=")[::2] if "=" in item else (item, item) for item in self.compare]
        return [(name if "/" not in name else Path(name).parent.name or name, run) for name, run in pairs]

    def upstream(self) -> dict[str, Any]:
        """The performance of this run; the others are as they were made."""
        return {"performance": self.need_evaluation(EvaluatePerformance)}

    @functools.cached_property
    def others(self) -> list[tuple[str, list[Path]]]:
        """Name of each other run, and its artefacts, one a discriminator.

        Raises:
            InputError: there is no such evaluation.
        """
        return [(name, self._artefacts(run)) for name, run in self.runs]

    def _artefacts(self, run: str) -> list[Path]:
        from taumltools.evaluation.differences import find_evaluation

        if "/" in run:
            return [Path(run).expanduser()]
        found = find_evaluation(store_root(), self.campaign, run)
        ours = [path.name for path in self.upstream()["performance"].paths()]
        return sorted(found, key=lambda path: ours.index(path.name) if path.name in ours else len(ours))

    @functools.cached_property
    def identity(self) -> str:
        """Also over the names in legends and the content of what other runs gave."""
        from taumltools.config.identity import identity
        from taumltools.evaluation.outside import digest

        files = [[digest(path) for path in paths] for _, paths in self.others]
        parts = self.settings() | {"keys": self.keys(), "runs": self.runs, "files": files}
        return identity(parts if self.runs else parts | {"runs": ()}, [t.identity for t in self.upstream_tasks()])

    def named_paths(self) -> list[tuple[str, Path]]:
        """What is drawn: a name for the legend (empty for this run), and the artefact."""
        drawn = [("", path) for path in self.upstream()["performance"].paths()]
        return drawn + [(name, path) for name, paths in self.others for path in paths]

    def input_paths(self) -> list[Path]:
        """The artefacts."""
        return [path for _, path in self.named_paths()]

    def produce(self, path: Path) -> dict[str, Any]:
        """Draw."""
        from taumltools.evaluation.draw import named_performances, roc_plots, save_plots

        for name, paths in self.others:
            log.info("%s is %s", name, paths[0].parent if len(paths) > 1 else paths[0])
        config, performances = self.setting("evaluation"), named_performances(self.named_paths())
        plots = roc_plots(performances, self.fake_types()[self.branch], config)
        return {"files": len(save_plots(plots, path, config.style.formats))}


class PerformancePlots(DiscriminatorTask):
    """Plots of the performance of one discriminator."""

    exclude_index = True
    follows = "performance"

    def upstream(self) -> dict[str, Any]:
        """The numbers."""
        return {"performance": self.need_evaluation(EvaluatePerformance)}

    def plots(self, performance: Any, config: Any) -> Any:
        """What is drawn, as :func:`taumltools.evaluation.draw.save_plots` takes it."""
        raise NotImplementedError(type(self).__name__)

    def produce(self, path: Path) -> dict[str, Any]:
        """Draw."""
        from taumltools.evaluation.artefact import load_performance
        from taumltools.evaluation.draw import save_plots

        config = self.setting("evaluation")
        plots = self.plots(load_performance(self.input_paths()[0]), config)
        return {"files": len(save_plots(plots, path, config.style.formats))}


class PlotEfficiency(PerformancePlots):
    """Efficiencies of one discriminator against each variable, taus left and fakes right, as PDF, PNG and JSON."""

    product = "efficiency_{discriminator}"

    def plots(self, performance: Any, config: Any) -> Any:
        """Efficiencies."""
        from taumltools.evaluation.draw import efficiency_plots

        return efficiency_plots(performance, config)


class PlotScores(PerformancePlots):
    """Score distributions of one discriminator; calibration and confusion of a network; as PDF, PNG and JSON."""

    product = "scores_{discriminator}"

    def plots(self, performance: Any, config: Any) -> Any:
        """Scores, calibration, confusion."""
        from taumltools.evaluation.draw import score_plots

        return score_plots(performance, config)
