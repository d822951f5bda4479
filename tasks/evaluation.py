"""Applying the network, and how well every discriminator does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.base import PipelineTask
from tasks.production import DatasetTask, ProduceTuples, datasets_of
from tasks.training import Training


class ApplyTraining(PipelineTask):
    """Scores of the network for every entry of a test dataset; a branch per dataset."""

    product = "predictions_{dataset}.h5"

    def path_of(self, branch: int) -> Path:
        """Named after the dataset."""
        return self.folder / self.product.format(dataset=self.datasets()[branch])

    def reads(self) -> tuple[str, ...]:
        """The features, the columns to keep, and which datasets are tested."""
        return ("features", "evaluation.columns", "samples.test")

    def n_branches(self) -> int:
        """One branch per test dataset."""
        return len(self.setting("samples.test"))

    def datasets(self) -> list[str]:
        """Names of the test datasets, by branch."""
        return list(self.setting("samples.test"))

    def upstream(self) -> dict[str, Any]:
        """The model and the test tuples."""
        return {"model": self.need(Training), "tuples": list(datasets_of(self, "test", ProduceTuples))}

    def requires(self) -> dict[str, Any]:
        """A branch needs the model and its own dataset."""
        return {"model": self.upstream()["model"], "tuples": self._tuples()}

    def _tuples(self) -> DatasetTask:
        return self.upstream()["tuples"][self.branch]

    def input_paths(self) -> list[Path]:
        """The model and the files of one dataset."""
        return [self.upstream()["model"].path, *self._tuples().paths()]

    def produce(self, path: Path) -> dict[str, Any]:
        """Score all files of one dataset, in order."""
        from taumltools.evaluation.predictions import apply_network
        from taumltools.production.account import refuse_empty_dataset

        account = apply_network(
            self.upstream()["model"].path,
            self._tuples().paths(),
            path,
            features=self.setting("features"),
            columns=self.setting("evaluation.columns"),
            dataset=self.datasets()[self.branch],
        )
        refuse_empty_dataset(self.datasets()[self.branch], "test", account["entries"])
        return account

    def validate(self, path: Path) -> None:
        """One row per input entry."""
        from taumltools.evaluation.predictions import Predictions

        Predictions.read(path)


class EvaluatePerformance(PipelineTask):
    """ROC curves, working points and efficiencies of one discriminator, with its plots."""

    product = "performance_{discriminator}"

    def path_of(self, branch: int) -> Path:
        """Named after the discriminator."""
        return self.folder / self.product.format(discriminator=self.discriminators()[branch])

    def reads(self) -> tuple[str, ...]:
        """The evaluation section."""
        return ("evaluation",)

    def discriminators(self) -> list[str]:
        """Names of the discriminators, by branch."""
        return list(self.setting("evaluation.discriminators"))

    def n_branches(self) -> int:
        """One branch per discriminator."""
        return len(self.discriminators())

    def upstream(self) -> dict[str, Any]:
        """Predictions of all test datasets (they carry the columns of the other discriminators)."""
        return {"predictions": self.need(ApplyTraining)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Evaluate and draw."""
        from taumltools.evaluation.performance import evaluate_to_folder

        return evaluate_to_folder(
            self.upstream()["predictions"].paths(),
            self.setting("evaluation"),
            self.discriminators()[self.branch],
            path,
        )
