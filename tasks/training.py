"""Training of networks, logged and brought into mlflow."""

from __future__ import annotations

import functools
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi

from tasks.base import PipelineTask
from tasks.features import FeatureScaling, ProduceControlTuples, ProduceFlatTuples
from tasks.parameters import AmountParameter, CommandsParameter
from tasks.tracking import import_runs

log = logging.getLogger(__name__)


class FitTask(PipelineTask):
    """A task that fits networks, or has them fitted; the parameters do not change what comes out."""

    exclude_index = True

    tracking_uri = luigi.Parameter(
        default="",
        significant=False,
        description="store of mlflow that runs are imported into afterwards: a folder, or a URI such as http://host:5000; "
        "default: $MLFLOW_TRACKING_URI, or mlflow below $TAUML_STORE",
    )
    checkpoint_minutes = luigi.FloatParameter(
        default=10.0,
        significant=False,
        description="minutes between two checkpoints of a fit, besides those after every epoch; default: 10",
    )
    threads = luigi.IntParameter(
        default=0, significant=False, description="threads of one operation of the fit; default: what TensorFlow takes"
    )
    gpu = luigi.IntParameter(
        default=-1, significant=False, description="number of the only GPU that the fit uses; default: what is there"
    )
    gpu_memory = AmountParameter(
        default=0, significant=False, description="memory of the GPU that the fit takes, MB, or e.g. 7GB; default: all"
    )

    def how(self) -> dict[str, Any]:
        """How networks are fitted, by parameter."""
        return {
            name: getattr(self, name) for name in ("tracking_uri", "checkpoint_minutes", "threads", "gpu", "gpu_memory")
        }


