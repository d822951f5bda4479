"""Portions of many files."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.portions import Portion, Portions, joined

SIZES = (40, 0, 7, 100)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portions")
    for number, size in enumerate(SIZES):
        write_tuples(folder / f"{number}.arrow", mock_tuples(size + 1, seed=number).slice(0, size), ["evt", "tau_pt"])
    return [folder / f"{number}.arrow" for number in range(len(SIZES))]


@settings(max_examples=50, deadline=None)
@given(
    wanted=st.lists(
        st.tuples(st.integers(0, 2000), st.integers(1, 20), st.integers(20, 60)), min_size=150, max_size=150
    )
)
def test_every_entry_once_and_no_more_than_asked_for(files, wanted):
    portions, blocks = Portions(files, ["evt", "tau_pt"]), []
    for size, least, most in wanted:
        block = portions.take(size, least, most)
        taken = sum(len(table) for _, table in block)
        assert taken <= most
        assert taken >= least or portions.empty
        assert taken <= max(least, size / 12 + 1)  # an entry has 8 and 4 bytes
        assert [len(table) for _, table in block] == [portion.stop - portion.start for portion, _ in block]
        blocks.append([portion for portion, _ in block])
    assert portions.empty
    whole = [Portion(str(path), 0, size) for path, size in zip(files, SIZES, strict=True) if size]
    assert joined(list(chain.from_iterable(blocks))) == whole


def test_nothing_to_hand_out(files):
    portions = Portions([files[1]], ["evt"])
    assert portions.empty
    assert portions.take(100, 1, 10) == []
    assert joined([]) == []
    assert joined([Portion("a", 0, 2), Portion("a", 3, 4)]) == [Portion("a", 0, 2), Portion("a", 3, 4)]
