from __future__ import annotations

import lzma
import zlib

import cramjam
import numpy as np
import pytest
import xxhash

from taumltools.tuples.rootblocks import HEADER, unpack

TEXT = bytes(range(200)) * 7


def lz4(data):
    packed = bytes(cramjam.lz4.compress_block(data, store_size=False))
    return xxhash.xxh64_intdigest(packed).to_bytes(8, "big") + packed


METHODS = {
    b"ZL": zlib.compress,
    b"XZ": lzma.compress,
    b"L4": lz4,
    b"ZS": lambda data: bytes(cramjam.zstd.compress(data)),
}


def head(method, stored, size):
    return method + b"\1" + stored.to_bytes(3, "little") + size.to_bytes(3, "little")


def block(method, data):
    packed = METHODS[method](data)
    return head(method, len(packed), len(data)) + packed


def one(piece, size):
    return bytes(unpack([memoryview(piece)], [size])[0])


@pytest.fixture(params=list(METHODS), ids=lambda method: method.decode())
def method(request):
    return request.param


def test_one_block(method):
    assert one(block(method, TEXT), len(TEXT)) == TEXT


def test_blocks_one_after_the_other(method):
    parts = [TEXT, TEXT[3:90], b"x"]
    assert one(b"".join(block(method, part) for part in parts), 1400 + 87 + 1) == b"".join(parts)


def test_objects_keep_their_places(method):
    """Compressed and uncompressed ones mixed, ZSTD among others: each comes back where it was."""
    objects = [TEXT, b"plain bytes", TEXT[:500], b"", TEXT[1:], TEXT[2:400]]
    pieces = [
        block(method, objects[0]),
        objects[1],
        block(b"ZS", objects[2]),
        b"",
        block(b"ZL", objects[4]),
        block(method, objects[5][:100]) + block(b"ZS", objects[5][100:]),
    ]
    found = unpack([memoryview(piece) for piece in pieces], [len(x) for x in objects])
    assert [bytes(piece) for piece in found] == objects


def test_nothing():
    assert unpack([], []) == []


def test_reads_from_numpy_memory(method):
    piece = np.frombuffer(block(method, TEXT), np.uint8)
    assert bytes(unpack([piece.data], [len(TEXT)])[0]) == TEXT


@pytest.mark.parametrize("method", [b"ZL", b"XZ", b"L4"], ids=bytes.decode)
@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_checksums_are_verified(method, place):
    piece = bytearray(block(method, np.random.default_rng(1).bytes(300) * 2))
    at = HEADER + int(place * (len(piece) - HEADER))
    piece[at] ^= 4
    with pytest.raises((ValueError, zlib.error, lzma.LZMAError)):
        one(piece, 600)


def test_stored_checksum_of_lz4_is_verified():
    piece = bytearray(block(b"L4", TEXT))
    piece[HEADER + 2] ^= 1
    with pytest.raises(ValueError, match="the checksum of an LZ4 block is wrong"):
        one(piece, len(TEXT))


def test_a_header_that_says_more_or_less(method):
    """Block header and key agree with each other, but not with what is in the block."""
    packed = METHODS[method](TEXT)
    for size in (len(TEXT) - 1, len(TEXT) + 1):
        with pytest.raises((ValueError, cramjam.DecompressionError, zlib.error)):
            one(head(method, len(packed), size) + packed, size)


def test_frames_that_share_an_output_must_each_be_whole():
    packed = METHODS[b"ZS"](TEXT)
    pieces = [memoryview(head(b"ZS", len(packed), len(TEXT) + 9) + packed)] * 2
    with pytest.raises(ValueError, match="ZS blocks have 2800 bytes, their headers say 2818"):
        unpack(pieces, [len(TEXT) + 9] * 2)


def test_blocks_must_fill_their_object(method):
    piece = block(method, TEXT)
    with pytest.raises(ValueError, match=r"compressed blocks hold 1400 bytes, their object 1500"):
        one(piece, 1500)
    with pytest.raises(ValueError, match=r"a compressed block ends 1 bytes behind its object"):
        one(piece[:-1], len(TEXT))
    with pytest.raises(ValueError, match=r"ends .* bytes behind its object|hold .* bytes, their object"):
        one(piece + b"\0\0\0\1", len(TEXT))


def test_huge_sizes_are_refused_before_memory_is_asked_for(method):
    with pytest.raises(ValueError, match=r"hold 1400 bytes, their object 1000000000000"):
        one(block(method, TEXT), 10**12)


def test_unknown_method():
    with pytest.raises(ValueError, match=r"unknown compression method b'CS'"):
        one(head(b"CS", 3, 9) + b"abc", 9)
