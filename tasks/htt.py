"""Classification of H->tautau events: mock events, preprocessing, training, scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi

from tasks.base import PipelineTask
from tasks.htt_events import ProduceEvents
from tasks.tracking import import_runs

SAMPLES = ("train", "test")
"""Samples that the preprocessing makes, in the order of branches."""


class MockEvents(PipelineTask):
    """Event ntuples of random numbers (``htt.source: mock``); a branch per sample."""

    product = "{sample}.root"

    def path_of(self, branch: int) -> Path:
        """Named after the sample."""
        return self.folder / self.product.format(sample=self.samples()[branch])

    def samples(self) -> list[str]:
        """Names of the samples, by branch."""
        return list(self.campaign_config.htt.samples)

    def files(self) -> dict[str, list[Path]]:
        """Products by sample."""
        return {name: [self.path_of(branch)] for branch, name in enumerate(self.samples())}

    def reads(self) -> tuple[str, ...]:
        """How many events of which samples, for which channel."""
        names = self.campaign_config.htt.samples
        return ("seed", "htt.channel", "htt.tree", *(f"htt.samples.{name}.events" for name in names))

    def n_branches(self) -> int:
        """One branch per sample."""
        return len(self.samples())

    def produce(self, path: Path) -> dict[str, Any]:
        """Draw random numbers."""
        from taumltools.htt.mock import mock_events, write_events

        name = self.samples()[self.branch]
        entries = self.setting(f"htt.samples.{name}.events")
        seed = int(self.random_seed().generate_state(1)[0])
        write_events(path, mock_events(name, entries, seed, self.setting("htt.channel")), self.setting("htt.tree"))
        return {"entries": entries}

    def validate(self, path: Path) -> None:
        """The tree can be read."""
        from taumltools.htt.ntuples import count_events

        count_events([path], self.setting("htt.tree"))


EVENT_SETTINGS = (
    "htt.source", "htt.channel", "htt.tree", "htt.samples", "htt.classes", "htt.preprocess"
)  # fmt: skip
"""What the preprocessing depends on."""

TRAINING_SETTINGS = (*EVENT_SETTINGS, "htt.training")
"""What a model depends on."""


class HttTask(PipelineTask):
    """A task on events, with the settings that it declares."""

    exclude_index = True

    def htt(self) -> Any:
        """Settings as far as :meth:`reads` declares them, a :class:`taumltools.config.htt.HttConfig`; the rest is default."""
        from taumltools.config.htt import HttConfig

        parts = (key.split(".") for key in self.reads())
        return HttConfig(
            **{part[1]: self.setting(".".join(part)) for part in parts if part[0] == "htt" and len(part) == 2}
        )


class EventsTask(HttTask):
    """A task that reads event ntuples."""

    exclude_index = True

    def sources(self) -> dict[str, Any]:
        """Workflows that make the events; none for files.

        Raises:
            ConfigError: there are no samples.
        """
        from taumltools.errors import ConfigError

        source = self.setting("htt.source")
        if not self.setting("htt.samples"):
            raise ConfigError(
                f"campaign '{self.campaign}' has no htt.samples; choose a file of configs/htt, e.g. htt=demo_tt"
            )
        if source == "files":
            return {}
        return {"events": self.need(MockEvents if source == "mock" else ProduceEvents)}

    def event_files(self) -> dict[str, list[Path | str]]:
        """Event ntuples by sample, in order."""
        if self.setting("htt.source") == "files":
            return {name: list(sample.files) for name, sample in self.setting("htt.samples").items()}
        files: dict[str, list[Path | str]] = self.sources()["events"].files()
        return files

    def made_here(self, sample: str) -> list[Path]:
        """Ntuples of a sample that are products; files from elsewhere are none."""
        return [path for path in self.event_files()[sample] if isinstance(path, Path)]


class PreprocessEvents(EventsTask):
    """Fold files of the training and the test sample, with the fitted transformation."""

    product = "events"

    def reads(self) -> tuple[str, ...]:
        """Samples, classes, features."""
        return EVENT_SETTINGS

    def upstream(self) -> dict[str, Any]:
        """The events."""
        return self.sources()

    def produce(self, path: Path) -> dict[str, Any]:
        """Select, split, weight, transform."""
        from taumltools.htt.preprocess import preprocess_training

        return preprocess_training(self.htt(), self.event_files(), path)

    def validate(self, path: Path) -> None:
        """Both samples and the transformation read back."""
        from taumltools.htt.foldfile import FoldFile
        from taumltools.htt.preprocess import TRANSFORM
        from taumltools.htt.transform import Transform

        Transform.load(path / TRANSFORM)
        for name in SAMPLES:
            with FoldFile(path / f"{name}.hdf5") as file:
                file.read_fold(0)


class PreprocessForPrediction(EventsTask):
    """Fold files of all events of each sample, transformed as in training; a branch per sample."""

    product = "{sample}.hdf5"

    def path_of(self, branch: int) -> Path:
        """Named after the sample."""
        return self.folder / self.product.format(sample=self.predicted()[branch])

    def predicted(self) -> list[str]:
        """Names of the samples that are scored, by branch."""
        return [name for name, sample in self.setting("htt.samples").items() if sample.predict]

    def reads(self) -> tuple[str, ...]:
        """Samples and features."""
        return EVENT_SETTINGS

    def n_branches(self) -> int:
        """One branch per sample."""
        return len(self.predicted())

    def upstream(self) -> dict[str, Any]:
        """The events and the transformation."""
        return {**self.sources(), "training": self.need(PreprocessEvents)}

    def input_paths(self) -> list[Path]:
        """The transformation, and the events of one sample."""
        return [self.upstream()["training"].path, *self.made_here(self.predicted()[self.branch])]

    def produce(self, path: Path) -> dict[str, Any]:
        """Transform."""
        from taumltools.htt.preprocess import TRANSFORM, preprocess_prediction
        from taumltools.htt.transform import Transform

        name = self.predicted()[self.branch]
        transform = Transform.load(self.upstream()["training"].path / TRANSFORM)
        return preprocess_prediction(self.htt(), name, self.event_files()[name], transform, path)

    def validate(self, path: Path) -> None:
        """The file reads back."""
        from taumltools.htt.foldfile import FoldFile

        with FoldFile(path) as file:
            file.read_fold(0)


class TrackedTask(HttTask):
    """A task whose branches write a log for mlflow, which is imported afterwards."""

    exclude_index = True

    tracking_uri = luigi.Parameter(
        default="",
        significant=False,
        description="store of mlflow that runs are imported into afterwards: a folder, or a URI such as http://host:5000; "
        "default: $MLFLOW_TRACKING_URI, or mlflow below $TAUML_STORE",
    )

    def description(self, name: str, parent: str = "") -> Any:
        """What the run of this branch is, a :class:`taumltools.training.tracking.RunDescription`."""
        from taumltools.store.provenance import code_version, package_versions
        from taumltools.training.tracking import RunDescription
        from taumltools.training.tracking.log import FOLDER

        config = self.campaign_config.htt
        tags = {
            "version": self.version,
            "campaign": self.campaign,
            "identity": self.identity,
            "channel": config.channel,
        }
        return RunDescription(
            directory=self.folder / f"work_{self.branch}" / FOLDER,
            experiment=config.training.experiment,
            name=f"{config.training.mode}-{self.campaign}-{self.version}-{self.identity}-{name}",
            tags=tags | {"overrides": self.overrides},
            documents={"code": {**code_version(), "packages": package_versions()}},
            parent=parent,
        )

    def log_folders(self) -> Iterator[Path]:
        """Where the logs of all branches are: finished ones in their products, others in their working folders."""
        from taumltools.training.tracking.log import FOLDER

        for branch in range(self.n_branches()):
            if self.path_of(branch).exists():
                yield self.path_of(branch) / FOLDER
            yield self.folder / f"work_{branch}" / FOLDER


class TrainEvents(TrackedTask):
    """Models of all folds; a branch per fold."""

    product = "model_{branch}"

    def reads(self) -> tuple[str, ...]:
        """The training, and what its sample is."""
        return TRAINING_SETTINGS

    def upstream(self) -> dict[str, Any]:
        """The training sample."""
        return {"events": self.need(PreprocessEvents)}

    def n_branches(self) -> int:
        """One branch per fold."""
        return int(self.setting("htt.training").n_splits)

    def produce(self, path: Path) -> dict[str, Any]:
        """Fit."""
        from taumltools.htt.train import train_fold

        events = self.upstream()["events"].path / "train.hdf5"
        return train_fold(events, self.htt(), self.branch, path, self.description(f"fold{self.branch}"))

    def validate(self, path: Path) -> None:
        """The model reloads by itself."""
        from taumltools.htt.model import load_model

        load_model(path)


class PredictEvents(EventsTask):
    """Scores, each by the model that has not seen the event.

    With ``--purpose evaluation`` CSV files of the training and the test sample; with ``--purpose datacards`` ROOT friend
    trees of all events of each sample, a branch per sample.
    """

    purpose = luigi.ChoiceParameter(
        default="evaluation",
        choices=["evaluation", "datacards"],
        description="what scores are for: evaluation (CSV of training and test sample) or datacards (ROOT friend trees of all "
        "samples); default: evaluation",
    )

    def keys(self) -> tuple[str, ...]:
        """The purpose."""
        return (self.purpose,)

    def path_of(self, branch: int) -> Path:
        """Named after the sample."""
        return self.folder / self.names()[branch]

    def names(self) -> list[str]:
        """Files, by branch."""
        if self.purpose == "evaluation":
            return [f"{name}.csv" for name in SAMPLES]
        return [f"{name}_pred.root" for name in self.need(PreprocessForPrediction).predicted()]

    def reads(self) -> tuple[str, ...]:
        """For datacards, where the ntuples are, what is carried along and what becomes of duplicates."""
        datacards = (
            "htt.source",
            "htt.tree",
            "htt.samples",
            "htt.preprocess.misc_features",
            "htt.evaluation.duplicates",
        )
        return datacards if self.purpose == "datacards" else ()

    def n_branches(self) -> int:
        """One branch per file."""
        return len(self.names())

    def upstream(self) -> dict[str, Any]:
        """The models and the events."""
        models = {"models": self.need(TrainEvents)}
        if self.purpose == "evaluation":
            return models | {"events": self.need(PreprocessEvents)}
        return models | {"prepared": self.need(PreprocessForPrediction)} | self.sources()

    def input_paths(self) -> list[Path]:
        """The models, what this branch scores, and for the order of a friend tree the ntuples made here."""
        needed = self.upstream()
        models = needed["models"].paths()
        if self.purpose == "evaluation":
            return [*models, needed["events"].path]
        made = self.made_here(needed["prepared"].predicted()[self.branch])
        return [*models, needed["prepared"].path_of(self.branch), *made]

    def produce(self, path: Path) -> dict[str, Any]:
        """Score."""
        from taumltools.htt.friend import write_friend
        from taumltools.htt.predict import load_ensemble, predict_for_evaluation

        needed = self.upstream()
        ensemble = load_ensemble(needed["models"].paths())
        if self.purpose == "evaluation":
            return predict_for_evaluation(needed["events"].path / f"{SAMPLES[self.branch]}.hdf5", ensemble, path)
        prepared = needed["prepared"]
        return write_friend(
            self.event_files()[prepared.predicted()[self.branch]],
            prepared.path_of(self.branch),
            ensemble,
            path,
            tree=self.setting("htt.tree"),
            misc=self.setting("htt.preprocess.misc_features"),
            duplicates=self.setting("htt.evaluation.duplicates"),
        )


@TrackedTask.event_handler(luigi.Event.SUCCESS)
def _import(task: TrackedTask) -> None:
    """Bring what was logged into mlflow, once all branches are done; never in a job, where luigi tells of no events."""
    if task.is_workflow() and task.setting("htt.training.tracking"):
        import_runs(list(task.log_folders()), task.tracking_uri)


@TrackedTask.event_handler(luigi.Event.FAILURE)
def _import_failed(task: TrackedTask, *_: Any) -> None:
    """Bring the log of a branch that failed into mlflow: its workflow will not end."""
    if task.setting("htt.training.tracking"):
        import_runs(list(task.log_folders()), task.tracking_uri)
