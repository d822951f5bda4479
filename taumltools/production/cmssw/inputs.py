"""MiniAOD files: on disk, on servers, or in the CMS catalogue (DAS)."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from taumltools.errors import InputError, ServerError
from taumltools.production.cmssw.arguments import is_logical
from taumltools.production.cmssw.tool import CmsShell, tail
from taumltools.tuples.listing import ListedFile, list_all

DAS = "das:"
"""Prefix of datasets of the catalogue, e.g. ``das:/DYJetsToLL_M-50/RunIISummer20UL18-106X/MINIAODSIM``."""

_DATASET = re.compile(r"/[\w.-]+/[\w.-]+/[\w-]+(?: instance=[\w/]+)?")


def list_miniaod(sources: Sequence[str], shell: CmsShell) -> tuple[ListedFile, ...]:
    """The files of a dataset.

    Args:
        sources: datasets of the catalogue (``das:/.../.../MINIAODSIM``), logical file names (``/store/...``), text files
            with such names, or what :func:`taumltools.tuples.listing.list_all` knows.
        shell: where ``dasgoclient`` is found.

    Returns:
        The files, each once.

    Raises:
        InputError: a source is not understood, does not exist, or has no files.
        ServerError: the catalogue does not answer.
    """
    files: dict[str, ListedFile] = {}
    for source in sources:
        for file in _of_source(source, shell):
            if file.path in files:
                raise InputError(f"{source}: {file.path} is named by an earlier entry already; name each file once")
            files[file.path] = file
    return tuple(files.values())


def _of_source(source: str, shell: CmsShell) -> Sequence[ListedFile]:
    if source.startswith(DAS):
        return _of_catalogue(source.removeprefix(DAS), shell)
    if is_logical(source) and not Path(source).exists():
        return [logical_file(source)]
    names = _logical_names(Path(source))
    return [logical_file(name) for name in names] if names else list_all([source])


def _logical_names(path: Path) -> list[str]:
    """Lines of a text file if they are logical names; none if it is something else."""
    if path.suffix != ".txt" or not path.is_file():
        return []
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return lines if lines and all(map(is_logical, lines)) else []


def logical_file(name: str) -> ListedFile:
    """A file of the catalogue.

    Args:
        name: ``/store/...``; its size stays open, since no replica can be looked at from here.

    Returns:
        It, with the dataset that its folders name.

    Raises:
        InputError: it is no ROOT file.
    """
    if not name.endswith(".root"):
        raise InputError(f"'{name}' is no logical name of a ROOT file (/store/....root)")
    return ListedFile(name, name.split("/")[-2])


def _of_catalogue(dataset: str, shell: CmsShell) -> list[ListedFile]:
    if not _DATASET.fullmatch(dataset):
        raise InputError(
            f"'{DAS}{dataset}' is no dataset: expected das:/primary/processed/TIER, for private ones followed by "
            "' instance=prod/phys03'"
        )
    return parse_answer(ask_catalogue(shell, f"file dataset={dataset}", dataset, "-json"), dataset)


def ask_catalogue(shell: CmsShell, query: str, dataset: str, *options: str) -> str:
    """What ``dasgoclient`` answers.

    Args:
        shell: where it is found.
        query: in its language.
        dataset: for messages.
        options: of the client, e.g. ``-json``.

    Returns:
        Its output.

    Raises:
        ServerError: the catalogue does not answer.
    """
    with TemporaryDirectory(prefix="das-") as folder:
        out, log = Path(folder, "answer"), Path(folder, "das.log")
        line = shlex.join(["dasgoclient", f"-query={query}", *options])
        code = shell.run(f"{line} > {shlex.quote(str(out))}", Path(folder), log)
        if code:
            raise ServerError(
                f"the catalogue did not answer for {dataset} (dasgoclient: exit code {code}); is the proxy valid? It said:\n{tail(log)}"
            )
        return out.read_text(encoding="utf-8")


def parse_answer(text: str, dataset: str) -> list[ListedFile]:
    """Files that the catalogue names.

    Args:
        text: answer of ``dasgoclient -query="file dataset=..." -json``.
        dataset: for messages.

    Returns:
        Files, sorted by name; each once, as several services answer.

    Raises:
        InputError: the answer is not understood, or there are no files.

    Examples:
        >>> [file.path for file in parse_answer('[{"file": [{"name": "/store/mc/a.root", "size": 5}]}]', "/a/b/C")]
        ['/store/mc/a.root']
    """
    try:
        rows: list[dict[str, Any]] = [file for record in json.loads(text) for file in record["file"]]
        files = {row["name"]: logical_file(row["name"]) for row in rows if row.get("is_file_valid", 1)}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"the catalogue's answer for {dataset} is not understood ({error}): {text[:200]!r}") from error
    if not files:
        raise InputError(
            f"the catalogue has no valid file of {dataset}; check its name, and 'instance=prod/phys03' if it is private"
        )
    return [files[name] for name in sorted(files)]
