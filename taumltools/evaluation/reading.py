"""Reading prediction files for an evaluation: only the columns that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from taumltools.config.evaluation import EvaluationConfig
from taumltools.errors import ConfigError, InputError
from taumltools.evaluation.scores import required_columns
from taumltools.evaluation.table import Predictions


def check_discriminator(config: EvaluationConfig, name: str) -> None:
    """Refuse a discriminator that the settings do not have.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in config.discriminators:
        known = ", ".join(config.discriminators) or "none"
        raise ConfigError(f"no discriminator '{name}' in evaluation.discriminators; known are {known}")


def read_predictions(paths: Sequence[Path], config: EvaluationConfig, discriminators: Sequence[str]) -> Predictions:
    """Predictions of all datasets, with the columns that some discriminators need.

    Args:
        paths: prediction files.
        config: settings of the evaluation.
        discriminators: names of those that are evaluated.

    Returns:
        All entries.

    Raises:
        InputError: a file cannot be read or lacks a column.
    """
    for name in discriminators:
        check_discriminator(config, name)
    columns = required_columns(config, discriminators)
    return Predictions.concatenate([_read(path, columns, discriminators) for path in paths])


def _read(path: Path, columns: list[str], discriminators: Sequence[str]) -> Predictions:
    try:
        return Predictions.read(path, columns)
    except InputError as error:
        raise InputError(
            f"{error}; needed for {', '.join(discriminators)}: branches to copy are listed in evaluation.columns"
        ) from error
