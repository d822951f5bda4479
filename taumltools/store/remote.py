"""Files on remote servers: what is there, and copies of it that survive a broken connection.

Addresses are URLs of fsspec, ``root://host//path`` among them.  A file is copied before it is read: block by
block into a hidden file, from where the last try broke off, and it gets its name when it is whole.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from taumltools.errors import ServerError, StoreError
from taumltools.store.publish import publish

log = logging.getLogger(__name__)

BLOCK = 8 * 2**20
"""Bytes that are asked for at a time."""

TRIES, PAUSE = 5, 2.0
"""How often in a row a request may fail, and the seconds before the first repetition, which double each time."""

TIMEOUT = 20
"""Seconds that an xrootd server may take to answer."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server.

    Attributes:
        url: its address.
        bytes: its size.
        mtime_ns: time of the last change in ns since 1970; 0 if the server does not say.
    """

    url: str
    bytes: int
    mtime_ns: int


def is_remote(path: str | Path) -> bool:
    """Whether a path is a URL.

    Examples:
        >>> is_remote("root://host//store/a.root"), is_remote("/store/a.root")
        (True, False)
    """
    return "://" in str(path)


def connect(url: str) -> tuple[Any, str]:
    """A new connection; kept ones may be broken.

    Args:
        url: an address.

    Returns:
        A file system of fsspec, and the path on it.
    """
    import fsspec

    if url.startswith("root://"):
        _be_impatient()
        host, _, path = url.removeprefix("root://").partition("/")
        return fsspec.filesystem("root", hostid=host, timeout=TIMEOUT, skip_instance_cache=True), "/" + path.lstrip("/")
    return fsspec.core.url_to_fs(url, skip_instance_cache=True)


def _be_impatient() -> None:
    """Let a server that is gone fail in seconds: by default the client tries for half an hour."""
    from XRootD import client

    for name, value in (
        ("ConnectionWindow", TIMEOUT), ("ConnectionRetry", 1), ("RequestTimeout", TIMEOUT), ("StreamTimeout", TIMEOUT),
        ("StreamErrorWindow", 0), ("TimeoutResolution", 1),
    ):  # fmt: skip
        client.EnvPutInt(name, value)


def persist(what: str, act: Callable[[], Any], sleep: Callable[[float], None]) -> Any:
    """Do something that may fail for a while.

    Args:
        what: for messages, e.g. ``"reading root://..."``.
        act: does it.
        sleep: how to wait between tries.

    Returns:
        What ``act`` returns.

    Raises:
        FileNotFoundError: the server says that there is no such file.
        ServerError: it failed :data:`TRIES` times in a row.
    """
    pause = PAUSE
    for number in range(1, TRIES + 1):
        try:
            return act()
        except (FileNotFoundError, IsADirectoryError):
            raise
        except (ValueError, ImportError, NotADirectoryError) as error:  # no waiting mends an address
            raise StoreError(
                f"{what}: {error}; check the address, and that a package for its kind is installed"
            ) from error
        except Exception as error:  # fsspec's file systems raise what they like
            if "Invalid address" in str(error):
                raise StoreError(f"{what}: there is no such server ({error}); check the address") from error
            if _is_gone(error):
                raise FileNotFoundError(f"{what}: {error}") from error
            if number == TRIES:
                raise ServerError(
                    f"{what} failed {TRIES} times, at last with: {error}; is the server up, and the proxy valid? "
                    "Nothing was left behind"
                ) from error
            log.warning("%s failed (%s); again in %.0f s", what, error, pause)
            sleep(pause)
            pause *= 2
    raise AssertionError("unreachable")


def _is_gone(error: Exception) -> bool:
    """Whether a server says that there is no such file (xrootd's error 3011)."""
    return "3011" in str(error) or "no such file" in str(error).lower()


def stat(url: str, sleep: Callable[[float], None] = time.sleep) -> RemoteFile:
    """Size and time of a remote file.

    Args:
        url: its address.
        sleep: how to wait.

    Returns:
        What the server says.

    Raises:
        FileNotFoundError: there is no such file.
        IsADirectoryError: it is a folder.
        ServerError: the server does not answer.
    """

    def ask() -> RemoteFile:
        files, path = connect(url)
        info = files.info(path)
        if info.get("type") == "directory":
            raise IsADirectoryError(f"{url} is a folder")
        return _described(url, info)

    return persist(f"asking for {url}", ask, sleep)


def list_folder(url: str, sleep: Callable[[float], None] = time.sleep) -> list[RemoteFile]:
    """All files in a remote folder and the folders in it.

    Args:
        url: its address.
        sleep: how to wait.

    Returns:
        Files, sorted by address.

    Raises:
        FileNotFoundError: there is no such folder.
        ServerError: the server does not answer.
    """

    def ask() -> list[RemoteFile]:
        files, path = connect(url)
        found, folders = [], [path]
        while folders:
            for info in files.ls(folders.pop(), detail=True):
                if info["type"] == "directory":
                    folders.append(info["name"])
                else:
                    found.append(_described(_address(url, info["name"]), info))
        return sorted(found, key=lambda file: file.url)

    return persist(f"listing {url}", ask, sleep)


def is_there(files: Any, path: str) -> bool:
    """Whether there is a file or a folder; only the server's own word counts, a failure is none.

    Args:
        files: a file system, of :func:`connect`.
        path: on it.
    """
    try:
        files.info(path)
    except Exception as error:  # fsspec's file systems raise what they like
        if isinstance(error, FileNotFoundError) or _is_gone(error):
            return False
        raise
    return True


def exists(url: str, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Whether a server has a file or a folder.

    Args:
        url: its address.
        sleep: how to wait.

    Raises:
        ServerError: the server does not answer.
    """
    return bool(persist(f"asking for {url}", lambda: is_there(*connect(url)), sleep))


def list_names(url: str, sleep: Callable[[float], None] = time.sleep) -> dict[str, tuple[int, int]]:
    """What is in a remote folder, files and folders.

    Args:
        url: its address.
        sleep: how to wait.

    Returns:
        Bytes and time of change (ns since 1970) by name; empty if there is no such folder.

    Raises:
        ServerError: the server does not answer.
    """

    def ask() -> dict[str, tuple[int, int]]:
        files, path = connect(url)
        rows = [_described(info["name"], info) for info in files.ls(path, detail=True)]
        return {PurePosixPath(row.url.rstrip("/")).name: (row.bytes, row.mtime_ns) for row in rows}

    try:
        return dict(persist(f"listing {url}", ask, sleep))
    except FileNotFoundError:
        return {}


def _described(url: str, info: dict[str, Any]) -> RemoteFile:
    """What fsspec knows of a file; times are numbers or dates, or missing."""
    changed = info.get("mtime", 0)
    seconds = changed if isinstance(changed, int | float) else changed.timestamp()
    return RemoteFile(url, int(info.get("size") or 0), int(seconds * 1e9))


def _address(url: str, path: str) -> str:
    """Address of a path on the server of another address."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    return (
        f"{scheme}://{host}//{path.lstrip('/')}"
        if scheme == "root"
        else f"{scheme}://{path.lstrip('/') if host else path}"
    )


def fetch(url: str, path: Path, sleep: Callable[[float], None] = time.sleep) -> RemoteFile:
    """Copy a remote file.

    Args:
        url: its address.
        path: where to; absolute.  It appears when it is whole.
        sleep: how to wait.

    Returns:
        What was copied.

    Raises:
        FileNotFoundError: there is no such file.
        ServerError: the server does not answer.
        StoreError: the file changed meanwhile, or the disk is full.
    """
    known = stat(url, sleep)
    with publish(path, replace=True) as temporary:
        with temporary.open("wb") as file:
            for data in _blocks(known, sleep):
                file.write(data)
        if stat(url, sleep) != known or temporary.stat().st_size != known.bytes:
            raise StoreError(f"{url} changed while it was copied; copy it again")
    return known


def _blocks(file: RemoteFile, sleep: Callable[[float], None]) -> Iterator[bytes]:
    """Content of a file; after a failure a new connection goes on where the last one broke off."""
    connection: list[tuple[Any, str]] = []
    start = 0
    while start < file.bytes:
        stop = min(start + BLOCK, file.bytes)

        def read(start: int = start, stop: int = stop) -> bytes:
            try:
                connection[:] = connection or [connect(file.url)]
                files, path = connection[0]
                data = files.cat_file(path, start=start, end=stop)
            except Exception:
                _give_up(connection)
                raise
            if len(data) != stop - start:
                _give_up(connection)
                raise OSError(f"{len(data)} bytes came of {stop - start} asked for")
            return data

        yield persist(f"reading {file.url} from byte {start} of {file.bytes}", read, sleep)
        start = stop


def _give_up(connection: list[tuple[Any, str]]) -> None:
    """Forget a broken connection, and the handles that fsspec-xrootd would try to close at the end of the program."""
    for files, _ in connection:
        with suppress(AttributeError):
            files._readonly_filehandle_cache._cache.clear()
    connection.clear()


@contextmanager
def local_copy(path: str | Path, scratch: Path | None = None) -> Iterator[Path]:
    """A file that can be opened: itself if it is local, else a copy that lives as long as the ``with`` block.

    Args:
        path: path or URL.
        scratch: folder for the copy; None means the system's.

    Yields:
        A local path with the same name.

    Raises:
        FileNotFoundError: there is no such remote file.
        StoreError: the server does not answer, or the disk is full.
    """
    if not is_remote(path):
        yield Path(path)
        return
    with TemporaryDirectory(prefix=".copy-", dir=scratch) as folder:
        copy = Path(folder).absolute() / PurePosixPath(str(path)).name
        fetch(str(path), copy)
        yield copy
