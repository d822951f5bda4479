from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from taumltools.config.binned import (
    BinnedConfig,
    MergeStepConfig,
    SourceConfig,
    check_increasing,
    parse_requirement,
)
from taumltools.config.compose import CONFIG_DIR
from taumltools.errors import ConfigError
from taumltools.sampling.bins import Bins

TAU = {"file": "tau_.*"}


def option(name):
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(config_dir=str(CONFIG_DIR), version_base="1.3"):
        content = OmegaConf.to_container(compose(config_name=f"binned/{name}"), resolve=True)
    return TypeAdapter(BinnedConfig).validate_python(content["binned"])


def test_defaults_are_the_standard_bins():
    config = BinnedConfig()
    assert (len(config.pt_edges) - 1, len(config.eta_edges) - 1) == (30, 4)
    assert config.pt_edges[:10] == (20, 25, 30, 35, 40, 45, 50, 55, 60, 70)
    assert config.pt_edges[-3:] == (800, 900, 1000)
    assert 225 in config.pt_edges
    assert config.selection == ("tau_decayModeFindingNewDMs != 0", "abs(tau_dz) < 0.2")


def test_training_has_the_two_steps_of_the_recipe():
    config = option("training")
    first, second = (config.step(name) for name in config.steps)
    assert [*first.merged_files()] == [f"{t}_pt_20_eta_0.000" for t in ("e", "mu", "tau", "jet")]
    assert first.calc_weights
    assert first.max_bin_occupancy == 500_000
    assert len(Bins(first.pt_edges, first.eta_edges).names_of("tau")) == 120
    assert not second.calc_weights
    assert second.max_bin_occupancy is None
    # the outputs of the first step are the bins of the second
    names = {Bins(second.pt_edges, second.eta_edges).names_of(t)[0] for t in ("e", "mu", "tau", "jet")}
    assert names == set(first.merged_files())


def test_testing_makes_a_file_per_type():
    step = option("testing").step("testing")
    assert [*step.merged_files()] == ["e", "jet", "mu", "tau"]
    assert (step.max_bin_occupancy, step.ensure_uniformity, step.calc_weights) == (20_000, False, False)


def test_a_step_takes_edges_and_format_from_the_procedure():
    steps = {
        "own": MergeStepConfig(outputs={"x": {"a": TAU}}, pt_edges=(20, 1000), format="root"),
        "same": MergeStepConfig(outputs={"x": {"a": TAU}}),
    }
    config = BinnedConfig(pt_edges=(20, 50, 100), steps=steps)
    assert (config.step("own").pt_edges, config.step("own").format) == ((20, 1000), "root")
    assert (config.step("same").pt_edges, config.step("same").format) == ((20, 50, 100), "arrow")
    assert config.step("same").eta_edges == config.eta_edges
    with pytest.raises(ConfigError, match=r"no merge step 'third'.*own.*same"):
        config.step("third")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tau_pt > 20", ("tau_pt", False, ">", 20.0)),
        (" abs( tau_dz )<=2e-1 ", ("tau_dz", True, "<=", 0.2)),
        ("tau_charge != -1", ("tau_charge", False, "!=", -1.0)),
    ],
)
def test_requirements_are_understood(text, expected):
    assert parse_requirement(text) == expected


@pytest.mark.parametrize("text", ["tau_pt", "tau_pt = 20", "tau_pt > high", "abs(tau_dz < 0.2", "tau_dz) < 0.2", ""])
def test_what_is_no_requirement_is_refused(text):
    with pytest.raises(ValueError, match="is no requirement"):
        parse_requirement(text)
    with pytest.raises(ValidationError, match="is no requirement"):
        BinnedConfig(selection=(text,))


@pytest.mark.parametrize("edges", [(), (20,), (20, 20), (30, 20), (-1, 20), (20, float("inf"))])
def test_edges_must_increase(edges):
    with pytest.raises(ValueError, match="pt_edges needs two or more finite, strictly increasing edges"):
        check_increasing("pt_edges", edges)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"outputs": {}}, "name at least one"),
        ({"outputs": {"all": {}}}, "'all'.*have no source"),
        ({"outputs": {"all": {"a": TAU}}, "pt_edges": (3, 2)}, "strictly increasing"),
        ({"outputs": {"all": {"a": TAU}}, "disabled_branches": ("(",)}, "no regular expression"),
        ({"outputs": {"x": {"a": TAU}, "y": {"a": TAU}}, "mode": "MergePerEntry"}, "a name occurs twice"),
        ({"outputs": {"all": {"a": {"file": "*"}}}}, "no regular expression"),
        ({"outputs": {"all": {"a": {"file": "x", "weight": 0}}}}, "greater than 0"),
        ({"outputs": {"all": {"a": {"file": "x", "sample_type": "mc"}}}}, "'Data', 'MC' or 'Embedded'"),
        ({"outputs": {"all": {"a": TAU}}, "max_bin_occupancy": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_steps_are_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        MergeStepConfig(**wrong)


def test_sources_are_sorted_by_name():
    step = MergeStepConfig(outputs={"all": {"b": TAU, "a": TAU}})
    assert [*step.merged_files()["all"]] == ["a", "b"]
    assert step.outputs["all"]["a"] == SourceConfig(file="tau_.*", dir=".*", weight=1.0, sample_type=None)