class Training(FitTask):
    """Trained networks: folders with the model, its history and the log of its run; a branch per training.

    Without ``--models`` and ``--input-cmds`` there is one training, with the settings of the campaign.  Each training of
    several has the identity, and so the product, that it has alone: one that is there is not made again.
    """

    product = "model"

    models = luigi.Parameter(
        default="",
        description="networks to train at once, separated by commas, e.g. deepset,particle_net; default: the campaign's",
    )
    input_cmds = CommandsParameter(
        default=(),
        description="file with a training a line: overrides, or a command line 'python Training_CNN.py key=value ...'; "
        "# begins a comment; default: none",
    )

    # ------------------------------------------------------------------ several trainings

    @functools.cached_property
    def members(self) -> list[str]:
        """What is overridden in each training; empty if there is only one."""
        from taumltools.config.commands import merge_overrides

        models = [f"model={name}" for name in self.models.replace(",", " ").split()]
        return [
            merge_overrides(self.overrides, model, line)
            for line in self.input_cmds or [""]
            for model in models or [""]
            if line or model
        ]

    @functools.cached_property
    def singles(self) -> list[Training]:
        """Each of several trainings as a workflow of its own; empty if there is only one.

        Raises:
            ConfigError: the settings of one are wrong, or two are the same.
        """
        from taumltools.errors import ConfigError

        singles: list[Training] = []
        numbers: dict[str, int] = {}
        for number, overrides in enumerate(self.members):
            single = self.single(overrides)
            try:
                identity = single.identity
            except ConfigError as error:
                raise ConfigError(f"training {number + 1} of {len(self.members)} ({overrides}): {error}") from error
            if identity in numbers:
                raise ConfigError(
                    f"trainings {numbers[identity] + 1} and {number + 1} have the same settings ({overrides}): leave one out"
                )
            numbers[identity] = number
            singles.append(single)
        return singles

    def single(self, overrides: str, **parameters: Any) -> Training:
        """One training with given settings."""
        shared = {"version": self.version, "campaign": self.campaign, "workflow": self.workflow, "site": self.site}
        return Training(**shared, overrides=overrides, **self.how(), **parameters)

    @functools.cached_property
    def identity(self) -> str:
        """That of the settings; of several trainings one over all of them."""
        from taumltools.config.identity import identity

        if not self.members:
            return super().identity
        return identity({"trainings": [single.identity for single in self.singles]})

    def path_of(self, branch: int) -> Path:
        """Where the product of a training is, whether it was asked for alone or with others."""
        return self.singles[branch].path_of(0) if self.members else super().path_of(branch)

    def n_branches(self) -> int:
        """One branch a training."""
        return len(self.singles) or 1

    def requires(self) -> dict[str, Any]:
        """A training needs only its own inputs."""
        return self.singles[self.branch].requires() if self.members else super().requires()

    def input_paths(self) -> list[Path]:
        """What this training reads."""
        return self.singles[self.branch].input_paths() if self.members else super().input_paths()

    def run(self) -> None:
        """Train; one of several runs exactly as if it had been asked for alone."""
        if self.members:
            self.single(self.members[self.branch], branch=0).run()
        else:
            super().run()
            shutil.rmtree(self.work, ignore_errors=True)  # the product has its log, and needs no checkpoint

    # ------------------------------------------------------------------ one training

    def reads(self) -> tuple[str, ...]:
        """Everything that shapes the network and its fit."""
        return ("seed", "features", "model", "training")

    def upstream(self) -> dict[str, Any]:
        """Flat tuples and their scaling, and datasets of a control region; of several trainings those of each, once."""
        if not self.members:
            return {"flat": self.need(ProduceFlatTuples), "scaling": self.need(FeatureScaling)} | self._control_tasks()
        needed: dict[str, dict[str, Any]] = {}
        for single in self.singles:
            for name, task in single.upstream().items():
                needed.setdefault(name, {}).setdefault(task.identity, task)
        return {name: list(tasks.values()) for name, tasks in needed.items()}

    def _control_tasks(self) -> dict[str, Any]:
        """Flat tuples of the datasets of a control region, by ``control_<dataset>``."""
        region = self.setting("training").adversarial
        return {
            f"control_{name}": self.need(ProduceControlTuples, sample=region.sample, dataset=name)
            for name in (region.datasets if region else ())
        }

    def control_paths(self) -> dict[str, list[Path]]:
        """Flat tuples of the control region by name of the sample; empty without domain adaptation.

        Raises:
            InputError: files that the settings name are not there.
        """
        from taumltools.training.control import control_files

        region = self.setting("training").adversarial
        if region is None:
            return {}
        tasks = self._control_tasks()
        made = {name: tasks[f"control_{s.dataset}"].paths() for name, s in region.samples.items() if s.dataset}
        return control_files(region) | made

    @property
    def work(self) -> Path:
        """Folder of what a training leaves on its way: its log, its checkpoints; survives a killed process."""
        return self.folder / "work"

    @property
    def broken_file(self) -> Path:
        """Says why a fit broke down; it is gone as soon as one with the same settings succeeds."""
        return self.work / "broken.json"

    def broken(self) -> str:
        """Why the fit broke down; empty if it did not, or was not tried."""
        try:
            return "" if self.path_of(0).exists() else str(json.loads(self.broken_file.read_text("utf-8"))["error"])
        except (OSError, ValueError, KeyError):
            return ""

    def _data(self) -> dict[str, list[Path]]:
        """All files that decide what the network becomes, by what they are called in mlflow."""
        needed = self.upstream()
        control = {f"control {name}": paths for name, paths in self.control_paths().items()}
        return {name: needed[name].paths() for name in ("flat", "scaling")} | control

    def description(self) -> Any:
        """What the run of this training is, a :class:`taumltools.training.tracking.RunDescription`."""
        from taumltools.config.identity import plain
        from taumltools.store.provenance import code_version, package_versions
        from taumltools.training.continuation import run_of
        from taumltools.training.tracking import RunDescription
        from taumltools.training.tracking.data import data_identity
        from taumltools.training.tracking.log import FOLDER

        names = {"version": self.version, "campaign": self.campaign, "identity": self.identity}
        documents = {
            "campaign": plain(self.campaign_config),
            "code": {**code_version(), "packages": package_versions()},
            "data": [data_identity(name, paths) for name, paths in self._data().items()],
        }
        model, start = self.setting("model").name, self.setting("training").start_from
        return RunDescription(
            directory=self.work / FOLDER,
            experiment=self.setting("training").tracking.experiment,
            name=f"{model}-{self.campaign}-{self.version}-{self.identity}",
            tags=names | {"model": model, "overrides": self.overrides, "commit": str(code_version().get("commit"))},
            parent=run_of(Path(start)) if start else "",
            documents=documents,
            data=documents["data"],
        )

    def produce(self, path: Path) -> dict[str, Any]:
        """Fit, from the last checkpoint if there is one."""
        from taumltools.errors import FitError
        from taumltools.features.scaling import load_scaling
        from taumltools.training.checkpoint import Checkpoints
        from taumltools.training.devices import Devices
        from taumltools.training.fit import train
        from taumltools.training.trained_on import remember

        try:
            result = train(
                self.upstream()["flat"].paths(),
                load_scaling(self.upstream()["scaling"].path, self.setting("features")),
                features=self.setting("features"),
                model=self.setting("model"),
                training=self.setting("training"),
                out_dir=path,
                seed=int(self.random_seed().generate_state(1)[0]),
                control=self.control_paths() or None,
                tracking=self.description(),
                checkpoints=Checkpoints(self.work / "checkpoints", self.checkpoint_minutes),
                devices=Devices(self.gpu if self.gpu >= 0 else None, self.gpu_memory, self.threads),
            )
        except FitError as error:
            self.work.mkdir(parents=True, exist_ok=True)
            self.broken_file.write_text(json.dumps({"error": str(error)}), encoding="utf-8")
            log.warning("%s is remembered as broken: a scan that is run again goes on without it", self.folder)
            raise
        seen = [*self.upstream()["flat"].paths(), *(file for files in self.control_paths().values() for file in files)]
        remember(seen, self.setting("training").start_from, path)
        return result.metrics | {"run": result.run}

    def validate(self, path: Path) -> None:
        """The model reloads by itself."""
        from taumltools.training.network import load_network

        load_network(path)

    # ------------------------------------------------------------------ afterwards

    def log_folders(self) -> Iterator[Path]:
        """Where the logs of these trainings are: finished ones in their products, others in their working folders."""
        from taumltools.training.tracking.log import FOLDER

        singles = [self.singles[self.branch]] if self.members and self.is_branch() else self.singles
        for single in singles or [self]:
            if single.path_of(0).exists():
                yield single.path_of(0) / FOLDER
            yield single.work / FOLDER


@Training.event_handler(luigi.Event.SUCCESS)
@Training.event_handler(luigi.Event.FAILURE)
def _import(task: Training, *_: Any) -> None:
    """Bring what was logged into mlflow; never in a job, where luigi tells of no events."""
    if task.setting("training.tracking.enabled"):
        import_runs(list(task.log_folders()), task.tracking_uri)


@Training.event_handler(luigi.Event.DEPENDENCY_PRESENT)
def _import_what_was_there(task: Training) -> None:
    """Asked for again, a training that is done is brought into mlflow, should that have failed before."""
    if task.is_root_task():
        _import(task)
