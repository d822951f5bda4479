"""How files of tuples are compressed: which codecs and levels there are, and ROOT's blocks."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from typing import Any

from taumltools.errors import InputError

COMPRESSIONS = {".root": ("zstd", "lz4", "zlib", "lzma", "none"), ".arrow": ("lz4", "zstd", "none")}
"""Formats by suffix, with their compressions; the first one is the default."""

LEVELS = {"none": (0, 0), "zstd": (1, 22), "lz4": (1, 12), "zlib": (1, 9), "lzma": (1, 9)}
"""Lowest and highest level, as the codecs themselves count."""

DEFAULT_LEVELS = {"none": 0, "zstd": 1, "lz4": 1, "zlib": 1, "lzma": 9}
"""Level 1 is fast, and more saves little; LZMA is asked for where only the size counts."""

ROOT_CODES = {"none": 0, "zlib": 1, "lzma": 2, "lz4": 4, "zstd": 5}
"""ROOT's numbers of the compressions."""

_SMALL = 128  # bytes that are not worth setting up an encoder: a key alone has about 100


def choose_compression(suffix: str, compression: str | None, level: int | None) -> tuple[str, int]:
    """Fill in defaults, and check.

    Args:
        suffix: ``".root"`` or ``".arrow"``.
        compression: one of :data:`COMPRESSIONS`, or None for the format's default.
        level: level, or None for the default of the compression.

    Returns:
        Compression and level.

    Raises:
        InputError: unknown compression, or a level that it does not have.

    Examples:
        >>> choose_compression(".root", None, None), choose_compression(".root", "lzma", 3)
        (('zstd', 1), ('lzma', 3))
    """
    choices = COMPRESSIONS[suffix]
    compression = compression or choices[0]
    if compression not in choices:
        raise InputError(f"compression '{compression}' is unknown; use one of {', '.join(choices)}")
    low, high = LEVELS[compression]
    level = DEFAULT_LEVELS[compression] if level is None else level
    if not low <= level <= high:
        allowed = f"levels {low} to {high}" if low < high else f"level {low} only"
        raise InputError(f"compression '{compression}' has {allowed}, found {level}; change it or leave it out")
    return compression, level


def root_compressor(compression: str, level: int) -> Callable[[Any], Any]:
    """A function that compresses bytes into ROOT's blocks of at most 16 MB.

    Args:
        compression: one of :data:`ROOT_CODES`.
        level: its level.

    Returns:
        A function; what it cannot make smaller it returns as it is, which ROOT recognises by the size.
    """
    from uproot.compression import compress

    if compression == "none":
        return lambda data: data
    codec = _codec(compression, level)
    return lambda data: data if len(data) < _SMALL else compress(data, codec)


def _codec(compression: str, level: int) -> Any:
    import pyarrow as pa
    import uproot

    class LZ4(uproot.LZ4):
        """LZ4 with levels: the encoder that uproot uses knows only the fast mode."""

        def compress(self, data: Any) -> bytes:
            return pa.Codec("lz4_raw", compression_level=self.level).compress(data, asbytes=True)

    class LZMA(uproot.LZMA):
        """LZMA whose dictionary is no larger than the data: six times faster for baskets at level 9."""

        def compress(self, data: Any) -> bytes:
            filters = [{"id": lzma.FILTER_LZMA2, "preset": self.level, "dict_size": max(4096, len(data))}]
            return lzma.compress(data, check=lzma.CHECK_CRC32, filters=filters)

    return {"zstd": uproot.ZSTD, "lz4": LZ4, "zlib": uproot.ZLIB, "lzma": LZMA}[compression](level)
