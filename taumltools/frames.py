"""Tables of numbers as HDF5 that pandas reads, a frame per group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np


def write_frames(path: Path, frames: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write frames in pandas' format "fixed", compressed with zlib; the same content gives the same bytes.

    Args:
        path: the file, which does not exist yet.
        frames: by group the columns, all of one length; a group without columns is left out.
    """
    import pandas

    with pandas.HDFStore(path, "w", complevel=1, complib="zlib") as store:
        for group, columns in frames.items():
            if columns:
                store.put(group, pandas.DataFrame(dict(columns)), format="fixed", track_times=False)
