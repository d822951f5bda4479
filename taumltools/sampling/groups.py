"""Which files belong to which group of the sampling settings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from taumltools.config.sampling import GroupConfig, SamplingConfig
from taumltools.errors import ConfigError
from taumltools.sampling.partition import InputFile

log = logging.getLogger(__name__)

ALL = "all"
"""Name of the group that is made when the settings list none."""


def groups_of(config: SamplingConfig) -> dict[str, GroupConfig]:
    """The groups of the settings, by name in alphabetical order; one of everything if there are none.

    Args:
        config: the settings.

    Returns:
        Groups by name.

    Examples:
        >>> groups_of(SamplingConfig(tau_ratio={"tau": 1}))
        {'all': GroupConfig(types=('tau',), datasets=(), files='.*')}
    """
    return dict(sorted(config.groups.items())) or {ALL: GroupConfig(types=tuple(config.tau_ratio))}


def matching(file: InputFile, groups: Mapping[str, GroupConfig]) -> list[str]:
    """Names of the groups that take a file.

    Args:
        file: the file.
        groups: see :func:`groups_of`.

    Returns:
        Names, alphabetically.

    Raises:
        ConfigError: two of them take the same type, so that its candidates would appear twice.
    """
    names = [name for name, group in groups.items() if group.takes(file.dataset, file.path.name)]
    owner: dict[str, str] = {}
    for name in names:
        for tau_type in groups[name].types:
            if other := owner.get(tau_type):
                raise ConfigError(
                    f"the groups '{other}' and '{name}' both take '{tau_type}' from '{file.dataset}' ({file.path.name}): "
                    "its candidates would appear twice; leave the dataset or the type to one of them"
                )
            owner[tau_type] = name
    return names


def check_members(members: Mapping[str, Iterable[str]], files: Mapping[str, bool], config: SamplingConfig) -> None:
    """Refuse groups without files, and datasets that nobody takes.

    Args:
        members: datasets by group.
        files: for every dataset whether a group takes files of it.
        config: the settings; without groups everything is taken.

    Raises:
        ConfigError: names the group; or the datasets, if ``unused_datasets`` is ``refuse``.
    """
    groups = groups_of(config)
    for name, datasets in members.items():
        if not list(datasets):
            wanted = ", ".join(groups[name].datasets) or "all"
            raise ConfigError(
                f"group '{name}' takes no file: its datasets are '{wanted}' (files '{groups[name].files}'), "
                f"the sample has {sorted(files)}"
            )
    unused = sorted(dataset for dataset, taken in files.items() if not taken)
    if unused and config.unused_datasets == "refuse":
        raise ConfigError(
            f"the datasets {unused} are in no group; add them to one, take them out of the sample, or set "
            "sampling.unused_datasets=ignore"
        )
    if unused:
        log.warning("the datasets %s are in no group and left out (unused_datasets: ignore)", unused)


def assign(files: Sequence[InputFile], config: SamplingConfig) -> dict[str, list[InputFile]]:
    """The files of each group.

    Args:
        files: all files of the sample.
        config: the settings.

    Returns:
        Files by group, in the given order.

    Raises:
        ConfigError: a group takes nothing, a dataset is in no group, or two groups take the
            same type from one file.

    Examples:
        >>> from pathlib import Path
        >>> files = [InputFile(Path("a.root"), 10, "DY"), InputFile(Path("b.root"), 5, "TT")]
        >>> config = SamplingConfig(
        ...     tau_ratio={"tau": 1, "jet": 1},
        ...     groups={"x": GroupConfig(types=("tau",)), "y": GroupConfig(types=("jet",), datasets=("T.*",))},
        ... )
        >>> {name: [file.dataset for file in found] for name, found in assign(files, config).items()}
        {'x': ['DY', 'TT'], 'y': ['TT']}
    """
    groups = groups_of(config)
    members: dict[str, list[InputFile]] = {name: [] for name in groups}
    taken = dict.fromkeys((file.dataset for file in files), False)
    for file in files:
        for name in matching(file, groups):
            members[name].append(file)
            taken[file.dataset] = True
    check_members({name: [file.dataset for file in found] for name, found in members.items()}, taken, config)
    return members
