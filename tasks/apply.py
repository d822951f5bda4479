"""Applying networks, and comparing what two of them, or two programs, gave."""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import law
import luigi

from tasks.base import PipelineTask
from tasks.production import ProduceTuples, datasets_of
from tasks.store import store_root
from tasks.training import Training

log = logging.getLogger(__name__)

OWN = "network"
"""Name of this run's network where several models have names."""

RUN_OF_TRAINING = re.compile(r"(?:[\w.-]+:)?[\w.-]+")
"""``VERSION`` or ``CAMPAIGN:VERSION``; everything else is a path."""

STORED = (".keras", ".onnx", ".pb")
"""Suffixes of stored models."""


def absolute(path: str) -> str:
    """A local path that holds in every working directory; addresses stay as they are."""
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def named(items: Sequence[str]) -> list[tuple[str, str]]:
    """Name and value of ``NAME=VALUE`` items; without a name it is empty."""
    return [(item.partition("=")[0], item.partition("=")[2]) if "=" in item else ("", item) for item in items]


class ApplyTraining(PipelineTask):
    """Scores of stored models for every entry of a test dataset, or of --input; a branch per dataset."""

    models = law.CSVParameter(
        default=(),
        description="what to apply, separated by commas, each as NAME=MODEL: a version of Training (v1 or CAMPAIGN:VERSION; other "
        "versions as they were made), "
        "or a path of a .keras, .onnx or .pb file, a SavedModel, an export, a folder with a network in parts; default: the "
        "network of this version",
    )
    input = law.CSVParameter(
        default=(),
        description="tuples or flat tuples (.h5) to score instead of the test datasets, separated by commas: files, folders, "
        "patterns in quotes, root:// addresses, each optionally as NAME=FILES; a product for each; default: none",
    )
    scaling = luigi.Parameter(
        default="",
        description="JSON file of scaling constants, for frozen graphs that take scaled values; default: beside the graph",
    )
    layout = luigi.ChoiceParameter(
        default="plain",
        choices=["plain", "legacy"],
        description="layout of prediction files: plain, or legacy for the pandas groups of the CMS tools; default: plain",
    )
    friend = luigi.ChoiceParameter(
        default="",
        choices=["", "copy", "file"],
        description="scores as friend trees: in a copy of each ROOT file, or in a file by itself; default: none",
    )
    save_inputs = law.CSVParameter(
        default=(),
        description="candidates whose input tensors are written as JSON, separated by commas: number of the entry, or "
        "EVT:TAU_INDEX; default: none",
    )
    allow_training_events = luigi.BoolParameter(
        description="score also candidates that a model was trained on; default: refuse them"
    )

    @property
    def product(self) -> str:  # type: ignore[override]
        """A file, or a folder if there is more than one file."""
        return "scores_{dataset}.d" if self.in_folder else "predictions_{dataset}.h5"

    @property
    def in_folder(self) -> bool:
        """Whether there is more than one prediction file."""
        return bool(self.models or self.friend or self.save_inputs)

    def path_of(self, branch: int) -> Path:
        """Named after the dataset."""
        return self.folder / self.product.format(dataset=self.datasets()[branch])

    def reads(self) -> tuple[str, ...]:
        """The features, the columns to keep, and which datasets are tested."""
        return ("features", "evaluation.columns", *(() if self.input else ("samples.test",)))

    def settings(self) -> dict[str, Any]:
        """What is read, with the options that differ from their defaults."""
        return super().settings() | ({"options": options} if (options := self.options()) else {})

    def options(self) -> dict[str, Any]:
        """Options that decide what the product holds, where they differ from their defaults."""
        from taumltools.evaluation.models import digest_of

        stored = {name: digest_of(Path(path)) for name, path in self.stored.items()}
        names = dict.fromkeys(self.runs, "run") if self.models else {}
        told: dict[str, Any] = {
            "models": names | stored,
            "input": self.sources if self.input else {},
            "scaling": digest_of(Path(absolute(self.scaling))) if self.scaling else "",
            "layout": self.layout if self.layout != "plain" else "",
            "friend": self.friend,
            "save_inputs": list(self.save_inputs),
            "allow_training_events": self.allow_training_events,
        }
        return {name: value for name, value in told.items() if value}

    # ------------------------------------------------------------------ models and files

    @functools.cached_property
    def runs(self) -> dict[str, Any]:
        """This version's training by name of the model; it is made if it is not there."""
        if not self.models:
            return {OWN: self.need(Training)}
        return {name: self.need(Training) for name, model in self._named_models() if self._is_own(model)}

    @functools.cached_property
    def stored(self) -> dict[str, str]:
        """Paths of models from outside, and of other versions as they were made, by name.

        Raises:
            InputError: there is none of that name.
        """
        from taumltools.errors import InputError

        others = [(name, model) for name, model in self._named_models() if not self._is_own(model)]
        paths = {name: self._other_version(model) if self._is_run(model) else absolute(model) for name, model in others}
        for name, path in paths.items():
            if not os.path.exists(path):
                raise InputError(f"--models: {name}={path}: there is no such file or folder")
        return paths

    def _named_models(self) -> list[tuple[str, str]]:
        from taumltools.errors import ConfigError
        from taumltools.evaluation.models import check_name

        pairs = [(check_name(name or Path(model).stem), model) for name, model in named(self.models)]
        if len({name for name, _ in pairs}) < len(pairs):
            raise ConfigError(f"--models: {', '.join(name for name, _ in pairs)}: give every model a name of its own")
        return pairs

    @staticmethod
    def _is_run(model: str) -> bool:
        return bool(RUN_OF_TRAINING.fullmatch(model)) and not model.endswith(STORED) and not os.path.exists(model)

    def _is_own(self, model: str) -> bool:
        return self._is_run(model) and model in (self.version, f"{self.campaign}:{self.version}")

    def _other_version(self, run: str) -> str:
        from taumltools.store.made import last_made
        from taumltools.training.network import MODEL_FILE

        (file,) = last_made(store_root(), self.campaign, run, "Training", f"model/{MODEL_FILE}")
        return str(file.parent)

    @functools.cached_property
    def sources(self) -> dict[str, str]:
        """What --input names, by name of the product.

        Raises:
            ConfigError: two have the same name.
        """
        from taumltools.errors import ConfigError

        found: dict[str, str] = {}
        for name, item in named(self.input):
            stem = re.sub(r"\W+", "_", Path(item).stem).strip("_")
            key = name or stem or re.sub(r"\W+", "_", Path(item).parent.name).strip("_") or "input"
            if key in found:
                raise ConfigError(f"--input: two items are called '{key}': give them names, e.g. first={item}")
            found[key] = absolute(item)
        return found

    def n_branches(self) -> int:
        """One branch per test dataset, or item of --input."""
        return len(self.datasets())

    def datasets(self) -> list[str]:
        """Names of the datasets, by branch."""
        return list(self.sources if self.input else self.setting("samples.test"))

    def upstream(self) -> dict[str, Any]:
        """The models of this pipeline, and the test tuples."""
        if not self.models:
            models = {"model": self.runs[OWN]}
        else:
            models = {f"model {name}": task for name, task in self.runs.items()}
        return models if self.input else {**models, "tuples": list(datasets_of(self, "test", ProduceTuples))}

    def requires(self) -> dict[str, Any]:
        """A branch needs the models and its own dataset."""
        upstream = self.upstream()
        return upstream if self.input else upstream | {"tuples": upstream["tuples"][self.branch]}

    def files(self) -> list[Any]:
        """Files of this branch in order, as paths and addresses."""
        if not self.input:
            return list(self.upstream()["tuples"][self.branch].paths())
        from taumltools.evaluation.sources import list_sources

        return list_sources(self.sources[self.datasets()[self.branch]])

    def model_paths(self) -> dict[str, Path]:
        """Where each model is."""
        paths = {name: task.path for name, task in self.runs.items()}
        paths |= {name: Path(path) for name, path in self.stored.items()}
        return {name: paths[name] for name, _ in self._named_models()} if self.models else paths

    def input_paths(self) -> list[Path]:
        """The models and the files of one dataset; of addresses nothing is known here."""
        return [*self.model_paths().values(), *(Path(file) for file in self.files() if "://" not in str(file))]

    def produce(self, path: Path) -> dict[str, Any]:
        """Score all files of one dataset, in order."""
        from taumltools.evaluation.apply import Reading
        from taumltools.evaluation.models import open_model
        from taumltools.evaluation.product import Sample, Wanted, apply_to_file, apply_to_folder
        from taumltools.production.account import refuse_empty_dataset

        features, dataset = self.setting("features"), self.datasets()[self.branch]
        scaling = absolute(self.scaling) if self.scaling else ""
        models = {name: open_model(model, features, scaling) for name, model in self.model_paths().items()}
        sample = Sample(dataset, self.files(), Reading(features, self.setting("evaluation.columns")))
        wanted = Wanted(self.layout, self.friend or None, tuple(self.save_inputs), self.allow_training_events)
        if self.in_folder:
            account = apply_to_folder(path, models, sample, wanted)
        else:
            (name, model), *_ = models.items()
            account = apply_to_file(path, model, name, sample, wanted)
        if not self.input:
            refuse_empty_dataset(dataset, "test", account["entries"])
        return account

    def validate(self, path: Path) -> None:
        """One row per input entry."""
        from taumltools.evaluation.product import check_product

        check_product(path)


