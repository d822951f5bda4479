"""Options of shuffle and merge on the command line, and where its input comes from."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import law
import luigi

from tasks.parameters import EXPLICIT
from tasks.sampling_inputs import InputTask

SCRATCH = ("memory_mb", "count_jobs")
"""Settings of sampling that change how a product is made, but not what it holds."""


def parse_ratio(items: tuple[str, ...]) -> dict[str, float]:
    """``("jet:1", "tau:2")`` as a mapping.

    Args:
        items: ``type:number`` each.

    Returns:
        Ratio by type name.

    Raises:
        ConfigError: an item that is not of that form.
    """
    from taumltools.errors import ConfigError

    ratio = {}
    for item in items:
        name, _, number = item.partition(":")
        try:
            ratio[name.strip()] = float(number)
        except ValueError:
            raise ConfigError(f"--tau-ratio: '{item}' is not of the form type:number, e.g. jet:1,tau:1") from None
    return ratio


def parse_numbers(items: tuple[str, ...]) -> tuple[float, ...]:
    """Edges as numbers; blanks beside the commas do not matter.

    Raises:
        ConfigError: an item that is no number.
    """
    from taumltools.errors import ConfigError

    try:
        return tuple(float(item) for item in items)
    except ValueError as error:
        raise ConfigError(f"--pt-bins and --eta-bins are numbers separated by commas: {error}") from None


def parse_cfg(path: str) -> dict[str, Any]:
    """Groups from a ``.cfg`` file of the CMS tools."""
    from pydantic import ValidationError

    from taumltools.config.compose import explain
    from taumltools.config.sampling import GroupConfig
    from taumltools.errors import ConfigError
    from taumltools.sampling.legacy_cfg import groups_from_cfg, read_cfg

    try:
        return {
            name: GroupConfig(types=group["types"], datasets=(group["dir"],), files=group["file"])
            for name, group in groups_from_cfg(read_cfg(Path(path))).items()
        }
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error, 'group').strip()}") from error
    except ConfigError as error:
        raise error if path in str(error) else ConfigError(f"{path}: {error}") from error


def parse_patterns(text: str) -> tuple[str, ...]:
    """Names or regular expressions separated by blanks or commas."""
    return tuple(text.replace(",", " ").split())


OPTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "cfg": ("groups", parse_cfg),
    "pt_bins": ("pt_edges", parse_numbers),
    "eta_bins": ("eta_edges", parse_numbers),
    "tau_ratio": ("tau_ratio", parse_ratio),
    "lastbin_takeall": ("lastbin_takeall", bool),
    "lastbin_disbalance": ("lastbin_disbalance", float),
    "refill_spectrum": ("refill_spectrum", bool),
    "enable_emptybin": ("enable_emptybin", bool),
    "overflow_job": ("overflow_job", bool),
    "parity": ("parity", int),
    "max_entries": ("max_entries", int),
    "seed": ("seed", int),
    "disabled_branches": ("disabled_branches", parse_patterns),
    "compression_algo": ("compression_algo", str.lower),
    "compression_level": ("compression_level", int),
    "n_jobs": ("n_jobs", int),
    "mode": ("mode", str),
    "method": ("method", str),
    "duplicates": ("duplicates", str),
    "rng": ("rng", str),
    "output_format": ("format", str),
    "unused_datasets": ("unused_datasets", str),
}
"""Option to the setting of :class:`taumltools.config.sampling.SamplingConfig` that it replaces."""


def changed(config: Any, task: Any, options: Mapping[str, tuple[str, Callable[[Any], Any]]], **more: Any) -> Any:
    """Settings with the given options of a task applied.

    Args:
        config: the settings, a dataclass.
        task: whose options.
        options: option to the setting that it replaces, and how its value is understood.
        more: settings that are replaced, too.

    Returns:
        The changed settings.

    Raises:
        ConfigError: an option does not fit; the message names it.
    """
    from pydantic import ValidationError

    from taumltools.config.compose import explain
    from taumltools.errors import ConfigError

    given = {name: getattr(task, name) for name in options if getattr(task, name) not in (None, ())}
    changes = {options[name][0]: options[name][1](value) for name, value in given.items()}
    try:
        return dataclasses.replace(config, **changes, **more)
    except ValidationError as error:
        wrong = {str(part["loc"][0]) for part in error.errors() if part["loc"]}
        guilty = [name for name in given if options[name][0] in wrong] or list(given)
        names = ", ".join("--" + name.replace("_", "-") for name in guilty)
        raise ConfigError(f"{names} of the command line: {explain(error, 'settings').strip()}") from error


def check_compression(config: Any) -> None:
    """Refuse a compression that the format does not have, before anything is counted.

    Args:
        config: settings with ``format``, ``compression_algo`` and ``compression_level``.

    Raises:
        ConfigError: unknown compression or level.
    """
    from taumltools.errors import ConfigError, InputError
    from taumltools.tuples.compression import choose_compression

    try:
        choose_compression(f".{config.format}", config.compression_algo or None, config.compression_level)
    except InputError as error:
        raise ConfigError(f"format '{config.format}', --compression-algo and --compression-level: {error}") from error


class SamplingTask(InputTask):
    """Options that people vary when they mix a sample; what is not given follows the campaign.

    They are handed on to the other tasks of shuffle and merge, but not to what comes after
    them: a whole pipeline is changed by ``--overrides``.
    """

    exclude_index = True

    cfg = luigi.OptionalParameter(
        default=None, description="data groups as a .cfg file of the CMS tools; default: sampling.groups"
    )
    pt_bins = law.CSVParameter(default=(), description="edges in pt, GeV; default: sampling.pt_edges")
    eta_bins = law.CSVParameter(default=(), description="edges in |eta|; default: sampling.eta_edges")
    tau_ratio = law.CSVParameter(
        default=(),
        description="entries of each type relative to each other, e.g. jet:1,e:1,mu:1,tau:1; -1 takes all; "
        "default: sampling.tau_ratio",
    )
    lastbin_takeall = luigi.OptionalBoolParameter(
        default=None, parsing=EXPLICIT, description="accept everything in the last pt bin: true or false"
    )
    lastbin_disbalance = luigi.OptionalFloatParameter(
        default=None, description="how many times the last two pt bins the flat part may hold"
    )
    refill_spectrum = luigi.OptionalBoolParameter(
        default=None, parsing=EXPLICIT, description="plan each part from its own entries: true or false"
    )
    enable_emptybin = luigi.OptionalBoolParameter(
        default=None, parsing=EXPLICIT, description="tolerate bins without candidates: true or false"
    )
    overflow_job = luigi.OptionalBoolParameter(
        default=None, parsing=EXPLICIT, description="with --rng legacy: the last part takes the remainder"
    )
    parity = luigi.OptionalIntParameter(default=None, description="0 even event numbers only, 1 odd ones, 3 all")
    max_entries = luigi.OptionalIntParameter(default=None, description="largest number of candidates of a part; 0: all")
    seed = luigi.OptionalIntParameter(default=None, description="seed of the random numbers; default: the campaign's")
    disabled_branches = luigi.OptionalParameter(
        default=None, description="regular expressions on whole branch names, separated by blanks or commas"
    )
    compression_algo = luigi.OptionalParameter(default=None, description="zstd, lz4, zlib, lzma or none")
    compression_level = luigi.OptionalIntParameter(default=None, description="level of that algorithm")
    n_jobs = luigi.OptionalIntParameter(default=None, description="number of parts; default: sampling.n_jobs")
    mode = luigi.OptionalParameter(
        default=None, description="MergeAll, or MergePerEntry for a sample of each group; default: sampling.mode"
    )
    method = luigi.OptionalParameter(default=None, description="spectral, quota or weight; default: sampling.method")
    duplicates = luigi.OptionalParameter(default=None, description="drop or keep repeated candidates")
    rng = luigi.OptionalParameter(default=None, description="independent, or legacy to repeat the CMS tool")
    output_format = luigi.OptionalParameter(default=None, description="arrow or root; default: sampling.format")
    unused_datasets = luigi.OptionalParameter(default=None, description="refuse or ignore datasets in no group")

    depends = ("seed", "sampling")

    uses: ClassVar[tuple[str, ...]] = ()
    """Settings of sampling that the product depends on; empty: all but :data:`SCRATCH`."""

    @functools.cached_property
    def sampling(self) -> Any:
        """The sampling settings with the options of the command line applied.

        Raises:
            ConfigError: an option does not fit.
        """
        config = changed(self.setting("sampling"), self, OPTIONS, spectra=self.fine_bins)
        check_compression(config)
        return config

    def settings(self) -> dict[str, Any]:
        """What is read, with the options applied, so that they move the output."""
        from taumltools.config.identity import plain

        sampling = plain(self.sampling)
        used = self.uses or tuple(name for name in sampling if name not in SCRATCH)
        return super().settings() | {"sampling": {name: sampling[name] for name in used}}

    def need_sampling(self, task_class: type[SamplingTask]) -> Any:
        """Another task of shuffle and merge with the same options."""
        return self.need(task_class, **self.inputs, **{name: getattr(self, name) for name in OPTIONS})
