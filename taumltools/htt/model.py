"""Stored models: a folder with the model, what it takes, and which events it has seen.  Reading one runs no code."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.htt import HttConfig
from taumltools.errors import InputError
from taumltools.htt.split import event_key
from taumltools.htt.table import EventTable

FORMAT = "taumltools event classifier"
VERSION = 1
DESCRIPTION, SEEN, BOOSTING_FILE, DENSE_FILE = "model.json", "seen.npy", "model.txt", "model.keras"


@dataclass(frozen=True)
class ModelDescription:
    """What a model is and takes.

    Attributes:
        kind: ``boosting`` or ``dense``.
        features: inputs, in order.
        cat_features: those of them that are codes of categories.
        categories: number of codes of each, by name.
        classes: names of the classes, by number.
        fold: number of the fold that it has not seen.
        n_splits: how many folds there are.
        split_feature: what folds are made of.
        best: boosting rounds or epochs that are used.
    """

    kind: str
    features: tuple[str, ...]
    cat_features: tuple[str, ...]
    categories: dict[str, int]
    classes: tuple[str, ...]
    fold: int
    n_splits: int
    split_feature: str
    best: int = 0


class EventModel:
    """A model that scores events.

    Attributes:
        description: what it is.
        seen: keys of all events it was fitted to or stopped by, sorted, uint64.
    """

    def __init__(self, description: ModelDescription, fitted: Any, seen: np.ndarray) -> None:
        self.description, self.fitted, self.seen = description, fitted, seen

    def predict(self, events: EventTable) -> np.ndarray:
        """Probability of each class.

        Args:
            events: with all features, transformed as those it was trained on.

        Returns:
            float32, shape (n, classes); rows add up to one.
        """
        return self.predict_matrix(events.matrix(self.description.features))

    def predict_matrix(self, inputs: np.ndarray) -> np.ndarray:
        """The same for features side by side, shape (n, features)."""
        if self.description.kind == "boosting":
            scores = self.fitted.predict(inputs, num_iteration=self.description.best or None, num_threads=1)
        else:
            scores = self.fitted.predict(one_hot(inputs, self.description), batch_size=8192, verbose=0)
        scores = np.asarray(scores)
        if scores.ndim == 1:
            scores = np.stack([1 - scores, scores], axis=1)
        return scores.astype(np.float32)

    def has_seen(self, events: EventTable) -> np.ndarray:
        """Which events it was fitted to, bool, shape (n,)."""
        key = event_key(events["run"], events["evt"])
        place = np.minimum(np.searchsorted(self.seen, key), max(len(self.seen) - 1, 0))
        return self.seen[place] == key if len(self.seen) else np.zeros(len(key), bool)

    def save(self, folder: Path) -> None:
        """Write it into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.description.kind == "boosting":
            self.fitted.save_model(str(folder / BOOSTING_FILE), num_iteration=self.description.best or None)
        else:
            with warnings.catch_warnings():
                # Keras 3.15 and NumPy 2.4 disagree on a keyword; the file is right.
                warnings.filterwarnings("ignore", message="__array__ implementation doesn't accept a copy keyword")
                self.fitted.save(folder / DENSE_FILE)
        np.save(folder / SEEN, self.seen)
        content = {"format": FORMAT, "version": VERSION, **asdict(self.description)}
        (folder / DESCRIPTION).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def describe(
    config: HttConfig, cont: Sequence[str], cat: Sequence[str], codes: dict[str, int], fold: int
) -> ModelDescription:
    """What the model of a fold will be.

    Args:
        config: settings.
        cont: continuous features of the training sample.
        cat: its categorical features.
        codes: number of codes of each of these.
        fold: number of the fold.

    Returns:
        The description.

    Raises:
        InputError: the sample lacks a feature that the training wants.
    """
    training = config.training
    features = training.features or (*cont, *cat)
    if missing := sorted(set(features) - {*cont, *cat}):
        raise InputError(f"the training sample has no feature {', '.join(missing)}; it has {[*cont, *cat]}")
    used = tuple(name for name in features if name in cat)
    return ModelDescription(
        kind=training.model,
        features=tuple(features),
        cat_features=used,
        categories={name: codes[name] for name in used},
        classes=tuple(one.name for one in config.trained_classes().values()),
        fold=fold,
        n_splits=training.n_splits,
        split_feature=training.split_feature,
    )


def load_model(folder: Path) -> EventModel:
    """Read a model.

    Args:
        folder: as :meth:`EventModel.save` wrote it.

    Returns:
        The model.

    Raises:
        InputError: there is none, or one of another version.
    """
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        kind, version = content.pop("format"), content.pop("version")
    except (OSError, json.JSONDecodeError, KeyError) as error:
        raise InputError(f"{folder} holds no event classifier ({error}); run TrainEvents") from error
    if (kind, version) != (FORMAT, VERSION):
        raise InputError(f"{folder}: found '{kind}' version {version}, expected '{FORMAT}' version {VERSION}")
    for name in ("features", "cat_features", "classes"):
        content[name] = tuple(content[name])
    description = ModelDescription(**content)
    return EventModel(description, _fitted(folder, description), np.load(folder / SEEN, allow_pickle=False))


def _fitted(folder: Path, description: ModelDescription) -> Any:
    if description.kind == "boosting":
        import lightgbm

        return lightgbm.Booster(model_file=str(folder / BOOSTING_FILE))
    import keras

    return keras.saving.load_model(folder / DENSE_FILE, compile=False, safe_mode=True)


def one_hot(inputs: np.ndarray, description: ModelDescription) -> np.ndarray:
    """Inputs of a network: codes of categories become a column each; unknown ones are zero in all.

    Args:
        inputs: features side by side, shape (n, features).
        description: which of them are codes.

    Returns:
        float32, shape (n, m).
    """
    columns = []
    for i, name in enumerate(description.features):
        if name in description.cat_features:
            columns.append(inputs[:, i, None] == np.arange(description.categories[name]))
        else:
            columns.append(inputs[:, i, None])
    return np.concatenate(columns, axis=1, dtype=np.float32)
