"""Figures, plots and the report page of the classification of H->tautau events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.base import PipelineTask
from tasks.finish import announce_report
from tasks.htt import SAMPLES, TRAINING_SETTINGS, PredictEvents, PreprocessEvents, TrackedTask, TrainEvents
from tasks.report import products_upstream


class EvaluateEvents(TrackedTask):
    """Figures, plots and importance of one sample, also kept in mlflow; branch 0 is the training, 1 the test sample."""

    product = "evaluation_{sample}"

    def path_of(self, branch: int) -> Path:
        """Named after the sample."""
        return self.folder / self.product.format(sample=SAMPLES[branch])

    def reads(self) -> tuple[str, ...]:
        """Bins and texts, titles and colours of classes."""
        return (*TRAINING_SETTINGS, "htt.evaluation")

    def n_branches(self) -> int:
        """One branch per sample."""
        return len(SAMPLES)

    def upstream(self) -> dict[str, Any]:
        """Scores, and for the importance models and events."""
        return {
            "scores": self.need(PredictEvents, purpose="evaluation"),
            "models": self.need(TrainEvents),
            "events": self.need(PreprocessEvents),
        }

    def produce(self, path: Path) -> dict[str, Any]:
        """Compute and draw."""
        import json

        from taumltools.report.htt_evaluation import evaluate_to_folder

        needed, name = self.upstream(), SAMPLES[self.branch]
        run = json.loads((needed["models"].path_of(0) / "run.json").read_text(encoding="utf-8"))
        return evaluate_to_folder(
            needed["scores"].path_of(self.branch),
            needed["events"].path / f"{name}.hdf5",
            needed["models"].paths(),
            self.htt(),
            path,
            tracking=self.description(f"evaluation-{name}", run.get("run_id", "")),
        )


class HttReport(PipelineTask):
    """One self-contained HTML page about the classification of events; runs everything it needs, and datacards."""

    product = "htt.html"

    def reads(self) -> tuple[str, ...]:
        """All settings of the classification: the page shows them."""
        return ("seed", "title", "htt")

    def upstream(self) -> dict[str, Any]:
        """The ends of the chain, and what the page shows of its beginning."""
        return {
            "figures": self.need(EvaluateEvents),
            "datacards": self.need(PredictEvents, purpose="datacards"),
            "events": self.need(PreprocessEvents),
            "models": self.need(TrainEvents),
        }

    def input_paths(self) -> list[Path]:
        """Figures, the account of the events, and the models for their histories."""
        needed = self.upstream()
        return [path for name in ("figures", "events", "models") for path in needed[name].paths()]

    def described_paths(self) -> list[Path]:
        """Everything upstream, for time and memory."""
        return products_upstream(self)

    def produce(self, path: Path) -> dict[str, Any]:
        """Collect and write."""
        from taumltools.htt.evaluate import load_evaluation
        from taumltools.htt.preprocess import read_account
        from taumltools.report.htt import HttInputs, write_htt_report
        from taumltools.store import read_sidecar

        needed = self.upstream()
        inputs = HttInputs(
            campaign=self.campaign,
            version=self.version,
            config=self.campaign_config,
            account=read_account(needed["events"].path),
            evaluations=dict(zip(SAMPLES, map(load_evaluation, needed["figures"].paths()), strict=True)),
            models=needed["models"].paths(),
            resources=[read_sidecar(made) for made in self.described_paths()],
        )
        write_htt_report(path, inputs)
        return {"bytes": path.stat().st_size}


announce_report(HttReport)
