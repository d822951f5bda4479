"""Files and folders to remote servers: under a temporary name first, renamed on the server when they are whole."""

from __future__ import annotations

import functools
import logging
import os
import posixpath
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from taumltools.errors import StoreError
from taumltools.store.publish import temporary_sibling
from taumltools.store.remote import BLOCK, connect, is_there, persist

log = logging.getLogger(__name__)


def upload(path: Path, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Copy a file or a folder to a server, where it appears whole or not at all.

    A file that is there is replaced; a folder that is there stays, as one that another process published.

    Args:
        path: what is copied.
        url: where to; folders above it are made.
        sleep: how to wait between tries.

    Raises:
        ServerError: the server does not answer or refuses; nothing is left under the name.
    """
    parent, _, name = url.rpartition("/")
    hidden = f"{parent}/{temporary_sibling(Path('/', name)).name}"
    try:
        for file in _files(path):
            target = hidden if file == path else f"{hidden}/{file.relative_to(path).as_posix()}"
            persist(f"writing {target}", functools.partial(_write, file, target), sleep)
        persist(f"naming {url}", lambda: _name(hidden, url, path.is_dir()), sleep)
    except BaseException:
        with suppress(Exception):  # the error that brought us here is the one to report
            files, there = connect(hidden)
            files.rm(there, recursive=True)
        raise


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if not files:
        raise StoreError(f"{path} is an empty folder, which a server would not keep")
    return files


def _write(path: Path, url: str) -> None:
    """Copy one file and look at what arrived."""
    files, there = connect(url)
    files.makedirs(posixpath.dirname(there), exist_ok=True)
    with path.open("rb") as source, files.open(there, "wb") as target:
        while data := source.read(BLOCK):
            target.write(data)
    files.invalidate_cache()
    arrived, sent = files.info(there)["size"], path.stat().st_size
    if arrived != sent:
        raise OSError(f"{arrived} bytes arrived of {sent}")


def _name(hidden: str, url: str, is_folder: bool) -> None:
    """Rename on the server; an earlier try may have done it without being told so."""
    files, old = connect(hidden)
    _, new = connect(url)
    if not is_there(files, old) and is_there(files, new):
        return
    if is_folder and is_there(files, new):
        log.info("%s was published by another process meanwhile; keeping that one", url)
        files.rm(old, recursive=True)
        return
    files.mv(old, new, recursive=is_folder)


def rename(url: str, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Give something on a server another name in its folder.

    Args:
        url: what.
        name: the new name.
        sleep: how to wait between tries.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ServerError: the server does not answer or refuses.
    """

    def act() -> None:
        files, old = connect(url)
        files.mv(old, posixpath.join(posixpath.dirname(old), name), recursive=files.isdir(old))

    persist(f"renaming {url}", act, sleep)


def remove_temporaries(url: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """Remove what killed processes left of unfinished uploads; call it only when nobody writes there any more.

    Args:
        url: a folder; it may not exist.
        sleep: how to wait between tries.

    Returns:
        How many were removed.
    """

    def act() -> int:
        files, there = connect(url)
        if not is_there(files, there):
            return 0
        left = [info["name"] for info in files.ls(there, detail=True) if _is_temporary(info["name"])]
        for name in left:
            files.rm(name, recursive=True)
        return len(left)

    return int(persist(f"cleaning {url}", act, sleep))


def _is_temporary(path: str) -> bool:
    name = os.path.basename(path.rstrip("/"))
    return name.startswith(".") and ".tmp-" in name
