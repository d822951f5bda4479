"""The fitted transformation of features: limits, principal components, standardisation, categories.

It is stored as JSON with a version, so that reading it runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.htt import PreprocessConfig
from taumltools.errors import InputError
from taumltools.htt.table import EventTable

FORMAT = "taumltools event transformation"
VERSION = 1
UNKNOWN = -1
"""Code of a category that the training sample does not have."""


@dataclass(frozen=True)
class Transform:
    """A fitted transformation.

    Attributes:
        cont_features: names of what goes in.
        cat_features: the same of categories.
        outputs: names of the continuous features that come out.
        center: subtracted first, one number per feature in; zeros without principal components.
        components: rows are principal components, shape (k, m); empty without.
        scale: principal components are divided by these; empty without, ones unless whitened.
        mean: subtracted from what comes out.
        std: what comes out is divided by these.
        categories: values by categorical feature; the position is the code.
    """

    cont_features: tuple[str, ...]
    cat_features: tuple[str, ...]
    outputs: tuple[str, ...]
    center: tuple[float, ...]
    components: tuple[tuple[float, ...], ...]
    scale: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    categories: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def apply(self, events: EventTable) -> EventTable:
        """Transform events.

        Args:
            events: with all features.

        Returns:
            The same events: transformed continuous features as float32 and codes of categories as int16 in place
            of what they were made from; other columns as they are.
        """
        inputs = [events[name] for name in self.cont_features]
        made: dict[str, np.ndarray] = {}
        for i, name in enumerate(self.outputs):
            value = (
                _component(inputs, self.center, self.components[i]) / self.scale[i] if self.components else inputs[i]
            )
            made[name] = ((np.asarray(value, np.float64) - self.mean[i]) / self.std[i]).astype(np.float32)
        for name in self.cat_features:
            made[name] = codes(events[name], self.categories[name])
        rest = events.without([*self.cont_features, *self.cat_features]).columns
        return EventTable({**made, **rest})

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Transform:
        """Read it.

        Raises:
            InputError: it is no such file, or one of another version.
        """
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            kind, version = content.pop("format"), content.pop("version")
        except (OSError, json.JSONDecodeError, KeyError, AttributeError) as error:
            raise InputError(f"{path} is not a stored transformation ({error}); run PreprocessEvents") from error
        if (kind, version) != (FORMAT, VERSION):
            raise InputError(f"{path}: found '{kind}' version {version}, expected '{FORMAT}' version {VERSION}")
        categories = {name: tuple(values) for name, values in content.pop("categories").items()}
        components = tuple(map(tuple, content.pop("components")))
        return cls(**{k: tuple(v) for k, v in content.items()}, components=components, categories=categories)


def fit_transform(events: EventTable, config: PreprocessConfig) -> Transform:
    """Fit to the training sample.

    Args:
        events: of the training sample, clipped.
        config: which features and steps.

    Returns:
        The transformation.

    Raises:
        InputError: a categorical feature does not hold whole numbers.
    """
    inputs = [np.asarray(events[name], np.float64) for name in config.cont_features]
    center, components, scale = np.zeros(len(inputs)), np.empty((0, 0)), np.empty(0)
    values: Sequence[np.ndarray] = inputs
    if config.pca:
        center, components, variance = principal_components(inputs, config.pca.n_components)
        scale = np.sqrt(np.where(variance > 0, variance, 1)) if config.pca.whiten else np.ones(len(components))
        values = [_component(inputs, center, row) / size for row, size in zip(components, scale, strict=True)]
    scaler = config.scaler
    mean = [float(v.mean()) if scaler and scaler.with_mean else 0.0 for v in values]
    std = [_positive(float(v.std())) if scaler and scaler.with_std else 1.0 for v in values]
    return Transform(
        cont_features=config.cont_features,
        cat_features=config.cat_features,
        outputs=config.output_features()[0],
        center=tuple(center.tolist()),
        components=tuple(map(tuple, components.tolist())),
        scale=tuple(scale.tolist()),
        mean=tuple(mean),
        std=tuple(std),
        categories={name: _categories(events[name], name) for name in config.cat_features},
    )


def principal_components(inputs: Sequence[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions of largest variance.

    Args:
        inputs: features, float64, shape (n,) each.
        count: how many directions.

    Returns:
        Means, shape (m,); directions as rows, shape (count, m), the largest element of each positive; variances along
        them (with n - 1), shape (count,).
    """
    center = np.array([v.mean() for v in inputs])
    moved = [v - c for v, c in zip(inputs, center, strict=True)]
    covariance = np.empty((len(inputs), len(inputs)))
    for i, first in enumerate(moved):
        for j in range(i + 1):  # numpy's own sum: its order does not depend on threads, as that of BLAS does
            covariance[i, j] = covariance[j, i] = (first * moved[j]).sum() / max(len(first) - 1, 1)
    variance, vectors = np.linalg.eigh(covariance)
    components = vectors.T[::-1][:count]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return center, components * np.sign(largest), variance[::-1][:count]


def codes(values: np.ndarray, categories: Sequence[float]) -> np.ndarray:
    """Position of each value among the categories.

    Args:
        values: of a categorical feature, shape (n,).
        categories: ascending.

    Returns:
        int16, shape (n,); :data:`UNKNOWN` for values that are no category.

    Examples:
        >>> codes(np.array([3, 0, 7]), (0.0, 1.0, 3.0)).tolist()
        [2, 0, -1]
    """
    known = np.asarray(categories, np.float64)
    position = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[position] == values, position, UNKNOWN).astype(np.int16)


def _component(
    inputs: Sequence[np.ndarray], center: Sequence[float] | np.ndarray, row: Sequence[float] | np.ndarray
) -> np.ndarray:
    total = np.zeros(len(inputs[0]))
    for values, middle, factor in zip(inputs, center, row, strict=True):
        total += (np.asarray(values, np.float64) - middle) * factor
    return total


def _positive(std: float) -> float:
    return std if std > 0 else 1.0


def _categories(values: np.ndarray, name: str) -> tuple[float, ...]:
    found = np.unique(values).astype(np.float64)
    if (found != np.round(found)).any() or len(found) > 1000:
        raise InputError(
            f"cat_features: '{name}' has {len(found)} different values such as {found[0]:g}, expected a few whole numbers; "
            "take it as a continuous feature"
        )
    return tuple(found.tolist())
