"""Tau-level inputs against what the C++ loader of the CMS tools makes of the same file."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from keras import ops
from pydantic import TypeAdapter

from taumltools.config.features import FeaturesConfig
from taumltools.features.flat import make_flat, required_branches
from taumltools.training.layers import Scaling
from taumltools.tuples.io import open_tuples

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def config():
    return TypeAdapter(FeaturesConfig).validate_python(yaml.safe_load((DATA / "deeptau_v2p5_taus.yaml").read_text()))


@pytest.fixture(scope="module")
def reference():
    return json.loads((DATA / "deeptau_v2p5_taus.json").read_text())


@pytest.fixture(scope="module")
def flat(config):
    with open_tuples(DATA / "cms_tools" / "head" / "input" / "DY" / "eventTuple_1.root") as reader:
        return make_flat(reader.read(required_branches(config)), config, keep="all")


@pytest.fixture(scope="module")
def inputs(config, flat, reference):
    """Scaled features of the entries the loader kept."""
    constants = {}
    for name, item in config.taus.items():
        rule = item.scaling
        entry = {"mean": 0.0, "std": 1.0, "lim_min": -np.inf, "lim_max": np.inf}
        if rule.type == "linear":
            entry = {"mean": (rule.min + rule.max) / 2, "std": (rule.max - rule.min) / 2, "lim_min": -1, "lim_max": 1}
        elif rule.type == "normal":
            mean, std = reference["normal"][name]
            entry = {"mean": mean, "std": std, "lim_min": rule.lo, "lim_max": rule.hi}
        constants[name] = entry
    raw = np.stack([flat.taus[name] for name in config.taus], axis=1)[reference["entry"]]
    return ops.convert_to_numpy(Scaling.from_constants("taus", constants)(raw))


def test_every_feature_of_every_entry_agrees(config, inputs, reference):
    expected = np.array(reference["inputs"], np.float32)
    assert inputs.shape == expected.shape == (97, 43)
    wrong = ~np.isclose(inputs, expected, rtol=2e-5, atol=2e-5)
    assert {name: int(n) for name, n in zip(config.taus, wrong.sum(axis=0), strict=True) if n} == {}


def test_the_comparison_sees_both_defined_and_undefined_values(config, flat, reference):
    for name in ("tau_dxy", "tau_ip3d_sig", "tau_e_ratio"):
        defined = np.isfinite(flat.taus[name][reference["entry"]])
        assert defined.any()
        valid = flat.taus[f"{name.removesuffix('_sig')}_valid"][reference["entry"]]
        np.testing.assert_array_equal(valid > 0, defined)
