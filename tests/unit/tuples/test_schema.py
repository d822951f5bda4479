from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.tuples.schema import FLOAT_MISSING, INT_MISSING, tautuple_schema

HEAD_DY = Path(__file__).parents[2] / "data/cms_tools/head/input/DY/eventTuple_1.root"
SCHEMA = tautuple_schema()


def test_census_of_types():
    scalars = Counter(str(b.dtype) for b in SCHEMA.scalars.values())
    vectors = Counter(str(b.dtype) for b in SCHEMA.branches.values() if b.collection)
    assert scalars == {"float32": 178, "int32": 59, "uint16": 22, "uint32": 3, "uint64": 3, "float64": 3}
    assert vectors == {"float32": 293, "int32": 145, "uint32": 2, "bool": 2, "int64": 1}


def test_schema_is_that_of_the_cms_tools():
    with uproot.open(HEAD_DY) as file:
        names = file["taus"].typenames()
    assert list(SCHEMA.branches) == list(names)
    for name, branch in SCHEMA.branches.items():
        assert names[name].startswith("std::vector") == bool(branch.collection), name


@pytest.mark.parametrize(("year", "branches"), [("2025", 711), ("2022", 567), ("2021", 552), ("2020", 265)])
def test_generations(year, branches):
    assert sum(year in b.generations for b in SCHEMA.branches.values()) == branches


def test_missing_values():
    assert SCHEMA["tau_pt"].missing == FLOAT_MISSING == np.float32(-3.4028234663852886e38)
    assert SCHEMA["jet_partonFlavour"].missing == INT_MISSING == -2147483648
    assert SCHEMA["tau_index"].missing == -1
    assert SCHEMA["dataset_id"].missing == 2**64 - 1
    assert SCHEMA["tau_byDeepTau2018v2p5VSjet"].missing == 0


def test_collections_partition_the_jagged_branches():
    listed = [b.name for fields in SCHEMA.collections.values() for b in fields.values()]
    assert sorted([*listed, *SCHEMA.scalars]) == sorted(SCHEMA.branches)
    for prefix, fields in SCHEMA.collections.items():
        assert all(f"{prefix}_{field}" == b.name for field, b in fields.items())


def test_every_branch_is_described():
    assert all(b.description and b.group for b in SCHEMA.branches.values())
