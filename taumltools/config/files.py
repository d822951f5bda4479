"""Names of files in settings: absolute, so that the settings alone say which files are meant.

A job starts in another folder, with another home and other variables.  What is relative is therefore
resolved when the settings are loaded, and jobs are given the outcome (:func:`fixed_files`).
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taumltools.config.campaign import CampaignConfig

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_UNKNOWN = re.compile(r"\$(?:\w+|\{[^}]*\})")


def absolute_name(name: str) -> str:
    """The absolute form of a file, folder or pattern.

    Args:
        name: as it was written: may begin with ``~``, contain ``$VARIABLES`` and be relative to the working
            directory, i.e. where the command is given.

    Returns:
        The absolute path; addresses (``root://...``, ``das:/...``) only with their variables filled in.

    Raises:
        ValueError: a variable is not set, or there is no such user.

    Examples:
        >>> absolute_name("/data/nano/../DY/*.root"), absolute_name("root://host//store/DY")
        ('/data/DY/*.root', 'root://host//store/DY')
    """
    full = os.path.expandvars(name)
    if unknown := _UNKNOWN.search(full):
        raise ValueError(f"'{name}': the environment variable {unknown[0]} is not set")
    if _ADDRESS.match(full):
        return full
    full = os.path.expanduser(full)
    if full.startswith("~"):
        raise ValueError(f"'{name}': there is no such user; write './{name}' for a file of that name")
    return os.path.abspath(full)


def fixed_files(config: CampaignConfig) -> str:
    """Overrides that say which files the datasets and samples have, in whatever folder they are read.

    Args:
        config: settings as they were loaded here.

    Returns:
        In the grammar of ``--overrides``; empty if there are no files.

    Examples:
        >>> from taumltools.config import load_campaign
        >>> print(fixed_files(load_campaign("tiny", "+datasets.mine={title:x,source:tautuple,files:[/a/*.root]}")))
        'datasets.mine.files=['"'"'/a/*.root'"'"']'
    """
    groups: dict[str, Mapping[str, Any]] = {"datasets": config.datasets, "htt.samples": config.htt.samples}
    if config.training.adversarial:
        groups["training.adversarial.samples"] = config.training.adversarial.samples
    fixed: dict[str, str | tuple[str, ...]] = {
        f"{group}.{name}.files": one.files
        for group, members in groups.items()
        for name, one in members.items()
        if one.files
    }
    for name, dataset in config.datasets.items():
        if dataset.crab:
            fixed |= {f"datasets.{name}.crab.{key}": value for key, value in dataset.crab.names_of_files.items()}
    return " ".join(shlex.quote(f"{key}={_written(value)}") for key, value in fixed.items())


def _written(value: str | tuple[str, ...]) -> str:
    """One name, or a list of them, in hydra's grammar."""
    return _quoted(value) if isinstance(value, str) else f"[{','.join(map(_quoted, value))}]"


def _quoted(text: str) -> str:
    """A string in hydra's grammar."""
    return "'" + re.sub(r"(\\+)(?='|$)", r"\1\1", text).replace("'", r"\'") + "'"
