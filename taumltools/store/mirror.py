"""A store on a remote server: products are made here, kept there, and copied here again when they are read.

The *mirror* is a local folder with the same tree.  A product exists if the server has it; a copy in the mirror is used if
size and time of change of all its files are those of the server, so that the mirror can be removed at any time.  What
begins with ``_`` (journals, logs) stays in it and is not on the server.
"""

from __future__ import annotations

import logging
import os
import posixpath
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from taumltools.errors import StoreError
from taumltools.store.listing import present
from taumltools.store.provenance import files_of, read_sidecar, sidecar_path
from taumltools.store.publish import publish, temporary_sibling
from taumltools.store.remote import RemoteFile, exists, fetch, list_folder, list_names, stat
from taumltools.store.upload import remove_temporaries, rename, upload

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mirror:
    """A remote store and the local folder that mirrors it.

    Attributes:
        url: of the store, e.g. ``root://host//store/user/me``.
        root: the folder; absolute.
        sleep: how to wait between tries.
    """

    url: str
    root: Path
    sleep: Callable[[float], None] = time.sleep

    def holds(self, path: Path) -> bool:
        """Whether something belongs on the server: all in the mirror but what begins with ``_``."""
        return path.is_relative_to(self.root) and not path.relative_to(self.root).as_posix().startswith("_")

    def address(self, path: Path) -> str:
        """Where something is on the server.

        Args:
            path: in the mirror.

        Examples:
            >>> Mirror("root://host//store/me/", Path("/mirror")).address(Path("/mirror/demo/a.root"))
            'root://host//store/me/demo/a.root'
        """
        return f"{self.url.rstrip('/')}/{path.relative_to(self.root).as_posix()}"

    def present(self, paths: Mapping[int, Path]) -> dict[int, tuple[int, int]]:
        """The products that exist, with one question for each folder; see :func:`taumltools.store.listing.present`.

        Raises:
            ServerError: the server does not answer.
        """
        local = present({branch: path for branch, path in paths.items() if not self.holds(path)})
        folders = {path.parent for path in paths.values() if self.holds(path)}
        found = {folder: list_names(self.address(folder), self.sleep) for folder in folders}
        there = {
            branch: found[path.parent][path.name]
            for branch, path in paths.items()
            if self.holds(path) and path.name in found[path.parent]
        }
        return {branch: (local | there)[branch] for branch in paths if branch in local or branch in there}

    def has(self, path: Path) -> bool:
        """Whether a product exists.

        Raises:
            ServerError: the server does not answer.
        """
        return exists(self.address(path), self.sleep) if self.holds(path) else path.exists()

    # ------------------------------------------------------------------ reading

    def bring(self, path: Path) -> None:
        """See that a product and its side-car are in the mirror as they are on the server.

        Args:
            path: of the product, in the mirror.

        Raises:
            FileNotFoundError: the server does not have it.
            StoreError: it is a folder, and files are missing of those that its side-car lists.
            ServerError: the server does not answer.
        """
        if not self.holds(path):
            return
        self._copy(path)
        with suppress(FileNotFoundError):
            self._copy(sidecar_path(path))
        self._refuse_incomplete(path)

    def bring_sidecar(self, path: Path) -> None:
        """See that the side-car of a product is in the mirror, without the product.

        Args:
            path: of the product, in the mirror.

        Raises:
            FileNotFoundError: the server does not have it.
            ServerError: the server does not answer.
        """
        if self.holds(path):
            self._copy(sidecar_path(path))

    def _refuse_incomplete(self, path: Path) -> None:
        if not path.is_dir() or not sidecar_path(path).exists():
            return
        listed = read_sidecar(path).get("files", [])
        missing = sorted(set(listed) - set(files_of(path)))
        if missing:
            raise StoreError(
                f"{self.address(path)}: {len(missing)} of its {len(listed)} files are missing on the server, e.g. {missing[0]}; "
                "remove the whole folder there, and its task makes it again"
            )

    def _copy(self, path: Path) -> None:
        known = self._files(path)
        if self._is_fresh(path, known):
            return
        _forget(path)
        if "" in known:
            fetch(known[""].url, path, self.sleep)
            _stamp(path, known)
            return
        with publish(path) as temporary:
            temporary.mkdir()
            for name, file in known.items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                fetch(file.url, temporary / name, self.sleep)
            _stamp(temporary, known)

    def _files(self, path: Path) -> dict[str, RemoteFile]:
        """Files of a product on the server by name inside of it; a product that is one file has the name ``""``."""
        address = self.address(path)
        try:
            return {"": stat(address, self.sleep)}
        except IsADirectoryError:
            depth = len(address)
            return {file.url[depth:].lstrip("/"): file for file in list_folder(address, self.sleep)}

    def _is_fresh(self, path: Path, known: Mapping[str, RemoteFile]) -> bool:
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        mine = {"" if file == path else file.relative_to(path).as_posix(): file.stat() for file in files}
        return mine.keys() == known.keys() and all(
            (mine[name].st_size, mine[name].st_mtime_ns) == (file.bytes, file.mtime_ns) for name, file in known.items()
        )

    # ------------------------------------------------------------------ writing

    @contextmanager
    def publish(
        self,
        path: Path,
        validate: Callable[[Path], None] | None = None,
        before_rename: Callable[[Path], None] | None = None,
    ) -> Iterator[Path]:
        """As :func:`taumltools.store.publish.publish`; the product is in the mirror once the server has it.

        The side-car that ``before_rename`` writes goes first, so that no product is without one.

        Args:
            path: where the product shall be, in the mirror.
            validate: called with the temporary path; raises if the product is not good.
            before_rename: called with the temporary path after validation; writes the side-car.

        Yields:
            The temporary path to write to.

        Raises:
            StoreError: nothing written, disk full, or the server does not answer or refuses.
        """

        def send(temporary: Path) -> None:
            if self.has(path):
                log.info("%s was published by another process meanwhile; keeping that one", self.address(path))
                return
            if before_rename:
                before_rename(temporary)
            side = sidecar_path(path)
            if side.exists():
                upload(side, self.address(side), self.sleep)
                _stamp(side, self._files(side))
            upload(temporary, self.address(path), self.sleep)
            _stamp(temporary, self._files(path))

        if not self.holds(path):
            with publish(path, validate, before_rename) as temporary:
                yield temporary
            return
        self.forget(path)
        with publish(path, validate, send) as temporary:
            yield temporary

    def send(self, path: Path) -> None:
        """Put a product that is in the mirror, and its side-car, on the server; what is there stays.

        Args:
            path: in the mirror.

        Raises:
            ServerError: the server does not answer or refuses.
        """
        if self.has(path):
            return
        for each in (sidecar_path(path), path):
            if each.exists():
                upload(each, self.address(each), self.sleep)
                _stamp(each, self._files(each))

    def forget(self, path: Path) -> None:
        """Remove the copy of a product that the server does not have, e.g. since somebody removed it there.

        Raises:
            ServerError: the server does not answer.
        """
        if self.holds(path) and not self.has(path):
            _forget(path)

    def put_aside(self, path: Path, name: str) -> None:
        """Give a product on the server another name in its folder; the copy here is removed.

        Raises:
            FileNotFoundError: there is no such product.
            ServerError: the server does not answer or refuses.
        """
        rename(self.address(path), name, self.sleep)
        _forget(path)

    def clean(self, folder: Path) -> None:
        """Remove unfinished uploads from a folder to which nobody writes any more."""
        if self.holds(folder):
            remove_temporaries(self.address(folder), self.sleep)


def _stamp(path: Path, known: Mapping[str, RemoteFile]) -> None:
    """Give files here the time that the server shows, by which they are known to be the same."""
    for name, file in known.items():
        local = path / name if name else path
        os.utime(local, ns=(file.mtime_ns, file.mtime_ns))


def _forget(path: Path) -> None:
    """Remove a copy; nobody sees a part of it."""
    if path.is_dir():
        aside = temporary_sibling(path)
        os.rename(path, aside)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def mirror_name(url: str) -> str:
    """A folder name for the mirror of a store.

    Examples:
        >>> mirror_name("root://eos.example:1094//store/me/taus")
        'eos.example_1094_store_me_taus'
    """
    return "_".join(part for part in url.partition("://")[2].replace(":", "_").split(posixpath.sep) if part)
