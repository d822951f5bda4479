"""The report: one page with everything worth knowing of a version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.base import PipelineTask
from tasks.evaluation import EvaluatePerformance
from tasks.features import FeatureScaling, ProduceFlatTuples
from tasks.finish import announce_report
from tasks.production import datasets_of
from tasks.sampling import PlanSampling, ShuffleMergeSpectral
from tasks.sampling_inputs import CountSpectra
from tasks.training import Training


class Report(PipelineTask):
    """One self-contained HTML page about a version of a campaign; runs everything it needs."""

    product = "report.html"

    def reads(self) -> tuple[str, ...]:
        """All settings: the page shows them."""
        from taumltools.config.identity import plain_members

        return tuple(plain_members(self.campaign_config))

    def upstream(self) -> dict[str, Any]:
        """The ends of the chain; every other stage is upstream of them."""
        return {
            "test_spectra": list(datasets_of(self, "test", CountSpectra)),
            "performance": self.need(EvaluatePerformance),
        }

    def produce(self, path: Path) -> dict[str, Any]:
        """Collect the artefacts and write the page."""
        from taumltools.report.page import ReportInputs, write_report

        inputs = ReportInputs(
            campaign=self.campaign,
            version=self.version,
            config=self.campaign_config,
            train_spectra={task.dataset: task.paths() for task in datasets_of(self, "train", CountSpectra)},
            test_spectra={task.dataset: task.paths() for task in self.upstream()["test_spectra"]},
            plan=self.need(PlanSampling).path,
            merged=self.need(ShuffleMergeSpectral).paths(),
            flat=self.need(ProduceFlatTuples).paths(),
            scaling=self.need(FeatureScaling).path,
            training=self.need(Training).path,
            performance=self.upstream()["performance"].paths(),
            resources=[read for task in all_upstream(self) for read in sidecars(task)],
        )
        write_report(path, inputs)
        return {"bytes": path.stat().st_size}


def all_upstream(task: PipelineTask, seen: set[str] | None = None) -> Iterator[PipelineTask]:
    """Every workflow that ``task`` depends on, first those that run first, each once."""
    seen = set() if seen is None else seen
    for needed in task.upstream_tasks():
        if str(needed.folder) not in seen:
            seen.add(str(needed.folder))
            yield from all_upstream(needed, seen)
            yield needed


def sidecars(task: PipelineTask) -> Iterator[dict[str, Any]]:
    """Side-cars of all products of a workflow."""
    from taumltools.store import read_sidecar

    for path in task.paths():
        yield read_sidecar(path)


announce_report(Report)