class CompareInputs(PipelineTask):
    """Two sets of scores of the same entries, or the inputs of a network from two programs: what differs, as text and JSON."""

    product = "comparison"

    first = luigi.Parameter(
        description="prediction file (.h5, of this project or of the CMS tools), or inputs: a JSON file, or a folder of files "
        "..._EVT_TAUINDEX.json; needed"
    )
    second = luigi.Parameter(
        default="", description="what it is compared with, of the same kind; default: --score-branches"
    )
    score_branches = luigi.Parameter(
        default="",
        description="compare the scores with those in copied branches of the same file, e.g. "
        "tau_byDeepTau2018v2p5VS{vs}raw; default: none",
    )
    tolerance = luigi.FloatParameter(
        default=1e-5, description="largest difference of values that count as equal; default: 1e-5"
    )

    def reads(self) -> tuple[str, ...]:
        """The features, for names of inputs without names, and how plots look."""
        return ("features", "evaluation.style")

    def settings(self) -> dict[str, Any]:
        """What is read, what is compared, and the content of the files."""
        from taumltools.errors import InputError
        from taumltools.evaluation.models import digest_of

        files = [absolute(path) for path in (self.first, self.second) if path]
        for file in files:
            if not os.path.exists(file):
                raise InputError(f"{file}: there is no such file or folder to compare")
        told = {"files": [digest_of(Path(file)) for file in files], "branches": self.score_branches}
        return super().settings() | {"compared": told | {"tolerance": self.tolerance}}

    def input_paths(self) -> list[Path]:
        """What is compared."""
        return [Path(absolute(path)) for path in (self.first, self.second) if path]

    def produce(self, path: Path) -> dict[str, Any]:
        """Compare."""
        from taumltools.evaluation.compare import compare_to_folder

        first, *second = self.input_paths()
        account = compare_to_folder(
            first,
            second[0] if second else None,
            path,
            tolerance=self.tolerance,
            features=self.setting("features"),
            style=self.setting("evaluation.style"),
            branches=self.score_branches,
        )
        odd = f", {account['not_comparable']} inputs cannot be compared" if account["not_comparable"] else ""
        log.info("%d values differ by more than %g%s: %s", account["differ"], self.tolerance, odd, self.path)
        return account
