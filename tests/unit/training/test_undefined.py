import logging

import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.training import undefined as module
from taumltools.training.batches import Samples
from taumltools.training.layout import InputLayout
from taumltools.training.undefined import check_values, undefined_fractions


@pytest.fixture
def samples(grid_flat, grid_features):
    return Samples.of(grid_flat, InputLayout.of(grid_features, "cells"))


@pytest.mark.parametrize("chunk", [7, 10_000])
def test_fractions_are_per_feature_of_each_block(samples, monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    samples.taus[:70, 1] = np.nan
    samples.objects["pf"].rows[::2, 0] = np.nan
    samples.cell_features[:] = np.nan
    found = undefined_fractions(samples)
    assert found["taus.tau_eta"] == pytest.approx(0.1)
    assert found["pf.pt"] == pytest.approx(0.5, abs=1e-3)
    assert found["cell_features.rho"] == 1
    assert found["taus.iso"] == found["pf.kind"] == found["ele.e"] == 0


def test_features_that_are_never_defined_are_reported(samples, caplog):
    samples.objects["ele"].rows[:] = np.nan
    with caplog.at_level(logging.INFO):
        check_values(samples)
    assert "never defined in this sample, and so constant for the network: ele.e" in caplog.text


def test_infinite_values_are_refused_unless_the_features_keep_them(samples):
    samples.objects["pf"].rows[3, 1] = -np.inf
    with pytest.raises(InputError, match=r"infinite values, by feature: \{'pf.kind': 1\}"):
        check_values(samples)
    check_values(samples, infinite=True)


def test_blocks_without_objects_are_left_out(samples):
    none = samples.select(np.flatnonzero(np.diff(samples.objects["ele"].offsets) == 0))
    assert "ele.e" not in undefined_fractions(none)
