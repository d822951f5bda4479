"""Undoing the compression of ROOT baskets: ZLIB, LZMA, LZ4 and ZSTD blocks.

A compressed object is a row of blocks of at most 16 MB.  A block begins with nine bytes:
two letters for the method, its version, and the compressed and uncompressed size as
little-endian 24-bit numbers; LZ4 blocks then have eight bytes of checksum (ROOT,
``core/zip/src/RZip.cxx`` and ``core/lz4/src/ZipLZ4.cxx``).
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Sequence

import cramjam
import numpy as np
import xxhash

HEADER = 9
"""Bytes in front of a compressed block."""


def unpack(pieces: Sequence[memoryview], sizes: Sequence[int]) -> list[memoryview]:
    r"""Decompress objects, e.g. all baskets of a branch.

    ZSTD frames of all objects are decompressed in one call, because setting up a decoder
    costs as much as decoding 4 kB.  The checksums of LZ4 and ZLIB are verified; ROOT
    writes none for ZSTD.

    Args:
        pieces: stored bytes of each object, without its key.
        sizes: uncompressed bytes of each; an object of this size is not compressed.

    Returns:
        Uncompressed bytes of each object; uncompressed objects are returned as they are.

    Raises:
        ValueError: unknown method, sizes that contradict each other, or a wrong checksum.

    Examples:
        >>> data = bytes(100)
        >>> packed = zlib.compress(data)
        >>> head = b"ZL\x08" + len(packed).to_bytes(3, "little") + (100).to_bytes(3, "little")
        >>> [bytes(x) == data for x in unpack([memoryview(head + packed), memoryview(data)], [100, 100])]
        [True, True]
    """
    out: list[memoryview] = list(pieces)
    frames: list[memoryview] = []
    places: list[int] = []
    for place, (piece, size) in enumerate(zip(pieces, sizes, strict=True)):
        if len(piece) == size:
            continue
        method, stored, whole = _header(piece)
        if stored + HEADER != len(piece) or whole != size:
            out[place] = memoryview(_several(piece, size))
        elif method == b"ZS":
            frames.append(piece[HEADER:])
            places.append(place)
        else:
            out[place] = memoryview(_decode(method, piece[HEADER:], size))
    if frames:
        total = sum(sizes[place] for place in places)
        joined = _filled(b"ZS", cramjam.zstd.decompress_into, b"".join(frames), total)
        start = 0
        for place in places:
            out[place] = joined[start : start + sizes[place]]
            start += sizes[place]
    return out


def _header(piece: memoryview) -> tuple[bytes, int, int]:
    """Method, stored and uncompressed size of the block that begins here."""
    head = int.from_bytes(piece[3:HEADER], "little")
    return bytes(piece[:2]), head & 0xFFFFFF, head >> 24


def _several(piece: memoryview, size: int) -> bytes:
    """An object of several blocks; they must fill it exactly, which bounds what a damaged file can ask for."""
    blocks = []
    rest = piece
    while rest:
        method, stored, whole = _header(rest)
        if HEADER + stored > len(rest):
            raise ValueError(f"a compressed block ends {HEADER + stored - len(rest)} bytes behind its object")
        blocks.append((method, rest[HEADER : HEADER + stored], whole))
        rest = rest[HEADER + stored :]
    if (total := sum(whole for _, _, whole in blocks)) != size:
        raise ValueError(f"compressed blocks hold {total} bytes, their object {size}")
    return b"".join([_decode(*block) for block in blocks])


def _decode(method: bytes, data: memoryview, size: int) -> bytes | memoryview:
    if method == b"ZL":
        return _sized(method, zlib.decompress(data, bufsize=size), size)
    if method == b"L4":
        if xxhash.xxh64_intdigest(data[8:]) != int.from_bytes(data[:8], "big"):
            raise ValueError("the checksum of an LZ4 block is wrong")
        return _filled(method, cramjam.lz4.decompress_block_into, data[8:], size)
    if method == b"ZS":
        return _filled(method, cramjam.zstd.decompress_into, data, size)
    if method == b"XZ":
        # One byte more than expected lets the decoder reach the end of the stream, where its checksum is.
        return _sized(method, lzma.LZMADecompressor().decompress(data, max_length=size + 1), size)
    raise ValueError(f"unknown compression method {method!r}")


def _sized(method: bytes, out: bytes, size: int) -> bytes:
    if len(out) != size:
        raise ValueError(f"{method.decode()} blocks have {len(out)} bytes, their headers say {size}")
    return out


def _filled(method: bytes, decode: Callable[..., int], data: bytes | memoryview, size: int) -> memoryview:
    """Decode into memory of the expected size, which bounds what damaged data can ask for."""
    out = np.empty(size, np.uint8)
    found = decode(data, out)
    if found != size:
        raise ValueError(f"{method.decode()} blocks have {found} bytes, their headers say {size}")
    return out.data
