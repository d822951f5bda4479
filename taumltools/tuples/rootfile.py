"""The frame of a ROOT file that holds one object and its baskets, written from front to back.

Layout (https://root.cern/doc/master/classTFile.html): header, directory, descriptions of the classes, the
records that are appended, and at the end the object, the list of keys and the list of free space.  The header
is completed last, so that an interrupted file is recognised as such.  Seeks have 64 bits throughout: files
may be larger than 2 GB.

Equal content gives equal bytes: dates are fixed, and the file's UUID is a hash of the content (readers
such as uproot cache arrays by UUID, so that it must differ between files).
"""

from __future__ import annotations

import functools
import struct
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from taumltools.tuples import root_streamers

BEGIN = 100
"""Where the first record of a ROOT file lies: the directory."""

_VERSION = 1_063_600  # the ROOT release whose class versions are written; 1,000,000 says that seeks have 64 bits
_DATE = (2000 - 1995) << 26 | 1 << 22 | 1 << 17  # 1 January 2000
_HEADER = struct.Struct(">4siiqqiiiBiqiH16s")
_DIRECTORY = struct.Struct(">HIIiiqqqH16s")
_KEY = struct.Struct(">ihiIhhqq")
_SMALL_KEY = struct.Struct(">ihiIhhii")
_FREE = struct.Struct(">Hqq")


def string(text: str) -> bytes:
    r"""A TString: its length in one byte (five from 255 on), and UTF-8.

    Examples:
        >>> string("taus")
        b'\x04taus'
    """
    data = text.encode()
    return (bytes([len(data)]) if len(data) < 255 else struct.pack(">BI", 255, len(data))) + data


@functools.lru_cache(maxsize=4096)
def key_names(kind: str, name: str, title: str) -> bytes:
    """Class name, name and title of an object, as they lie in its key."""
    return string(kind) + string(name) + string(title)


def key_length(names: bytes, more: int = 0) -> int:
    """Bytes of a key.

    Args:
        names: from :func:`key_names`.
        more: bytes that the class of the object adds.
    """
    return _KEY.size + len(names) + more


class Record(NamedTuple):
    """What lies between a key and the next one.

    Attributes:
        names: class name, name and title, from :func:`key_names`.
        payload: content as it lies in the file: bytes, or a numpy array of bytes.
        size: uncompressed size of the content in bytes.
        more: what the class adds to the key.
        cycle: number of the object among those of its name; 0 for what no directory lists.
    """

    names: bytes
    payload: Any
    size: int
    more: bytes = b""
    cycle: int = 0

    @property
    def key_length(self) -> int:
        """Bytes of the key."""
        return key_length(self.names, len(self.more))

    def key(self, place: int, parent: int = BEGIN) -> bytes:
        """The record's key.

        Args:
            place: position of the record in the file.
            parent: position of the directory.
        """
        length = self.key_length
        start = _KEY.pack(length + len(self.payload), 1004, self.size, _DATE, length, self.cycle, place, parent)
        return start + self.names + self.more


class RootFile:
    """Writes a ROOT file with one object from front to back."""

    def __init__(self, path: Path, name: str, compression: int) -> None:
        """Open the file and write what does not depend on its content.

        Args:
            path: where; an existing file is replaced.
            name: name of the file inside of it.
            compression: 100 times ROOT's number of the compression, plus the level; for information only.
        """
        import xxhash

        self._names = key_names("TFile", name, "")
        self._compression = compression
        self._hash = xxhash.xxh3_128()
        self._head = self._record(b"").key_length + len(self._names) - len(string("TFile"))
        self._file = path.open("wb")
        try:
            self._file.write(bytes(BEGIN + self._head + _DIRECTORY.size))
            self._streamers = self._file.tell()
            self._file.write(_streamer_record(self._streamers))
        except BaseException:
            self._file.close()
            raise

    def append(self, record: Record) -> tuple[int, int]:
        """Write a record.

        Args:
            record: key and content.

        Returns:
            Position of the record in the file, and its size with the key, in bytes.
        """
        place = self._file.tell()
        key = record.key(place)
        self._hash.update(key)
        self._hash.update(record.payload)
        self._file.write(key)
        self._file.write(record.payload)
        return place, len(key) + len(record.payload)

    def finish(self, record: Record) -> None:
        """Write the object that the file is about, and the end of the file.

        Args:
            record: the object, of cycle 1.
        """
        place, _ = self.append(record)
        keys, keys_size = self.append(self._record(struct.pack(">i", 1) + record.key(place)))
        end = self._file.tell() + self._record(b"").key_length + _FREE.size
        rest = _FREE.pack(1001, end, max(2_000_000_000, (end // 1_000_000_000 + 1) * 1_000_000_000))
        free, free_size = self.append(self._record(rest))
        identity = uuid.UUID(bytes=self._hash.digest(), version=5).bytes
        header = _HEADER.pack(
            b"root", _VERSION, BEGIN, end, free, free_size, 1, self._head, 8, self._compression,
            self._streamers, len(_streamer_record(0)), 1, identity,
        )  # fmt: skip
        directory = _DIRECTORY.pack(1005, _DATE, _DATE, keys_size, self._head, BEGIN, 0, keys, 1, identity)
        first = self._record(self._names.removeprefix(string("TFile")) + directory)
        self._file.seek(0)
        self._file.write(header.ljust(BEGIN, b"\0") + first.key(BEGIN, parent=0) + first.payload)

    def flush(self) -> None:
        """Hand what was written over to the system, so that the size of the file tells of it."""
        self._file.flush()

    def close(self) -> None:
        """Close the file; without :meth:`finish` it is no valid ROOT file."""
        self._file.close()

    def _record(self, payload: bytes) -> Record:
        """A record of the file about itself."""
        return Record(self._names, payload, len(payload), cycle=1)


def _streamer_record(place: int) -> bytes:
    """The description of the classes; its references assume a key with 32-bit seeks."""
    names = key_names("TList", "StreamerInfo", "Doubly linked list")
    payload = root_streamers.streamers()
    length = _SMALL_KEY.size + len(names)
    key = _SMALL_KEY.pack(length + len(payload), 4, root_streamers.UNCOMPRESSED, _DATE, length, 1, place, BEGIN)
    return key + names + payload
