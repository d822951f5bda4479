"""Codecs and levels, and ROOT's blocks."""

from __future__ import annotations

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.tuples.compression import (
    COMPRESSIONS,
    DEFAULT_LEVELS,
    LEVELS,
    ROOT_CODES,
    choose_compression,
    root_compressor,
)

BLOCK = 2**24 - 1


def unpack(data, size):
    chunk = uproot.source.chunk.Chunk.wrap(None, np.frombuffer(bytes(data), np.uint8))
    out = uproot.compression.decompress(chunk, uproot.source.cursor.Cursor(0), {}, len(data), size)
    return out.raw_data.tobytes()


def test_every_compression_has_levels_and_a_default_within():
    assert set(LEVELS) == set(DEFAULT_LEVELS) == set(ROOT_CODES) == set().union(*COMPRESSIONS.values())
    assert all(low <= DEFAULT_LEVELS[name] <= high for name, (low, high) in LEVELS.items())


def test_root_numbers_are_those_of_uproot():
    for name, kind in {"zstd": uproot.ZSTD, "lz4": uproot.LZ4, "zlib": uproot.ZLIB, "lzma": uproot.LZMA}.items():
        assert kind(1).code_pair == (ROOT_CODES[name], 1)


@pytest.mark.parametrize(("suffix", "default"), [(".root", ("zstd", 1)), (".arrow", ("lz4", 1))])
def test_defaults(suffix, default):
    assert choose_compression(suffix, None, None) == default
    for name in COMPRESSIONS[suffix]:
        assert choose_compression(suffix, name, None) == (name, DEFAULT_LEVELS[name])
        for level in LEVELS[name]:
            assert choose_compression(suffix, name, level) == (name, level)


@pytest.mark.parametrize(
    ("suffix", "name", "level", "message"),
    [
        (".arrow", "lzma", None, "compression 'lzma' is unknown; use one of lz4, zstd, none"),
        (".root", "bzip2", 3, "compression 'bzip2' is unknown; use one of zstd, lz4, zlib, lzma, none"),
        (".root", "zstd", 23, "compression 'zstd' has levels 1 to 22, found 23; change it or leave it out"),
        (".root", "zlib", 0, "compression 'zlib' has levels 1 to 9, found 0"),
        (".root", None, -1, "compression 'zstd' has levels 1 to 22, found -1"),
        (".arrow", "lz4", 13, "compression 'lz4' has levels 1 to 12, found 13"),
        (".root", "none", 1, "compression 'none' has level 0 only, found 1"),
    ],
)
def test_what_there_is_not(suffix, name, level, message):
    with pytest.raises(InputError, match=message):
        choose_compression(suffix, name, level)


@pytest.mark.parametrize("name", ["zstd", "lz4", "zlib", "lzma"])
@pytest.mark.parametrize("size", [128, 10_000])
def test_blocks_are_what_root_files_have(name, size):
    data = np.arange(size, dtype=np.int64).view(np.uint8)
    packed = root_compressor(name, LEVELS[name][1])(data)
    assert len(packed) < len(data)
    assert packed[:2] == {"zstd": b"ZS", "lz4": b"L4", "zlib": b"ZL", "lzma": b"XZ"}[name]
    assert unpack(packed, len(data)) == data.tobytes()


def test_more_than_16_mb_are_several_blocks():
    data = np.zeros(2 * BLOCK + 5000, np.uint8)
    data[::BLOCK] = 7
    packed = root_compressor("lz4", 1)(data)
    assert bytes(packed).count(b"L4\x01") == 3
    assert unpack(packed, len(data)) == data.tobytes()


@pytest.mark.parametrize("name", list(ROOT_CODES))
def test_what_does_not_get_smaller_stays(name):
    compress = root_compressor(name, DEFAULT_LEVELS[name])
    noise = np.random.default_rng(1).bytes(5000)
    assert compress(noise) is noise
    assert compress(b"") == b""
    assert compress(bytes(100)) == bytes(100)


def test_levels_matter():
    # numbers with structure at a distance, which only an encoder that searches finds
    data = np.random.default_rng(2).normal(size=20_000).astype("f4").round(2).tobytes() * 2
    for name in ("zstd", "lz4", "zlib", "lzma"):
        low, high = LEVELS[name]
        assert len(root_compressor(name, high)(data)) < len(root_compressor(name, low)(data)), name
