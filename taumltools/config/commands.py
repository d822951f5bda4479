"""Lists of trainings: files with a training a line, and grids of overrides."""

from __future__ import annotations

import itertools
import logging
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from taumltools.errors import ConfigError

log = logging.getLogger(__name__)

LEGACY_KEYS = {
    "experiment_name": "training.tracking.experiment",
    "training_cfg.Setup.n_tau": "training.batch_size",
    "training_cfg.SetupNN.n_epochs": "training.epochs",
    "training_cfg.SetupNN.validation_split": "training.validation_fraction",
    "training_cfg.SetupNN.learning_rate": "training.learning_rate",
    "training_cfg.SetupNN.loss": "training.loss",
    "training_cfg.SetupNN.TauLossesSFs": "training.scale_factors",
    "training_cfg.SetupNN.metrics": "training.metrics",
    "training_cfg.SetupNN.schedule_decay": "training.schedule_decay",
    "training_cfg.SetupNN.first_layer_reg": "model.deeptau.first_layer_reg",
    "training_cfg.Setup.weight_thr": "training.spectra.weight_thr",
}
"""Settings of the legacy trainings that have the same meaning under another name here."""

LEGACY_VALUES = {
    "training_cfg.SetupNN.optimizer_name": {"Nadam": ["training.optimizer=nadam"]},
    "training_cfg.SetupNN.step_decay": {"0": ["training.schedule=constant"]},
    "training_cfg.SetupNN.first_layer_reg": {"null": ["model.deeptau.first_layer_reg=''"]},
}
"""Settings of the legacy trainings of which some values are said otherwise here; any other step_decay is a number of epochs."""

LEGACY_ELSEWHERE = {
    "path_to_mlflow": "--tracking-uri",
    "log_suffix": "the identity in every path",
    "scaling_cfg": "the task FeatureScaling",
    "gpu_cfg": "--gpus",
}
"""Settings of the legacy trainings whose place is taken by something else; they are left out, with a word."""

FLAG = re.compile(r"^--?[A-Za-z]")


def read_commands(path: Path) -> tuple[str, ...]:
    """Trainings of a file, one a line.

    A line holds overrides (``model=deepset training.epochs=20``), or the command line of a legacy training
    (``python Training_CNN.py key=value ...``), whose overrides are taken.  ``#`` begins a comment; empty lines count for
    nothing; a backslash at the end continues a line.

    Args:
        path: the file.

    Returns:
        Overrides of each training, separated by blanks and quoted as in a shell.

    Raises:
        ConfigError: there is no such file, nothing in it, or a line cannot be read; the message names it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): expected a text file with a training a line") from error
    found = []
    for number, line in _lines(text):
        try:
            words = shlex.split(line, comments=True)
            if words:
                found.append(shlex.join(overrides_of(words)))
        except (ValueError, ConfigError) as error:
            raise ConfigError(f"{path}, line {number}: {error}") from error
    if not found:
        raise ConfigError(f"{path} has no training in it: write one a line, e.g. model=deepset training.epochs=20")
    return tuple(found)


def _lines(text: str) -> Iterable[tuple[int, str]]:
    """Lines with their number; continued ones are joined."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first or number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            joined += line[:-1] + " "
            continue
        yield first, joined + line
        joined, first = "", 0
    if joined:
        yield first, joined


def overrides_of(words: list[str]) -> list[str]:
    """The overrides in a command line.

    Args:
        words: of one line.

    Returns:
        Overrides of this project; of a legacy command what has a meaning here.

    Raises:
        ConfigError: a word is no override.

    Examples:
        >>> overrides_of(["model=deepset", "training.epochs=3"])
        ['model=deepset', 'training.epochs=3']
        >>> overrides_of(["python", "Training_CNN.py", "experiment_name=run3"])
        ['training.tracking.experiment=run3']
    """
    scripts = [place for place, word in enumerate(words) if word.endswith(".py") and "=" not in word]
    given = words[scripts[0] + 1 :] if scripts else words
    for word in given:
        if FLAG.match(word):
            raise ConfigError(
                f"'{word}' is no override: options of the legacy program have no meaning here; leave it out"
            )
        if "=" not in word and not word.startswith("~"):
            raise ConfigError(f"'{word}' is no override: expected key=value, e.g. training.epochs=20")
    return [translated for word in given for translated in (_translated(word) if scripts else [word])]


def _translated(word: str) -> list[str]:
    """What says here what a legacy override says; empty if there is nothing to be said."""
    key, equals, value = word.partition("=")
    top = key.lstrip("+~").split(".")[0]
    if top in LEGACY_ELSEWHERE:
        log.warning("'%s' is left out: its place is taken by %s", word, LEGACY_ELSEWHERE[top])
        return []
    name = key.lstrip("+")
    if value in LEGACY_VALUES.get(name, {}):
        return LEGACY_VALUES[name][value]
    if name == "training_cfg.SetupNN.step_decay":
        return ["training.schedule=step", f"training.step_epochs={value}"]
    if name == "training_cfg.SetupNN.optimizer_name":
        raise ConfigError(f"'{word}': the legacy programs trained with Nadam only; choose training.optimizer instead")
    return [LEGACY_KEYS.get(name, key) + equals + value]


def merge_overrides(*parts: str) -> str:
    """Several lists of overrides as one; of the same key the last one counts.

    Examples:
        >>> merge_overrides("model=mini training.epochs=2", "model=deepset")
        'training.epochs=2 model=deepset'
    """
    merged: dict[str, str] = {}
    for word in (word for part in parts for word in shlex.split(part)):
        key = word.partition("=")[0].lstrip("+")
        merged.pop(key, None)
        merged[key] = word
    return shlex.join(merged.values())


def grid(ranges: str) -> tuple[str, ...]:
    """All combinations of some settings.

    Args:
        ranges: overrides whose values are separated by commas outside of brackets and quotes, as in hydra's sweeps.

    Returns:
        Overrides of each combination; the last setting changes fastest.

    Raises:
        ConfigError: it is no such list.

    Examples:
        >>> grid("model=mini,deepset training.epochs=1,2")  # doctest: +ELLIPSIS
        ('model=mini training.epochs=1', 'model=mini training.epochs=2', 'model=deepset training.epochs=1', ...)
        >>> grid("model.dense_units=[8,8],[16]")
        ("'model.dense_units=[8,8]'", "'model.dense_units=[16]'")
    """
    axes = []
    for word in shlex.split(ranges):
        key, equals, values = word.partition("=")
        choices = split_values(values)
        if not equals or not key or not all(choices):
            raise ConfigError(f"'{word}' is no range of a setting: expected e.g. training.learning_rate=1e-3,3e-3")
        axes.append([f"{key}={value}" for value in choices])
    if not axes:
        raise ConfigError("no setting is to be scanned: give e.g. --grid 'training.learning_rate=1e-3,3e-3'")
    return tuple(shlex.join(combination) for combination in itertools.product(*axes))


def split_values(text: str) -> list[str]:
    """Values separated by commas that are not inside of brackets or quotes.

    Examples:
        >>> split_values("[8,8],16,'a,b'")
        ['[8,8]', '16', "'a,b'"]
    """
    values, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += {"[": 1, "{": 1, "(": 1, "]": -1, "}": -1, ")": -1}.get(character, 0)
        if character == "," and not depth and not quote:
            values.append("")
        else:
            values[-1] += character
    return [value.strip() for value in values]
