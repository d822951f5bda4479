"""All of the evaluation of a campaign with one command."""

from __future__ import annotations

import sys
from typing import Any

import law
import luigi

from tasks.apply import ApplyTraining
from tasks.base import PipelineTask
from tasks.command import CommandTask
from tasks.evaluation import (
    DeriveWorkingPoints,
    EvaluatePerformance,
    EvaluationTask,
    PlotEfficiency,
    PlotROC,
    PlotScores,
)
from tasks.store import address
from tasks.tracking import import_evaluations

SCORED = "predictions"

STAGES = {
    SCORED: ApplyTraining,
    "working points": DeriveWorkingPoints,
    "performance": EvaluatePerformance,
    "ROC curves": PlotROC,
    "efficiencies": PlotEfficiency,
    "scores": PlotScores,
}
"""What the evaluation makes, in the words in which it is announced."""


class Evaluation(CommandTask):
    """Scores, working points, performance and plots of a campaign, and where they are; the report is another task.

    Runs what is missing, brings the numbers into the run of the training in mlflow, and prints the folders; it can be
    repeated at any time.
    """

    version = PipelineTask.version
    campaign = PipelineTask.campaign
    overrides = PipelineTask.overrides
    workflow = PipelineTask.workflow
    site = PipelineTask.site
    predictions = EvaluationTask.predictions
    compare = law.CSVParameter(default=(), description="other runs in the ROC plots, as of PlotROC; default: none")
    tracking_uri = luigi.Parameter(default="", significant=False, description="store of mlflow, as of Training")

    def stages(self) -> dict[str, Any]:
        """All stages as workflows, by what they make."""
        shared = {name: getattr(self, name) for name in ("version", "campaign", "overrides", "workflow", "site")}
        given = {"predictions": self.predictions}
        own: dict[Any, dict[str, Any]] = {ApplyTraining: {}, PlotROC: given | {"compare": self.compare}}
        return {
            what: task_class(**shared, **own.get(task_class, given))
            for what, task_class in STAGES.items()
            if not (self.predictions and task_class is ApplyTraining)
        }

    def requires(self) -> dict[str, Any]:
        """All stages."""
        return self.stages()

    def run(self) -> None:
        """Say where everything is, and bring it into mlflow."""
        stages = self.stages()
        width = max(map(len, stages))
        lines = [
            f"{what.ljust(width)}  {task.n_branches():3d}  {address(task.folder)}" for what, task in stages.items()
        ]
        sys.stdout.write("\n".join([f"evaluation of {self.campaign} {self.version}", *lines]) + "\n")
        sys.stdout.flush()
        if SCORED in stages and stages[SCORED].campaign_config.training.tracking.enabled:
            import_evaluations(self.campaign, self.version, self.tracking_uri)
        self.done = True
