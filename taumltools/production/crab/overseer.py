"""YAML files of RunKit's crabOverseer, both dialects, as :class:`~taumltools.production.crab.jobs.CrabJob`.

A main file holds what all tasks share, task files name the tasks:

    config: {params: {cmsRunOptions: "sampleType=MC"}}       (may be left out; added to the main file's)
    DY: /DYJetsToLL/Run2/MINIAODSIM
    TT: {inputDataset: /TTTo/Run2/MINIAODSIM, unitsPerJob: 2}

The older dialect (RunKit until June 2023) has ``splitting``, ``outputFiles``, ``crabOutput`` and so on at the top; the newer one
(since March 2024) lists ``params.outputs`` and always splits by files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from taumltools.errors import ConfigError
from taumltools.production.crab.jobs import CrabJob, Output, parse_arguments

FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "unitsPerJob": ("units_per_job", int),
    "scriptExe": ("script", str),
    "filesToTransfer": ("files", tuple),
    "lumiMask": ("lumi_mask", str),
    "maxMemory": ("max_memory", int),
    "numCores": ("cores", int),
    "inputDBS": ("input_dbs", str),
    "allowNonValid": ("allow_non_valid", bool),
    "vomsGroup": ("voms_group", str),
    "vomsRole": ("voms_role", str),
    "blacklist": ("blacklist", tuple),
    "whitelist": ("whitelist", tuple),
    "whitelistFinalRecovery": ("whitelist_final", tuple),
    "maxRecoveryCount": ("max_recoveries", int),
    "targetOutputFileSize": ("target_size", int),
    "ignoreFiles": ("ignored_files", tuple),
    "ignoreLocality": ("ignore_locality", bool),
    "site": ("site", str),
    "splitting": ("splitting", str),
}
"""Field of a job by key, and how its value is understood."""

OLD_ONLY = frozenset({"splitting", "outputFiles", "site", "crabOutput", "localCrabOutput", "finalOutput"})
"""Keys that only the older dialect has."""

OTHERS = frozenset(
    {
        "cmsswPython", "params", "dryrun", "crabType", "autoIgnoreCorrupt", "updateInterval", "maxNumberOfActiveCrabTasks",
        "localProcessing", "renewKerberosTicket", "htmlReport",
    }
)  # fmt: skip
"""Further keys: of the configuration, and of the overseer itself, which no job has."""


def read_overseer(main: Path, tasks: Sequence[Path]) -> list[CrabJob]:
    """Read a main file and the files of its tasks.

    Args:
        main: the main file (``--cfg`` of crabOverseer).
        tasks: the task files.

    Returns:
        The jobs, in the order of the files.

    Raises:
        ConfigError: a file cannot be read or is not understood; the message names file and key.
    """
    shared = _load(main)
    jobs: list[CrabJob] = []
    for path in tasks:
        jobs += parse_tasks(shared, _load(path), str(path))
    return jobs


def _load(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds {type(content).__name__}, expected keys with values")
    return content


def parse_tasks(shared: Mapping[str, Any], content: Mapping[str, Any], name: str) -> list[CrabJob]:
    """The tasks of one file.

    Args:
        shared: content of the main file.
        content: content of the task file.
        name: of the task file, for messages.

    Returns:
        A job for each task.

    Raises:
        ConfigError: an unknown key, a task without dataset, or no outputs.
    """
    config = added(shared, content.get("config") or {}, name)
    jobs = []
    for task, what in content.items():
        if task == "config":
            continue
        own = {"inputDataset": what} if isinstance(what, str) else dict(what or {})
        dataset = own.pop("inputDataset", None)
        if not dataset:
            raise ConfigError(f"{name}: task '{task}' has no inputDataset")
        jobs.append(_job(str(task), str(dataset), added(config, own, f"{name}: {task}"), f"{name}: {task}"))
    if not jobs:
        raise ConfigError(f"{name}: names no task; write '<name>: <dataset>'")
    return jobs


def added(base: Mapping[str, Any], more: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings with others added: lists are joined, mappings are merged, single values are replaced.

    Args:
        base: the settings.
        more: what is added.
        where: for messages.

    Returns:
        The sum.

    Raises:
        ConfigError: a list or mapping meets something else.

    Examples:
        >>> added({"a": [1], "b": {"x": 1}, "c": 1}, {"a": [2], "b": {"y": 2}, "c": 3}, "x")
        {'a': [1, 2], 'b': {'x': 1, 'y': 2}, 'c': 3}
    """
    out = dict(base)
    for key, value in more.items():
        old = out.get(key)
        if isinstance(old, list | dict) and type(old) is not type(value):
            raise ConfigError(
                f"{where}: {key} is {type(value).__name__}, expected {type(old).__name__} as in the main file"
            )
        if isinstance(old, list):
            out[key] = [*old, *value]
        elif isinstance(old, dict):
            out[key] = added(old, value, f"{where}: {key}")
        else:
            out[key] = value
    return out


def _job(task: str, dataset: str, config: Mapping[str, Any], where: str) -> CrabJob:
    if unknown := sorted(set(config) - set(FIELDS) - OLD_ONLY - OTHERS):
        raise ConfigError(f"{where}: unknown keys {', '.join(unknown)}")
    params = dict(config.get("params") or {})
    options = str(params.get("cmsRunOptions", ""))
    fields: dict[str, Any] = {}
    for key, (field, understand) in FIELDS.items():
        if config.get(key) is None:
            continue
        try:
            fields[field] = understand(config[key])
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{where}: {key} is {config[key]!r}: {error}") from error
    new = "outputs" in params
    if new and (odd := sorted(OLD_ONLY & set(config))):
        raise ConfigError(
            f"{where}: {', '.join(odd)} belong to the older dialect, params.outputs to the newer one: use one"
        )
    return CrabJob(
        name=task,
        dataset=dataset,
        config=str(params.get("cmsRunCfg") or config.get("cmsswPython") or ""),
        parameters=parse_arguments([word.strip() for word in options.split(",") if word.strip()], where),
        outputs=_new_outputs(params["outputs"], where) if new else _old_outputs(config, where),
        **{"splitting": "FileBased"} | fields,
    )


def _new_outputs(outputs: Any, where: str) -> tuple[Output, ...]:
    if not outputs:
        raise ConfigError(f"{where}: params.outputs is empty: no outputs")
    made = []
    for output in outputs:
        if missing := [key for key in ("file", "crabOutput", "finalOutput") if not output.get(key)]:
            raise ConfigError(f"{where}: an output lacks {', '.join(missing)}: {output}")
        skim = {key: str(output[key]) for key in ("skimCfg", "skimSetup", "skimSetupFailed") if key in output}
        made.append(Output(output["file"], output["crabOutput"], output["finalOutput"], skim))
    return tuple(made)


def _old_outputs(config: Mapping[str, Any], where: str) -> tuple[Output, ...]:
    files = config.get("outputFiles") or []
    if not files:
        raise ConfigError(f"{where}: neither params.outputs (newer dialect) nor outputFiles (older one): no outputs")
    return tuple(
        Output(str(file), str(config.get("crabOutput") or ""), str(config.get("finalOutput") or "")) for file in files
    )
