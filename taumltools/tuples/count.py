"""How many entries a file has, without reading the descriptions of its hundreds of branches."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from taumltools.tuples.io import open_tuples
from taumltools.tuples.schema import TREE

_COUNTED = 0x4000_0000
_BASES = 4  # TNamed, TAttLine, TAttFill and TAttMarker lie in front of the number of entries of a TTree


def count_entries(path: Path) -> int:
    """Number of entries of a tuple file.

    Opening a ROOT file with 711 branches takes uproot 0.15 s or more; the number alone, 3 ms.

    Args:
        path: a ``.root`` or ``.arrow`` file.

    Returns:
        Its entries.

    Raises:
        InputError: as :func:`taumltools.tuples.io.open_tuples`.
    """
    if path.suffix == ".root" and path.is_file():
        entries = _tree_entries(path)
        if entries is not None:
            return entries
    with open_tuples(path) as file:
        return file.entries


def _tree_entries(path: Path) -> int | None:
    """Entries as the header of the tree says; None if it must be read in full, also to say what is wrong."""
    import uproot

    try:
        with uproot.open(path) as file:
            if file.classname_of(TREE) != "TTree":
                return None
            chunk, cursor = file.key(TREE).get_uncompressed_chunk_cursor()
            return _entries_of(chunk.get(cursor.index, chunk.stop, cursor, None))
    except Exception:  # whatever decoders raise on damaged bytes
        return None


def _entries_of(header: Any) -> int | None:
    """The number of entries in the bytes of a TTree: each part in front of it states its length."""
    data, place = header.tobytes(), 6
    for _ in range(_BASES):
        length = struct.unpack_from(">I", data, place)[0]
        if not length & _COUNTED:
            return None
        place += 4 + (length & ~_COUNTED)
    return struct.unpack_from(">q", data, place)[0]
