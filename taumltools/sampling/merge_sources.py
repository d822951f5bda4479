"""ShuffleMerge, inputs: which binned files each source takes."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from taumltools.config.binned import SourceConfig
from taumltools.config.compose import explain
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.bins import split_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BinnedFile:
    """A file of one bin.

    Attributes:
        path: the file.
        dataset: name of the folder it is listed in.
        entries: entries in it.
    """

    path: Path
    dataset: str
    entries: int


def sources_from_cfg(items: Mapping[str, Mapping[str, str]]) -> dict[str, SourceConfig]:
    """Sources of a merged file from the items of a ``.cfg`` file of the CMS tools.

    Args:
        items: what :func:`taumltools.sampling.legacy_cfg.read_cfg` returned; keys ``dir`` and
            ``file`` (needed), ``weight`` (default 1), ``sample_type`` (the later CMS tools
            demand it; here it may be left out, and the entries keep theirs).  Others are
            ignored with a warning.

    Returns:
        Sources by name, in the order of ``items``.

    Raises:
        ConfigError: a key is missing or its value is wrong.

    Examples:
        >>> sources_from_cfg({"DY": {"dir": "DY.*", "file": "tau_.*", "weight": "2"}})["DY"].weight
        2.0
    """
    sources = {}
    for name, item in items.items():
        known = {key: value for key, value in item.items() if key in ("dir", "file", "weight", "sample_type")}
        if odd := sorted(set(item) - set(known)):
            log.warning("item '%s': the keys %s have no meaning for merging and are ignored", name, odd)
        if missing := [key for key in ("dir", "file") if key not in known]:
            raise ConfigError(
                f"item '{name}' lacks {' and '.join(missing)}; write e.g. '{name}: dir=DY.* file=tau_pt_.*'"
            )
        try:
            sources[name] = SourceConfig(**known)  # type: ignore[arg-type]
        except ValidationError as error:
            raise ConfigError(f"item '{name}' is wrong:\n{explain(error, name)}") from error
    return sources


def binned_files(entries: Mapping[str, int], folders: Path | Mapping[str, Path]) -> list[BinnedFile]:
    """The files of a size list.

    Args:
        entries: entries by relative path ``<dataset>/<file>``.
        folders: the folder of all datasets, or those of each dataset by name.

    Returns:
        Files in the order of the list; those in the folder itself have the dataset ``""``.

    Raises:
        InputError: a dataset of the list has no folder.
    """
    files = []
    for name, count in entries.items():
        dataset, slash, rest = name.partition("/")
        dataset = dataset if slash else ""
        if isinstance(folders, Path):
            files.append(BinnedFile(folders / name, dataset, count))
        elif dataset in folders:
            files.append(BinnedFile(folders[dataset] / rest, dataset, count))
        else:
            raise InputError(f"{name}: the size list names the dataset '{dataset}', known are {sorted(folders)}")
    return files


def matching(
    name: str, source: SourceConfig, files: Sequence[BinnedFile]
) -> list[tuple[BinnedFile, tuple[str, str, str]]]:
    """Files that a source takes.

    Args:
        name: of the source.
        source: its settings.
        files: all binned files.

    Returns:
        Files with the type, pt and |η| in their names.

    Raises:
        ConfigError: there is none, or one that is no name of a bin.
    """
    here = [file for file in files if re.fullmatch(source.dir, file.dataset)]
    taken = [file for file in here if re.fullmatch(source.file, file.path.stem)]
    if not taken:
        what = f"no file of {sorted({file.dataset for file in here})}" if here else "no dataset"
        known = sorted({file.path.stem if here else file.dataset for file in here or files})[:5]
        raise ConfigError(
            f"source '{name}' (dir '{source.dir}', file '{source.file}') matches {what}; there are e.g. {known}"
        )
    for dataset in sorted({file.dataset for file in here} - {file.dataset for file in taken}):
        log.info("source '%s': dataset '%s' has no file that matches '%s'", name, dataset, source.file)
    pairs = []
    for file in taken:
        parts = split_name(file.path.stem)
        if parts is None:
            raise ConfigError(
                f"source '{name}': '{source.file}' also matches '{file.path.stem}', which is no name of a bin; "
                "make it more specific, e.g. tau_pt_.*_eta_.*"
            )
        pairs.append((file, parts))
    return pairs


def check_disjoint(found: Mapping[str, Sequence[tuple[BinnedFile, object]]]) -> None:
    """Refuse a file that two sources take.

    Args:
        found: what :func:`matching` returned, by source.

    Raises:
        ConfigError: names the file and both sources.
    """
    owner: dict[Path, str] = {}
    for source, taken in found.items():
        for file, _ in taken:
            if other := owner.get(file.path):
                raise ConfigError(
                    f"the sources '{other}' and '{source}' both take {file.path}: its entries would appear twice; "
                    "make their dir or file more specific"
                )
            owner[file.path] = source
