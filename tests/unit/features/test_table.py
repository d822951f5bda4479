import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.features.table import FlatTuples
from taumltools.tuples.data import Collection


def table(n, start=0, dropped=0):
    return FlatTuples(
        {"entry": start + np.arange(n)},
        {"x": np.arange(n, dtype=np.float32)},
        {"pf": Collection(np.arange(n + 1) * 2, {"pt": np.arange(2 * n, dtype=np.float32) + start})},
        {"no truth type": dropped},
    )


def test_take_permutes_entries_and_their_objects():
    flat = table(3).take(np.array([2, 0]))
    assert flat.index["entry"].tolist() == [2, 0]
    assert flat.objects["pf"].columns["pt"].tolist() == [4, 5, 0, 1]


def test_slice_and_concatenate_are_inverse():
    flat = table(5)
    joined = FlatTuples.concatenate([flat.slice(0, 2), flat.slice(2, 5)])
    assert joined.index["entry"].tolist() == [0, 1, 2, 3, 4]
    assert joined.objects["pf"].offsets.tolist() == flat.objects["pf"].offsets.tolist()


def test_concatenate_adds_up_what_was_dropped():
    assert FlatTuples.concatenate([table(2, dropped=3), table(1, dropped=4)]).dropped == {"no truth type": 7}


def test_wrong_parts():
    with pytest.raises(InputError, match="nothing to join"):
        FlatTuples.concatenate([])
    other = FlatTuples({"entry": np.arange(1)}, {"y": np.zeros(1, np.float32)}, {})
    with pytest.raises(InputError, match="flat tables with different columns"):
        FlatTuples.concatenate([table(1), other])
    with pytest.raises(InputError, match="differ in length"):
        FlatTuples({"entry": np.arange(2)}, {"x": np.zeros(3, np.float32)}, {})
