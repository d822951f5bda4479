"""Frames in HDF5: pandas reads them, and the same content gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from taumltools.frames import write_frames


def test_groups_read_back_and_empty_ones_are_left_out(tmp_path: Path):
    columns = {"a": np.arange(3), "b": np.float32([0.5, np.nan, 2])}
    write_frames(tmp_path / "x.h5", {"first": columns, "nothing": {}, "second": {"c": np.ones(2, bool)}})
    with pd.HDFStore(tmp_path / "x.h5", "r") as store:
        assert sorted(store.keys()) == ["/first", "/second"]
    frame = pd.read_hdf(tmp_path / "x.h5", "first")
    for name, values in columns.items():
        np.testing.assert_array_equal(frame[name], values)
    assert pd.read_hdf(tmp_path / "x.h5", "second")["c"].tolist() == [True, True]


def test_same_content_gives_the_same_bytes(tmp_path: Path):
    for name in "ab":
        write_frames(tmp_path / name, {"x": {"y": np.arange(1000)}})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
