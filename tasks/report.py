"""The report: one page with everything worth knowing of a version."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi

from tasks.base import PipelineTask
from tasks.evaluation import EvaluatePerformance
from tasks.features import FeatureScaling, ProduceFlatTuples
from tasks.finish import announce_report
from tasks.production import datasets_of
from tasks.sampling import PlanSampling, ShuffleMergeSpectral
from tasks.sampling_inputs import CountSpectra
from tasks.store import store_root
from tasks.tracking import import_evaluations, show_command, tracking_store
from tasks.training import Training


class Report(PipelineTask):
    """One self-contained HTML page about a version of a campaign; runs everything it needs."""

    product = "report.html"

    compare_to = luigi.Parameter(
        default="",
        description="baseline to show differences to, as it was made: a version of this campaign (v0), CAMPAIGN:VERSION, or a "
        "folder of EvaluatePerformance (a path with /); default: none",
    )
    tracking_uri = luigi.Parameter(
        default="",
        significant=False,
        description="store of mlflow that the page names and that evaluations are imported into: a folder, or a URI such as "
        "http://host:5000; default: $MLFLOW_TRACKING_URI, or mlflow below $TAUML_STORE",
    )

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

    @functools.cached_property
    def baseline(self) -> list[Path]:
        """Artefacts of the baseline, one a discriminator; empty without ``--compare-to``.

        Raises:
            InputError: there is no such evaluation.
        """
        from taumltools.evaluation.differences import find_evaluation, given_evaluation

        if not self.compare_to:
            return []
        if "/" in self.compare_to:
            return given_evaluation(Path(self.compare_to).expanduser())
        return find_evaluation(store_root(), self.campaign, self.compare_to)

    @functools.cached_property
    def identity(self) -> str:
        """Also over the content of the baseline, which is no product that this task could ask for."""
        from taumltools.config.identity import identity
        from taumltools.evaluation.outside import digest

        if not self.compare_to:
            return super().identity
        baseline = [digest(path) for path in self.baseline]
        parts = self.settings() | {"keys": self.keys(), "compare_to": self.compare_to, "baseline": baseline}
        return identity(parts, [task.identity for task in self.upstream_tasks()])

    def shown(self) -> dict[str, Any]:
        """What the page shows of the stages in between, by the name it has there."""
        return {
            "train_spectra": {task.dataset: task.paths() for task in datasets_of(self, "train", CountSpectra)},
            "plan": self.need(PlanSampling).path,
            "merged": self.need(ShuffleMergeSpectral).paths(),
            "flat": self.need(ProduceFlatTuples).paths(),
            "scaling": self.need(FeatureScaling).path,
            "training": self.need(Training).path,
        }

    def input_paths(self) -> list[Path]:
        """The ends of the chain, the stages in between, and the baseline."""
        shown = self.shown()
        spectra = [path for paths in shown.pop("train_spectra").values() for path in paths]
        between = [path for paths in shown.values() for path in ([paths] if isinstance(paths, Path) else paths)]
        return [*super().input_paths(), *spectra, *between, *self.baseline]

    def described_paths(self) -> list[Path]:
        """Everything upstream, for time and memory."""
        return products_upstream(self)

    def produce(self, path: Path) -> dict[str, Any]:
        """Collect the artefacts and write the page."""
        from taumltools.report.page import ReportInputs, write_report
        from taumltools.report.runs import read_runs
        from taumltools.store import read_sidecar
        from taumltools.training.tracking.stores import store_uri

        tracking = tracking_store(self.tracking_uri)
        inputs = ReportInputs(
            campaign=self.campaign,
            version=self.version,
            config=self.campaign_config,
            test_spectra={task.dataset: task.paths() for task in self.upstream()["test_spectra"]},
            **self.shown(),
            performance=self.upstream()["performance"].paths(),
            resources=[read_sidecar(made) for made in self.described_paths()],
            baseline=self.baseline,
            baseline_name=self.compare_to,
            runs=read_runs(store_root(), self.campaign, self.version),
            tracking_uri=store_uri(tracking),
            tracking_command=show_command(tracking),
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


def products_upstream(task: PipelineTask) -> list[Path]:
    """All products of everything that ``task`` depends on."""
    return [path for needed in all_upstream(task) for path in needed.paths()]


announce_report(Report)


@Report.event_handler(luigi.Event.SUCCESS)
def _import(task: Report) -> None:
    """Bring what was evaluated into mlflow; never in a job, where luigi tells of no events."""
    if task.is_workflow() and task.campaign_config.training.tracking.enabled:
        import_evaluations(task.campaign, task.version, task.tracking_uri)
