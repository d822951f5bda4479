"""Sizes that batches are padded to: few, so that few shapes are ever compiled, and close, so that little is wasted."""

from __future__ import annotations

LENGTH_STEP = 8
"""Sets are padded to a multiple of this."""

CELL_STEP = 64
"""Cells of a batch are padded to a multiple of this."""

STEPS_PER_OCTAVE = 8
"""Sizes between a power of two and the next one: at most an eighth of a size is padding."""


def padded_size(size: int, least: int, steps: int = STEPS_PER_OCTAVE) -> int:
    """The size to pad to: steps of equal width between powers of two, so that the waste is a bounded fraction.

    Args:
        size: what there is, not negative.
        least: smallest size and smallest step, a power of two.
        steps: sizes per factor of two, a power of two.

    Returns:
        The next size, a multiple of ``least``.

    Examples:
        >>> [padded_size(size, 8) for size in (0, 1, 8, 9, 100, 129, 300)]
        [8, 8, 8, 16, 104, 144, 320]
        >>> padded_size(8750, 64)
        9216
    """
    octave = 1 << max(size - 1, 0).bit_length() - 1 if size > 1 else 1
    step = max(octave // steps, least)
    return max(-(-size // step), 1) * step
