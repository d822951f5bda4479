from __future__ import annotations

import numpy as np
import pytest

from taumltools.errors import ConfigError
from taumltools.evaluation.columns import FLAG, branches_of, column_of
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.mock import mock_tuples


def test_value_is_that_of_the_first_marked_candidate():
    fields = {
        "tauLeadChargedHadrCand": np.array([0, 1, 0, 1, 1], np.int32),
        "pt": np.array([9.0, 5.0, 7.0, 3.0, 2.0], np.float32),
    }
    tuples = Tuples({"evt": np.arange(3)}, {"pfCand": Collection(np.array([0, 2, 3, 5]), fields)})
    values = column_of(tuples, "leading_pfCand_pt")
    np.testing.assert_array_equal(values, np.array([5, np.nan, 3], np.float32))
    assert values.dtype == np.float32


def test_plain_branches_stay_as_they_are():
    tuples = mock_tuples(20)
    assert column_of(tuples, "tau_decayMode") is tuples["tau_decayMode"]


def test_branches_of_mock_tuples_exist():
    tuples = mock_tuples(20)
    assert all(name in tuples for name in branches_of(["evt", "leading_pfCand_dz", "leading_pfCand_pt"]))
    assert branches_of(["leading_pfCand_dz", "leading_pfCand_pt"]).count(FLAG) == 1


def test_only_candidates_have_a_leading_one():
    with pytest.raises(ConfigError, match=r"evaluation\.columns: 'leading_muon_pt' is not a candidate branch"):
        branches_of(["leading_muon_pt"])
