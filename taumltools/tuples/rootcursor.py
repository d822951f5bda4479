"""Reading serialised ROOT objects, strictly: what is not as expected is an error.

Numbers are big-endian.  An object begins with its size and class version; behind a pointer, it begins with its size
and class name, or a reference to where the class was named first.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_COUNTED = 0x4000_0000
_NEW_CLASS = 0xFFFF_FFFF
_CLASS = 0x8000_0000
_REFERENCED = 0x10
_REFERENCE = 2  # references count from two bytes before the key
_UNSIGNED = struct.Struct(">I")
_HEAD = struct.Struct(">IH")
_OBJECT = struct.Struct(">HII")
_LIST = struct.Struct(">HIIBii")


class UnusualError(ValueError):
    """Something that is not expected here."""


class Cursor:
    """A place in serialised objects.

    Attributes:
        data: the bytes.
        place: the next one that is read.
    """

    def __init__(self, data: memoryview, key_length: int = 0) -> None:
        """Begin with the first byte.

        Args:
            data: serialised objects.
            key_length: bytes of the key in front of them, from which references count.
        """
        self.data = data
        self.place = 0
        self._key_length = key_length
        self._classes: dict[int, str] = {}

    def take(self, numbers: struct.Struct) -> tuple[Any, ...]:
        """The next numbers."""
        found = numbers.unpack_from(self.data, self.place)
        self.place += numbers.size
        return found

    def string(self) -> str:
        """A TString."""
        length = self.data[self.place]
        self.place += 1
        if length == 255:
            (length,) = self.take(_UNSIGNED)
        text = bytes(self.data[self.place : self.place + length])
        if len(text) != length:
            raise UnusualError("a text ends behind the header")
        self.place += length
        return text.decode()

    def begin(self, version: int) -> int:
        """Enter an object of a known version; gives where it ends."""
        size, found = self.take(_HEAD)
        if not size & _COUNTED or found != version:
            raise UnusualError(f"an object of version {found}, expected {version}")
        return self.place - 2 + (size & ~_COUNTED)

    def skip(self) -> None:
        """Pass over an object."""
        (size,) = self.take(_UNSIGNED)
        if not size & _COUNTED:
            raise UnusualError("an object without its size")
        self.place += size & ~_COUNTED

    def end(self, place: int) -> None:
        """Check that an object was read to where it ends."""
        if self.place != place:
            raise UnusualError(f"an object ends at {place}, and was read to {self.place}")

    def named(self) -> str:
        """A TNamed; gives its name."""
        end = self.begin(1)
        _, _, bits = self.take(_OBJECT)
        if bits & _REFERENCED:
            raise UnusualError("an object that others refer to")
        name = self.string()
        self.string()
        self.end(end)
        return name

    def objects(self) -> tuple[int, int]:
        """Enter a TObjArray; gives the number of its elements, and where it ends."""
        end = self.begin(3)
        _, _, bits, name, count, _ = self.take(_LIST)
        if bits & _REFERENCED or name or count < 0:
            raise UnusualError("a list with a name, or that others refer to")
        return count, end

    def pointed(self) -> tuple[str, int]:
        """Enter an object behind a pointer; gives its class, and where it ends."""
        (size,) = self.take(_UNSIGNED)
        end = self.place + (size & ~_COUNTED)
        place = self.place + self._key_length + _REFERENCE
        (tag,) = self.take(_UNSIGNED)
        if not size & _COUNTED or size == _NEW_CLASS or not tag & _CLASS:
            raise UnusualError("nothing, or a reference, where an object is expected")
        if tag != _NEW_CLASS:
            if (known := self._classes.get(tag & ~_CLASS)) is None:
                raise UnusualError("a reference to an unknown class")
            return known, end
        text = bytes(self.data[self.place : self.place + 80]).partition(b"\0")[0]
        self.place += len(text) + 1
        self._classes[place] = text.decode()
        return self._classes[place], end

    def array(self, kind: str, length: int) -> np.ndarray:
        """An array behind a pointer, as int64; a null pointer is refused unless the length is 0."""
        present = self.data[self.place]
        self.place += 1
        if not length and not present:
            return np.zeros(0, np.int64)
        if not present or length < 0:
            raise UnusualError(f"an array of {length} numbers is missing")
        values = np.frombuffer(self.data, kind, length, self.place)
        self.place += values.nbytes
        return values.astype(np.int64)
