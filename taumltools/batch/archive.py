"""Archives that are the same for the same content, written as a stream by several threads."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from taumltools.errors import InputError

BLOCK = 4 * 2**20
"""Bytes that are compressed at a time: large enough to lose nothing, small enough for many threads."""

LEVEL = 3
"""Compression of gzip.  The environment (2.85 GB): 1069, 1032, 971 MB with level 1, 3, 6 for 48, 68, 130 s of CPU."""

DIGITS = 12
"""Hex digits of a checksum in a file name: among a thousand bundles two share one with a chance of 2e-9."""

GZIP = 31
"""What zlib calls a stream with gzip's header, with a window of 32 kB."""


@dataclass(frozen=True)
class Bundle:
    """An archive on its way to workers.

    Attributes:
        path: the ``.tar.gz`` file.
        sha256: its checksum, in hex.
        bytes: its size.
    """

    path: Path
    sha256: str
    bytes: int


class GzipStream:
    """A compressed file that is written by several threads with bounded memory.

    Each block becomes a gzip member of its own; ``gzip`` and ``tar`` read members one after the
    other as one file.  Neither times nor names enter, and the content does not depend on the number of threads.

    Args:
        path: where to write.
        threads: how many blocks are compressed at a time.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self.sha256 = hashlib.sha256()
        self.bytes = 0
        self._file = path.open("wb")
        self._pool = ThreadPoolExecutor(threads)
        self._pending: deque[Future[bytes]] = deque()
        self._most = 2 * threads
        self._block = bytearray()
        self._position = 0

    def write(self, data: bytes) -> int:
        """Take bytes to be compressed; waits when the threads are far behind."""
        self._block += data
        self._position += len(data)
        while len(self._block) >= BLOCK:
            self._hand_on(bytes(self._block[:BLOCK]))
            del self._block[:BLOCK]
        return len(data)

    def tell(self) -> int:
        """Bytes taken so far, before compression; ``tarfile`` asks for it."""
        return self._position

    def __enter__(self) -> GzipStream:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._hand_on(bytes(self._block))
                while self._pending:
                    self._store()
        finally:
            self._pool.shutdown(cancel_futures=True)
            self._file.close()

    def _hand_on(self, block: bytes) -> None:
        self._pending.append(self._pool.submit(_member, block))
        if len(self._pending) > self._most:
            self._store()

    def _store(self) -> None:
        data = self._pending.popleft().result()
        self._file.write(data)
        self.sha256.update(data)
        self.bytes += len(data)


def _member(block: bytes) -> bytes:
    """One block as a gzip member; zlib writes no time into its header."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    return compressor.compress(block) + compressor.flush()


def write_archive(path: Path, members: Iterable[tuple[str, Path]], threads: int | None = None) -> Bundle:
    """Write files into a compressed archive.

    The same names, contents and permissions to execute give the same bytes: times, owners and
    other permissions are left out.  Folders are not members of their own; empty ones are lost.

    Args:
        path: where to write, e.g. ``repository.tar.gz``.
        members: name in the archive and source of each file or symbolic link, in the order wanted.
        threads: how many blocks are compressed at a time; default: one for each core.

    Returns:
        The archive.

    Raises:
        InputError: a file changed or vanished while it was read.
    """
    with (
        GzipStream(path, threads or os.cpu_count() or 1) as stream,
        tarfile.TarFile(mode="w", fileobj=stream, format=tarfile.PAX_FORMAT) as tar,  # type: ignore[arg-type]
    ):
        for name, source in members:
            try:
                _add(tar, name, source)
            except FileNotFoundError as error:
                raise InputError(f"{source} vanished while it was packed; run the task again") from error
    return Bundle(path, stream.sha256.hexdigest(), stream.bytes)


def _add(tar: tarfile.TarFile, name: str, source: Path) -> None:
    info = tarfile.TarInfo(name)
    if source.is_symlink():
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(source), 0o777
        tar.addfile(info)
        return
    with source.open("rb") as file:
        status = os.fstat(file.fileno())
        info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
        try:
            tar.addfile(info, file)
        except OSError as error:
            if error.errno is None:  # tarfile's own, for a file that became shorter
                raise InputError(f"{source} was changed while it was packed; run the task again") from error
            raise
        if file.read(1):
            raise InputError(f"{source} was changed while it was packed; run the task again")
