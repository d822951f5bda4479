"""Opening stored models, whatever wrote them: Keras files, SavedModel, ONNX, frozen graphs, networks in parts."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from taumltools.config.features import FeaturesConfig
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.scorers import CORE, GridScorer, PartsScorer, RawScorer, Scorer
from taumltools.features.scaling import check_rules, load_scaling
from taumltools.training.layout import Form
from taumltools.training.network import MODEL_FILE, load_network
from taumltools.training.preparation import TAU, Preparation, find_definition
from taumltools.training.stored import SAVED_MODEL_FILE, beside, open_runner
from taumltools.training.trained_on import TrainedOn

SHARED_OBJECT = re.compile(rb'"shared_object_id": \d+')
"""Addresses in the memory of the process that saved a model, which Keras writes into its file."""

NAME = re.compile(r"[A-Za-z]\w*")
"""Names of models become names of branches."""

SCALING_FILE = "scaling.json"
"""Scaling constants that are looked for beside networks on scaled values."""

PART_FILES = ("*{part}*.pb", "{part}/graph.pb", "*{part}*.onnx", "{part}/model.onnx")
"""Where the parts of a network are looked for in a folder."""


@dataclass(frozen=True)
class StoredModel:
    """A model that can be applied.

    Attributes:
        scorer: what scores.
        identity: digest of its files.
        preparation: how candidates become its inputs; None for stand-ins.
        trained_on: sketch of its training sample; None if it is not known.
        definition: features it was trained on; None if they are not known.
    """

    scorer: Scorer
    identity: str = ""
    preparation: Preparation | None = None
    trained_on: TrainedOn | None = None
    definition: FeaturesConfig | None = None

    def check(self, given: FeaturesConfig | None, where: str) -> None:
        """Refuse features with the names of those it was trained on and other values.

        Args:
            given: definition of the features it is given; None if it is not known.
            where: what is given, for the message.

        Raises:
            InputError: they differ.
        """
        if self.preparation is not None:
            self.preparation.layout.check_definition(self.definition, given, where)


def open_model(path: Path, features: FeaturesConfig, scaling: str = "") -> StoredModel:
    """Open a stored model.

    Args:
        path: folder of a training or of ``ExportModel``, ``.keras`` file, folder of a SavedModel, ``.onnx`` file,
            frozen graph ``.pb``, or a folder with a network in parts (``inner``, ``outer``, ``core``).
        features: what it sees, for models that do not say it themselves.
        scaling: JSON file of scaling constants, for networks that take scaled values and have none beside them.

    Returns:
        The model.

    Raises:
        ConfigError: constants are needed and none are known.
        InputError: there is no such model, or it takes other inputs than the features give.
    """
    if not path.exists():
        raise InputError(f"{path}: no such model; a folder or file was expected, or a version of Training")
    identity, sketch, definition = model_identity(path), TrainedOn.find(path), find_definition(path)
    if path.suffix == ".keras" or (path / MODEL_FILE).is_file():
        network = load_network(path)
        return StoredModel(network, identity, Preparation.of_network(network.model), sketch, definition)
    parts = {} if (path / SAVED_MODEL_FILE).is_file() or path.is_file() else part_files(path)
    scorer = _parts(parts, features, scaling) if parts else _whole(path, features, scaling)
    return StoredModel(scorer, identity, scorer.preparation, sketch, definition)


def part_files(folder: Path) -> dict[str, Path]:
    """Files of a network in parts: those of the grids ``inner`` and ``outer``, and ``core``; empty if not all are there.

    Raises:
        InputError: a part is there more than once.
    """
    found: dict[str, Path] = {}
    for part in ("inner", "outer", CORE):
        for pattern in PART_FILES:
            files = sorted(folder.glob(pattern.format(part=part)))
            if len(files) > 1:
                raise InputError(f"{folder}: {len(files)} files for the part '{part}', {files[0].name} and others")
            if files:
                found[part] = files[0]
                break
    return found if len(found) == len(("inner", "outer", CORE)) else {}


def _parts(files: dict[str, Path], features: FeaturesConfig, scaling: str) -> PartsScorer:
    folder = files[CORE].parent
    return PartsScorer(
        {part: open_runner(file) for part, file in files.items()}, _prepared(folder, "cells", features, scaling)
    )


def _whole(path: Path, features: FeaturesConfig, scaling: str) -> RawScorer | GridScorer:
    runner = open_runner(path)
    if "taus" in runner.shapes:
        form: Form = "cells" if any(name.endswith("_cell") for name in runner.shapes) else "sets"
        return RawScorer(runner, Preparation.find(path) or Preparation.of_settings(features, form))
    if TAU in runner.shapes and len(runner.shapes[TAU]) == 2 and "input_inner" not in runner.shapes:
        return GridScorer(runner, _prepared(path, "cells", features, scaling))
    raise InputError(
        f"{path}: a network with the inputs {sorted(runner.shapes)} cannot be applied by itself; of a network in parts "
        "(inner, outer, core) name the folder"
    )


def _prepared(path: Path, form: Form, features: FeaturesConfig, scaling: str) -> Preparation:
    """Features and constants of a network on scaled values: those named, else those of its export, else a file beside it."""
    found = None if scaling else Preparation.find(path)
    if found is not None:
        return found
    file = Path(scaling) if scaling else beside(path, SCALING_FILE)
    if file is None:
        raise ConfigError(
            f"{path}: this network takes scaled values; name the file of its scaling constants (--scaling), or put it "
            f"beside the network as {SCALING_FILE}"
        )
    constants = load_scaling(file, features)
    check_rules(constants, features, str(file))
    return Preparation.of_settings(features, form, constants)


def digest_of(path: Path) -> str:
    """Twelve hex digits over the content of a file, or of all files of a folder and their names."""
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(path).as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


def model_identity(model: Path) -> str:
    """What tells one network from another: a digest of its weights and structure.

    The date in a model file of Keras and the addresses of objects in the memory of the process that
    wrote it do not enter: a repeated training gives the same identity.

    Args:
        model: folder of a training, or any stored model.

    Returns:
        12 hex digits; the folder's name if it is empty or not there.
    """
    keras_file = model if model.suffix == ".keras" else Path(model) / MODEL_FILE
    if not zipfile.is_zipfile(keras_file):
        stored = model.is_file() or any(model.glob("*"))
        return digest_of(model) if stored else Path(model).name
    digest = hashlib.sha256()
    with zipfile.ZipFile(keras_file) as archive:
        for name in sorted(set(archive.namelist()) - {"metadata.json"}):
            digest.update(name.encode() + SHARED_OBJECT.sub(b"", archive.read(name)))
    return digest.hexdigest()[:12]


def check_name(name: str) -> str:
    """Refuse names of models that cannot be names of branches.

    Raises:
        ConfigError: it has other signs than letters, digits and underscores.

    Examples:
        >>> check_name("run3")
        'run3'
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"--models: '{name}' is no name of a model; letters, digits and _ are possible, e.g. run3=PATH"
        )
    return name
