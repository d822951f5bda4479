from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from taumltools.config.compose import CONFIG_DIR
from taumltools.config.sampling import TYPE_NAMES, GroupConfig, SamplingConfig, SpectraConfig, check_edges
from taumltools.tuples.truth import TauType


def option(name):
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(config_dir=str(CONFIG_DIR), version_base="1.3"):
        content = OmegaConf.to_container(compose(config_name=f"sampling/{name}"), resolve=True)
    return TypeAdapter(SamplingConfig).validate_python(content["sampling"])


def test_options_compose():
    flat, tiny = option("flat"), option("tiny")
    assert flat.tau_ratio == {"e": 1, "mu": 1, "tau": 1, "jet": 1}
    assert flat.lastbin_takeall
    assert not flat.enable_emptybin
    assert tiny.enable_emptybin
    assert tiny.lastbin_disbalance == flat.lastbin_disbalance


@pytest.mark.parametrize("path", sorted((CONFIG_DIR / "sampling").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_option_is_valid(path):
    assert option(path.stem).n_jobs >= 1


def test_names_are_those_of_the_truth_types():
    assert tuple(t.name for t in TauType) == TYPE_NAMES


def test_lists_become_tuples():
    config = SamplingConfig(pt_edges=[20, 30], groups={"a": {"types": ["e", "mu", "tau", "jet"], "datasets": ["x"]}})
    assert config.pt_edges == (20.0, 30.0)
    assert config.groups["a"] == GroupConfig(types=("e", "mu", "tau", "jet"), datasets=("x",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pt_edges": [20]}, "pt_edges must have two or more strictly increasing edges"),
        ({"pt_edges": [20, 40, 40]}, "strictly increasing"),
        ({"pt_edges": [40, 20]}, "strictly increasing"),
        ({"pt_edges": [20, 20.5, 30]}, "pt_edges has 20.5, which is no edge of the fine binning"),
        ({"pt_edges": [10, 30]}, r"pt_edges has 10.*980 bins from 20 to 1000"),
        ({"eta_edges": [0, 2.6]}, "eta_edges has 2.6"),
        ({"eta_edges": [0, 0.605, 2]}, "choose a multiple of 0.01"),
        ({"tau_ratio": {}}, "names no truth type"),
        ({"tau_ratio": {"tau": 1, "jets": 1}}, r"unknown truth types \['jets'\]"),
        ({"tau_ratio": {"tau": -2}}, "ratio of 'tau' is -2; use a positive number, or -1"),
        ({"tau_ratio": {"tau": 0}}, "ratio of 'tau' is 0"),
        ({"groups": {"a": {"types": []}}}, "names no truth type"),
        ({"groups": {"a": {"types": ["e", "e"]}}}, "listed twice"),
        ({"groups": {"a": {"types": ["quark"]}}}, "unknown truth types"),
        ({"tau_ratio": {"tau": 1}, "groups": {"a": {"types": ["tau", "e"]}}}, r"groups list the types \['e'\]"),
        ({"groups": {"a": {"types": ["tau"]}}}, r"tau_ratio lists the types \['e', 'jet', 'mu'\], no group does"),
        ({"format": "hdf5"}, "'arrow' or 'root'"),
        ({"disabled_branches": ["photon_("]}, "no regular expression"),
        ({"lastbin_disbalance": 0}, "greater than 0"),
        ({"lastbin_takeall": True, "pt_edges": [20, 1000]}, "lastbin_takeall needs two pt bins"),
        ({"n_jobs": 0}, "greater than or equal to 1"),
        ({"memory_mb": 0}, "greater than 0"),
        ({"seeds": 1}, "Unexpected keyword argument"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"parity": 2}, "Input should be 0, 1 or 3"),
        ({"mode": "Merge"}, "'MergeAll' or 'MergePerEntry'"),
        ({"method": "random"}, "'spectral', 'quota' or 'weight'"),
        ({"method": "quota", "refill_spectrum": True}, "'quota' takes its numbers from the whole sample"),
        ({"overflow_job": True}, "overflow_job belongs to rng: legacy"),
        ({"rng": "legacy"}, "keeps duplicates; set duplicates: keep"),
        ({"rng": "legacy", "duplicates": "keep", "method": "weight"}, "has no method 'weight'; use spectral"),
        ({"groups": {"a": {"types": ["e"], "files": "("}}}, r"'\(' is no regular expression"),
        ({"groups": {"a": {"types": ["e"], "datasets": ["*"]}}}, r"'\*' is no regular expression"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(ValidationError, match=message):
        SamplingConfig(**changes)


@pytest.mark.parametrize("limits", [(20, 20), (30, 20), (-1, 5), (0, float("inf")), (float("nan"), 1)])
def test_wrong_fine_binning(limits):
    with pytest.raises(ValidationError, match="0 <= low < high"):
        SpectraConfig(pt_range=limits)


def test_take_all_is_a_valid_ratio():
    assert SamplingConfig(tau_ratio={"tau": -1}).tau_ratio == {"tau": -1}


@pytest.mark.parametrize("edges", [(20, 1000), (20, 21), (500, 999, 1000)])
def test_edges_on_the_fine_binning(edges):
    check_edges("pt_edges", edges, 980, (20, 1000))


def test_edges_of_decimal_width():
    """0.1 * 3 is not 0.3 in binary; edges are compared with a tolerance far below a bin."""
    check_edges("eta_edges", tuple(0.1 * i for i in range(25)), 250, (0, 2.5))
